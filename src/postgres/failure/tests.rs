//! What PostgreSQL's programs really say, and what becomes of it.

use super::message::{Message, PartKind, Reader, worst};
use super::severity::Level;
use super::{Constraint, Failure, Situation};
use crate::error::{Detail, Error};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

fn messages(name: &str, text: &str) -> Vec<Message> {
    let mut reader = Reader::new(name);
    let mut all: Vec<Message> = text.lines().filter_map(|line| reader.take(line)).collect();
    all.extend(reader.end());
    all
}

fn failed(name: &str, text: &str) -> Error {
    let status = ExitStatus::from_raw(1 << 8);
    Failure::Ended { name: name.to_owned(), status, said: Some(messages(name, text)) }.into()
}

/// The message without its beginning, which is always the same.
fn said(name: &str, text: &str) -> String {
    let error = failed(name, text);
    error.message().strip_prefix(&format!("{name} failed (exit status 1): ")).unwrap().to_owned()
}

fn situation(name: &str, text: &str) -> Option<Situation> {
    failed(name, text).situation()
}

fn details(error: &Error) -> Vec<(&str, &str)> {
    error.details().iter().map(|Detail { label, text }| (*label, text.as_str())).collect()
}

#[test]
fn an_error_of_pg_restore_is_shown_whole() {
    let text = "\
pg_restore: creating INDEX \"public.slug_idx\"
pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3211; 1259 16396 INDEX slug_idx app
pg_restore: error: could not execute query: ERROR:  function normalise(text) does not exist
LINE 1: select normalise($1), 's3cret'
               ^
HINT:  No function matches the given name and argument types. You might need to add explicit type casts.
QUERY:  select normalise($1), 's3cret'
CONTEXT:  SQL function \"slug\" during inlining
PL/pgSQL function inline_code_block line 1 at PERFORM
Command was: CREATE INDEX slug_idx ON public.posts USING btree (public.slug(title));


";
    let error = failed("pg_restore", text);
    assert_eq!(
        error.message(),
        "pg_restore failed (exit status 1): could not execute query: ERROR:  function normalise(text) does not \
         exist (at CREATE INDEX slug_idx ON public.posts USING btree)"
    );
    assert_eq!(
        details(&error),
        [
            ("entry", "3211; 1259 16396 INDEX slug_idx app"),
            ("query", "select normalise($1), '…'"),
            (
                "context",
                "SQL function \"slug\" during inlining\nPL/pgSQL function inline_code_block line 1 at PERFORM"
            ),
            ("statement", "CREATE INDEX slug_idx ON public.posts USING btree (public.slug(title))"),
        ]
    );
    assert!(error.hints()[0].contains("search_path"), "{error:?}");
    assert!(error.hints()[1].starts_with("No function matches"), "{error:?}");
    assert_eq!(error.situation(), Some(Situation::ObjectMissingInFunction));
}

#[test]
fn rows_that_do_not_load_are_placed_by_their_entry() {
    let text = "\
pg_restore: processing data for table \"public.t\"
pg_restore: from TOC entry 3215; 0 16411 TABLE DATA t postgres
pg_restore: error: COPY failed for table \"t\": ERROR:  new row for relation \"t\" violates check constraint \"t_n_check\"
DETAIL:  Failing row contains (1).
CONTEXT:  COPY t, line 1: \"1\"
pg_restore: error: a worker process died unexpectedly
";
    let error = failed("pg_restore", text);
    assert!(error.message().ends_with("violates check constraint \"t_n_check\""), "{error}");
    assert_eq!(
        details(&error),
        [
            ("entry", "3215; 0 16411 TABLE DATA t postgres"),
            ("detail", "Failing row contains (1)."),
            ("context", "COPY t, line 1: \"1\""),
        ]
    );
    assert_eq!(error.situation(), Some(Situation::ConstraintViolated(Constraint::Check)));
}

