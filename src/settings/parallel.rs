//! How many sessions read a database.

use crate::cli::ParallelWords;
use crate::error::{Error, Result};
use crate::parallel::Sessions;

/// A smaller range costs more to ask for than to read.
const SMALLEST: u64 = 64 << 10;

/// Checks the words that say how large tables are read.
pub fn sessions(words: &ParallelWords) -> Result<Sessions> {
    if words.reader_range < SMALLEST {
        return Err(
            Error::usage("--reader-range is too small").hint("the smallest is 64KiB, the usual one 32MiB")
        );
    }
    Ok(Sessions { most: words.readers, range: words.reader_range })
}
