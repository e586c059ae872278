//! How a rehearsal went: what was proven, and the user's own questions.

use crate::error::{Error, Result};
use crate::proof::{self, Proof, catalog};
use crate::stored::format::names::Place;
use crate::units::{age, count, counted_rows};
use serde::Serialize;
use std::time::Duration;

/// How a rehearsal went.
#[derive(Debug, Serialize)]
pub struct Rehearsed {
    /// Version of the server that was restored into.
    pub server_version: String,
    /// Whether that was a cluster of our own.
    pub own_cluster: bool,
    /// How long the restore took, to where an application could begin: the user's recovery time.
    pub restore_s: f64,
    /// What was proven of the data, where the backup has an inventory.
    pub proof: Option<Proof>,
    /// How many objects of each kind were found again.
    pub objects: catalog::Counts,
    /// What is not there of what the backup defines, or stands elsewhere; a sentence each.
    pub catalog_differences: Vec<String>,
    /// The user's own questions.
    pub checks: Vec<Check>,
    /// What was left out, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The extensions among that.
    #[serde(skip)]
    pub extensions_left_out: Vec<String>,
    /// Their rows, a phrase for each table that has some.
    #[serde(skip)]
    pub rows_left_out: Vec<String>,
    /// Materialized views that stayed empty, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_refreshed: Vec<String>,
    /// Tables that came.
    #[serde(skip)]
    pub tables: u64,
    /// Rows that came, where they were counted.
    #[serde(skip)]
    pub rows: Option<u64>,
}

/// A question of the user's, and its answer.
#[derive(Debug, Serialize)]
pub struct Check {
    pub sql: String,
    pub passed: bool,
    /// Whether it is no SQL, which says nothing about the backup.
    #[serde(skip)]
    pub mistyped: bool,
    /// What is wrong with the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Rehearsed {
    /// Says what was proven.
    pub fn said(&self) -> String {
        let took = age(Duration::from_secs_f64(self.restore_s));
        let mut said = format!(
            "{}, {}; restored in {took} into PostgreSQL {}",
            count(self.tables, "table"),
            counted_rows(self.rows),
            self.server_version
        );
        if let Some(proof) = self.proof.as_ref().filter(|_| self.is_proven()) {
            said.push_str(&format!("; proven: {}", proof.said()));
        }
        // If nothing was compared, there is nothing to count.
        let kinds = ["sequence", "extension", "constraint", "index"];
        for kind in kinds.into_iter().filter(|_| !self.objects.is_empty()) {
            let found: usize =
                self.objects.iter().filter(|(name, _)| name.ends_with(kind)).map(|(_, count)| count).sum();
            said.push_str(&format!(", {}", count(found, kind)));
        }
        if !self.left_out.is_empty() {
            said.push_str(&format!("; {} left out", self.left_out.len()));
        }
        if !self.not_refreshed.is_empty() {
            said.push_str(&format!(
                "; {} not refreshed",
                count(self.not_refreshed.len(), "materialized view")
            ));
        }
        if !self.checks.is_empty() {
            said.push_str(&format!(", {} true", count(self.checks.len(), "check")));
        }
        said
    }

    /// Whether anything was proven of the data.
    pub fn is_proven(&self) -> bool {
        self.proof.as_ref().is_some_and(Proof::is_any)
    }

    /// Fails where anything is not as it should be.
    pub fn judge(&self, place: &Place) -> Result<()> {
        if let Some(proof) = &self.proof {
            proof.judge(&format!("{place}, restored,"))?;
        }
        proof::judge(&self.catalog_differences, &format!("{place}, restored, is not what was dumped"))?;
        let failed = |check: &Check| {
            let problem = check.problem.as_ref()?;
            Some(format!("the check {:?} {problem}", check.sql))
        };
        let (mistyped, asked): (Vec<&Check>, Vec<&Check>) =
            self.checks.iter().partition(|check| check.mistyped);
        let asked: Vec<String> = asked.into_iter().filter_map(failed).collect();
        proof::judge(&asked, &place.to_string())?;
        match mistyped.into_iter().find_map(failed) {
            None => Ok(()),
            Some(failed) => Err(Error::usage(failed)
                .hint("the check is not valid SQL; nothing was found wrong with the backup")),
        }
    }
}
