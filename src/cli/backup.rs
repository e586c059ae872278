//! The words of `pgstow backup`.

use super::keep::{HEADING, KeepWords};
use super::monitoring::MonitoringWords;
use super::neon::NeonWords;
use super::parallel::ParallelWords;
use super::shared::{ServerWords, TrustWords};
use super::values::{duration, lock_wait, percent};
use super::writing::WritingWords;
use clap::Args;
use std::ffi::OsString;
use std::time::Duration;

/// `pgstow backup`.
#[derive(Debug, Args)]
pub struct BackupWords {
    /// The database: postgres://user@host/database, or host=… dbname=…
    ///
    /// [default: what the PG* variables say, as for psql]
    #[arg(value_name = "URL", env = "DATABASE_URL")]
    pub url: Option<String>,
    /// Back up every database of the server
    ///
    /// One backup per database, without templates. --name becomes the beginning of their names.
    #[arg(long, env = "PGSTOW_ALL_DATABASES")]
    pub all_databases: bool,
    /// With --all-databases: skip these databases; repeatable
    ///
    /// * and ? match any characters. In the variable, one per line.
    #[arg(long, value_name = "PATTERN", env = "PGSTOW_EXCLUDE", hide_short_help = true)]
    pub exclude: Vec<String>,
    /// Back up the output of this command instead; needs --name
    ///
    /// It becomes a backup only if the command exits with 0.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// Back up stdin instead; needs --name
    ///
    /// pgstow cannot know whether the program that writes to it succeeded: prefer a command after --.
    #[arg(long, env = "PGSTOW_STDIN", hide_short_help = true)]
    pub stdin: bool,
    /// Name for the backup [default: the name of the database]
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub writing: WritingWords,

    /// Dump only tables that match; repeatable
    ///
    /// Patterns as for pg_dump. In the variable, one per line.
    #[arg(
        short,
        long = "table",
        value_name = "PATTERN",
        env = "PGSTOW_TABLES",
        help_heading = "What to dump"
    )]
    pub tables: Vec<String>,
    /// Do not dump tables that match; repeatable
    ///
    /// In the variable, one per line.
    #[arg(
        short = 'T',
        long = "exclude-table",
        value_name = "PATTERN",
        env = "PGSTOW_EXCLUDE_TABLES",
        help_heading = "What to dump"
    )]
    pub exclude_tables: Vec<String>,
    /// Dump the definition, but not the rows, of tables that match; repeatable
    ///
    /// In the variable, one per line.
    #[arg(
        long = "exclude-table-data",
        value_name = "PATTERN",
        env = "PGSTOW_EXCLUDE_TABLE_DATA",
        help_heading = "What to dump",
        hide_short_help = true
    )]
    pub exclude_table_data: Vec<String>,
    /// Dump only schemas that match; repeatable
    ///
    /// In the variable, one per line.
    #[arg(
        long = "schema",
        value_name = "PATTERN",
        env = "PGSTOW_SCHEMAS",
        help_heading = "What to dump",
        hide_short_help = true
    )]
    pub schemas: Vec<String>,
    /// Do not dump schemas that match; repeatable
    ///
    /// In the variable, one per line.
    #[arg(
        short = 'N',
        long = "exclude-schema",
        value_name = "PATTERN",
        env = "PGSTOW_EXCLUDE_SCHEMAS",
        help_heading = "What to dump",
        hide_short_help = true
    )]
    pub exclude_schemas: Vec<String>,
    /// Another option for pg_dump; repeatable
    #[arg(
        long = "pg-dump-arg",
        value_name = "ARG",
        env = "PGSTOW_PG_DUMP_ARGS",
        allow_hyphen_values = true,
        help_heading = "What to dump",
        hide_short_help = true
    )]
    pub pg_dump_args: Vec<String>,
    /// Store the password hashes of roles too; a superuser may read them, and a role with pg_read_all_data
    #[arg(long, env = "PGSTOW_ROLE_PASSWORDS", help_heading = "What to dump", hide_short_help = true)]
    pub role_passwords: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub neon: NeonWords,
    /// Dump from a temporary branch, so that production has no locks
    ///
    /// The branch is created for the dump, and deleted afterwards.
    #[arg(long, env = "PGSTOW_VIA_BRANCH", help_heading = "Neon", hide_short_help = true)]
    pub via_branch: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub server: ServerWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub readers: ParallelWords,
    /// How long pg_dump may wait for a lock on a table
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5m",
        env = "PGSTOW_LOCK_WAIT_TIMEOUT",
        value_parser = lock_wait,
        help_heading = "PostgreSQL",
        hide_short_help = true
    )]
    pub lock_wait_timeout: Duration,
    /// How long to wait for another backup of the same name to end
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "0s",
        env = "PGSTOW_WAIT",
        value_parser = duration,
        help_heading = "PostgreSQL",
        hide_short_help = true
    )]
    pub wait: Duration,

    /// Warn if the backup has this many percent fewer rows than the last one
    ///
    /// Or bytes, of a stream. Only if the credentials may read the last backup. All rows together are compared; each table's own only if
    /// backups are not encrypted, as the job has no key: `show --diff previous` compares tables with it.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value = "20%",
        env = "PGSTOW_WARN_SHRINK",
        value_parser = percent,
        help_heading = "Compare with the last backup",
        hide_short_help = true
    )]
    pub warn_shrink: u8,
    /// Fail, and store nothing, if the backup has this many percent fewer rows
    ///
    /// Fails also if the last backup cannot be read.
    #[arg(
        long,
        value_name = "PERCENT",
        env = "PGSTOW_FAIL_SHRINK",
        value_parser = percent,
        help_heading = "Compare with the last backup",
        hide_short_help = true
    )]
    pub fail_shrink: Option<u8>,

    /// After the backup remove old ones of its name, by the rules of --keep-*
    ///
    /// Needs credentials that may list, read and delete. If it fails, the backup is stored all the same: a warning,
    /// and exit code 19.
    #[arg(long, env = "PGSTOW_PRUNE", help_heading = HEADING, hide_short_help = true)]
    pub prune: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub keep: KeepWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub trust: TrustWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub monitoring: MonitoringWords,
}
