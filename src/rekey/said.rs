//! What is said of a rekey, besides what became of each backup.

use super::outcome::RekeyedBackup;
use crate::stored::format::manifest::Manifest;

/// Who can read it now, for a sentence.
pub(super) fn readers(manifest: &Manifest) -> String {
    match manifest.recipients.as_slice() {
        [] => "is not encrypted".to_owned(),
        names => format!("can be read by {}", names.join(", ")),
    }
}

/// What is to be known of the whole run: what went with the old backups, and what nobody has tried.
pub(super) fn notes(backups: &[RekeyedBackup], dry_run: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let receipts: usize = backups.iter().map(|one| one.receipts_removed).sum();
    if receipts > 0 {
        let what = match (receipts, dry_run) {
            (1, false) => "1 receipt of a trial restore went with its old backup".to_owned(),
            (many, false) => format!("{many} receipts of trial restores went with the old backups"),
            (1, true) => "1 receipt of a trial restore would go with its old backup".to_owned(),
            (many, true) => format!("{many} receipts of trial restores would go with the old backups"),
        };
        notes.push(format!(
            "{what}: the new ones count as unproven until `pgstow verify --restore --record` makes new receipts"
        ));
    }
    let unopened = |one: &&RekeyedBackup| one.new_id.is_some() && one.opened_by.is_none();
    if backups.iter().any(|one| unopened(&one)) {
        notes.push(
            "no identity of a new recipient was tried: `pgstow keys -i FILE` shows whether one opens the new backups"
                .to_owned(),
        );
    }
    if dry_run {
        notes.push("nothing was changed".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::format::names::{Id, Place, Timestamp};

    fn done(receipts: usize, opened: Option<&str>) -> RekeyedBackup {
        let id = Id::new(Timestamp::now()).unwrap();
        let mut done = RekeyedBackup::of(Place { name: "app".parse().unwrap(), id: id.clone() });
        (done.receipts_removed, done.new_id) = (receipts, Some(id));
        done.opened_by = opened.map(str::to_owned);
        done
    }

    #[test]
    fn a_run_says_what_went_with_the_old_backups_and_what_nobody_tried() {
        let said = notes(&[done(1, Some("age1x")), done(2, Some("age1x"))], false);
        assert!(said.len() == 1 && said[0].starts_with("3 receipts of trial restores went"), "{said:?}");
        let said = notes(&[done(0, Some("age1x")), done(0, None)], false);
        assert!(said.len() == 1 && said[0].starts_with("no identity of a new recipient"), "{said:?}");
        assert!(notes(&[done(0, Some("age1x"))], false).is_empty());
        assert_eq!(notes(&[done(0, Some("age1x"))], true), ["nothing was changed"]);
    }
}
