//! What was compared, and what came of it.

use crate::error::{Error, Result};
use crate::units::count;
use indicatif::HumanCount;
use serde::Serialize;
use std::fmt;

/// How what was restored is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofBy {
    /// Not at all.
    Nothing,
    /// By counting every table's rows.
    Counts,
    /// By dumping the database again, and digesting it.
    Digests,
}

/// What was proven.
#[derive(Debug, Default, Serialize)]
pub struct Proof {
    /// How it was compared.
    pub by: By,
    /// Tables whose rows all agree: their number, or with digests their content too.
    pub tables: usize,
    /// The rows in them.
    pub rows: u64,
    /// Those of the tables that hold the same rows in another order.
    pub in_another_order: usize,
    /// Large objects that agree, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub large_objects: Option<u64>,
    /// Tables that could not be compared, and why.
    pub not_compared: Vec<String>,
    /// What does not agree, a sentence each.
    pub differences: Vec<String>,
}

/// What was compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The number of rows of every table.
    #[default]
    Counts,
    /// The digest of every table's rows.
    Digests,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counts => "counts",
            Self::Digests => "digests",
        })
    }
}

impl Proof {
    /// Whether rows were compared, or there were none to compare.
    fn has_rows(&self) -> bool {
        self.rows > 0 || self.not_compared.is_empty()
    }

    /// Whether anything could be compared.
    pub fn is_any(&self) -> bool {
        self.has_rows() || self.large_objects.is_some()
    }

    pub(super) fn agree(&mut self, rows: u64) {
        self.tables += 1;
        self.rows += rows;
    }

    pub(super) fn large_objects(&mut self, expected: u64, found: u64) {
        if found == expected {
            self.large_objects = (expected > 0).then_some(expected);
        } else {
            self.differences.push(format!("{} instead of {expected}", count(found, "large object")));
        }
    }

    pub(super) fn differ(&mut self, label: &str, how: &str) {
        self.differences.push(format!("{label}: {how}"));
    }

    pub(super) fn not_compared(&mut self, label: &str, why: &str) {
        self.not_compared.push(format!("{label} ({why})"));
    }

    /// Says what was proven.
    pub fn said(&self) -> String {
        let mut said = match (self.has_rows(), self.large_objects) {
            (false, Some(objects)) => return count(objects, "large object"),
            _ => format!("{} in {}", count(self.rows, "row"), count(self.tables, "table")),
        };
        if self.in_another_order > 0 {
            said.push_str(&format!(
                ", {} of them in another order",
                HumanCount(self.in_another_order as u64)
            ));
        }
        if let Some(objects) = self.large_objects {
            said.push_str(&format!(", {}", count(objects, "large object")));
        }
        if self.by == By::Digests {
            said.push_str(", digest by digest");
        }
        said
    }

    /// Whether nothing differs.
    pub fn agrees(&self) -> bool {
        self.differences.is_empty()
    }

    /// Says what could not be compared, and fails where something does not agree.
    pub fn judge(&self, database: &str) -> Result<()> {
        if !self.not_compared.is_empty() {
            tracing::warn!("not compared, so not proven: {}", self.not_compared.join(", "));
        }
        judge(&self.differences, &format!("{database} differs from what was dumped"))
    }
}

/// Tells every difference once, and fails if there is one.
pub fn judge(differences: &[String], what: &str) -> Result<()> {
    // The failure itself names the first.
    for difference in differences.iter().skip(1) {
        tracing::warn!("{difference}");
    }
    match differences {
        [] => Ok(()),
        [only] => Err(Error::verify(format!("{what}: {only}"))),
        [first, more @ ..] => Err(Error::verify(format!("{what}: {first}; and {} more", more.len()))),
    }
}
