//! Names and strings as SQL writes them.
//!
//! Everything else in this room builds SQL only from constants, numbers and the first two functions. What
//! they return may end up in a script for `psql`, and holds no backslash, whatever went in.
//!
//! Why that matters: outside of quotes, a backslash in a script is a command of psql's own, and `\!` runs a
//! program on this machine. Where a quote ends is decided by psql, after what the *server* says of its
//! client_encoding and standard_conforming_strings; a hostile server lies, so that a quote that was sent
//! ends nothing, and the next name stands outside of quotes. No quoting is safe from that. A script without
//! a backslash is: nothing in it can be a command. psql runs one only after checking that (`tools::psql`), and without
//! the variables in which the server's own words are: outside of quotes they would be read too.

use std::fmt::{Display, Write as _};

/// PostgreSQL's limit for a name, in bytes: it cuts off the rest.
pub const LONGEST_NAME: usize = 63;

/// Stands for a character by its code, in place of the backslash that SQL would use.
const ESCAPE: char = '!';

/// Quotes an identifier: always with double quotes, so that case and keywords need no thought.
///
/// The result holds no backslash.
pub fn identifier(name: &str) -> String {
    quoted(name, '"')
}

/// Quotes a string literal, for a session with `standard_conforming_strings`.
///
/// The result holds no backslash.
pub fn literal(text: &str) -> String {
    quoted(text, '\'')
}

/// A block of PL/pgSQL, as a literal: a name in it may hold `$$`, or any other dollar quote.
///
/// The result holds no backslash if the block has none but in what the functions above return.
pub fn block(body: &str) -> String {
    format!("DO {};\n", literal(body))
}

fn quoted(text: &str, quote: char) -> String {
    let doubled = text.replace(quote, &format!("{quote}{quote}"));
    if !text.contains('\\') {
        return format!("{quote}{doubled}{quote}");
    }
    let escaped = doubled.replace(ESCAPE, "!!").replace('\\', "!005C");
    format!("U&{quote}{escaped}{quote} UESCAPE '{ESCAPE}'")
}

/// These, with a comma between each two.
pub fn list(all: impl IntoIterator<Item = impl Display>) -> String {
    let mut list = String::new();
    for (at, one) in all.into_iter().enumerate() {
        let _ = write!(list, "{}{one}", if at == 0 { "" } else { "," });
    }
    list
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identifiers_keep_case_and_quotes() {
        assert_eq!(identifier("app"), r#""app""#);
        assert_eq!(identifier("My \"App\""), r#""My ""App""""#);
        assert_eq!(identifier(""), r#""""#);
        assert_eq!(identifier("a\\b!"), r#"U&"a!005Cb!!" UESCAPE '!'"#);
    }

    #[test]
    fn literals_double_quotes_and_hold_no_backslash() {
        assert_eq!(literal("O'Brien!"), "'O''Brien!'");
        assert_eq!(literal(r"a\b!c"), "U&'a!005Cb!!c' UESCAPE '!'");
        assert_eq!(literal(r"\'; DROP"), "U&'!005C''; DROP' UESCAPE '!'");
    }

    #[test]
    fn no_name_ends_a_block() {
        assert_eq!(
            block(&format!("BEGIN PERFORM {}; END", literal("a$$b'"))),
            r"DO 'BEGIN PERFORM ''a$$b''''''; END';".to_owned() + "\n"
        );
    }

    proptest! {
        #[test]
        fn whatever_the_text_no_backslash_is_left(text in "[a!'\"\\\\\\n]{0,9}") {
            prop_assert!(!literal(&text).contains('\\') && !identifier(&text).contains('\\'));
        }
    }
}
