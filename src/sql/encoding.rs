//! Text of a dump as characters. Its encoding is the database's, unless somebody chose another one; it need not be UTF-8.

use encoding_rs::{Encoding, mem::decode_latin1};
use std::borrow::Cow;

/// What these bytes mean in the encoding that PostgreSQL calls so; `None` if they are no text in it, or it is not known here.
pub fn decoded<'a>(bytes: &'a [u8], postgres: &str) -> Option<Cow<'a, str>> {
    match postgres {
        // In SQL_ASCII bytes have no meaning, and most of them are UTF-8.
        "UTF8" | "SQL_ASCII" => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        // What the web calls so has other characters.
        "LATIN1" => Some(decode_latin1(bytes)),
        _ => match known_encoding(postgres) {
            Some(known) => known.decode_without_bom_handling_and_without_replacement(bytes),
            None => bytes.is_ascii().then(|| String::from_utf8_lossy(bytes)),
        },
    }
}

/// The same of what all databases of a server share: roles, and what is said of a database. It has the bytes of the session that
/// wrote it, which is in another database as a rule, and UTF-8.
pub fn decoded_of_server<'a>(bytes: &'a [u8], postgres: &str) -> Option<Cow<'a, str>> {
    std::str::from_utf8(bytes).ok().map(Cow::Borrowed).or_else(|| decoded(bytes, postgres))
}

/// An encoding by PostgreSQL's name for it; `None` for UTF-8, and for what is not known here.
pub fn known_encoding(postgres: &str) -> Option<&'static Encoding> {
    let label = match postgres {
        "EUC_JP" | "EUC_JIS_2004" => "euc-jp",
        "SJIS" | "SHIFT_JIS_2004" => "shift_jis",
        "EUC_CN" | "GBK" => "gbk",
        "EUC_KR" | "UHC" => "euc-kr",
        "GB18030" => "gb18030",
        "BIG5" => "big5",
        "LATIN1" => "iso-8859-1",
        "LATIN2" => "iso-8859-2",
        "LATIN3" => "iso-8859-3",
        "LATIN4" => "iso-8859-4",
        "LATIN5" => "iso-8859-9",
        "LATIN6" => "iso-8859-10",
        "LATIN7" => "iso-8859-13",
        "LATIN8" => "iso-8859-14",
        "LATIN9" => "iso-8859-15",
        "LATIN10" => "iso-8859-16",
        "ISO_8859_5" => "iso-8859-5",
        "ISO_8859_6" => "iso-8859-6",
        "ISO_8859_7" => "iso-8859-7",
        "ISO_8859_8" => "iso-8859-8",
        "KOI8R" => "koi8-r",
        "KOI8U" => "koi8-u",
        "WIN866" => "ibm866",
        "WIN874" => "windows-874",
        windows => {
            return Encoding::for_label(format!("windows-{}", windows.strip_prefix("WIN")?).as_bytes());
        }
    };
    Encoding::for_label(label.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_known_by_postgresqls_names() {
        for all in ["LATIN1", "LATIN10", "KOI8U", "ISO_8859_8", "WIN866", "WIN1258", "EUC_KR", "GB18030"] {
            assert!(known_encoding(all).is_some(), "{all}");
        }
        for none in ["UTF8", "SQL_ASCII", "MULE_INTERNAL", "EUC_TW", "WINNER"] {
            assert!(known_encoding(none).is_none(), "{none}");
        }
    }

    #[test]
    fn text_is_read_in_its_encoding_or_not_at_all() {
        for (encoding, bytes, text) in [
            ("UTF8", "größe".as_bytes(), Some("größe")),
            ("UTF8", b"gr\xF6\xDFe", None),
            ("LATIN1", b"gr\xF6\xDFe\x80", Some("größe\u{80}")),
            ("LATIN9", b"\xA4", Some("€")),
            ("WIN1252", b"\x80", Some("€")),
            ("EUC_JP", b"\xb8\xdc\xb5\xd2", Some("顧客")),
            ("EUC_JP", b"\xb8", None),
            ("SQL_ASCII", "ä".as_bytes(), Some("ä")),
            ("SQL_ASCII", b"\xE4", None),
            ("EUC_TW", b"plain", Some("plain")),
            ("EUC_TW", "ä".as_bytes(), None),
        ] {
            assert_eq!(decoded(bytes, encoding).as_deref(), text, "{encoding}: {bytes:x?}");
        }
    }
}
