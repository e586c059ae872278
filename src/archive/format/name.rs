//! The name of a table, view or sequence, as it is shown and as it is typed.

use std::fmt::Write;

/// A name in the dump's encoding, which need not be UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableName<'a> {
    /// The schema; empty if it is in none.
    pub schema: &'a [u8],
    /// The name itself.
    pub name: &'a [u8],
}

impl TableName<'_> {
    /// The name to show: `public.orders`. What is not UTF-8 is replaced and control characters are escaped.
    pub fn label(&self) -> String {
        let [schema, name] = [self.schema, self.name].map(String::from_utf8_lossy);
        if schema.is_empty() { printable(&name) } else { printable(&format!("{schema}.{name}")) }
    }

    /// The name as a [`Pattern`](crate::archive::Pattern) that matches it: `public."Order s"`. Control
    /// characters, which cannot be typed, are `?` there, which matches any character.
    pub fn pattern(&self) -> String {
        let mut pattern = String::new();
        if !self.schema.is_empty() {
            write_word(&mut pattern, self.schema);
            pattern.push('.');
        }
        write_word(&mut pattern, self.name);
        pattern
    }
}

/// A text with its control characters escaped, fit to be printed.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { printable.extend(c.escape_default()) } else { printable.push(c) }
    }
    printable
}

/// The characters of a name; each byte is one if the name is not UTF-8, as in Latin 1.
pub fn characters(name: &[u8]) -> Vec<char> {
    std::str::from_utf8(name)
        .map_or_else(|_| name.iter().copied().map(char::from).collect(), |text| text.chars().collect())
}

fn write_word(pattern: &mut String, name: &[u8]) {
    let characters = characters(name);
    let plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_' || !c.is_ascii();
    if characters.iter().all(|c| plain(c) && !c.is_control()) {
        pattern.extend(characters);
        return;
    }
    pattern.push('"');
    for c in characters {
        // Writing into memory cannot fail.
        let _ = match c {
            '"' => write!(pattern, "\"\""),
            c if c.is_control() => write!(pattern, "\"?\""),
            c => write!(pattern, "{c}"),
        };
    }
    pattern.push('"');
}
