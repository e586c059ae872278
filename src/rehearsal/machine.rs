//! What the machine has to do with a trial in a throw-away cluster: the locks that its server gets, and which failures
//! are not the backup's.

use crate::error::{Error, Kind};
use crate::postgres::Situation;

/// More tables than this cannot be locked at once on a server as it comes.
const MOST_TABLES: u64 = 5000;
/// The locks that each of `max_locks_per_transaction` means on a server as it comes, halved.
const LOCKS_FOR_EACH: u64 = 50;

/// A clean cluster refused what the backup holds: that is the backup's fault, unless it is the machine's.
pub(super) fn blame(error: Error) -> Error {
    let situation = error.situation::<Situation>();
    if situation == Some(Situation::LocaleMissing) {
        let hint = "install the source's locale here, or verify on a server that has it, with --to";
        return error.without_hints().hint(hint);
    }
    if situation == Some(Situation::MoneyInvalid) {
        let hint =
            "the source's lc_monetary differs from the one here: verify on a server that has it, with --to";
        return error.of_kind(Kind::Settings).hint(hint);
    }
    if error.kind() != Kind::Postgres || situation.is_some_and(Situation::is_of_machine) {
        return error;
    }
    error.of_kind(Kind::Verify).context("it cannot be restored")
}

/// The locks for this many tables, views and sequences, and why, if a server as it comes has too few: `pg_dump`, which looks
/// what is there, locks each of them until its end.
pub(super) fn locks_for(tables: u64) -> Option<(u64, String)> {
    let locks = tables.div_ceil(LOCKS_FOR_EACH);
    let why = format!(
        "it gets max_locks_per_transaction={locks}: to dump {tables} tables, views and sequences again takes that"
    );
    (tables > MOST_TABLES).then_some((locks, why))
}

#[cfg(test)]
mod tests {
    use super::locks_for;

    #[test]
    fn more_locks_than_usual_are_taken_only_for_many_tables_and_reported() {
        assert_eq!(locks_for(5000), None);
        let (locks, why) = locks_for(20_000).unwrap();
        assert_eq!(locks, 400);
        assert!(why.starts_with("it gets max_locks_per_transaction=400: "), "{why}");
    }
}
