//! What `status` answers.

use super::Answer;
use crate::error::Kind;
use crate::record::{Entry, Failed};
use crate::status::{NameStatus, Problem, Status};
use crate::stored::format::manifest::Manifest;
use crate::stored::format::names::{Id, Timestamp};
use crate::units::age;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{BinaryBytes, HumanCount};
use serde::Serialize;
use std::time::Duration;

/// The status of a name whose backups were seen before, and are no longer there.
const GONE: &str = "gone";

/// How the backups of each name are.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Statuses {
    names: Vec<One>,
    #[serde(skip)]
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct One {
    name: String,
    status: &'static str,
    /// What shrank, or is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The newest whole backup.
    id: Option<Id>,
    started_at: Option<Timestamp>,
    age_s: Option<u64>,
    stored_bytes: Option<u64>,
    rows: Option<u64>,
    /// The newest backup that is proven to restore.
    proven_id: Option<Id>,
    proven_at: Option<Timestamp>,
    /// Newer backups that do not count as whole.
    passed_over: Vec<PassedOver>,
}

#[derive(Debug, Serialize)]
struct PassedOver {
    id: String,
    why: String,
}

impl Statuses {
    /// Of what was found out.
    pub fn new(status: &Status) -> Self {
        let names = status.names.iter();
        Self { names: names.clone().map(One::new).collect(), entries: names.map(entry).collect() }
    }
}

/// What metrics and alarms hear of a name: a failure that is only its own.
fn entry(of: &NameStatus) -> Entry {
    let manifest = of.newest.as_ref().map(|newest| &newest.manifest);
    let totals = manifest.and_then(|manifest| manifest.totals);
    Entry {
        name: of.name.clone(),
        id: manifest.map(|manifest| manifest.id.to_string()),
        stored_bytes: manifest.map(Manifest::stored_bytes),
        tables: totals.map(|totals| totals.tables),
        rows: totals.map(|totals| totals.rows),
        failed: of.complaint().map(|what| Failed::reported(&what, Kind::Overdue.exit_code())),
        ..Entry::default()
    }
}

impl One {
    fn new(of: &NameStatus) -> Self {
        let manifest = of.newest.as_ref().map(|newest| &newest.manifest);
        let (status, detail) = match &of.problem {
            None => ("ok", None),
            Some(Problem::Missing | Problem::Torn) => ("missing", None),
            Some(Problem::TooOld) => ("too-old", None),
            Some(Problem::Shrank(what)) => ("shrank", Some(what.clone())),
            Some(Problem::Gone(what)) => (GONE, Some(what.clone())),
        };
        let passed_over = of.passed_over.iter();
        let (proven_id, proven_at) = of.proven.clone().unzip();
        Self {
            name: of.name.clone(),
            status,
            detail,
            id: manifest.map(|manifest| manifest.id.clone()),
            started_at: manifest.map(|manifest| manifest.started_at),
            age_s: of.age.map(|age| age.as_secs()),
            stored_bytes: manifest.map(Manifest::stored_bytes),
            rows: manifest.and_then(|manifest| manifest.totals).map(|totals| totals.rows),
            proven_id,
            proven_at,
            passed_over: passed_over
                .map(|(id, flaw)| PassedOver { id: id.to_string(), why: flaw.to_string() })
                .collect(),
        }
    }
}

impl Answer for Statuses {
    fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let mut headers = vec!["NAME", "STATUS", "NEWEST", "AGE", "STORED", "ROWS"];
        let is_proven = self.names.iter().any(|one| one.proven_at.is_some());
        if is_proven {
            headers.push("PROVEN");
        }
        table.set_header(headers);
        for one in &self.names {
            // What is gone takes a long sentence, which the failure says.
            let status = match &one.detail {
                Some(detail) if one.status != GONE => format!("{}: {detail}", one.status),
                _ => one.status.to_owned(),
            };
            let mut row = vec![
                one.name.clone(),
                status,
                one.id.as_ref().map(ToString::to_string).unwrap_or_default(),
                one.age_s.map(|seconds| age(Duration::from_secs(seconds))).unwrap_or_default(),
                one.stored_bytes.map(|bytes| BinaryBytes(bytes).to_string()).unwrap_or_default(),
                one.rows.map(|rows| HumanCount(rows).to_string()).unwrap_or_default(),
            ];
            if is_proven {
                row.push(one.proven_at.map(Timestamp::ago).unwrap_or_default());
            }
            table.add_row(row);
        }
        for right in [3, 4, 5, 6] {
            if let Some(column) = table.column_mut(right) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }

    fn entries(&self) -> Vec<Entry> {
        self.entries.clone()
    }
}
