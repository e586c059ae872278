//! What the machine has to do with a trial in a temporary cluster: the locks that its server gets, and which failures
//! are not the backup's.

use crate::error::{Error, Kind};
use crate::postgres::Situation;
use crate::postgres::clients::{Version, oldest_cluster};

/// More tables than this cannot be locked at once on a server as it comes.
const MOST_TABLES: u64 = 5000;
/// The locks that each of `max_locks_per_transaction` means on a server as it comes, halved.
const LOCKS_FOR_EACH: u64 = 50;

/// What was dumped, all 0 if nothing says it, and where it is restored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions {
    /// Of the server that was dumped.
    pub dumped: Version,
    /// Of the `pg_dump` that wrote it.
    pub dumped_by: Version,
    /// Of the temporary cluster.
    pub cluster: Version,
}

/// A clean cluster refused what the backup holds: that is the backup's fault, unless it is the machine's.
pub(super) fn blame(error: Error, versions: Versions) -> Error {
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
    // Another major reads statements otherwise; rows that violate a constraint do so in all of them.
    let is_of_rows = matches!(situation, Some(Situation::ConstraintViolated(_)));
    let Versions { dumped, dumped_by, cluster } = versions;
    if ![0, cluster.major].contains(&dumped.major) && !is_of_rows {
        let nearest = oldest_cluster(dumped, dumped_by);
        let fix = if nearest < cluster.major {
            format!("install PostgreSQL {nearest}'s server, or verify on a server of yours with --to")
        } else {
            format!(
                "back up with the client of PostgreSQL {} (--pg-bin), or verify on a server of yours with --to",
                dumped.major
            )
        };
        let context = format!(
            "the temporary cluster is of another major version ({cluster}) than the server that was dumped ({dumped})"
        );
        return error.context(context).hint(fix);
    }
    error.of_kind(Kind::Verify).context("it cannot be restored")
}

/// A server of the user's refused it: a trial has none of the flags by which a restore does without something.
pub(super) fn refused(error: Error) -> Error {
    let situation = error.situation::<Situation>();
    if situation.is_none_or(|situation| situation.hint_with_flags().is_none()) {
        return error;
    }
    error.without_hints().hint(
        "let --to connect as a superuser, or leave it out: the trial then starts a server of its own; `restore` has flags \
         that do without some of it",
    )
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
    use super::*;
    use crate::postgres::Constraint;

    #[test]
    fn a_cluster_of_another_major_is_to_blame_for_statements_but_not_for_rows() {
        let failed = |situation| Error::postgres("pg_restore failed").in_situation(situation);
        let version = |text| Version::parse(text).unwrap();
        let told = |situation, dumped, dumped_by, cluster| {
            let [dumped, dumped_by, cluster] = [dumped, dumped_by, cluster].map(version);
            let error = blame(failed(situation), Versions { dumped, dumped_by, cluster });
            (error.kind(), error.hints().join("; "))
        };
        let unique = Situation::ConstraintViolated(Constraint::Unique);
        for (situation, dumped, dumped_by, cluster, kind, fix) in [
            (Situation::SyntaxError, "15.20", "15.20", "15.18", Kind::Verify, ""),
            (Situation::SyntaxError, "15.20", "15.20", "18.4", Kind::Postgres, "PostgreSQL 15's server"),
            (unique, "15.20", "15.20", "18.4", Kind::Verify, ""),
            (Situation::SyntaxError, "15.20", "18.4", "18.4", Kind::Postgres, "PostgreSQL 17's server"),
            (Situation::SyntaxError, "15.20", "17.9", "17.9", Kind::Postgres, "client of PostgreSQL 15"),
            (Situation::SyntaxError, "0.0", "0.0", "18.4", Kind::Verify, ""),
            (Situation::NotBuiltWith, "15.20", "15.20", "15.20", Kind::Postgres, ""),
        ] {
            let (found, hints) = told(situation, dumped, dumped_by, cluster);
            assert_eq!(found, kind, "{situation:?} {dumped} {dumped_by} {cluster}");
            assert!(hints.contains(fix), "{hints}");
        }
    }

    #[test]
    fn no_advice_names_a_flag_that_verify_does_not_have() {
        let failed = |situation: Situation| {
            let hint = situation.hint_after("pg_restore").unwrap();
            refused(Error::postgres("no").hint(hint).in_situation(situation)).hints().concat()
        };
        for situation in [Situation::PermissionDenied, Situation::NotMember, Situation::EventTriggerDenied] {
            assert!(failed(situation).contains("leave it out"), "{situation:?}");
        }
        assert!(failed(Situation::ExtensionDenied).contains("--exclude-extension"));
    }

    #[test]
    fn more_locks_than_usual_are_taken_only_for_many_tables_and_reported() {
        assert_eq!(locks_for(5000), None);
        let (locks, why) = locks_for(20_000).unwrap();
        assert_eq!(locks, 400);
        assert!(why.starts_with("it gets max_locks_per_transaction=400: "), "{why}");
    }
}
