//! Flags that take one word of a list.

use clap::ValueEnum;

/// `fetch --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The archive that pg_restore reads
    Archive,
    /// SQL, as pg_restore writes it from the archive
    Sql,
    /// The rows of one table as comma-separated values
    Csv,
    /// The rows of one table as COPY writes them
    Copy,
}

/// `--lock-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LockMode {
    /// Whoever has a special permission; gs:// calls it unlocked
    Governance,
    /// Nobody, not even the account's owner; gs:// calls it locked
    Compliance,
}

/// `--proof`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Proof {
    /// Count the rows of every table
    Counts,
    /// Dump the database again, and compare checksums of the content of every table
    Digests,
    /// Compare nothing
    None,
}

/// `--on-error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnError {
    /// Drop the database that was created
    Drop,
    /// Keep what could be restored in DATABASE_incomplete, and list what could not
    Keep,
}

/// `--roles`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MissingRoles {
    /// Report them and stop, before anything is created
    Check,
    /// Create them as NOLOGIN roles
    Create,
    /// Create them as they were on the source, with memberships
    Restore,
}

/// `--target-profile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TargetProfile {
    /// Managed, unless the role is a superuser
    Auto,
    /// A server that accepts everything
    Plain,
    /// A server on which nobody is a superuser
    Managed,
}
