//! `pgstow backup`: into the store, encrypted, visible only when it is whole.

mod database;
mod every;
pub(super) mod shipment;
mod stream;

use super::neon;
use crate::error::Result;
use crate::report::Report;
use crate::settings::{self, What};
use crate::signal::Stop;
use crate::units::{age, count};
use database::Roles;
use indicatif::BinaryBytes;
use serde_json::{Value, json};
use shipment::Delivered;

/// Runs `pgstow backup`.
pub async fn run(settings: settings::Backup, report: &Report, stop: &Stop) -> Result<()> {
    let shipping = &settings.shipping;
    let delivered = match &settings.what {
        What::Every { each, exclude } => return every::back_up(each, exclude, shipping, report, stop).await,
        What::Database(database) => one(database, shipping, report, stop).await?,
        What::Stream { name, producer } => stream::back_up(name, producer, shipping, report, stop).await?,
    };
    say_done(report, &delivered);
    report.done(&delivered.manifest.id, &document(&delivered))
}

/// Backs up one database; on Neon it is looked for first, or a branch is made to dump from.
async fn one(
    database: &settings::Database,
    shipping: &settings::Shipping,
    report: &Report,
    stop: &Stop,
) -> Result<Delivered> {
    let roles = Roles::new();
    let Some(neon) = &database.neon else {
        return database::back_up(database, shipping, &roles, report, stop).await;
    };
    let source = neon::source(neon, report, stop).await?;
    let there = settings::Database { connection: source.conn.clone(), ..database.clone() };
    let done = database::back_up(&there, shipping, &roles, report, stop).await;
    source.close(report).await;
    done
}

/// Says what was stored.
pub(super) fn say_done(report: &Report, Delivered { manifest, read_back }: &Delivered) {
    let plain = manifest.dump().map(|dump| dump.plain_bytes).unwrap_or_default();
    let counted = manifest
        .totals
        .map(|totals| format!("{}, {}, ", count(totals.tables, "table"), count(totals.rows, "row")));
    report.say(format!(
        "stored {} of {}: {}{} of {} in {} stored, {}",
        manifest.id,
        manifest.name,
        counted.unwrap_or_default(),
        BinaryBytes(plain),
        manifest.kind.noun(),
        BinaryBytes(manifest.stored_bytes()),
        age(manifest.duration()),
    ));
    if !*read_back {
        report.say("the key may not read: size and checksum are those the store gave on completion");
    }
}

/// What programs are told.
pub(super) fn document(Delivered { manifest, read_back }: &Delivered) -> Value {
    json!({
        "id": manifest.id,
        "name": manifest.name,
        "objects": manifest.objects,
        "plain_bytes": manifest.dump().map(|dump| dump.plain_bytes).unwrap_or_default(),
        "stored_bytes": manifest.stored_bytes(),
        "duration_s": manifest.duration().as_secs_f64(),
        "tables": manifest.totals.map(|totals| totals.tables),
        "rows": manifest.totals.map(|totals| totals.rows),
        "read_back": read_back,
    })
}
