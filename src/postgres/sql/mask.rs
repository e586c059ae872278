//! Statements as they may be shown: without the content of their strings.
//!
//! A statement of somebody's database may hold a password (a user mapping's, a subscription's) or a row.
//! Those are in string literals, so no literal of any statement is shown.

/// Shown instead of a literal's content.
const HIDDEN: &str = "…";

/// Returns the statement on one line, with the content of every string literal hidden and comments left out.
///
/// If in doubt, it hides: whatever follows a literal that does not end, and whatever follows a backslash
/// before a quote, which ends a literal only with `standard_conforming_strings`.
pub fn masked(statement: &str) -> String {
    let mut masked = String::with_capacity(statement.len());
    let mut rest = statement;
    while let Some(first) = rest.chars().next() {
        let taken = if let Some((length, shown)) = literal(rest, &masked) {
            masked.push_str(&shown);
            length
        } else if let Some(length) = comment(rest) {
            length
        } else if first == '"' {
            let length = rest.get(1..).unwrap_or_default().find('"').map_or(rest.len(), |end| end + 2);
            masked.push_str(rest.get(..length).unwrap_or_default());
            length
        } else {
            // Lines become one.
            if !first.is_whitespace() {
                masked.push(first);
            } else if !masked.is_empty() && !masked.ends_with(' ') {
                masked.push(' ');
            }
            first.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    masked.truncate(masked.trim_end().len());
    masked
}

/// The same for a text with statements in it, in quotes of any kind: every literal is hidden, all else stays.
pub fn masked_within(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, shown) = literal(rest, &masked).unwrap_or_else(|| (first.len_utf8(), first.to_string()));
        masked.push_str(&shown);
        rest = rest.get(length..).unwrap_or_default();
    }
    masked
}

/// If a literal begins here: its length, and what is shown for it.
fn literal(text: &str, before: &str) -> Option<(usize, String)> {
    if let Some(inside) = text.strip_prefix('\'') {
        let escapes = before.ends_with(['E', 'e']) && !is_in_word(before);
        return Some(match end_of_literal(inside, escapes) {
            Some(end) => (end + 2, format!("'{HIDDEN}'")),
            None => (text.len(), format!("'{HIDDEN}")),
        });
    }
    let tag = dollar_tag(text).filter(|_| !ends_in_word(before))?;
    let body = text.get(tag.len()..).unwrap_or_default();
    Some(match body.find(tag) {
        Some(end) => (end + 2 * tag.len(), format!("${HIDDEN}$")),
        None => (text.len(), format!("${HIDDEN}")),
    })
}

/// If a comment begins here, its length; comments may be within comments.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("--") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    text.strip_prefix("/*")?;
    let mut depth = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        match (c, next) {
            ('/', Some('*')) => depth += 1,
            ('*', Some('/')) => depth -= 1,
            _ => continue,
        }
        chars.next();
        if depth == 0 {
            return Some(at + 2);
        }
    }
    Some(text.len())
}

/// The position of the quote that ends the literal; `None` if that is not certain.
fn end_of_literal(text: &str, escapes: bool) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if escapes => {
                chars.next();
            }
            '\\' if chars.peek().is_some_and(|(_, next)| *next == '\'') => return None,
            '\'' if chars.next_if(|(_, next)| *next == '\'').is_none() => return Some(at),
            _ => {}
        }
    }
    None
}

/// The `$tag$` that a dollar-quoted literal begins with.
fn dollar_tag(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('$')?;
    let length = inside.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    let tag = inside.get(..length)?;
    let is_tag = inside.get(length..)?.starts_with('$') && !tag.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| text.get(..length + 2)).flatten()
}

/// Whether the last character belongs to a name or a number.
fn ends_in_word(text: &str) -> bool {
    text.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$'))
}

/// Whether the last character is not the first of its word.
fn is_in_word(text: &str) -> bool {
    let mut before = text.chars();
    before.next_back();
    ends_in_word(before.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literals_are_hidden_and_all_else_is_shown() {
        for (statement, shown) in [
            (
                "CREATE INDEX i ON public.t USING btree (public.slug(title));\n\n",
                "CREATE INDEX i ON public.t USING btree (public.slug(title));",
            ),
            (
                "CREATE USER MAPPING FOR app SERVER s OPTIONS (\n    \"user\" 'me',\n    password 's3''cret'\n);",
                "CREATE USER MAPPING FOR app SERVER s OPTIONS ( \"user\" '…', password '…' );",
            ),
            ("SELECT E'a\\'s3cret', 'b'", "SELECT E'…', '…'"),
            ("SELECT e'a''s3cret\\\\', b", "SELECT e'…', b"),
            ("SELECT name'a\\' s3cret', b", "SELECT name'…"),
            ("DO $$ s3cret '$' $$; SELECT $1", "DO $…$; SELECT $1"),
            ("DO $a$ s3cret $$ $b$ $a$;", "DO $…$;"),
            ("SELECT a$b$c FROM t", "SELECT a$b$c FROM t"),
            ("SELECT 'open s3cret", "SELECT '…"),
            ("SELECT $x$ open s3cret", "SELECT $…"),
            ("SELECT 1 -- s3cret '\n, /* s3cret */ 2", "SELECT 1 , 2"),
            ("SELECT /* a /* s3cret */ it's */ 's3cret', 1", "SELECT '…', 1"),
            ("SELECT /*/ 's3cret", "SELECT"),
            ("ALTER ROLE \"o'n\"\"e\" PASSWORD 's3cret'", "ALTER ROLE \"o'n\"\"e\" PASSWORD '…'"),
        ] {
            assert_eq!(masked(statement), shown, "{statement}");
            assert!(!masked(statement).contains("s3cret"));
        }
    }

    #[test]
    fn literals_within_other_texts_are_hidden() {
        let text = "SQL statement \"SELECT 's3cret', \"a\"\"\nPL/pgSQL function f() line 1";
        let shown = "SQL statement \"SELECT '…', \"a\"\"\nPL/pgSQL function f() line 1";
        assert_eq!(masked_within(text), shown);
        assert_eq!(masked_within("SQL-Anweisung »SELECT $$s3cret$$, 'x"), "SQL-Anweisung »SELECT $…$, '…");
    }

    proptest! {
        #[test]
        fn whatever_the_text_a_literal_after_it_is_hidden(before in "[a-z \"]{0,5}", inside in "[A-Z\\\\$\"]{0,9}") {
            let statement = format!("{} 'x{inside}s3cret", before.replace('"', "\"\""));
            prop_assert!(!masked(&statement).contains("s3cret"), "{statement}");
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let _ = masked(&text);
        }
    }
}
