//! A trap: something that only a program makes which must not run.

use crate::harness::Run;
use crate::servers::folder;
use std::path::PathBuf;
use tempfile::TempDir;

/// A file that only a command in an answer would make.
pub struct Trap {
    folder: TempDir,
}

impl Trap {
    pub fn new() -> Trap {
        // Whoever runs it could make it.
        Trap { folder: folder("trap") }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("sprung")
    }

    /// A command of psql's that springs it.
    pub fn command(&self) -> String {
        // Whatever comes after it on the line is a comment.
        format!("\\! touch {} #", self.file().display())
    }

    /// The command on lines of its own, outside of quotes whatever quotes the text stands in.
    pub fn text(&self) -> String {
        let command = self.command();
        format!("5\n{command}\n;x'\n{command}\n;' x\"\n{command}\n;\"\n{command}\n")
    }

    /// Nothing has sprung it, and what a failure says are sentences.
    #[track_caller]
    pub fn is_not_sprung(&self, run: &Run) {
        assert!(!self.file().exists(), "a command of the server's has run: {run}");
        assert!(run.status.success() || run.stderr.contains("error: "), "{run}");
        assert!(!run.stderr.contains("panicked"), "{run}");
    }
}
