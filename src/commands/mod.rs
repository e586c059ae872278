//! One verb per file, each a short story. Only here do a database and a store meet.

pub mod adopt;
pub mod backup;
mod excerpt;
pub mod fetch;
pub mod keygen;
pub mod list;
mod pieces;
mod proof;
pub mod restore;
pub mod show;
mod shrink;
mod source;
mod tables;
pub mod verify;
pub mod watch;

use crate::error::Result;
use crate::settings::StoreSettings;
use crate::store::{self, Store};
use std::sync::Arc;

/// Opens the store that the settings name.
async fn open(settings: &StoreSettings) -> Result<Arc<dyn Store>> {
    Ok(store::open(&settings.url, settings.options.clone()).await?)
}
