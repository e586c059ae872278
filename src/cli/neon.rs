//! The words about Neon that several verbs have in common.

use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Which project of Neon's, and how to reach it.
#[derive(Debug, Args)]
pub struct NeonWords {
    /// The Neon project, instead of a URL; its key comes from NEON_API_KEY, or a file
    #[arg(long, value_name = "PROJECT", env = "PGSTOW_NEON", help_heading = "Neon")]
    pub neon: Option<String>,
    /// File with the API key
    #[arg(long, value_name = "FILE", env = "PGSTOW_NEON_API_KEY_FILE", help_heading = "Neon")]
    pub neon_api_key_file: Option<PathBuf>,
    /// The database [default: to restore into, the name of the one that was dumped; to back up, the only one]
    #[arg(long, value_name = "NAME", env = "PGSTOW_NEON_DATABASE", requires = "neon", help_heading = "Neon")]
    pub database: Option<String>,
    /// The role to connect as, which owns what is restored [default: who owns the database]
    #[arg(long, value_name = "NAME", env = "PGSTOW_NEON_ROLE", requires = "neon", help_heading = "Neon")]
    pub role: Option<String>,
    /// How long Neon's operations are waited for
    #[arg(long, value_name = "DURATION", default_value = "10m", env = "PGSTOW_NEON_TIMEOUT", value_parser = humantime::parse_duration, help_heading = "Neon")]
    pub neon_timeout: Duration,
    /// Another address of the API
    #[arg(long, value_name = "URL", env = "PGSTOW_NEON_API", hide = true, help_heading = "Neon")]
    pub neon_api: Option<String>,
}
