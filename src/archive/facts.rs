//! What people and restores want to know of an archive, read from its entries.

use super::reader::Contents;
use super::toc::Toc;

impl Contents {
    /// How many tables it defines, partitions and partitioned tables included.
    pub fn tables(&self) -> usize {
        self.toc.entries().iter().filter(|entry| entry.desc() == Some(b"TABLE")).count()
    }

    /// How many rows its data has; tables whose rows cannot be counted do not count.
    pub fn rows(&self) -> u64 {
        self.blocks.iter().filter_map(|block| block.rows).sum()
    }
}

impl Toc {
    /// The encoding of its names and data, as PostgreSQL calls it.
    pub fn encoding(&self) -> Option<String> {
        let encoding = self.entries().iter().find(|entry| entry.desc() == Some(b"ENCODING"))?;
        // SET client_encoding = 'UTF8';
        let statement = String::from_utf8_lossy(encoding.defn()?);
        Some(statement.split('\'').nth(1)?.to_owned())
    }

    /// The statement that would create the source's database, with its encoding and locale.
    pub fn create_database(&self) -> Option<String> {
        let database = self.entries().iter().find(|entry| entry.desc() == Some(b"DATABASE"))?;
        Some(String::from_utf8_lossy(database.defn()?).into_owned())
    }
}
