//! The words about who hears how a run went.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The heading of these words in a help page.
pub(super) const HEADING: &str = "Monitoring";

/// Who hears how a run went.
#[derive(Debug, Args)]
pub struct MonitoringWords {
    /// Report to this address that the run began, succeeded or failed, as healthchecks.io expects it
    ///
    /// It raises the alarm if no report comes in time. The id of a check at healthchecks.io is enough. Better in the
    /// variable, because everybody on a machine can read a program's arguments.
    #[arg(
        long,
        value_name = "URL",
        env = "PGSTOW_PING_URL",
        help_heading = HEADING,
        hide_short_help = true
    )]
    pub ping_url: Option<String>,
    /// Send a message to this address: Slack, Discord, or a JSON document; repeatable
    ///
    /// In the variable, one per line; better there, because everybody on a machine can read a program's arguments.
    #[arg(
        long = "webhook",
        value_name = "URL",
        env = "PGSTOW_WEBHOOK",
        value_delimiter = '\n',
        help_heading = HEADING,
        hide_short_help = true
    )]
    pub webhooks: Vec<String>,
    /// When to send a message to the webhooks
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "failure",
        env = "PGSTOW_NOTIFY",
        help_heading = HEADING,
        hide_short_help = true
    )]
    pub notify: NotifyWhen,
    /// Write metrics to this file, for the textfile collector of Prometheus' node exporter
    #[arg(
        long,
        value_name = "FILE",
        env = "PGSTOW_METRICS_FILE",
        help_heading = HEADING,
        hide_short_help = true
    )]
    pub metrics_file: Option<PathBuf>,
    /// Push metrics to this Prometheus Pushgateway
    #[arg(
        long,
        value_name = "URL",
        env = "PGSTOW_PUSH_GATEWAY",
        help_heading = HEADING,
        hide_short_help = true
    )]
    pub push_gateway: Option<String>,
}

/// `--notify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NotifyWhen {
    /// If the run failed
    Failure,
    /// If the run succeeded
    Success,
    /// After every run
    Always,
}
