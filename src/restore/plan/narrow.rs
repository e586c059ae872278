//! Less than a whole backup: some tables, or all without some, without rows, or without extensions.

use crate::archive::{
    Defined, LeftOut, Pattern, Preamble, Section, TIMESCALEDB, TableName, TocEntry, Unwanted,
};
use crate::error::Result;
use crate::stored::format::extension::Extension;
use crate::stored::format::inventory::{Block, BlockKind, Inventory};
use crate::stored::read::excerpt;
use crate::stored::read::reader::BackupReader;
use crate::text::shell_word;
use crate::units::count;
use std::collections::HashSet;

/// An extension that runs jobs at set times. A server has it in one database, which a setting names, and not while that has
/// another name; a copy of the jobs would run a second time.
pub(super) const SCHEDULER: &str = "pg_cron";

/// What of a backup is restored.
#[derive(Debug, Default)]
pub struct Narrowing {
    /// These tables only; none for all.
    pub tables: Vec<Pattern>,
    /// Not these tables.
    pub without_tables: Vec<Pattern>,
    /// Not the rows of these tables.
    pub without_rows: Vec<Pattern>,
    /// Not these extensions.
    pub without_extensions: Vec<String>,
    /// No data at all.
    pub schema_only: bool,
}

impl Narrowing {
    /// Whether it is the whole backup.
    pub fn is_all(&self) -> bool {
        self.tables.is_empty()
            && self.without_tables.is_empty()
            && self.without_rows.is_empty()
            && self.without_extensions.is_empty()
            && !self.schema_only
    }

    /// What else can be done if the database that would be created is there.
    pub fn if_it_is_there(&self) -> Option<&'static str> {
        if self.schema_only {
            None
        } else if !self.tables.is_empty() {
            let is_for_into = self.without_extensions.is_empty();
            is_for_into.then_some(
                "or bring the tables back into this database: --into instead of --to appends their rows, and with --create-tables creates those that are gone",
            )
        } else {
            Some("or let the restored one take its place, and keep this one under another name: --swap")
        }
    }

    /// Lets the reader read no more of this backup than is restored, and no rows of foreign tables. Returns what is restored,
    /// or `None` if the reader's excerpt is that, and the rows that go with extensions, a phrase for each table; what does not
    /// come along is said.
    ///
    /// # Errors
    /// `Kind::NotFound` if a table was asked for that is not in the backup, or if what is in it is not known.
    pub fn apply(
        &self,
        reader: &mut BackupReader,
        whole: Option<Inventory>,
    ) -> Result<(Option<Inventory>, Vec<String>)> {
        let (held, rows) = match whole {
            None if self.is_all() => return Ok((None, Vec::new())),
            None => return Err(excerpt::not_known(reader)),
            Some(whole) if self.is_all() => (whole, Vec::new()),
            Some(whole) => self.of(whole)?,
        };
        match excerpt::without_foreign_rows(&held)? {
            Some(rest) => reader.narrow(rest),
            None if self.is_all() => {}
            None => {
                reader.narrow(held);
                return Ok((None, rows));
            }
        }
        Ok((Some(held), rows))
    }

    /// The inventory of what is restored, and the rows that go with extensions.
    fn of(&self, inventory: Inventory) -> Result<(Inventory, Vec<String>)> {
        let whole = Preamble::read(&inventory.archive.preamble)?;
        let mut inventory = inventory;
        if !self.tables.is_empty() {
            inventory = excerpt::choose(inventory, &self.tables, false)?;
        }
        let front = Preamble::read(&inventory.archive.preamble)?;
        let kept = self.of_front(&front, &inventory.extensions)?;
        warn_of_lacking_rows(&whole, &front, &kept);
        let extensions = Self { without_extensions: self.without_extensions.clone(), ..Self::default() };
        let rows = match self.schema_only {
            true => Vec::new(),
            false => rows_gone(
                &inventory,
                &inventory.extensions,
                &extensions.left_out(&front, &inventory.extensions).entries,
            ),
        };
        Ok((inventory.only(&kept), rows))
    }

    /// The same archive without what is left out of it, which is said; what tables are chosen plays no part.
    pub fn of_front(&self, front: &Preamble, extensions: &[Extension]) -> Result<Preamble> {
        let left_out = self.left_out(front, extensions);
        self.refuse_hypertables(front, &left_out)?;
        for pattern in &left_out.idle {
            tracing::warn!("nothing in the backup matches {pattern}, so nothing is left out for it");
        }
        for other in &left_out.others {
            tracing::warn!("left out, as it needs what is left out: {other}");
        }
        let mut gone = left_out.entries;
        if self.schema_only {
            gone.extend(data(front));
        }
        Ok(front.keep(|entry| !gone.contains(&entry.dump_id())))
    }

    /// What would be left out only because it needs something else that is.
    pub fn needs(&self, front: &Preamble, extensions: &[Extension]) -> Vec<String> {
        self.left_out(front, extensions).others
    }

    /// Refuses what would leave out rows of a hypertable, or bring them without what makes it one.
    fn refuse_hypertables(&self, front: &Preamble, left_out: &LeftOut) -> Result<()> {
        let all = self.schema_only || self.without_extensions.iter().any(|name| name == TIMESCALEDB);
        let rows = front.toc.with_data().filter(|rows| left_out.entries.contains(&rows.dump_id()));
        let tables: HashSet<i32> = rows.flat_map(TocEntry::dependencies).collect();
        excerpt::refuse_hypertables(front, |table| {
            let id = table.dump_id();
            all || left_out.entries.contains(&id) || tables.contains(&id)
        })
    }

    fn left_out(&self, front: &Preamble, extensions: &[Extension]) -> LeftOut {
        let mut defined = Defined::default();
        for name in &self.without_extensions {
            let known = extensions.iter().find(|one| one.name == *name).cloned();
            if let Some(known) = known.or_else(|| scheduler(name)) {
                defined.content.extend(known.content);
                defined.schemas.extend(known.schemas);
                defined.granted.extend(known.granted);
            }
        }
        front.toc.without(&Unwanted {
            tables: &self.without_tables,
            rows: &self.without_rows,
            extensions: &self.without_extensions,
            of_extensions: &defined,
        })
    }
}