#[test]
fn no_literal_of_a_statement_is_shown() {
    let text = "pg_restore: error: could not execute query: ERROR:  server \"s\" does not exist\n\
                LINE 1: password 's3cret'\n\
                Command was: CREATE USER MAPPING FOR app SERVER s OPTIONS (\n    password 's3cret\n\
                DETAIL:  s3cret\nWARNING:  s3cret\nfrom TOC entry s3cret'\n);\n\
                \n";
    let error = failed("pg_restore", text);
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    assert!(
        error.message().ends_with("\"s\" does not exist (at CREATE USER MAPPING FOR app SERVER s OPTIONS)")
    );
    assert_eq!(
        details(&error),
        [("statement", "CREATE USER MAPPING FOR app SERVER s OPTIONS ( password '…' )")]
    );
    // A line that is not the statement's first may begin within a literal.
    let of_psql =
        "psql:<stdin>:3: ERROR:  42601: syntax error at or near \"x\"\nLINE 2: s3cret', x\n                ^";
    assert!(!format!("{:?}", failed("psql", of_psql)).contains("s3cret"));
    let first = "psql:<stdin>:3: ERROR:  42601: syntax error at or near \"x\"\nLINE 1: SELECT 'a' x y, 'b\n";
    assert_eq!(details(&failed("psql", first)), [("line", "1: SELECT '…' x y, '…")]);
}

#[test]
fn what_pg_dump_says_in_its_own_details_belongs_to_the_message() {
    let text = "pg_dump: error: query failed: ERROR:  permission denied for table t\n\
                pg_dump: detail: Query was: LOCK TABLE public.t IN ACCESS SHARE MODE";
    assert_eq!(
        said("pg_dump", text),
        "query failed: ERROR:  permission denied for table t (at LOCK TABLE public.t IN ACCESS SHARE MODE)"
    );
    for text in [
        "pg_dump: error: Dumping the contents of table \"t\" failed: PQgetResult() failed.\n\
         pg_dump: detail: Error message from server: ERROR:  canceling statement due to conflict with recovery\n\
         DETAIL:  User query might have needed to see row versions that must be removed.\n\
         pg_dump: detail: Command was: COPY public.t (n) TO stdout;",
        // PostgreSQL 13 and older.
        "pg_dump: error: Dumping the contents of table \"t\" failed: PQgetResult() failed.\n\
         pg_dump: error: Error message from server: ERROR:  canceling statement due to conflict with recovery\n\
         DETAIL:  User query might have needed to see row versions that must be removed.\n\
         pg_dump: error: The command was: COPY public.t (n) TO stdout;",
    ] {
        let error = failed("pg_dump", text);
        assert!(
            error.message().ends_with(
                "Dumping the contents of table \"t\" failed: ERROR:  canceling statement due to conflict with recovery \
                 (at COPY public.t)"
            ),
            "{error}"
        );
        let detail = "User query might have needed to see row versions that must be removed.";
        assert_eq!(details(&error), [("detail", detail), ("statement", "COPY public.t (n) TO stdout")]);
        assert_eq!(error.situation(), Some(Situation::StandbyConflict));
    }
}

#[test]
fn codes_and_places_in_the_servers_source_are_not_for_people() {
    let text = "psql:<stdin>:1: FEHLER:  42P01: Relation »nix« existiert nicht\n\
                LINE 1: select * from nix;\n                      ^\n\
                LOCATION:  parserOpenTable, parse_relation.c:1392";
    let error = failed("psql", text);
    assert_eq!(error.message(), "psql failed (exit status 1): FEHLER:  Relation »nix« existiert nicht");
    assert_eq!(details(&error), [("line", "1: select * from nix;")]);
    assert_eq!(error.situation(), Some(Situation::ObjectMissing));
    // In a script of the user's, the place matters.
    let text = "psql:/home/me/grants.sql:12: ERROR:  42601: syntax error at or near \"GRNT\"\n";
    assert_eq!(said("psql", text), "/home/me/grants.sql:12: ERROR:  syntax error at or near \"GRNT\"");
    assert_eq!(situation("psql", text), Some(Situation::SyntaxError));
    let text = "psql:/home/me/a.sql:3: error: invalid command \\nonsense\npsql:/home/me/a.sql:3: WARNING:  x";
    assert_eq!(said("psql", text), "/home/me/a.sql:3: invalid command \\nonsense");
}

#[test]
fn programs_without_a_word_for_an_error_are_heard_too() {
    let text = "/pg/bin/pg_dump: unrecognized option '--x'\npg_dump: hint: Try \"pg_dump --help\" for more information.";
    let error = failed("pg_dump", text);
    assert_eq!(error.message(), "pg_dump failed (exit status 1): unrecognized option '--x'");
    assert!(error.hints()[0].contains("--pg-bin") && error.hints().len() == 1, "{error:?}");
    // PostgreSQL 13 and older.
    let text = "/pg/bin/pg_dump: unrecognized option '--x'\nTry \"pg_dump --help\" for more information.";
    assert_eq!(said("pg_dump", text), "unrecognized option '--x'");
    assert_eq!(said("x", "first\nlast\n\n"), "last");
    assert_eq!(said("x", ""), "it said nothing");
    assert_eq!(said("x", &"é".repeat(2000)).chars().count(), 701);
}

