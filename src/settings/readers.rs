//! How many sessions read a database.

use crate::cli::ReadersWords;
use crate::error::{Error, Result};
use crate::readers::Readers;

/// A smaller range costs more to ask for than to read.
const SMALLEST: u64 = 64 << 10;

/// Checks the words that say how large tables are read.
pub fn readers(words: &ReadersWords) -> Result<Readers> {
    if words.reader_range < SMALLEST {
        return Err(
            Error::usage("--reader-range is too small").hint("the smallest is 64KiB, the usual one 32MiB")
        );
    }
    Ok(Readers { sessions: words.readers, range: words.reader_range })
}
