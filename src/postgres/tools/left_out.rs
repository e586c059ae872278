//! Which options of `pg_dump` leave something of the database out.
//!
//! An option that is not known here counts as one that does: what newer versions add must not make a part look like the
//! whole. Abbreviations (`--no-own`) and bundles (`-xtsmall`) are seen through.

/// Short options that take an argument; in a bundle the rest is that argument.
pub const WITH_ARGUMENT: &str = "deEfFhjnNpStTUZ";

/// Options, as letters and as long names, with which every row and every object is in the dump. What says something of an
/// object (owner, grants, comments, places) may be missing, and what belongs to replication.
const WHOLE: &[&str] = &[
    "b",
    "c",
    "C",
    "E",
    "O",
    "R",
    "S",
    "v",
    "w",
    "x",
    "blobs",
    "clean",
    "create",
    "disable-dollar-quoting",
    "disable-triggers",
    "encoding",
    "if-exists",
    "include-foreign-data",
    "large-objects",
    "load-via-partition-root",
    "no-acl",
    "no-comments",
    "no-owner",
    "no-password",
    "no-privileges",
    "no-publications",
    "no-reconnect",
    "no-security-labels",
    "no-statistics",
    "no-subscriptions",
    "no-sync",
    "no-synchronized-snapshots",
    "no-table-access-method",
    "no-tablespaces",
    "no-toast-compression",
    "quote-all-identifiers",
    "restrict-key",
    "role",
    "sequence-data",
    "serializable-deferrable",
    "statistics",
    "strict-names",
    "superuser",
    "sync-method",
    "use-set-session-authorization",
    "verbose",
];

/// Options that leave something out, and have every table and its rows in the dump, except for rows that no crash leaves,
/// and digits.
const ALL_TABLES: &[&str] =
    &["B", "extra-float-digits", "no-blobs", "no-large-objects", "no-policies", "no-unlogged-table-data"];

/// As many digits as `pg_dump` writes without it; fewer lose something.
const ALL_DIGITS: &str = "--extra-float-digits=3";

/// Whether one of the words leaves something out.
pub fn leaves_something_out(words: &[String]) -> bool {
    options(words).any(|name| !is_in(WHOLE, name))
}

/// Whether one of the words chooses among tables, or between their definitions and their rows.
pub fn chooses(words: &[String]) -> bool {
    options(words).any(|name| !is_in(WHOLE, name) && !is_in(ALL_TABLES, name))
}

/// The letters and long names of the options in the words. A word that is none is the argument of the one before it.
fn options(words: &[String]) -> impl Iterator<Item = &str> {
    words.iter().filter(|word| *word != ALL_DIGITS).flat_map(|word| -> Vec<&str> {
        if let Some(long) = word.strip_prefix("--") {
            return vec![long.split_once('=').map_or(long, |(name, _)| name)];
        }
        let Some(bundle) = word.strip_prefix('-') else { return Vec::new() };
        let with_argument = bundle.find(|letter| WITH_ARGUMENT.contains(letter));
        let letters = with_argument.map_or(bundle, |last| bundle.get(..=last).unwrap_or(bundle));
        letters.split("").filter(|letter| !letter.is_empty()).collect()
    })
}

/// The argument of this option, given by its letter or its long name in whatever spelling; the last one counts.
pub fn argument<'w>(words: &'w [String], letter: Option<char>, long: &str) -> Option<&'w str> {
    let (mut found, mut words) = (None, words.iter().map(String::as_str));
    while let Some(word) = words.next() {
        let attached = if let Some(option) = word.strip_prefix("--") {
            let (name, attached) =
                option.split_once('=').map_or((option, None), |(name, attached)| (name, Some(attached)));
            is_in(&[long], name).then_some(attached)
        } else {
            let mut rest = word.strip_prefix('-').unwrap_or_default().chars();
            let last = rest.find(|letter| WITH_ARGUMENT.contains(*letter));
            let attached = Some(rest.as_str()).filter(|rest| !rest.is_empty());
            (last.is_some() && last == letter).then_some(attached)
        };
        if let Some(attached) = attached {
            found = attached.or_else(|| words.next());
        }
    }
    found
}

/// Whether it is one of these, or short for one. `pg_dump` refuses what is short for several.
fn is_in(list: &[&str], name: &str) -> bool {
    list.contains(&name) || name.len() > 1 && list.iter().any(|known| known.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> (bool, bool) {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        (leaves_something_out(&words), chooses(&words))
    }

    #[test]
    fn arguments_are_found_in_every_spelling() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (text, role) in [
            ("--role=app", Some("app")),
            ("-x --ro app", Some("app")),
            ("--role=a --role=b", Some("b")),
            ("--role", None),
            ("--no-owner -E UTF8", None),
        ] {
            assert_eq!(argument(&words(text), None, "role"), role, "{text}");
        }
        for text in
            ["-ELATIN1", "-xE LATIN1", "-xELATIN1", "--enc=LATIN1", "--encoding LATIN1", "-E a -E LATIN1"]
        {
            assert_eq!(argument(&words(text), Some('E'), "encoding"), Some("LATIN1"), "{text}");
        }
        assert_eq!(argument(&words("-tE -x"), Some('E'), "encoding"), None);
    }

    #[test]
    fn nothing_is_missing_without_owners_and_grants() {
        for words in [
            "--no-owner",
            "-O",
            "-xO",
            "--no-own",
            "--no-acl --no-comments",
            "-xEUTF8",
            "-E UTF8",
            "--encoding=sqlascii",
            "--role app",
            "--statistics",
            "--no-publications --no-subscriptions",
            "-bC",
            "-S-t",
            "--extra-float-digits=3",
        ] {
            assert_eq!(judged(words), (false, false), "{words}");
        }
    }

    #[test]
    fn what_leaves_something_out_is_seen_in_every_spelling() {
        for words in [
            "-tusers",
            "-xtsmall",
            "-Oa",
            "-a",
            "-s",
            "-xs",
            "--data-only",
            "--data",
            "--schema-only",
            "--section=data",
            "--sect pre-data",
            "--statistics-only",
            "--no-data",
            "--no-schema",
            "--exclude-extension=x",
            "--exclude-table-data=logs",
            "--table-and-children=x",
            "--extension=x",
            "-e x",
            "--filter=list",
            "--binary-upgrade",
            "--an-option-of-tomorrow",
            "-q",
            "-é",
            "--",
        ] {
            assert_eq!(judged(words), (true, true), "{words}");
        }
        for words in [
            "-B",
            "-xB",
            "--no-blobs",
            "--no-large",
            "--no-policies",
            "--no-unlogged-table-data",
            "--extra-float-digits=0",
        ] {
            assert_eq!(judged(words), (true, false), "{words}");
        }
    }
}
