//! Whether a backup that says it was made from another one may take its place: whoever can write to the store can plant one
//! that says so, and the old one would be removed for it.

use crate::stored::format::manifest::{Encryption, Manifest};
use crate::stored::read::header;

/// One of the two.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) manifest: &'a Manifest,
    /// Whether a signature was verified.
    pub(super) signed: bool,
}

/// Why `new` cannot be what was made from `old` for other recipients, in a sentence; `None` if nothing speaks against it.
/// `opened_by` is the identity that opens it.
pub(super) fn refused(new: Side, opened_by: Option<&String>, old: Side) -> Option<String> {
    let (id, of) = (&new.manifest.id, &old.manifest.id);
    if new.signed {
        return None;
    }
    if old.signed {
        return Some(format!("{id} says it was made from {of}, but it is not signed, as that is"));
    }
    if is_the_same_bytes(new.manifest, old.manifest) {
        return Some(format!(
            "{id} says it was made from {of} for other recipients, but it holds the same encrypted bytes"
        ));
    }
    let by = opened_by.filter(|by| !header::is_named(new.manifest, by))?;
    Some(format!("{by} opens {id}, and its manifest does not name that recipient"))
}

/// Whether they share encrypted bytes. What is encrypted again never has the same, and who cannot open a backup can only
/// copy it.
fn is_the_same_bytes(new: &Manifest, old: &Manifest) -> bool {
    let has = |digest| new.objects.iter().any(|object| object.stored_sha256 == digest);
    old.encryption == Encryption::Age && old.objects.iter().any(|object| has(object.stored_sha256))
}
