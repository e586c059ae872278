//! Proves a restore: what now lies in the database, against the inventory of its backup.
//!
//! Either the rows of every table are counted there ([`counts`]), or the database is dumped again and
//! everything in it digested ([`digests`]). What cannot be compared is named, and never called proven.

pub mod catalog;
pub mod counts;
mod digests;
pub mod redump;
mod verdict;

pub use verdict::{Proof, ProofBy, judge};

use crate::error::Result;
use crate::postgres::Target;
use crate::postgres::clients::Clients;
use crate::run::Run;
use crate::stored::format::inventory::Inventory;
use crate::stored::read::reader::BackupReader;

/// Proves what was restored from `source`; `None` where that was not asked for.
///
/// # Errors
/// What kept it from looking. That something differs is for [`Proof::judge`] to say.
pub async fn prove(
    by: ProofBy,
    target: &Target,
    clients: &Clients,
    source: &BackupReader,
    inventory: &Inventory,
    run: &Run,
) -> Result<Option<Proof>> {
    match by {
        ProofBy::Nothing => Ok(None),
        ProofBy::Counts => {
            run.say("counting rows");
            counts::prove(target, inventory).await.map(Some)
        }
        ProofBy::Digests => {
            run.say("dumping what was restored, to compare its digests");
            digests::prove(target, clients, source, inventory, run).await.map(Some)
        }
    }
}
