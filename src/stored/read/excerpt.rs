//! Some tables of a backup, as an archive of their own: only their bytes are fetched.
//!
//! It is an archive as `pg_dump` would write it: its table of contents has the chosen entries only, so
//! every `pg_restore` reads it without further words. A backup without an inventory does not say where
//! its tables lie, and nothing can be chosen from it here.

use super::opened::OpenedBackup;
use super::ranges::Ranges;
use crate::archive::{Contents, EntryKind, Pattern, Preamble, Reader, Selection, TocEntry};
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::stored::format::digest::Digest;
use crate::stored::format::inventory::{Block, Inventory};
use crate::stored::format::manifest;
use bytes::Bytes;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Chooses the tables that the patterns fit, and says what does not come with them.
///
/// Where only rows are wanted, nothing else is missed.
pub fn choose(inventory: Inventory, patterns: &[Pattern], only_rows: bool) -> Result<Inventory> {
    let front = Preamble::read(&inventory.archive.preamble)?;
    let selection = front.toc.select(patterns)?;
    refuse_hypertables(&front, |table| selection.entries.contains(&table.dump_id()))?;
    if !only_rows {
        say_what_is_not_whole(&selection);
    }
    let kept = front.keep(|entry| selection.entries.contains(&entry.dump_id()));
    Ok(inventory.only(&if only_rows {
        kept
    } else {
        kept.with_rows_where_they_were(&selection.of_partitions_alone)
    }))
}

/// Chooses tables for a database that lacks these entries and has all else, and says what does not come with them.
pub fn choose_missing(
    inventory: Inventory,
    patterns: &[Pattern],
    lacking: HashSet<i32>,
) -> Result<Inventory> {
    let front = Preamble::read(&inventory.archive.preamble)?;
    let selection = front.toc.select_missing(patterns, lacking)?;
    refuse_hypertables(&front, |table| selection.entries.contains(&table.dump_id()))?;
    say_what_is_not_whole(&selection);
    let joined = &selection.joined;
    let kept = front.keep(|entry| selection.entries.contains(&entry.dump_id()));
    let (kept, renamed) = kept.without_joined(&joined.indexes);
    for constraint in renamed {
        tracing::warn!(
            "left out: the name of {constraint} (the server gives it another with the one of the whole table)"
        );
    }
    let kept = kept.in_order(|entry| match joined.fitting.get(&entry.dump_id()) {
        Some(number) => *number,
        None if joined.users.contains(&entry.dump_id()) => usize::MAX,
        None => 0,
    });
    let kept = kept.with_last(|entry| joined.last.contains(&entry.dump_id()));
    let kept = kept.with_last(|entry| joined.own.contains(&entry.dump_id()));
    let kept = kept.with(|entry| match joined.first.get(&entry.dump_id()) {
        Some(first) => entry.with_defn(&[first, entry.defn().unwrap_or_default()].concat()),
        None => entry.clone(),
    });
    // Foreign keys look at the rows of all partitions, and at all rows: before policies hold some back.
    let kept = kept.with_last(|entry| entry.kind() == EntryKind::ForeignKey);
    let kept = kept.with_last(|entry| {
        matches!(entry.kind(), EntryKind::Policy | EntryKind::RowSecurity) || entry.kind().is_remark()
    });
    Ok(inventory.only(&kept.with_rows_where_they_were(&selection.of_partitions_alone)))
}

/// Says which tables come without rows, and what of tables does not come.
fn say_what_is_not_whole(selection: &Selection) {
    if !selection.only_defined.is_empty() {
        tracing::warn!(
            "created because they are needed, but without rows: {}",
            selection.only_defined.join(", ")
        );
    }
    for part in &selection.left_out {
        tracing::warn!("left out: {part}");
    }
}

/// Refuses to choose hypertables of TimescaleDB, or to leave them out: their rows are in chunks, which other tables name.
pub fn refuse_hypertables(front: &Preamble, is_meant: impl Fn(&TocEntry) -> bool) -> Result<()> {
    let hypertables = front.toc.hypertables();
    let mut tables = front.toc.entries().iter().filter(|entry| hypertables.contains(&entry.dump_id()));
    let Some(table) = tables.find(|table| is_meant(table)) else { return Ok(()) };
    Err(Error::usage(format!(
        "{} is a hypertable of TimescaleDB, whose rows are in other tables: it comes with the whole backup only",
        table.label()
    ))
    .hint("restore all of it into a database of its own, and copy the rows from there"))
}