#[test]
fn severities_are_known_in_every_language_and_by_their_code() {
    for (line, level) in [
        ("psql:<stdin>:1: WARNING:  01000: x", Level::Warning),
        ("psql:<stdin>:1: NOTICE:  00000: x", Level::Notice),
        ("psql:<stdin>:1: HINWEIS:  00000: x", Level::Notice),
        ("psql:<stdin>:1: ЗАМЕЧАНИЕ:  00000: x", Level::Notice),
        ("pg_restore: WARNUNG:  x", Level::Warning),
        ("pg_restore: ATTENTION:  x", Level::Warning),
        ("pg_dump: warning: x", Level::Warning),
        ("psql:<stdin>:1: エラー:  42P01: x", Level::Error),
        ("psql:<stdin>:1: ПОМИЛКА:  x", Level::Error),
        ("WARNING:  x", Level::Warning),
        ("pg_restore: creating TABLE \"public.error: x\"", Level::Plain),
    ] {
        let name = line.split(':').next().filter(|name| *name != "WARNING").unwrap_or("psql");
        assert_eq!(messages(name, line)[0].level, level, "{line}");
    }
    let told = messages("psql", "WARNING:  01000: a\nDETAIL:  b\nHINT:  c")[0].told();
    assert_eq!(told, "a; b; c");
}

