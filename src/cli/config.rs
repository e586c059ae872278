//! The words of `pgstow config`.

use clap::{Args, ValueEnum};

/// `pgstow config`.
#[derive(Debug, Args)]
pub struct ConfigWords {
    /// What to do
    #[arg(value_name = "ACTION", default_value = "check")]
    pub action: ConfigAction,
    /// Print settings that have their default too
    #[arg(short, long, env = "PGSTOW_CONFIG_ALL")]
    pub all: bool,
}

/// What to do with the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConfigAction {
    /// Print those in effect, and their origin; fail if one is not valid
    Check,
}
