//! What `verify` answers.

use super::Answer;
use crate::record::{Entry, Failed};
use crate::rehearsal::Rehearsed;
use crate::stored::find::catalogue::Signature;
use crate::stored::format::names::{Id, Name};
use crate::verify::{Facts, Verdict, Verified};
use serde::Serialize;
use std::time::Duration;

/// One verdict for each chosen backup.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Verdicts(Vec<One>);

/// What was found out about one backup; what was not reached is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
struct One {
    id: Id,
    name: Name,
    verified: bool,
    /// Whether its dump stayed unread.
    quick: bool,
    duration_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plain_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<Signature>,
    /// Whether it has an inventory.
    #[serde(skip_serializing_if = "Option::is_none")]
    inventory: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<Rehearsed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tables: Option<u64>,
    /// `null` if they could not be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
}

impl Verdicts {
    /// The verdicts; takes them out of `verified`.
    pub fn new(verified: &mut Verified) -> Self {
        Self(std::mem::take(&mut verified.verdicts).into_iter().map(One::new).collect())
    }
}

impl One {
    fn new(verdict: Verdict) -> Self {
        let Verdict { place, quick, took, facts, failed } = verdict;
        let Facts { stored_bytes, plain_bytes, signature, inventory, restored, held, .. } = facts;
        let verified = failed.is_none();
        let (error, exit_code) = failed.map(|failed| (failed.error, failed.exit_code)).unzip();
        let (tables, rows) = held.unzip();
        Self {
            id: place.id,
            name: place.name,
            verified,
            quick,
            duration_s: took.as_secs_f64(),
            stored_bytes,
            plain_bytes,
            signature,
            inventory,
            restored,
            tables,
            rows,
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
            plain_bytes: self.plain_bytes,
            tables: self.tables,
            rows: self.rows.flatten(),
            took: Some(Duration::from_secs_f64(self.duration_s)),
            failed: failed.map(|(error, exit_code)| Failed::reported(error, exit_code)),
            ..Entry::default()
        }
    }
}

impl Answer for Verdicts {
    fn entries(&self) -> Vec<Entry> {
        self.0.iter().map(One::entry).collect()
    }
}