#[test]
fn situations_are_known_by_their_words() {
    use Situation as S;
    for (said, known) in [
        (
            "p: error: Dumping the contents of table \"big\" failed: PQgetResult() failed.\n\
             p: detail: Error message from server: ERROR:  invalid memory alloc request size 1258291203",
            S::ValueTooLarge,
        ),
        (
            "p: error: Dumping the contents of table \"big\" failed: PQgetResult() failed.\n\
             p: detail: Error message from server: ERROR:  out of memory\n\
             DETAIL:  Cannot enlarge string buffer containing 12 bytes by 1200000000 more bytes.",
            S::ValueTooLarge,
        ),
        (
            "p: error: connection to server at \"db\" (10.0.0.1), port 5432 failed: root certificate file \
             \"/root/.postgresql/root.crt\" does not exist\n\
             Either provide the file, use the system's trusted roots with sslrootcert=system, or change sslmode to \
             disable server certificate verification.",
            S::RootCertificateMissing,
        ),
        (
            "p: error: connection to server at \"db\" (10.0.0.1), port 5432 failed: SSL error: certificate verify failed",
            S::CertificateRefused,
        ),
        (
            "p: error: sslmode value \"verify-full\" invalid when SSL support is not compiled in",
            S::TlsUnknown,
        ),
        (
            "p: error: connection to server at \"h\", port 5 failed: certificate present, but not private key file \"/k\"",
            S::ClientCertificateRefused,
        ),
        (
            "p: error: connection to server at \"h\", port 5 failed: SSL error: sslv3 alert certificate revoked",
            S::ClientCertificateRefused,
        ),
        ("p: error: could not execute query: ERROR:  role \"app\" does not exist", S::RoleMissing),
        ("ERROR:  42501: permission denied to set role \"app\"", S::RoleDenied),
        ("ERROR:  42501: permission denied for large object 99", S::LargeObjectDenied),
        ("p: error: could not execute query: ERROR:  must be owner of schema public", S::NotOwner),
        ("p: error: could not execute query: ERROR:  must be owner of extension azure", S::ExtensionOwned),
        (
            "p: error: could not execute query: ERROR:  extension \"x\" is not allow-listed for users in Azure Database for PostgreSQL",
            S::ExtensionDenied,
        ),
        ("p: terminated by user", S::Stopped),
        ("p: error: … FATAL:  database \"ap\" does not exist", S::DatabaseMissing),
        ("p: error: … FATAL:  role \"nouser\" does not exist", S::LoginRoleMissing),
        (
            "p: error: connection to server on socket \"/run/.s.PGSQL.5432\" failed: No such file or directory\n\tIs the server running locally and accepting connections on that socket?",
            S::NoSocket,
        ),
        (
            "p: error: could not connect to server: No such file or directory\n\tIs the server running locally and accepting\n\tconnections on Unix domain socket \"/run/.s.PGSQL.5432\"?",
            S::NoSocket,
        ),
        (
            "p: error: connection to server at \"h\" (::1), port 5 failed: Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
            S::NothingListens,
        ),
        (
            "p: error: connection to server at \"h\" (::1), port 5 failed: FATAL:  pg_hba.conf rejects connection for host \"1.2.3.4\", user \"u\", database \"rdsadmin\", no encryption",
            S::NotAdmitted,
        ),
        (
            "p: error: connection to server at \"h\" (::1), port 5 failed: FATAL:  Passwort falsch",
            S::NotConnected,
        ),
        (
            "p: error: connection to server at \"h\", port 5 failed: FATAL:  the database system is starting up",
            S::NotReady,
        ),
        ("p: error: … FATAL:  unsupported startup parameter: extra_float_digits", S::PoolerRefused),
        ("p: … FATAL:  transaction blocks not allowed in statement pooling mode", S::PoolerRefused),
        ("p: error: … ERROR:  unrecognized configuration parameter \"transaction_timeout\"", S::TargetTooOld),
        (
            "p: error: query failed: ERROR:  query would be affected by row-level security policy for table \"t\"",
            S::RowSecurity,
        ),
        ("p: error: query failed: ERROR:  invalid snapshot identifier: \"0-3-1\"", S::SnapshotRefused),
        ("p: error: … ERROR:  relation \"snapshot\" does not exist", S::ObjectMissing),
        ("p: error: unsupported version (1.16) in file header", S::ArchiveTooNew),
        (
            "p: error: … ERROR:  could not open extension control file \"/x/vector.control\": No such file or directory",
            S::ExtensionMissing,
        ),
        ("p: error: … ERROR:  extension \"vector\" is not available", S::ExtensionMissing),
        (
            "p: error: could not execute query: ERROR:  compression method lz4 not supported\n\
             DETAIL:  This functionality requires the server to be built with lz4 support.",
            S::NotBuiltWith,
        ),
        (
            "p: error: could not execute query: ERROR:  cannot attach index \"a\" as a partition of index \"b\"",
            S::NotAttached,
        ),
        ("p: error: … ERROR:  can only create extension in database app", S::ExtensionElsewhere),
        ("p: error: … ERROR:  could not extend file \"base/1/2\": No space left on device", S::OutOfSpace),
        ("p: error: could not write to output file: No space left on device", S::OutputUnwritable),
        (
            "p: error: … ERROR:  out of shared memory\nHINT:  You might need to increase max_locks_per_transaction.",
            S::OutOfLocks,
        ),
        (
            "p: error: … ERROR:  could not create unique index \"t_pkey\"\nDETAIL:  Key (n)=(1) is duplicated.",
            S::ConstraintViolated(Constraint::Unique),
        ),
        ("p: error: … ERROR:  relation \"t\" already exists", S::ObjectExists),
        (
            "p: error: query failed: server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally\n\tbefore or while processing the request.",
            S::SessionLost,
        ),
    ] {
        assert_eq!(situation("p", said), Some(known), "{said}");
    }
    for new in ["something new", "could not execute query: ERROR:  session 7 was terminated by user"] {
        assert_eq!(situation("p", &format!("p: error: {new}")), None);
    }
}

#[test]
fn situations_are_known_by_their_code_in_every_language() {
    use Situation as S;
    for (said, known) in [
        ("FEHLER:  42704: Rolle »x« existiert nicht\nLOCATION:  get_role_oid, acl.c:5184", S::RoleMissing),
        (
            "FEHLER:  42704: Typ »x« existiert nicht\nLOCATION:  typenameType, parse_type.c:270",
            S::ObjectMissing,
        ),
        ("FEHLER:  53200: kein Shared Memory\nHINT:  Erhöhen Sie max_locks_per_transaction.", S::OutOfLocks),
        ("FEHLER:  53200: Speicher aufgebraucht", S::OutOfMemory),
        ("ERROR:  XX000: cache lookup failed for function 16385", S::ObjectVanished),
        ("ERROR:  XX000: could not open relation with OID 16385", S::ObjectVanished),
        ("FEHLER:  42501: keine Berechtigung", S::PermissionDenied),
        ("FEHLER:  42501: keine Berechtigung für Funktion pg_export_snapshot", S::SnapshotRefused),
        (
            "FEHLER:  42704: Snapshot »0-3-1« existiert nicht\nLOCATION:  ImportSnapshot, snapmgr.c:1435",
            S::SnapshotRefused,
        ),
        ("FEHLER:  55P03: storniere Anfrage wegen Zeitüberschreitung einer Sperre", S::LockTimeout),
        ("FEHLER:  55006: auf Datenbank »x« wird zugegriffen", S::DatabaseInUse),
        (
            "ERROR:  55006: database \"x\" is being used by logical replication subscription",
            S::HasSubscriptions,
        ),
        ("FEHLER:  42P04: Datenbank »x« existiert bereits", S::DatabaseExists),
        (
            "FEHLER:  42883: Funktion f() existiert nicht\nQUERY:  select f()\nCONTEXT:  SQL-Funktion »g«",
            S::ObjectMissingInFunction,
        ),
        ("FATAL:  57P01: Verbindung wird abgebrochen", S::SessionTerminated),
        ("FEHLER:  25001: VACUUM kann nicht in einem Transaktionsblock laufen", S::InTransaction),
    ] {
        let said = format!("psql:<stdin>:1: {said}");
        assert_eq!(situation("psql", &said), Some(known), "{said}");
    }
}

