//! The receipts of a backup's trial restores, which come along with it: what they prove is its manifest, by its digest, and
//! the manifest has the digests of everything else.
//!
//! So they hold for whatever store has this manifest, and for no other: where a backup was written into two stores at
//! once, each has a manifest of its own, and its own receipts.

use super::object::Way;
use crate::error::Result;
use crate::run::Run;
use crate::store::Situation;
use crate::stored::find::catalogue::Backup;
use crate::stored::find::proven;
use crate::stored::format::names::Id;
use crate::stored::format::signing::VerifyKeys;
use crate::units::count;

/// Copies those receipts that hold, and that the target does not have yet.
///
/// The backup is there and whole. So a receipt that cannot be copied is warned of, and comes with the next copy.
///
/// # Errors
/// Only if the run is to end.
pub(super) async fn copy(
    backup: &Backup,
    receipts: &[Id],
    there: &[Id],
    way: &Way,
    trusted: Option<&VerifyKeys>,
    run: &Run,
) -> Result<()> {
    let mut copied = 0;
    for id in receipts.iter().filter(|id| !there.contains(id)) {
        match run.or(one(backup, id, way, trusted)).await {
            Ok(is_copied) => copied += usize::from(is_copied),
            Err(error) if error.kind().is_signal() => return Err(error),
            Err(error) => tracing::warn!("a receipt for {} was not copied: {error}", backup.place),
        }
    }
    if copied > 0 {
        run.say(format!("copied {} for {}", count(copied, "receipt"), backup.place));
    }
    Ok(())
}

/// Copies one, if it holds; whether it was.
async fn one(backup: &Backup, id: &Id, way: &Way, trusted: Option<&VerifyKeys>) -> Result<bool> {
    let of = (&backup.place, &backup.manifest_sha256);
    let Some(recorded) = proven::recorded(&way.from, of, id, trusted).await? else { return Ok(false) };
    for (key, bytes) in recorded.objects {
        match way.to.put_new(&key, bytes).await {
            // Of a copy that was killed, or one that goes on at the same time.
            Err(error) if error.situation() == Situation::Exists => {}
            put => drop(put?),
        }
    }
    Ok(true)
}
