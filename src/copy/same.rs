//! Whether what the target has is the same backup, or another one.

use crate::error::{Error, Kind};
use crate::stored::format::manifest::Manifest;

/// Whether these bytes are a manifest of the same backup.
pub(super) fn is_same_manifest(bytes: Option<&[u8]>, manifest: &Manifest) -> bool {
    bytes.and_then(|bytes| Manifest::from_bytes(bytes).ok()).is_some_and(|there| is_same(&there, manifest))
}

/// Whether both are manifests of the same backup: what each store says of its own objects may differ.
pub(super) fn is_same(one: &Manifest, other: &Manifest) -> bool {
    let objects = |manifest: &Manifest| {
        let objects = manifest.objects.iter();
        objects.map(|one| (one.key.clone(), one.stored_bytes, one.stored_sha256)).collect::<Vec<_>>()
    };
    (&one.id, &one.name, objects(one)) == (&other.id, &other.name, objects(other))
}

/// Something else is where the backup would be copied to.
pub(super) fn different(what: &str, store: &str) -> Error {
    Error::new(Kind::TargetExists, format!("{what} exists in {store}, and is different"))
        .hint("nothing is overwritten: find out who wrote it, and remove it if it is of no use")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::format::manifest::tests::example;

    #[test]
    fn what_a_store_says_of_its_objects_makes_no_other_backup() {
        let one = example();
        let mut other = one.clone();
        other.objects[0].store_checksum = Some("CRC32C:AAAA".into());
        assert!(is_same(&one, &other));
        other.objects[0].stored_bytes += 1;
        assert!(!is_same(&one, &other));
    }
}
