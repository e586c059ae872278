//! `pgstow adopt`: a dump that was made before enters the same catalogue.
//!
//! The file is read twice: once to learn what is in it and whether it is whole, and once to ship it. What
//! `pg_dumpall` wrote becomes one backup for each of its databases, with the roles beside it.

mod look;

use super::backup::shipment::{Beside, Content, Delivered, Shipment, enough_space};
use super::backup::{document, say_done};
use super::watch::ArchiveWatch;
use crate::error::{Error, Result};
use crate::inventory::Inventory;
use crate::layout::FrameSpan;
use crate::manifest::{self, Globals, Postgres};
use crate::names::{Name, Timestamp};
use crate::pipeline::Watch;
use crate::report::Report;
use crate::script::Outline;
use crate::settings;
use crate::signal::Stop;
use crate::store::Store;
use look::{Dump, Found, examine, look, open_at};
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// Runs `pgstow adopt`.
pub async fn run(settings: settings::Adopt, report: &Report, stop: &Stop) -> Result<()> {
    let preparing = async {
        let about = examine(&settings.file).await?;
        report.say(format!("reading {}", settings.file.display()));
        let found = look(&settings.file, &about).await?;
        let store = super::open(&settings.shipping.store).await?;
        if settings.shipping.check_space {
            enough_space(&*store, found.file_bytes).await?;
        }
        Ok((found, store))
    };
    let (found, store) = stop.or(preparing).await?;
    if !found.left_out.is_empty() {
        report.say(format!("nothing is in {}: left out", found.left_out.join(", ")));
    }
    let (mut ids, mut documents) = (Vec::new(), Vec::new());
    for dump in &found.dumps {
        let delivered = deliver(&settings, &found, dump, Arc::clone(&store), report, stop).await?;
        say_done(report, &delivered);
        ids.push(delivered.manifest.id.to_string());
        documents.push(document(&delivered));
    }
    report.done(ids.join("\n"), &documents)
}

/// Ships one of the dumps in the file.
async fn deliver(
    settings: &settings::Adopt,
    found: &Found,
    dump: &Dump,
    store: Arc<dyn Store>,
    report: &Report,
    stop: &Stop,
) -> Result<Delivered> {
    let bytes = dump.range.end - dump.range.start;
    let content = Content {
        kind: dump.kind,
        postgres: Some(Postgres {
            server_version: dump.server_version.clone(),
            pg_dump_version: dump.pg_dump_version.clone(),
            database_bytes: None,
        }),
        expected: Some(bytes),
        started_at: settings.started_at.unwrap_or(found.changed_at).min(Timestamp::now()),
    };
    let name = name(settings, found, dump)?;
    let shipment = Shipment::prepare(&settings.shipping, store, name, content)?;
    report.say(format!("adopting {} as {}", settings.file.display(), shipment.place));
    let source = open_at(&settings.file, dump.range.start).await?.take(bytes);
    if dump.kind == manifest::Kind::Postgres {
        let watch = ArchiveWatch::with_digests(shipment.progress.clone());
        let judge = async |watch: ArchiveWatch, frames: &[FrameSpan]| {
            let inventory = Inventory::new(watch.finish()?, frames);
            let totals = inventory.totals();
            if totals.is_none() {
                tracing::warn!(
                    "{} holds rows that cannot be counted, so a restore of it will not be proven: they are \
                     compressed by LZ4 or zstd within the dump, or are INSERTs",
                    settings.file.display()
                );
            }
            Ok(Beside { totals, inventory: Some(inventory), ..Beside::default() })
        };
        return shipment.deliver(source, watch, judge, report, stop).await;
    }
    let globals = found.globals.clone();
    let judge = async |watch: ScriptWatch, _: &[FrameSpan]| {
        if !watch.0.finish().complete {
            return Err(Error::verify(format!("{} was changed while it was read", settings.file.display())));
        }
        let globals_status = if globals.is_some() { Globals::Stored } else { Globals::NotTaken };
        Ok(Beside { globals, globals_status, ..Beside::default() })
    };
    shipment.deliver(source, ScriptWatch(Outline::default()), judge, report, stop).await
}

/// The name it is kept under: several databases of one file are kept apart.
fn name(settings: &settings::Adopt, found: &Found, dump: &Dump) -> Result<Name> {
    match &dump.database {
        Some(database) if found.dumps.len() > 1 => {
            format!("{}/{}", settings.name, Name::of_database(database)?).parse()
        }
        _ => Ok(settings.name.clone()),
    }
}

/// Looks whether a script is still whole while it is shipped.
struct ScriptWatch(Outline);

impl Watch for ScriptWatch {
    fn look(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.feed(bytes);
        Ok(())
    }

    fn boundary(&self) -> Option<u64> {
        None
    }
}
