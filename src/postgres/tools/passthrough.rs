//! Checks the options a user passes through to `pg_dump` and `pg_restore`.
//!
//! Most are welcome. Refused are those that would make the archive unreadable here, the backup
//! silently incomplete, or that say again what pgstow says itself. The tools read their options
//! with `getopt_long`, so abbreviations (`--insert`) and bundles (`-aFp`) are seen through.

use crate::error::{Error, Result};

/// What one tool understands, as far as it matters here.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// Short options that take an argument; in a bundle the rest is that argument.
    pub short_with_argument: &'static str,
    /// What it refuses besides what every tool refuses.
    pub refused: &'static [Refused],
}

/// A refused option: its short letter, its long name, and why.
pub type Refused = (Option<char>, &'static str, &'static str);

/// Why options about the output are refused.
pub const OUTPUT: &str = "pgstow reads the archive as a stream in its own choice of format";
const CONNECTION: &str = "the connection comes from the URL or the PG* variables";
const NOTHING: &str = "it would do nothing else";

/// Refused by every tool.
const BY_ALL: &[Refused] = &[
    (Some('F'), "format", OUTPUT),
    (None, "enable-row-security", "rows that the role may not see would be missing silently"),
    (Some('d'), "dbname", CONNECTION),
    (Some('h'), "host", CONNECTION),
    (Some('p'), "port", CONNECTION),
    (Some('U'), "username", CONNECTION),
    (Some('W'), "password", "nobody can be asked; use the URL, PGPASSWORD or ~/.pgpass"),
    (Some('v'), "verbose", "every line of it would become a warning; pgstow shows progress itself"),
    (Some('V'), "version", NOTHING),
    (Some('?'), "help", NOTHING),
];

impl Tool {
    /// Refuses the first word that holds a refused option.
    ///
    /// A word may also be the argument of the option before it; one that looks like a refused option
    /// is refused all the same, and `--option=value` avoids that.
    pub fn check(&self, words: &[String]) -> Result<()> {
        for word in words {
            if let Some((_, option, reason)) = self.find(word) {
                let what = format!("{} may not be given --{option}: {reason}", self.name);
                return Err(Error::usage(what).hint("leave it out, also in variables and in pgstow.toml"));
            }
        }
        Ok(())
    }

    fn all_refused(&self) -> impl Iterator<Item = &'static Refused> {
        BY_ALL.iter().chain(self.refused)
    }

    fn find(&self, word: &str) -> Option<&'static Refused> {
        if let Some(long) = word.strip_prefix("--") {
            let name = long.split_once('=').map_or(long, |(name, _)| name);
            return self.all_refused().find(|(_, option, _)| !name.is_empty() && option.starts_with(name));
        }
        for letter in word.strip_prefix('-')?.chars() {
            if let Some(refused) = self.all_refused().find(|(short, _, _)| *short == Some(letter)) {
                return Some(refused);
            }
            if self.short_with_argument.contains(letter) {
                return None;
            }
        }
        None
    }
}
