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

/// A name in small letters.
pub(super) struct Name {
    /// Without a schema.
    pub alone: Vec<u8>,
    /// With the schema and a dot before it, if one is known.
    pub qualified: Option<Vec<u8>>,
}

impl Name {
    pub fn new(schema: Option<&[u8]>, name: &[u8]) -> Self {
        let qualified = schema.map(|schema| [schema, b".", name].concat().to_ascii_lowercase());
        Self { alone: name.to_ascii_lowercase(), qualified }
    }
}

/// The names in a text in whatever language, each with what stands before it and a dot.
pub(super) fn named(text: &[u8]) -> impl Iterator<Item = Name> {
    let plain = pieces(text, |byte| !is_in_names(byte));
    let quoted = pieces(text, |byte| byte == b'"').skip(1);
    let names = plain.chain(quoted).filter(|(_, name)| !name.is_empty());
    names.map(|(before, name)| {
        let before = before.strip_suffix(b"\"").unwrap_or(before);
        Name::new(before.strip_suffix(b".").and_then(last_name), name)
    })
}

/// The pieces of a text between such bytes, each with all that is before it.
fn pieces(text: &[u8], is_between: impl Fn(u8) -> bool) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut start = 0;
    text.split(move |byte| is_between(*byte)).map(move |piece| {
        let before = text.get(..start).unwrap_or_default();
        start += piece.len() + 1;
        (before, piece)
    })
}

/// The name at the end of a text.
fn last_name(text: &[u8]) -> Option<&[u8]> {
    let name = match text.strip_suffix(b"\"") {
        Some(quoted) => quoted.rsplit(|byte| *byte == b'"').next()?,
        None => text.rsplit(|byte| !is_in_names(*byte)).next()?,
    };
    (!name.is_empty()).then_some(name)
}

/// The names that are called in a text in whatever language, in small letters.
pub(super) fn called(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    memchr::memchr_iter(b'(', text)
        .filter_map(|at| last_name(text.get(..at)?.trim_ascii_end()).map(<[u8]>::to_ascii_lowercase))
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

    #[test]
    fn a_schema_stands_before_a_dot() {
        let text = b"S1.t, \"S-2\".\"a b\", s3.\"c d\" || '%I.e' || '.f' s4. g";
        let qualified = named(text).filter_map(|name| name.qualified);
        let qualified: Vec<_> = qualified.map(|name| String::from_utf8(name).unwrap()).collect();
        assert_eq!(qualified, ["s1.t", "s-2.a", "s3.c", "i.e", "s-2.a b", "s3.c d"]);
    }
}
