//! Runs `pg_dump` and hands out its archive as a stream.
//!
//! Always the custom format, uncompressed (compression happens later and better) and in UTC, so that
//! the text of a row does not depend on where the dump ran. What the stream holds is not looked at here.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use crate::error::Result;

use super::left_out::{WITH_ARGUMENT, argument, chooses, leaves_something_out};
use super::passthrough::{OUTPUT, Tool};
use crate::postgres::clients::Client;
use crate::postgres::connect::ConnInfo;
use crate::postgres::process::ChildOutput;

/// What to dump, in `pg_dump`'s own words.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// Only these tables (patterns as in psql).
    pub tables: Vec<String>,
    /// Not these tables.
    pub exclude_tables: Vec<String>,
    /// Of these tables the definition only.
    pub exclude_table_data: Vec<String>,
    /// Only these schemas.
    pub schemas: Vec<String>,
    /// Not these schemas.
    pub exclude_schemas: Vec<String>,
    /// How long to wait for the locks on all tables.
    pub lock_wait_timeout: Duration,
    /// The snapshot to dump from, which another session holds.
    pub snapshot: Option<String>,
    /// Further options for `pg_dump`, checked by [`DumpOptions::check`].
    pub extra: Vec<String>,
    /// The bytes of patterns in the encoding that `pg_dump` speaks, if they are not those of UTF-8.
    pub spelled: BTreeMap<String, OsString>,
    /// Patterns of tables, as such bytes, whose definition only is dumped besides. A name may be no text at all.
    pub exclude_rows: Vec<OsString>,
}

impl Default for DumpOptions {
    fn default() -> Self {
        Self {
            tables: Vec::new(),
            exclude_tables: Vec::new(),
            exclude_table_data: Vec::new(),
            schemas: Vec::new(),
            exclude_schemas: Vec::new(),
            lock_wait_timeout: Duration::from_secs(300),
            snapshot: None,
            extra: Vec::new(),
            spelled: BTreeMap::new(),
            exclude_rows: Vec::new(),
        }
    }
}

const INSERTS: &str = "rows as INSERT statements cannot be counted, and restore many times slower";

/// `pg_dump` and the options it is not given.
pub const TOOL: Tool = Tool {
    name: "pg_dump",
    short_with_argument: WITH_ARGUMENT,
    refused: &[
        (None, "inserts", INSERTS),
        (None, "column-inserts", INSERTS),
        (None, "attribute-inserts", INSERTS),
        (None, "rows-per-insert", INSERTS),
        (None, "on-conflict-do-nothing", INSERTS),
        (Some('f'), "file", OUTPUT),
        (Some('Z'), "compress", "pgstow compresses the stream itself (--compression-level)"),
        (Some('j'), "jobs", "a parallel dump needs a local folder; pgstow streams"),
        (None, "snapshot", "pgstow shares a snapshot of its own, and looks for changes since then"),
        (
            None,
            "lock-wait-timeout",
            "pgstow has --lock-wait-timeout of its own, which counts for all its sessions",
        ),
    ],
};

impl DumpOptions {
    /// Refuses extra options that would make the backup incomplete or unreadable.
    pub fn check(&self) -> Result<()> {
        TOOL.check(&self.extra)
    }

    /// Says whether tables or schemas are chosen, or only definitions or rows, so that what is true of all tables is of
    /// no interest.
    pub fn is_filtered(&self) -> bool {
        self.has_patterns() || chooses(&self.extra)
    }

    /// Says whether anything is left out, so that the dump is not the whole database.
    pub fn is_partial(&self) -> bool {
        self.has_patterns() || leaves_something_out(&self.extra)
    }

    /// The role that `pg_dump` is to take; what is asked for it is asked in that role, too.
    pub fn role(&self) -> Option<&str> {
        argument(&self.extra, None, "role")
    }

    /// The encoding that `pg_dump` is to speak, if it was named.
    pub fn encoding(&self) -> Option<&str> {
        argument(&self.extra, Some('E'), "encoding")
    }

    fn has_patterns(&self) -> bool {
        [&self.tables, &self.exclude_tables, &self.exclude_table_data, &self.schemas, &self.exclude_schemas]
            .iter()
            .any(|list| !list.is_empty())
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            "--format=custom".into(),
            "--compress=0".into(),
            format!("--lock-wait-timeout={}", self.lock_wait_timeout.as_millis()).into(),
        ];
        arguments.extend(self.snapshot.iter().map(|id| format!("--snapshot={id}").into()));
        let argument = |option: &str, pattern: &OsStr| {
            let mut argument = OsString::from(format!("--{option}="));
            argument.push(pattern);
            argument
        };
        let spelled = |pattern: &String| self.spelled.get(pattern).cloned().unwrap_or_else(|| pattern.into());
        for (option, patterns) in [
            ("table", &self.tables),
            ("exclude-table", &self.exclude_tables),
            ("exclude-table-data", &self.exclude_table_data),
            ("schema", &self.schemas),
            ("exclude-schema", &self.exclude_schemas),
        ] {
            arguments.extend(patterns.iter().map(|pattern| argument(option, &spelled(pattern))));
        }
        arguments.extend(self.exclude_rows.iter().map(|pattern| argument("exclude-table-data", pattern)));
        arguments.extend(self.extra.iter().map(OsString::from));
        arguments
    }
}

/// Starts `pg_dump`; its exit status is checked at the end of the stream.
pub async fn dump(client: &Client, conn: &ConnInfo, options: &DumpOptions) -> Result<ChildOutput> {
    options.check()?;
    conn.dress(client.program("pg_dump").args(options.arguments())).await?.read()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

    use super::*;

    #[test]
    fn the_users_words_come_after_ours() {
        let options = DumpOptions {
            tables: vec!["a b".into()],
            extra: vec!["--no-comments".into()],
            ..DumpOptions::default()
        };
        assert_eq!(
            options.arguments(),
            ["--format=custom", "--compress=0", "--lock-wait-timeout=300000", "--table=a b", "--no-comments"]
        );
    }

    #[test]
    fn names_that_are_no_text_stay_apart() {
        let names = [b"t\xe4".to_vec(), b"t\xf6".to_vec()].map(OsString::from_vec);
        let options = DumpOptions { exclude_rows: names.to_vec(), ..DumpOptions::default() };
        let given = options.arguments().split_off(3);
        let expected = names.map(|name| [&b"--exclude-table-data="[..], name.as_bytes()].concat());
        assert_eq!(given, expected.map(OsString::from_vec));
        assert!(!options.is_partial() && !options.is_filtered());
    }

    #[test]
    fn filters_are_noticed() {
        let extra = |word: &str| DumpOptions { extra: vec![word.into()], ..DumpOptions::default() };
        assert!(!DumpOptions::default().is_filtered() && !DumpOptions::default().is_partial());
        assert!(!extra("--no-owner").is_filtered() && !extra("--no-owner").is_partial());
        assert!(extra("-xtusers").is_filtered() && extra("-xtusers").is_partial());
        assert!(!extra("--no-blobs").is_filtered() && extra("--no-blobs").is_partial());
        assert!(DumpOptions { schemas: vec!["app".into()], ..DumpOptions::default() }.is_partial());
        assert!(DumpOptions { schemas: vec!["app".into()], ..DumpOptions::default() }.is_filtered());
    }
}
