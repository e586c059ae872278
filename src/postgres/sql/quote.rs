//! Names and strings as SQL writes them.
//!
//! Everything else in this folder builds SQL only from constants and the first two.

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

/// Makes one word of a text for a shell, in a command that somebody is to copy.
pub fn shell_word(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "._-/:,@%+=".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
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
    fn a_shell_hears_one_word() {
        for text in ["app_before_20261121_054500", "it's $HOME", "", "a b", "\\n`x`", "-"] {
            let script = format!("printf %s {}", shell_word(text));
            let said = std::process::Command::new("sh").args(["-c", &script]).output();
            assert_eq!(String::from_utf8(said.unwrap().stdout).unwrap(), text);
        }
        assert_eq!(shell_word("app"), "app");
    }

    #[test]
    fn literals_escape_quotes_and_backslashes() {
        assert_eq!(literal("O'Brien"), "'O''Brien'");
        assert_eq!(literal(r"a\b"), r"E'a\\b'");
        assert_eq!(literal(r"\'; DROP"), r"E'\\''; DROP'");
    }
}
