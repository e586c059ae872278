//! From a database, a command or a file into the store.
//!
//! ```text
//! request ─▶ preflight ─▶ pg_dump ─▶ stored::write::writer
//! ```

pub mod adopt;
pub mod checks;
pub mod command;
pub mod database;
pub mod every;
mod look;
mod reading;
pub mod request;

use crate::run::Run;
use crate::stored::write::writer::StoredBackup;
use crate::units::{age, count};
use indicatif::BinaryBytes;

/// Says what was stored.
fn announce(StoredBackup { manifest, read_back, stores, .. }: &StoredBackup, run: &Run) {
    let plain = manifest.dump().map(|dump| dump.plain_bytes).unwrap_or_default();
    let counted = manifest
        .totals
        .map(|totals| format!("{}, {}, ", count(totals.tables, "table"), count(totals.rows, "row")));
    run.say(format!(
        "stored {} of {}: {}{} of {} in {} stored, {}",
        manifest.id,
        manifest.name,
        counted.unwrap_or_default(),
        BinaryBytes(plain),
        manifest.kind.noun(),
        BinaryBytes(manifest.stored_bytes()),
        age(manifest.duration()),
    ));
    let whole: Vec<&str> =
        stores.iter().filter(|one| one.failed.is_none()).map(|one| one.store.as_str()).collect();
    if stores.len() > 1 {
        run.say(format!("it is whole in {}", whole.join(" and ")));
    }
    if !*read_back {
        run.say("this key is not allowed to read: size and checksum are those the store reported when the upload was completed");
    }
}
