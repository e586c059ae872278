//! The words about Neon that several verbs share.

use super::values::duration;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Which project on Neon, and how to reach it.
#[derive(Debug, Args)]
pub struct NeonWords {
    /// The Neon project to use instead of a URL; needs NEON_API_KEY
    #[arg(long, value_name = "PROJECT", env = "PGSTOW_NEON", help_heading = "Neon")]
    pub neon: Option<String>,
    /// File with the API key, instead of the variable NEON_API_KEY
    #[arg(
        long,
        value_name = "FILE",
        env = "PGSTOW_NEON_API_KEY_FILE",
        help_heading = "Neon",
        hide_short_help = true
    )]
    pub neon_api_key_file: Option<PathBuf>,
    /// The database in the project
    ///
    /// [default: for a restore, the name of the database that was dumped; for a backup, the only one]
    #[arg(
        long,
        value_name = "NAME",
        env = "PGSTOW_NEON_DATABASE",
        help_heading = "Neon",
        hide_short_help = true
    )]
    pub database: Option<String>,
    /// The role to connect as; it owns what is restored
    ///
    /// [default: the owner of the database]
    #[arg(
        long,
        value_name = "NAME",
        env = "PGSTOW_NEON_ROLE",
        help_heading = "Neon",
        hide_short_help = true
    )]
    pub role: Option<String>,
    /// How long to wait for Neon's operations
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10m",
        env = "PGSTOW_NEON_TIMEOUT",
        value_parser = duration,
        help_heading = "Neon",
        hide_short_help = true
    )]
    pub neon_timeout: Duration,
    /// Another address of the API
    #[arg(long, value_name = "URL", env = "PGSTOW_NEON_API", hide = true, help_heading = "Neon")]
    pub neon_api: Option<String>,
}
