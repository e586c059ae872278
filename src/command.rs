//! A command of the user's own, which gives or takes a stream.

use std::ffi::OsString;
use std::fmt;

/// A command of the user's own.
pub struct UserCommand {
    /// The program.
    pub program: OsString,
    /// Its arguments; there may be secrets among them.
    pub arguments: Vec<OsString>,
    /// Its environment; there are most likely secrets in it.
    pub environment: Vec<(OsString, OsString)>,
}

impl fmt::Debug for UserCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} …", self.program)
    }
}
