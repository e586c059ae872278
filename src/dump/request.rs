//! What is asked of a backup: which database, how to dump it, and what to compare it with; or a stream.

use crate::branch::NeonSource;
use crate::command::UserCommand;
use crate::parallel::Sessions;
use crate::postgres::{ConnInfo, DumpOptions, clients::Search};
use crate::stored::format::names::Name;
use std::time::Duration;

/// A database to be backed up.
#[derive(Debug, Clone)]
pub struct DumpRequest {
    /// Which.
    pub connection: ConnInfo,
    /// The database on Neon, which is looked up before it is connected to.
    pub neon: Option<NeonSource>,
    /// The name to keep it under; the database's name otherwise.
    pub name: Option<Name>,
    /// What to dump, and how.
    pub dump: DumpOptions,
    /// Whether the roles' passwords are stored with the roles.
    pub role_passwords: bool,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
    /// How long to wait while another backup of the same name runs.
    pub wait: Duration,
    /// How much may be gone since the last backup.
    pub shrink: ShrinkLimits,
    /// How many sessions may read large tables at the same time.
    pub sessions: Sessions,
    /// Whether a connection pooler is accepted.
    pub allow_pooled: bool,
}

/// How much less than the last backup a new one may hold.
#[derive(Debug, Clone, Copy)]
pub struct ShrinkLimits {
    /// The percentage that may be gone before a warning.
    pub warn: u8,
    /// The percentage that may be gone before the backup fails.
    pub fail: Option<u8>,
}

/// A stream to be backed up.
#[derive(Debug)]
pub struct StreamRequest {
    /// The name to keep it under.
    pub name: Name,
    /// Who produces it.
    pub producer: Producer,
    /// How much may be gone since the last backup.
    pub shrink: ShrinkLimits,
}

/// Who produces a stream.
#[derive(Debug)]
pub enum Producer {
    /// This command.
    Command(UserCommand),
    /// Whoever writes to our stdin.
    Stdin,
}
