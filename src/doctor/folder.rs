//! The folder of a store that is not there yet. The first backup makes it, and so does a probe: whoever only looks leaves
//! none. And the folder in the store that a probe is in.

use crate::error::Result;
use crate::store::StoreUrl;
use crate::stored::format::names::{Id, Name, Place, Timestamp};
use crate::stored::read::opened::Location;
use std::path::PathBuf;

/// In whose place a probe lies: as if it were of a backup of this name that never came to be.
pub(super) fn of_probe(name: Option<&Name>) -> Result<Place> {
    let name = name.map_or_else(|| "pgstow-doctor".parse(), |name| Ok(name.clone()))?;
    Ok(Place { name, id: Id::new(Timestamp::now())? })
}

/// A folder that was not there.
pub(super) struct Absent(Option<PathBuf>);

impl Absent {
    /// The folder of this store, if it is not there.
    pub(super) async fn of(location: &Location) -> Self {
        let StoreUrl::File(root) = &location.url else { return Self(None) };
        Self(matches!(tokio::fs::try_exists(root).await, Ok(false)).then(|| root.clone()))
    }

    /// Removes it if it is there by now, unless somebody has put something into it.
    pub(super) async fn again(self) {
        if let Some(root) = self.0 {
            let _ = tokio::fs::remove_dir(root).await;
        }
    }
}
