//! How many sessions read a database.

use crate::cli::{ParallelWords, ServerWords};
use crate::error::{Error, Result};
use crate::parallel::Sessions;

/// A smaller range costs more to ask for than to read.
const SMALLEST: u64 = 64 << 10;

/// Checks the words that say how large tables are read.
pub fn sessions(words: &ParallelWords, server: &ServerWords) -> Result<Sessions> {
    if words.readers.is_some_and(|most| most > 1) && server.allow_pooled {
        return Err(Error::usage("--readers needs connections to the server itself, and not to a pooler")
            .hint("leave --readers out, or --allow-pooled and the pooler (PGSTOW_READERS, PGSTOW_ALLOW_POOLED too)"));
    }
    if words.reader_range < SMALLEST {
        return Err(
            Error::usage("--reader-range is too small").hint("the smallest is 64KiB, the usual one 8MiB")
        );
    }
    let asked = if server.allow_pooled { Some(1) } else { words.readers };
    Ok(Sessions { asked, range: words.reader_range })
}