/// What is known of pg_cron if nobody has asked the database for it, as it was not pgstow that dumped it.
fn scheduler(name: &str) -> Option<Extension> {
    let of_cron = |name: &str| ["cron".to_owned(), name.to_owned()];
    (name == SCHEDULER).then(|| Extension {
        name: name.to_owned(),
        version: String::new(),
        content: ["job", "job_run_details", "jobid_seq", "runid_seq"].map(of_cron).to_vec(),
        schemas: vec!["cron".to_owned()],
        granted: Vec::new(),
        made: None,
    })
}

/// Says which of these rows go with extensions: a phrase for each table that has some.
pub fn rows_gone(held: &Inventory, extensions: &[Extension], gone: &HashSet<i32>) -> Vec<String> {
    let is_gone = |block: &&Block| {
        block.kind == BlockKind::Table && block.rows != Some(0) && gone.contains(&block.dump_id)
    };
    let said = |block: &Block| {
        let is_it = |of: &[String; 2]| of[0] == block.schema.as_str() && of[1] == block.table.as_str();
        let of = extensions.iter().find(|one| one.content.iter().any(is_it));
        let why = match of {
            Some(extension) => format!("they belong to the extension {}", extension.name),
            None => "they need an extension that is left out".to_owned(),
        };
        let rows = block.rows.map_or_else(|| "the rows".to_owned(), |rows| count(rows, "row"));
        let what = format!("{rows} of {} ({why})", block.label());
        tracing::warn!("left out: {what}");
        what
    };
    held.blocks.iter().filter(is_gone).map(said).collect()
}

/// The entries of one archive that another, made of it, does not have.
pub fn entries_gone(whole: &Preamble, kept: &Preamble) -> HashSet<i32> {
    let ids = |front: &Preamble| front.toc.entries().iter().map(TocEntry::dump_id).collect::<HashSet<i32>>();
    &ids(whole) - &ids(kept)
}

/// Names the generated columns that may get other values, since rows that they are computed from are left out: nothing
/// compares these values.
pub fn warn_of_lacking_rows(whole: &Preamble, chosen: &Preamble, kept: &Preamble) {
    let ids = |front: &Preamble| front.toc.with_data().map(TocEntry::dump_id).collect::<HashSet<i32>>();
    let (chosen, kept) = (ids(chosen), ids(kept));
    for (rows, reads) in whole.toc.computed_rows(&kept) {
        let lacking: Vec<&TocEntry> =
            reads.into_iter().filter(|entry| !kept.contains(&entry.dump_id())).collect();
        if lacking.is_empty() {
            continue;
        }
        let not_chosen = lacking.iter().filter(|entry| !chosen.contains(&entry.dump_id()));
        let words: Vec<String> = not_chosen.map(|entry| format!("--table {}", as_typed(entry))).collect();
        let way = match words.is_empty() {
            true => "do not exclude them".to_owned(),
            false => format!("add {}", words.join(" ")),
        };
        let lacking: Vec<String> = lacking.into_iter().map(TocEntry::label).collect();
        tracing::warn!(
            "generated columns of {} are computed without the rows of {}, so they may have other values: {way}",
            rows.label(),
            lacking.join(", ")
        );
    }
}

/// The table whose rows these are, as a shell takes it.
fn as_typed(rows: &TocEntry) -> String {
    let (_, schema, name) = rows.identity();
    shell_word(&TableName { schema, name }.pattern())
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
