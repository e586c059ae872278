//! Text from outside, made harmless for a terminal and for a shell: names, labels, what servers and stores answer.
//!
//! An escape sequence in a name could clear the screen, change what was printed before, or make a terminal answer.
//! Only what people see is changed; a JSON document keeps every character, escaped.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a terminal may do something else with this character than show it.
fn is_active(c: char) -> bool {
    let directs = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && !matches!(c, '\n' | '\t')) || directs
}

/// The text with every active character as its escape, `\u{1b}`; newlines and tabs stay.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return text.into();
    }
    let mut harmless = String::with_capacity(text.len() + 16);
    for c in text.replace("\r\n", "\n").chars() {
        if is_active(c) { harmless.extend(c.escape_unicode()) } else { harmless.push(c) }
    }
    harmless.into()
}

/// The same for one sentence: if it has several lines, those after the first are indented, so that none of them
/// looks like a sentence of pgstow's own.
pub fn sentence(text: &str) -> String {
    harmless(text.trim_end()).replace('\n', "\n    ")
}

/// The same for what belongs into one line, such as a label in a table: newlines and tabs are escaped too.
pub fn one_line(text: &str) -> String {
    harmless(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// A JSON document whose strings have every active character escaped; its values stay the same.
pub fn json(document: &str) -> Cow<'_, str> {
    if !document.contains(is_active) {
        return document.into();
    }
    let mut escaped = String::with_capacity(document.len() + 16);
    for c in document.chars() {
        if is_active(c) {
            // All of them are below U+10000.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped.into()
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
    fn what_a_terminal_would_act_on_is_escaped() {
        for (text, seen) in [
            ("app", "app"),
            ("größe 表 🐘\n\tx", "größe 表 🐘\n\tx"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\rb\u{8}\u{7f}\0", "a\\u{d}b\\u{8}\\u{7f}\\u{0}"),
            ("one\r\ntwo", "one\ntwo"),
            ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
            ("\u{202e}cod.exe\u{2066}\u{2069}", "\\u{202e}cod.exe\\u{2066}\\u{2069}"),
        ] {
            assert_eq!(harmless(text), seen);
            assert!(!harmless(text).contains(is_active));
        }
    }

    #[test]
    fn no_line_from_outside_looks_like_our_own() {
        assert_eq!(sentence("no\nerror: all is lost\n"), "no\n    error: all is lost");
        assert_eq!(one_line("a\n\tb\u{1b}"), "a\\n\\tb\\u{1b}");
    }

    #[test]
    fn a_document_keeps_its_values() {
        let value = serde_json::json!({ "name": "a\u{1b}\u{9b}\u{202e}\u{7f}\nb" });
        let document = serde_json::to_string_pretty(&value).unwrap();
        let escaped = json(&document);
        assert!(!escaped.contains(is_active), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
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
}
