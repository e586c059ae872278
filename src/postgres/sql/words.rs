//! The words of SQL as PostgreSQL's own tools write it, to be looked for what one knows.
//!
//! Tolerant of anything: whoever reads decides what is understood.

/// A word of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A keyword, an unquoted name, or one character of punctuation.
    Bare(String),
    /// A quoted identifier, unquoted.
    Name(String),
    /// A literal, unquoted.
    Literal(String),
}

impl Word {
    /// Whether it is this keyword or sign; `pg_dump` writes keywords in capitals.
    pub fn is(&self, keyword: &str) -> bool {
        matches!(self, Word::Bare(word) if word == keyword)
    }

    /// The identifier it is.
    pub fn name(&self) -> Option<&str> {
        match self {
            Word::Bare(name) | Word::Name(name) => Some(name),
            Word::Literal(_) => None,
        }
    }
}

/// Splits text into words; comments and `psql`'s own commands are passed over.
pub fn words(text: &str) -> Vec<Word> {
    split(text).0
}

/// The words of a text, and whether it holds commands of `psql`'s own.
pub(super) fn split(text: &str) -> (Vec<Word>, bool) {
    let (mut words, mut has_commands) = (Vec::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\'' || c == '"' {
            // pg_dump writes E'…' where a literal holds a backslash, and only there.
            let escapes = c == '\'' && words.pop_if(|word: &mut Word| word.is("E")).is_some();
            let mut text = String::new();
            while let Some(inner) = chars.next() {
                if inner == c && chars.next_if_eq(&c).is_none() {
                    break;
                }
                if inner == '\\' && escapes {
                    text.extend(chars.next());
                } else {
                    text.push(inner);
                }
            }
            words.push(if c == '"' { Word::Name(text) } else { Word::Literal(text) });
        } else if c.is_alphanumeric() || c == '_' {
            let mut text = String::from(c);
            while let Some(more) =
                chars.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '$'))
            {
                text.push(more);
            }
            words.push(Word::Bare(text));
        } else if c == '\\' || (c == '-' && chars.peek() == Some(&'-')) {
            has_commands |= c == '\\';
            while chars.next_if(|c| *c != '\n').is_some() {}
        } else if !c.is_whitespace() {
            words.push(Word::Bare(c.into()));
        }
    }
    (words, has_commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_comments_and_commands() {
        let text =
            "\\restrict abc; def\n-- a; comment\nSET \"a;b\" TO E'x\\\\y''z', 'w\n-- no comment'; -- end";
        let (bare, name, literal) = (
            |text: &str| Word::Bare(text.into()),
            |text: &str| Word::Name(text.into()),
            |text: &str| Word::Literal(text.into()),
        );
        let expected = [
            bare("SET"),
            name("a;b"),
            bare("TO"),
            literal("x\\y'z"),
            bare(","),
            literal("w\n-- no comment"),
            bare(";"),
        ];
        assert_eq!(words(text), expected);
    }
}