#[test]
fn what_happens_before_there_is_a_session_is_about_connecting() {
    use Situation as S;
    for situation in [S::HostUnknown, S::ConnectionLimit, S::RootCertificateMissing, S::NotConnected] {
        assert!(situation.is_about_connecting(), "{situation:?}");
    }
    for situation in [S::SessionLost, S::PermissionDenied, S::ConstraintViolated(Constraint::Check)] {
        assert!(!situation.is_about_connecting(), "{situation:?}");
    }
}

/// It may be set for a role or a database, so that nobody has typed it.
#[test]
fn what_sets_an_encoding_is_named() {
    for situation in [Situation::EncodingCannotHold, Situation::EncodingInvalid] {
        let hint = situation.hint().unwrap();
        for name in ["--encoding", "PGCLIENTENCODING", "client_encoding of the role or the database"] {
            assert!(hint.contains(name), "{hint}");
        }
    }
}

#[test]
fn the_first_error_is_the_one_to_show() {
    let all = messages("p", "p: info\np: error: first\np: error: second\np: more");
    assert_eq!(worst(&all).unwrap().text, "first");
    assert_eq!(worst(&all).unwrap().part(PartKind::Entry), None);
    assert!(worst(&[]).is_none());
}

#[test]
fn a_lacking_privilege_is_another_one_for_a_restore() {
    let hint = |name: &str| {
        let said = Some(messages(name, &format!("{name}: error: permission denied for schema public")));
        let status = ExitStatus::from_raw(256);
        Error::from(Failure::Ended { name: name.into(), status, said }).hints()[0].clone()
    };
    assert!(hint("pg_dump").contains("pg_read_all_data is enough"));
    assert!(hint("pg_restore").contains("GRANT CREATE ON SCHEMA") && !hint("pg_restore").contains("backup"));
}

/// Whoever has these flags adds them.
#[test]
fn advice_for_all_commands_names_no_flag_of_a_whole_restore() {
    use Situation as S;
    for situation in
        [S::RoleMissing, S::NotMember, S::PermissionDenied, S::EventTriggerDenied, S::SyntaxError]
    {
        let hint = situation.hint_after("pg_restore").unwrap();
        for flag in ["--owner", "--no-owner", "--roles", "--target-profile", "--skip-refresh", "--on-error"] {
            assert!(!hint.contains(flag), "{hint}");
        }
    }
    assert!(S::NotMember.hint_with_flags().unwrap().contains("--no-owner"));
}

#[test]
fn a_script_for_newer_servers_is_no_fault_of_pg_restore() {
    for program in ["psql", "pg_restore"] {
        let hint = Situation::TargetTooOld.hint_after(program).unwrap();
        assert_eq!(hint.contains("this pg_restore"), program == "pg_restore", "{hint}");
    }
}

#[test]
fn a_program_that_was_killed_is_a_situation() {
    let killed = |signal| {
        let status = ExitStatus::from_raw(signal);
        Error::from(Failure::Ended { name: "p".into(), status, said: Some(messages("p", "p: error: x")) })
    };
    assert_eq!(killed(9).message(), "p was killed by signal 9");
    assert_eq!(killed(9).situation(), Some(Situation::Killed(9)));
    assert_eq!((killed(9).hints().len(), killed(13).hints().len()), (1, 0));
    assert!(
        [Situation::Killed(9), Situation::Stopped, Situation::Cancelled].iter().all(|it| it.is_of_machine())
    );
}
