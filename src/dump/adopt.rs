//! `pgstow adopt`: a dump that was made before enters the same catalogue.
//!
//! The file is read twice: once to learn what is in it and whether it is whole, and once to ship it. What
//! `pg_dumpall` wrote becomes one backup for each of its databases, each with the roles.

use super::announce;
use super::look::{Dump, Found, examine, look, open_at};
use crate::error::{Error, Result};
use crate::layout::FrameSpan;
use crate::pipeline::Watch;
use crate::run::Run;
use crate::script::Outline;
use crate::stored::find::catalogue;
use crate::stored::format::inventory::Inventory;
use crate::stored::format::manifest::{self, Globals, Postgres};
use crate::stored::format::names::{Name, Timestamp};
use crate::stored::watch::ArchiveWatch;
use crate::stored::write::destinations::{Destinations, enough_space};
use crate::stored::write::writer::{BackupWriter, Content, SideObjects, StoredBackup, WriteOptions};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// A dump that was made before, and how to keep it.
#[derive(Debug)]
pub struct AdoptRequest {
    /// The file.
    pub file: PathBuf,
    /// The name to keep it under.
    pub name: Name,
    /// When it was begun, if the user says so.
    pub started_at: Option<Timestamp>,
}

/// Stores what is in the file, one backup for each database in it.
pub async fn adopt(request: &AdoptRequest, writing: &WriteOptions, run: &Run) -> Result<Vec<StoredBackup>> {
    let preparing = async {
        let about = examine(&request.file).await?;
        run.say(format!("reading {}", request.file.display()));
        let found = look(&request.file, &about).await?;
        let stores = Arc::new(Destinations::open(&writing.destinations).await?);
        if writing.check_space {
            enough_space(&stores, found.file_bytes).await?;
        }
        Ok((found, stores))
    };
    let (found, stores) = run.or(preparing).await?;
    if !found.left_out.is_empty() {
        run.say(format!("without tables or other objects, and so left out: {}", found.left_out.join(", ")));
    }
    let mut all = Vec::new();
    for dump in &found.dumps {
        let stored = deliver(request, writing, &found, dump, Arc::clone(&stores), run).await?;
        announce(&stored, run);
        all.push(stored);
    }
    Ok(all)
}

/// Ships one of the dumps in the file.
async fn deliver(
    request: &AdoptRequest,
    writing: &WriteOptions,
    found: &Found,
    dump: &Dump,
    stores: Arc<Destinations>,
    run: &Run,
) -> Result<StoredBackup> {
    let bytes = dump.range.end - dump.range.start;
    let name = name(request, found, dump)?;
    let content = Content {
        kind: dump.kind,
        postgres: Some(Postgres {
            server_version: dump.server_version.clone(),
            pg_dump_version: dump.pg_dump_version.clone(),
            database_bytes: None,
            source: None,
        }),
        expected: Some(bytes),
        started_at: request.started_at.unwrap_or(found.changed_at).min(Timestamp::now()),
        others: others(&stores, &name).await,
    };
    let writer = run.or(BackupWriter::prepare(writing, stores, name, content)).await?;
    run.say(format!("adopting {} as {}", request.file.display(), writer.place));
    let source = open_at(&request.file, dump.range.start).await?.take(bytes);
    if dump.kind == manifest::BackupKind::Postgres {
        let watch = ArchiveWatch::with_digests(writer.progress.clone());
        let judge = async |watch: ArchiveWatch, frames: &[FrameSpan]| {
            let inventory = Inventory::new(watch.finish()?, frames);
            let totals = inventory.totals();
            if totals.is_none() {
                tracing::warn!(
                    "{} holds rows that cannot be counted, so a restore of it will not be proven: they are \
                     compressed by LZ4 or zstd within the dump, or are INSERTs",
                    request.file.display()
                );
            }
            Ok(SideObjects { totals, inventory: Some(inventory), ..SideObjects::default() })
        };
        return writer.deliver(source, watch, judge, run).await;
    }
    let globals = found.globals.clone();
    let judge = async |watch: ScriptWatch, _: &[FrameSpan]| {
        if !watch.0.finish().complete {
            return Err(Error::verify(format!("{} was changed while it was read", request.file.display())));
        }
        let globals_status = if globals.is_some() { Globals::Stored } else { Globals::NotTaken };
        Ok(SideObjects { globals, globals_status, ..SideObjects::default() })
    };
    writer.deliver(source, ScriptWatch(Outline::default()), judge, run).await
}

/// The backups of this name that there are; none if the key may not list them.
async fn others(stores: &Destinations, name: &Name) -> Vec<catalogue::Found> {
    let listed = stores.ask(async |store| Ok(catalogue::earlier(&**store, name).await?)).await;
    listed.unwrap_or_else(|error| {
        tracing::debug!("which backups of {name} there are is not known: {error}");
        Vec::new()
    })
}

/// The name it is kept under: the databases of a server are kept apart. So they are if only one has any content
/// today: a nightly one goes on under the same names if there are more tomorrow.
fn name(request: &AdoptRequest, found: &Found, dump: &Dump) -> Result<Name> {
    match &dump.database {
        Some(database) if found.globals.is_some() => {
            format!("{}/{}", request.name, Name::of_database(database)?).parse()
        }
        _ => Ok(request.name.clone()),
    }
}

/// Looks whether a script is still whole while it is shipped.
struct ScriptWatch(Outline);

impl Watch for ScriptWatch {
    fn look(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.feed(bytes);
        Ok(())
    }
}
