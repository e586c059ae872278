//! Names in texts that nobody parses: the bodies of functions, in whatever language.

use crate::archive::format::entry::TocEntry;

/// A function's name, without its arguments.
pub(super) fn function_name(entry: &TocEntry) -> &[u8] {
    let tag = entry.tag().unwrap_or_default();
    match tag.strip_prefix(b"\"") {
        Some(rest) => rest.split(|byte| *byte == b'"').next().unwrap_or_default(),
        None => tag.split(|byte| *byte == b'(').next().unwrap_or_default(),
    }
}

/// Whether it may be a part of a name without quotes.
fn is_in_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// The names in a text in whatever language, in small letters.
pub(super) fn names(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let names = text.split(|byte| !is_in_names(*byte)).filter(|name| !name.is_empty());
    names.map(<[u8]>::to_ascii_lowercase)
}

/// The names in double quotes in a text, in small letters.
pub(super) fn quoted(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    text.split(|byte| *byte == b'"').skip(1).map(<[u8]>::to_ascii_lowercase)
}

/// The names that are called in a text in whatever language, in small letters.
pub(super) fn called(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    memchr::memchr_iter(b'(', text).filter_map(|at| {
        let before = text.get(..at)?.trim_ascii_end();
        let name = match before.strip_suffix(b"\"") {
            Some(quoted) => quoted.rsplit(|byte| *byte == b'"').next()?,
            None => before.rsplit(|byte| !is_in_names(*byte)).next()?,
        };
        (!name.is_empty()).then(|| name.to_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_stands_before_a_parenthesis() {
        let text = b"CREATE FUNCTION mb.ok(text) AS $$select padded ($1), \"Is it\"(x.y), 1 + (2 * z), pg_temp.\"F\"() $$";
        let called: Vec<_> = called(text).map(|name| String::from_utf8(name).unwrap()).collect();
        assert_eq!(called, ["ok", "padded", "is it", "f"]);
    }
}
