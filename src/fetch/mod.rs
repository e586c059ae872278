//! A backup, or some of its tables, into a file or to stdout.

pub mod output;
pub mod rows;
pub mod whole;

/// As what a backup is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchFormat {
    /// The archive that `pg_restore` reads.
    Archive,
    /// What `pg_restore` makes of it.
    Sql,
    /// One table's rows as comma-separated values.
    Csv,
    /// One table's rows as `COPY` writes them.
    Copy,
}