/// Leaves out the rows of foreign tables, and says so: the server that has them would get them once more. `None` if there
/// are no such rows.
pub fn without_foreign_rows(inventory: &Inventory) -> Result<Option<Inventory>> {
    let front = Preamble::read(&inventory.archive.preamble)?;
    for rows in front.toc.foreign_rows() {
        tracing::warn!(
            "left out: the rows of the foreign table {}, which would be written to its server; `pgstow fetch … --table NAME` brings \
             them as a file, to load by hand",
            rows.label()
        );
    }
    rows_of_this_server(inventory)
}

/// The same inventory without the rows of foreign tables; `None` if it has none.
pub fn rows_of_this_server(inventory: &Inventory) -> Result<Option<Inventory>> {
    let front = Preamble::read(&inventory.archive.preamble)?;
    let foreign: HashSet<i32> = front.toc.foreign_rows().map(TocEntry::dump_id).collect();
    let rest = || inventory.clone().only(&front.keep(|entry| !foreign.contains(&entry.dump_id())));
    Ok((!foreign.is_empty()).then(rest))
}

/// The inventory of a backup, to choose tables from.
pub async fn inventory(source: &OpenedBackup) -> Result<Inventory> {
    source.inventory().await?.ok_or_else(|| not_known(source))
}

/// Says why nobody knows the tables of a backup without an inventory, and how to come by them.
pub fn not_known(source: &OpenedBackup) -> Error {
    let place = source.place();
    let fetch = format!("pgstow fetch {} --name {} -o", place.id, place.name);
    let no_tables = |why: &str| Error::not_found(format!("{place} {why}"));
    match source.kind() {
        manifest::BackupKind::Stream => no_tables("is a stream: no tables are known")
            .hint(format!("`{fetch} FILE` fetches it as it is")),
        manifest::BackupKind::Sql => no_tables("is a plain SQL dump: the position of its tables is not known").hint(format!(
            "`{fetch} - | grep '^CREATE TABLE'` shows what is in it; restore all of it into a database of its own, and take the table from there"
        )),
        manifest::BackupKind::Postgres => no_tables("has no inventory: the position of its tables is not known").hint(
            format!("`{fetch} app.dump` brings all of it; pg_restore --list and --table choose from that"),
        ),
    }
}

/// Streams the smaller archive into `sink`; the last bytes only after every digest has agreed.
pub async fn stream(
    opened: &OpenedBackup,
    progress: &Progress,
    excerpt: &Inventory,
    sink: &mut (impl AsyncWrite + Unpin + Send),
) -> Result<Contents> {
    sink.write_all(&excerpt.archive.preamble).await.map_err(undelivered)?;
    let contents =
        read(opened, progress, excerpt, async |bytes| sink.write_all(&bytes).await.map_err(undelivered))
            .await?;
    sink.flush().await.map_err(undelivered)?;
    Ok(contents)
}

/// Hands the bytes of the excerpt's blocks to `take`; the last only after every digest has agreed.
///
/// # Errors
/// The store's; `Kind::Verify` where a block is not what the inventory says; `take`'s own.
pub async fn read(
    opened: &OpenedBackup,
    progress: &Progress,
    excerpt: &Inventory,
    mut take: impl AsyncFnMut(Bytes) -> Result<()>,
) -> Result<Contents> {
    let mut reader = Reader::with_digests();
    reader.feed(&excerpt.archive.preamble)?;
    let is_whole = excerpt.archive.bytes == opened.dump.plain_bytes;
    let explained = |error: Error| opened.explain_dump(error, is_whole);
    let mut last = Bytes::new();
    let stretches: Vec<_> = excerpt.blocks.iter().map(Block::range).collect();
    // Without rows it must be there all the same.
    let pieces = Ranges::of(opened, progress).await.map_err(explained)?;
    let mut look = async |bytes: Bytes| {
        reader.feed(&bytes)?;
        progress.now_passing(reader.current().map(TocEntry::label).unwrap_or_default());
        progress.plain.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        take(std::mem::replace(&mut last, bytes)).await
    };
    for ascending in stretches.chunk_by(|one, next| one.end <= next.start) {
        pieces.read(excerpt, ascending, &mut look).await.map_err(explained)?;
    }
    let contents = reader.finish().map_err(|e| explained(e.into()))?;
    let differs = |(said, is): &(&Block, &crate::archive::Block)| said.sha256 != is.sha256.map(Digest);
    if let Some((block, is)) = excerpt.blocks.iter().zip(&contents.blocks).find(differs) {
        let place = block.first_difference(is);
        let differs = Error::verify(format!("{} is not what was backed up{place}", block.label()));
        return Err(explained(differs));
    }
    take(last).await?;
    Ok(contents)
}

fn undelivered(error: std::io::Error) -> Error {
    Error::from_io(error, Kind::LocalFile, "write what was unpacked")
}
