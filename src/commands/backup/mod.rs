//! `pgstow backup`: into the store, encrypted, visible only when it is whole.

mod database;
mod shipment;

use super::list::age;
use crate::error::Result;
use crate::manifest::Totals;
use crate::report::Report;
use crate::settings;
use crate::signal::Stop;
use indicatif::BinaryBytes;
use serde_json::json;
use shipment::Delivered;

/// Runs `pgstow backup`.
pub async fn run(settings: settings::Backup, report: &Report, stop: &Stop) -> Result<()> {
    let delivered = database::back_up(&settings.database, &settings.shipping, report, stop).await?;
    say_done(report, &delivered)
}

fn say_done(report: &Report, Delivered { manifest, read_back }: &Delivered) -> Result<()> {
    let plain = manifest.dump()?.plain_bytes;
    let Totals { tables, rows } = manifest.totals.unwrap_or_default();
    report.say(format!(
        "stored {} of {}: {tables} tables, {rows} rows, {} of dump in {} stored, {}",
        manifest.id,
        manifest.name,
        BinaryBytes(plain),
        BinaryBytes(manifest.stored_bytes()),
        age(manifest.duration()),
    ));
    if !*read_back {
        report.say("the key may not read: size and checksum are those the store gave on completion");
    }
    report.answer(
        &manifest.id,
        &json!({
            "id": manifest.id,
            "name": manifest.name,
            "objects": manifest.objects,
            "plain_bytes": plain,
            "stored_bytes": manifest.stored_bytes(),
            "duration_s": manifest.duration().as_secs_f64(),
            "tables": tables,
            "rows": rows,
            "read_back": read_back,
        }),
    )
}
