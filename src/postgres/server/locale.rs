//! A database's encoding and locale: read from an archive, written for a new database.
//!
//! Each major of `pg_dump` writes `CREATE DATABASE` a little differently, and each major of the
//! server understands different clauses of it. What the target does not know is translated to what
//! comes closest, with a warning; nothing else of the statement is taken over.

use crate::postgres::sql::words::{Word, words};
use crate::postgres::sql::{identifier, literal};
use serde::Deserialize;

/// Encoding and locale, as far as the statement names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Locale {
    /// `ENCODING`, e.g. `UTF8`.
    pub encoding: Option<String>,
    /// `LC_COLLATE`, or `LOCALE`.
    pub collate: Option<String>,
    /// `LC_CTYPE`, or `LOCALE`.
    pub ctype: Option<String>,
    /// `LOCALE_PROVIDER`: `libc`, `icu` or `builtin`; written since 15.
    pub provider: Option<String>,
    /// `ICU_LOCALE` (15 and newer).
    pub icu_locale: Option<String>,
    /// `ICU_RULES` (16 and newer).
    pub icu_rules: Option<String>,
    /// `BUILTIN_LOCALE` (17 and newer).
    pub builtin_locale: Option<String>,
}

impl Locale {
    /// Reads the `CREATE DATABASE` statement of an archive's DATABASE entry.
    ///
    /// Clauses it does not know are passed over; without any the result is empty.
    pub fn from_create_database(statement: &str) -> Self {
        let mut locale = Self::default();
        let words = words(statement);
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let mut following = rest.clone();
            if following.next() != Some(&Word::Bare("=".into())) {
                continue;
            }
            let Some(Word::Bare(value) | Word::Name(value) | Word::Literal(value)) = following.next() else {
                break;
            };
            let (Word::Bare(name), value) = (word, Some(value.clone())) else { continue };
            match name.to_ascii_uppercase().as_str() {
                "ENCODING" => locale.encoding = value,
                "LOCALE" => (locale.collate, locale.ctype) = (value.clone(), value),
                "LC_COLLATE" => locale.collate = value,
                "LC_CTYPE" => locale.ctype = value,
                "LOCALE_PROVIDER" => locale.provider = value,
                "ICU_LOCALE" => locale.icu_locale = value,
                "ICU_RULES" => locale.icu_rules = value,
                "BUILTIN_LOCALE" => locale.builtin_locale = value,
                _ => {}
            }
            rest = following;
        }
        locale
    }

    /// The statement that creates a database like this on a server of this major.
    pub fn create_database(&self, name: &str, major: u32) -> String {
        let known = self.for_major(major);
        let mut statement = format!("CREATE DATABASE {} TEMPLATE template0", identifier(name));
        let mut clause = |keyword: &str, value: &Option<String>| {
            if let Some(value) = value {
                statement.push_str(&format!(" {keyword} {}", literal(value)));
            }
        };
        clause("ENCODING", &known.encoding);
        clause("LC_COLLATE", &known.collate);
        clause("LC_CTYPE", &known.ctype);
        clause("LOCALE_PROVIDER", &known.provider);
        clause("ICU_LOCALE", &known.icu_locale);
        clause("ICU_RULES", &known.icu_rules);
        clause("BUILTIN_LOCALE", &known.builtin_locale);
        statement.push(';');
        statement
    }

    /// What another database has instead of what this statement names, as parts of a sentence.
    pub fn differences(&self, there: &Self) -> Vec<String> {
        let spelled = |value: &str| value.to_ascii_lowercase().replace('-', "");
        let compared = [
            ("encoding", &self.encoding, &there.encoding),
            ("collation", &self.collate, &there.collate),
            ("character type", &self.ctype, &there.ctype),
            ("locale provider", &self.provider, &there.provider),
            ("ICU locale", &self.icu_locale, &there.icu_locale),
            ("ICU rules", &self.icu_rules, &there.icu_rules),
            ("builtin locale", &self.builtin_locale, &there.builtin_locale),
        ];
        let differs = |(what, expected, found): (&str, &Option<String>, &Option<String>)| {
            let (expected, found) = (expected.as_deref()?, found.as_deref().unwrap_or("none"));
            (spelled(expected) != spelled(found)).then(|| format!("{what} {found} instead of {expected}"))
        };
        compared.into_iter().filter_map(differs).collect()
    }

    /// The same, or what comes closest in a major that does not know all of it.
    fn for_major(&self, major: u32) -> Self {
        let mut known = self.clone();
        // template0 may have another provider than libc, which is what an older statement meant.
        if known.provider.is_none() && (known.collate.is_some() || known.ctype.is_some()) {
            known.provider = Some("libc".into());
        }
        let first_with = match known.provider.as_deref() {
            Some("icu") => 15,
            Some("builtin") => 17,
            _ => 0,
        };
        if major < first_with {
            tracing::warn!(target: "pgstow::once",
                "PostgreSQL {major} has no {} locales; the new database sorts by {} of the operating system instead",
                known.provider.as_deref().unwrap_or_default(),
                known.collate.as_deref().unwrap_or("the default")
            );
            (known.icu_locale, known.icu_rules, known.builtin_locale) = (None, None, None);
            known.provider = Some("libc".into());
        }
        if major < 16 && known.icu_rules.take().is_some() {
            tracing::warn!(target: "pgstow::once", "PostgreSQL {major} has no ICU rules; the new database sorts without them");
        }
        if major < 18 && known.builtin_locale.as_deref() == Some("PG_UNICODE_FAST") {
            tracing::warn!(target: "pgstow::once",
                "PostgreSQL {major} has no locale PG_UNICODE_FAST; the new database has C.UTF-8"
            );
            known.builtin_locale = Some("C.UTF-8".into());
        }
        if major < 15 {
            known.provider = None;
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn translated(statement: &str, major: u32) -> String {
        let created = Locale::from_create_database(statement).create_database("x", major);
        created.trim_start_matches("CREATE DATABASE \"x\" TEMPLATE template0").trim().to_string()
    }

    #[test]
    fn the_statements_of_all_majors_are_understood() {
        let v10 = "CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8' LC_COLLATE = 'de_DE.UTF-8' LC_CTYPE = 'C';\n\n\n";
        assert_eq!(translated(v10, 12), "ENCODING 'UTF8' LC_COLLATE 'de_DE.UTF-8' LC_CTYPE 'C';");
        assert_eq!(
            translated(v10, 18),
            "ENCODING 'UTF8' LC_COLLATE 'de_DE.UTF-8' LC_CTYPE 'C' LOCALE_PROVIDER 'libc';"
        );
        let v13 =
            "CREATE DATABASE \"LOCALE = 'x'\" WITH TEMPLATE = template0 ENCODING = 'LATIN1' LOCALE = 'C';";
        assert_eq!(translated(v13, 13), "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';");
        let icu = "CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = icu \
                   LOCALE = 'C.UTF-8' ICU_LOCALE = 'de-u-co-phonebk' ICU_RULES = E'&a < \\\\b''' TABLESPACE = fast;";
        assert_eq!(
            translated(icu, 16),
            "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' LOCALE_PROVIDER 'icu' \
             ICU_LOCALE 'de-u-co-phonebk' ICU_RULES U&'&a < !005Cb''' UESCAPE '!';"
        );
        assert!(translated(icu, 15).ends_with("ICU_LOCALE 'de-u-co-phonebk';"));
        assert_eq!(translated(icu, 14), "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';");
        let builtin = "CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = builtin \
                       LOCALE = 'C' BUILTIN_LOCALE = 'PG_UNICODE_FAST';";
        assert!(
            translated(builtin, 18).ends_with("LOCALE_PROVIDER 'builtin' BUILTIN_LOCALE 'PG_UNICODE_FAST';")
        );
        assert!(translated(builtin, 17).ends_with("BUILTIN_LOCALE 'C.UTF-8';"));
        assert!(translated(builtin, 16).ends_with("LC_CTYPE 'C' LOCALE_PROVIDER 'libc';"));
        assert_eq!(translated("", 17), ";");
    }

    #[test]
    fn only_what_a_statement_names_differs_and_spelling_does_not() {
        let expected = Locale::from_create_database(
            "CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'de_DE.UTF-8';",
        );
        let there: Locale = serde_json::from_str(
            r#"{"encoding":"LATIN1","collate":"de_DE.utf8","ctype":"C","provider":"libc"}"#,
        )
        .unwrap();
        assert_eq!(
            expected.differences(&there),
            ["encoding LATIN1 instead of UTF8", "character type C instead of de_DE.UTF-8"]
        );
        assert!(Locale::default().differences(&there).is_empty());
    }

    proptest! {
        #[test]
        fn no_statement_panics(text in "\\PC{0,80}") {
            let _ = Locale::from_create_database(&text).create_database(&text, 15);
        }
    }
}
