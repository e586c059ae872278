//! Restores where servers, roles and databases are not as a newcomer's: few locks, odd settings, event triggers
//! that watch, constraints that look elsewhere. What can be restored is, and what cannot is said.

mod blocked;
mod databases;
mod event_triggers;
mod locks;
mod order;
mod partial;
mod roles;
mod settings;
mod tls;

use crate::scene::{Keys, Place};
use crate::servers::folder;

/// The newest backup of a store as a plain dump, adopted into another.
fn as_script(place: &Place) -> Place {
    let (scripts, folder) = (Place::folder(), folder("script"));
    let file = folder.path().join("app.sql");
    place.opens(&["fetch", "latest", "--format", "sql", "-o", file.to_str().unwrap()]).succeeds();
    let words = ["adopt", "--name", "app", "--recipient", &Keys::shared().recipient, file.to_str().unwrap()];
    scripts.pgstow(&words).succeeds();
    scripts
}
