//! Which backup is the one before a new one, as its manifest names it.

use super::destinations::Destinations;
use crate::error::Result;
use crate::stored::find::catalogue::Found;
use crate::stored::find::history;
use crate::stored::format::names::{Id, Place};
use crate::stored::format::signing::SigningKey;

/// The backup before this one: the newest that this key has signed, as whoever can write to the store could put anything
/// there, and remove it again. If that cannot be known, it is the newest that is listed.
pub(super) async fn previous(
    signing: Option<&SigningKey>,
    stores: &Destinations,
    others: &[Found],
    place: &Place,
) -> Result<Option<Id>> {
    let before: Vec<Found> = others.iter().filter(|other| other.place.id < place.id).cloned().collect();
    let newest = before.iter().map(|other| other.place.id.clone()).max();
    let (Some(key), Some(_)) = (signing, &newest) else { return Ok(newest) };
    let key = key.public()?;
    match stores.ask(async |store| history::newest_signed(store, &before, &key).await).await {
        Ok(Some(signed)) => return Ok(Some(signed)),
        Ok(None) => tracing::warn!(
            "no earlier backup of {} is signed with this key: right if the key is new, else they were removed or hidden",
            place.name
        ),
        // Most keys for backups may only write.
        Err(error) => tracing::debug!("which earlier backups are signed is not known: {error}"),
    }
    Ok(newest)
}
