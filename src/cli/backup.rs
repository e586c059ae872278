//! The words of `pgstow backup`.

use super::neon::NeonWords;
use super::shared::ServerWords;
use super::shipping::ShippingWords;
use super::values::percent;
use clap::Args;
use std::ffi::OsString;
use std::time::Duration;

/// `pgstow backup`.
#[derive(Debug, Args)]
pub struct BackupWords {
    /// The database: postgres://user@host/database, or host=… dbname=… [default: what PG* variables say]
    #[arg(value_name = "URL", env = "DATABASE_URL")]
    pub url: Option<String>,
    /// Back up every database of the server, each on its own, templates left out; --name stands before theirs
    #[arg(long, env = "PGSTOW_ALL_DATABASES")]
    pub all_databases: bool,
    /// With --all-databases: not these, * and ? stand for anything; repeatable, in the variable one a line
    #[arg(long, value_name = "PATTERN", env = "PGSTOW_EXCLUDE", value_delimiter = '\n')]
    pub exclude: Vec<String>,
    /// Back up the output of this command instead, if it exits with 0; needs --name
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// Back up what comes on stdin instead. Whether its producer ended well cannot be known; needs --name
    #[arg(long, env = "PGSTOW_STDIN")]
    pub stdin: bool,
    /// Under what to keep it [default: the database's name]
    #[arg(short, long, env = "PGSTOW_NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub shipping: ShippingWords,

    /// Dump only tables that match; repeatable, in the variable one a line
    #[arg(
        short,
        long = "table",
        value_name = "PATTERN",
        env = "PGSTOW_TABLES",
        value_delimiter = '\n',
        help_heading = "What to dump"
    )]
    pub tables: Vec<String>,
    /// Leave out tables that match; repeatable, in the variable one a line
    #[arg(
        short = 'T',
        long = "exclude-table",
        value_name = "PATTERN",
        env = "PGSTOW_EXCLUDE_TABLES",
        value_delimiter = '\n',
        help_heading = "What to dump"
    )]
    pub exclude_tables: Vec<String>,
    /// Leave out the rows, not the definition, of tables that match; repeatable, in the variable one a line
    #[arg(
        long = "exclude-table-data",
        value_name = "PATTERN",
        env = "PGSTOW_EXCLUDE_TABLE_DATA",
        value_delimiter = '\n',
        help_heading = "What to dump"
    )]
    pub exclude_table_data: Vec<String>,
    /// Dump only schemas that match; repeatable, in the variable one a line
    #[arg(
        long = "schema",
        value_name = "PATTERN",
        env = "PGSTOW_SCHEMAS",
        value_delimiter = '\n',
        help_heading = "What to dump"
    )]
    pub schemas: Vec<String>,
    /// Leave out schemas that match; repeatable, in the variable one a line
    #[arg(
        short = 'N',
        long = "exclude-schema",
        value_name = "PATTERN",
        env = "PGSTOW_EXCLUDE_SCHEMAS",
        value_delimiter = '\n',
        help_heading = "What to dump"
    )]
    pub exclude_schemas: Vec<String>,
    /// A further option for pg_dump; repeatable
    #[arg(
        long = "pg-dump-arg",
        value_name = "ARG",
        env = "PGSTOW_PG_DUMP_ARGS",
        allow_hyphen_values = true,
        help_heading = "What to dump"
    )]
    pub pg_dump_args: Vec<String>,

    /// Store the roles' passwords (their hashes) with the roles; only a superuser may read them
    #[arg(long, env = "PGSTOW_ROLE_PASSWORDS", help_heading = "What to dump")]
    pub role_passwords: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub neon: NeonWords,
    /// Dump from a branch made for it and deleted afterwards, so that production sees no locks
    #[arg(long, env = "PGSTOW_VIA_BRANCH", requires = "neon", help_heading = "Neon")]
    pub via_branch: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerWords,
    /// How long pg_dump may wait for a table locked by someone else
    #[arg(long, value_name = "DURATION", default_value = "5m", env = "PGSTOW_LOCK_WAIT_TIMEOUT", value_parser = humantime::parse_duration, help_heading = "PostgreSQL")]
    pub lock_wait_timeout: Duration,
    /// How long to wait while another backup of the same name runs
    #[arg(long, value_name = "DURATION", default_value = "0s", env = "PGSTOW_WAIT", value_parser = humantime::parse_duration, help_heading = "PostgreSQL")]
    pub wait: Duration,

    /// Warn where more than this share of the rows is gone since the last backup, where that can be read
    #[arg(long, value_name = "PERCENT", default_value = "20%", env = "PGSTOW_WARN_SHRINK", value_parser = percent, help_heading = "Compare with the last backup")]
    pub warn_shrink: u8,
    /// Fail, and store nothing, where more than this share of the rows is gone; the last backup must be readable
    #[arg(long, value_name = "PERCENT", env = "PGSTOW_FAIL_SHRINK", value_parser = percent, help_heading = "Compare with the last backup")]
    pub fail_shrink: Option<u8>,
}
