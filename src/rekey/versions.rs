//! Whether those who could read an old backup still can after it was removed.

use crate::error::Result;
use crate::store::{Situation, Store, StoreError, Versioning};

/// A store with versions only hides what is deleted.
pub(super) async fn warn_of_versions(store: &dyn Store, is_folder: bool) -> Result<()> {
    let versioning = store.rules().await.map(|rules| rules.versioning);
    if let Some(warning) = about_versions(versioning, is_folder) {
        tracing::warn!("{warning}");
    }
    Ok(())
}

fn about_versions(
    versioning: Option<std::result::Result<Versioning, StoreError>>,
    is_folder: bool,
) -> Option<String> {
    let is_known = |what: &str| format!("{what}: until they expire, the old recipients can still read them");
    let is_unknown = |why: String| {
        format!(
            "it is not known whether the bucket keeps old versions of what is deleted{why}: if it does, the old recipients can still read them"
        )
    };
    match versioning {
        Some(Ok(Versioning::Off)) => None,
        Some(Ok(Versioning::On)) => Some(is_known("the bucket keeps old versions of what is deleted")),
        Some(Ok(Versioning::Suspended)) => {
            Some(is_known("the bucket keeps the old versions from before its versioning was suspended"))
        }
        // What does not know the question has no versions.
        Some(Err(error)) if error.situation() == Situation::Unsupported => None,
        Some(Err(error)) => Some(is_unknown(format!(" ({error})"))),
        None if is_folder => None,
        None => Some(is_unknown(String::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_warned_of_unless_it_is_known_that_there_are_none() {
        let error = |situation| Some(Err(StoreError::new(situation, "HTTP 403")));
        for (versioning, is_folder, said) in [
            (
                Some(Ok(Versioning::On)),
                false,
                Some("the bucket keeps old versions of what is deleted: until"),
            ),
            (Some(Ok(Versioning::Suspended)), false, Some("before its versioning was suspended: until")),
            (Some(Ok(Versioning::Off)), false, None),
            (error(Situation::Denied), false, Some("is deleted (HTTP 403): if it does, the old")),
            (error(Situation::Unsupported), false, None),
            (
                None,
                false,
                Some("it is not known whether the bucket keeps old versions of what is deleted: if"),
            ),
            (None, true, None),
        ] {
            let warning = about_versions(versioning, is_folder);
            match said {
                Some(said) => assert!(warning.as_ref().is_some_and(|all| all.contains(said)), "{warning:?}"),
                None => assert_eq!(warning, None),
            }
        }
    }
}
