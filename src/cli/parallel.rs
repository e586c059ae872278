//! The words that say how many sessions read a database.

use super::values::{number, size};
use clap::Args;

/// Several sessions for large tables.
#[derive(Debug, Args)]
pub struct ParallelWords {
    /// How many sessions read large tables at the same time [default: 2 from about 1 GiB of large tables, else 1]
    ///
    /// All of them read one snapshot, and their rows become one archive. Each is a connection, and load on the server.
    /// By default, one reads if two are not possible or gain little: through a pooler, PostgreSQL 13, small databases.
    #[arg(
        long,
        value_name = "N",
        env = "PGSTOW_READERS",
        value_parser = number(1..=16u8),
        help_heading = "PostgreSQL",
        hide_short_help = true
    )]
    pub readers: Option<u8>,
    /// How much of a large table a session reads at a time
    ///
    /// A table of less than twice this size is read by one session. By default, several read if there are 128 ranges.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "8MiB",
        env = "PGSTOW_READER_RANGE",
        value_parser = size,
        help_heading = "PostgreSQL",
        hide_short_help = true
    )]
    pub reader_range: u64,
}
