//! What `copy` answers.

use super::Answer;
use crate::copy::{CopiedBackup, Copies, Outcome};
use crate::record::{Entry, Failed};
use crate::stored::format::names::{Id, Name};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What became of the backups.
#[derive(Debug, Serialize)]
pub struct Copied {
    from: String,
    to: String,
    backups: Vec<One>,
}

#[derive(Debug, Serialize)]
struct One {
    id: Id,
    name: Name,
    /// `copied`, `present` or `failed`.
    outcome: &'static str,
    /// The id that it has in the target, if that is another one: it was rekeyed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    present_as: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_bytes: Option<u64>,
    duration_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
}

impl Copied {
    /// Of these.
    pub fn new(copies: &Copies) -> Self {
        let backups = copies.backups.iter().map(One::new).collect();
        Self { from: copies.from.clone(), to: copies.to.clone(), backups }
    }
}

impl One {
    fn new(copied: &CopiedBackup) -> Self {
        let (outcome, failed) = match &copied.outcome {
            Outcome::Copied => ("copied", None),
            Outcome::Present | Outcome::Rekeyed(_) => ("present", None),
            Outcome::Failed(failed) => ("failed", Some((failed.error.clone(), failed.exit_code))),
        };
        let (error, exit_code) = failed.unzip();
        Self {
            id: copied.place.id.clone(),
            name: copied.place.name.clone(),
            outcome,
            present_as: match &copied.outcome {
                Outcome::Rekeyed(id) => Some(id.clone()),
                _ => None,
            },
            stored_bytes: copied.stored_bytes,
            duration_s: copied.took.as_secs_f64(),
            error,
            exit_code,
        }
    }

    fn entry(&self) -> Entry {
        let failed = self.error.as_ref().zip(self.exit_code);
        Entry {
            name: self.name.to_string(),
            id: Some(self.id.to_string()),
            stored_bytes: self.stored_bytes,
            took: Some(Duration::from_secs_f64(self.duration_s)),
            failed: failed.map(|(error, exit_code)| Failed::reported(error, exit_code)),
            ..Entry::default()
        }
    }
}

impl Answer for Copied {
    /// The ids of what was copied, one a line.
    fn text(&self) -> String {
        let copied = self.backups.iter().filter(|one| one.outcome == "copied");
        copied.map(|one| one.id.to_string()).collect::<Vec<_>>().join("\n")
    }

    /// One for each name: its failure, else its newest backup.
    fn entries(&self) -> Vec<Entry> {
        let mut all: BTreeMap<&Name, Entry> = BTreeMap::new();
        for one in &self.backups {
            let entry = one.entry();
            if all.get(&one.name).is_none_or(|before| before.failed.is_none()) {
                all.insert(&one.name, entry);
            }
        }
        all.into_values().collect()
    }
}
