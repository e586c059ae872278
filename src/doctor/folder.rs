//! The folder of a store that is not there yet. The first backup makes it, and so does a probe: whoever only looks leaves
//! none.

use crate::store::StoreUrl;
use crate::stored::opened::Location;
use std::path::PathBuf;

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
