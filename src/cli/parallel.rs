//! The words that say how many sessions read a database.

use super::values::size;
use clap::Args;

/// Several sessions for large tables.
#[derive(Debug, Args)]
pub struct ParallelWords {
    /// How many sessions read large tables at the same time
    ///
    /// All of them read one snapshot, and their rows become one archive. Each is a connection, and load on the server.
    #[arg(
        long,
        value_name = "N",
        default_value = "1",
        env = "PGSTOW_READERS",
        value_parser = clap::value_parser!(u8).range(1..=16),
        help_heading = "PostgreSQL",
        hide_short_help = true
    )]
    pub readers: u8,
    /// How much of a large table a session reads at a time
    ///
    /// A table of less than twice this size is read by one session.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "32MiB",
        env = "PGSTOW_READER_RANGE",
        value_parser = size,
        help_heading = "PostgreSQL",
        hide_short_help = true
    )]
    pub reader_range: u64,
}
