//! Names and strings as SQL writes them.
//!
//! Everything else in this folder builds SQL only from constants and these two.

/// Quotes an identifier: always with double quotes, so that case and keywords need no thought.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string literal.
///
/// A backslash makes it an `E''` literal, which means the same whatever
/// `standard_conforming_strings` says.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_keep_case_and_quotes() {
        assert_eq!(identifier("app"), r#""app""#);
        assert_eq!(identifier("My \"App\""), r#""My ""App""""#);
        assert_eq!(identifier(""), r#""""#);
    }

    #[test]
    fn literals_escape_quotes_and_backslashes() {
        assert_eq!(literal("O'Brien"), "'O''Brien'");
        assert_eq!(literal(r"a\b"), r"E'a\\b'");
        assert_eq!(literal(r"\'; DROP"), r"E'\\''; DROP'");
    }
}
