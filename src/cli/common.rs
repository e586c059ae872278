//! Words that fit every verb.

use clap::Args;
use std::path::PathBuf;

/// Words that fit every verb.
#[derive(Debug, Args)]
pub struct CommonWords {
    /// Print one JSON document on stdout instead of text
    ///
    /// If the run fails there may be no document; the exit code says why.
    #[arg(long, global = true, env = "PGSTOW_JSON", help_heading = "Common")]
    pub json: bool,
    /// On success, print only what was requested: a list, a dump, a key
    ///
    /// Warnings and errors are still printed.
    #[arg(short, long, global = true, env = "PGSTOW_QUIET", help_heading = "Common")]
    pub quiet: bool,
    /// Print more; twice also what the cloud client reports
    #[arg(
        short,
        long,
        global = true,
        action = clap::ArgAction::Count,
        env = "PGSTOW_VERBOSE",
        help_heading = "Common",
        hide_short_help = true
    )]
    pub verbose: u8,
    /// Leave out a warning that is known: collation or standby
    ///
    /// collation: the database's collations have changed their version. standby: the server is a standby.
    /// Repeatable; separated by commas in the variable.
    #[arg(
        long,
        global = true,
        value_name = "WARNING",
        env = "PGSTOW_ACCEPT",
        value_delimiter = ',',
        value_parser = ["collation", "standby"],
        help_heading = "Common",
        hide_short_help = true
    )]
    pub accept: Vec<String>,
    /// In GitHub Actions: print names of tables and numbers of rows even if the repository is public
    ///
    /// Everyone can read the logs and summaries of a public repository.
    #[arg(
        long,
        global = true,
        env = "PGSTOW_ACTIONS_DETAILS",
        help_heading = "Common",
        hide_short_help = true
    )]
    pub actions_details: bool,
    /// The settings file [default: ./pgstow.toml, else ~/.config/pgstow/pgstow.toml, else /etc/pgstow/pgstow.toml]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "PGSTOW_CONFIG",
        help_heading = "Common",
        hide_short_help = true
    )]
    pub config: Option<PathBuf>,
    /// The profile in the settings file to use
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "PGSTOW_PROFILE",
        help_heading = "Common",
        hide_short_help = true
    )]
    pub profile: Option<String>,
}
