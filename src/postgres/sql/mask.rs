//! Statements as they may be shown: without what stands in their strings.
//!
//! A statement of somebody's database may hold a password (a user mapping's, a subscription's) or a row.
//! Such things stand in string literals, so no literal is shown, whatever the statement.

/// What is written instead of a literal's content.
const HIDDEN: &str = "…";

/// Returns the statement on one line, with the content of every string literal hidden and comments left out.
///
/// It is careful where it cannot be sure: whatever follows a literal that does not end is hidden too, and
/// so is what follows a backslash before a quote, which ends a literal only with
/// `standard_conforming_strings`.
pub fn masked(statement: &str) -> String {
    let mut masked = String::with_capacity(statement.len());
    let mut rest = statement;
    while let Some(first) = rest.chars().next() {
        let taken = if let Some(after) = rest.strip_prefix('\'') {
            let escapes = masked.ends_with(['E', 'e']) && !is_in_word(&masked);
            masked.push_str(&format!("'{HIDDEN}"));
            match end_of_literal(after, escapes) {
                Some(end) => {
                    masked.push('\'');
                    end + 2
                }
                None => rest.len(),
            }
        } else if let Some(tag) = dollar_tag(rest).filter(|_| !ends_in_word(&masked)) {
            masked.push_str(&format!("${HIDDEN}"));
            let body = rest.get(tag.len()..).unwrap_or_default();
            match body.find(tag) {
                Some(end) => {
                    masked.push('$');
                    end + 2 * tag.len()
                }
                None => rest.len(),
            }
        } else if rest.starts_with('"') {
            let inside = rest.get(1..).unwrap_or_default();
            let length = inside.find('"').map_or(rest.len(), |end| end + 2);
            masked.push_str(rest.get(..length).unwrap_or_default());
            length
        } else if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            // One comment inside another ends the outer one early; its rest is taken for statement.
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first.is_whitespace() {
            if !masked.is_empty() && !masked.ends_with(' ') {
                masked.push(' ');
            }
            first.len_utf8()
        } else {
            masked.push(first);
            first.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    masked.truncate(masked.trim_end().len());
    masked
}

/// Where the quote stands that ends the literal; `None` where that is not certain.
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
            ("ALTER ROLE \"o'n\"\"e\" PASSWORD 's3cret'", "ALTER ROLE \"o'n\"\"e\" PASSWORD '…'"),
        ] {
            assert_eq!(masked(statement), shown, "{statement}");
            assert!(!masked(statement).contains("s3cret"));
        }
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
