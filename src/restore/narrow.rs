//! Less than a whole backup: some tables, or all without some, or without rows.

use crate::archive::{Pattern, Preamble, Section, TocEntry};
use crate::error::Result;
use crate::stored::excerpt;
use crate::stored::inventory::Inventory;
use std::collections::HashSet;

/// What of a backup is restored.
#[derive(Debug, Default)]
pub struct Narrowing {
    /// These tables only; none for all.
    pub tables: Vec<Pattern>,
    /// Not these tables.
    pub without_tables: Vec<Pattern>,
    /// Not the rows of these tables.
    pub without_rows: Vec<Pattern>,
    /// No data at all.
    pub schema_only: bool,
}

impl Narrowing {
    /// Whether it is the whole backup.
    pub fn is_all(&self) -> bool {
        self.tables.is_empty()
            && self.without_tables.is_empty()
            && self.without_rows.is_empty()
            && !self.schema_only
    }

    /// The inventory of what is restored; what does not come along is said.
    ///
    /// # Errors
    /// `Kind::NotFound` if a table was asked for that is not in the backup.
    pub fn of(&self, inventory: Inventory) -> Result<Inventory> {
        let mut inventory = inventory;
        if !self.tables.is_empty() {
            inventory = excerpt::choose(inventory, &self.tables, false)?;
        }
        let front = Preamble::read(&inventory.archive.preamble)?;
        let left_out = front.toc.without(&self.without_tables, &self.without_rows);
        for pattern in &left_out.idle {
            tracing::warn!("nothing in the backup matches {pattern}, so nothing is left out for it");
        }
        for other in &left_out.others {
            tracing::warn!("left out, as it needs what is left out: {other}");
        }
        let mut gone = left_out.entries;
        if self.schema_only {
            gone.extend(data(&front));
        }
        Ok(inventory.only(&front.keep(|entry| !gone.contains(&entry.dump_id()))))
    }
}

/// All data, what is computed from it, and large objects with what is said of them: up to PostgreSQL 16 `pg_dump` creates
/// these before the data.
fn data(front: &Preamble) -> HashSet<i32> {
    let is_data =
        |(section, entry): &(Section, &TocEntry)| *section == Section::Data || entry.kind().is_content();
    let mut data: HashSet<i32> =
        front.toc.sections().filter(is_data).map(|(_, entry)| entry.dump_id()).collect();
    let remarks = front.toc.entries().iter().filter(|entry| entry.kind().is_remark());
    let of_data = remarks.filter(|entry| entry.dependencies().any(|id| data.contains(&id)));
    let of_data: Vec<i32> = of_data.map(TocEntry::dump_id).collect();
    data.extend(of_data);
    data
}
