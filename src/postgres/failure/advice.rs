//! What to do in each situation.
//!
//! A table and nothing else. Only advice that is right whenever the situation is met belongs here; the
//! message itself is always the program's own.

use super::Situation as S;
use super::situation::Constraint;

/// Situation → what the user can do, whatever was being done. In a situation without a row nothing is always right.
const ANYWHERE: &[(S, &str)] = &[
    // Connecting.
    (S::PoolerRefused, "this is a connection pooler (pgbouncer); use the server's direct host and port"),
    (S::PasswordMissing, "give the password in the URL, in PGPASSWORD, or in ~/.pgpass"),
    (S::PasswordWrong, "check user and password (URL, PGPASSWORD, ~/.pgpass, PGSERVICE)"),
    (
        S::NotAdmitted,
        "the server does not let this user in from here; check sslmode and the server's pg_hba.conf",
    ),
    (
        S::RootCertificateMissing,
        "sslmode=verify-full and verify-ca need the certificate of the server's CA: name its file with sslrootcert=…, or \
         use sslrootcert=system (PostgreSQL 16 and newer) if a public CA signed it",
    ),
    (
        S::CertificateRefused,
        "the server's certificate has expired, or the CA in sslrootcert did not sign it; give the server's own CA, or \
         sslrootcert=system (PostgreSQL 16 and newer) for a public one",
    ),
    (
        S::CertificateMismatch,
        "connect by a name that is in the server's certificate (hostaddr=… may give its address), or check less with \
         sslmode=verify-ca",
    ),
    (
        S::ClientCertificateRefused,
        "the server wants a certificate that its CA signed for this user: name its file with sslcert=…, and with \
         sslkey=… the file of its key, which only the owner may read",
    ),
    (S::TlsUnknown, "this PostgreSQL client was built without TLS; --pg-bin chooses another"),
    (S::TlsRefused, "the server does not support TLS; add sslmode=disable if that is intended"),
    (S::HostUnknown, "check the host name and this machine's DNS"),
    (
        S::TooManyConnections,
        "all connections of the server are in use; try again later, or raise max_connections",
    ),
    (
        S::ConnectionLimit,
        "its CONNECTION LIMIT is reached: wait for other sessions to end, or raise it with ALTER ROLE or ALTER DATABASE",
    ),
    (S::NotReady, "the server is starting or shutting down; try again when it is ready"),
    (S::NoAnswer, "the server did not answer in time; check host, port and firewalls"),
    (
        S::NoSocket,
        "no server listens on this machine's socket; if it is elsewhere, name it with a URL, DATABASE_URL or PGHOST",
    ),
    (S::NothingListens, "nothing listens there; check host and port, and that the server is running"),
    (S::ConnectionOptionUnknown, "this PostgreSQL client does not know that connection parameter"),
    (S::ConnectDenied, "GRANT CONNECT ON DATABASE … TO the role: PUBLIC may not connect to this database"),
    (
        S::LoginRoleMissing,
        "name a user that the server knows, in the URL or in PGUSER; the default is the system's user",
    ),
    (
        S::DatabaseMissing,
        "check the database's name at the end of the URL; without one it is that of the user",
    ),
    // Sessions and resources.
    (S::SessionLost, "the server or something in between ended the session; the server's log says why"),
    (
        S::SessionTerminated,
        "somebody ended the session on the server: a restart, a failover, pg_terminate_backend, or a timeout that is set there",
    ),
    (S::OutOfSpace, "the server's disk is full"),
    (S::OutOfMemory, "the server ran out of memory"),
    (S::OutOfLocks, "one transaction needs a lock per object; raise max_locks_per_transaction on the server"),
    (S::Killed(9), "signal 9 often means that memory ran out"),
    (S::Stopped, "somebody, or a service manager with a limit, ended the program: run it again"),
];

/// What the user can do if a dump or a restore leaves in this situation.
const TABLE: &[(S, &str)] = &[
    // Dumping.
    (S::RowSecurity, "dump as a role with BYPASSRLS (ALTER ROLE … BYPASSRLS), or exclude the table"),
    // pg_dump sets a statement_timeout for its LOCK TABLE, and only for that.
    (
        S::StatementTimeout,
        "another session holds a lock on a table (a migration, a VACUUM FULL): wait for it, or raise --lock-wait-timeout; or the \
         statement_timeout of the role or the database is a few milliseconds",
    ),
    (S::LockTimeout, "another session holds a lock on it; try again when that has ended"),
    (
        S::ObjectVanished,
        "something was dropped while it was being read; run it again when no migration is running",
    ),
    (
        S::StandbyConflict,
        "the standby cancelled the dump; raise max_standby_streaming_delay, set hot_standby_feedback, or dump the primary",
    ),
    (
        S::Deadlock,
        "another session was in the way, or another connection of pg_restore itself: try again, or with --jobs 1",
    ),
    (S::ClientTooOld, "a newer pg_dump is needed; --pg-bin names the folder to use"),
    (S::OptionUnknown, "this pg_dump or pg_restore does not know that option; --pg-bin chooses another"),
    // Restoring.
    (S::RestrictUnknown, "this psql is older than the dump; --pg-bin chooses another"),
    (
        S::TargetTooOld,
        "the dump was written for PostgreSQL 17 or newer; restore into 17 or newer, or dump the database again with a pg_dump \
         of 16 or older if its server is no newer",
    ),
    (
        S::ArchiveTooNew,
        "this pg_restore is too old for the archive; install the client of the server that was dumped",
    ),
    (
        S::RoleMissing,
        "create it first, with CREATE ROLE; `pgstow fetch --globals` shows the roles of a backup as they were",
    ),
    (S::NotMember, "make the connecting role a member of that role"),
    (
        S::NotOwner,
        "it belongs to another role: connect as that role, as a member of it, or as a superuser, or take it out of what is \
         restored with `pgstow fetch` and pg_restore --use-list",
    ),
    (S::RoleDenied, "make the connecting role a member of the role that --role names: GRANT that role TO it"),
    (S::ExtensionOwned, "the extension belongs to somebody else here"),
    (S::PublicationDenied, "restore as a superuser"),
    (S::EventTriggerDenied, "only a superuser may do this"),
    (
        S::ExtensionDenied,
        "create the extension as a superuser first, or restore as one, or let the service allow it; --exclude-extension NAME \
         restores without it, and without what needs it",
    ),
    (S::TablespaceMissing, "create the tablespace"),
    (S::ExtensionMissing, "install the extension's package on the target server"),
    (
        S::LibraryMissing,
        "install the library on the target server, and load it as its documentation says (shared_preload_libraries)",
    ),
    (
        S::NotBuiltWith,
        "this PostgreSQL was built without that library: restore on a server that has it; if it is about compression, a \
         backup made with --pg-dump-arg=--no-toast-compression can be restored here",
    ),
    (
        S::ExtensionElsewhere,
        "a server has pg_cron in one database only, and not while that has another name: --exclude-extension pg_cron does \
         without it, and without what needs it",
    ),
    (
        S::EncodingCannotHold,
        "this encoding cannot hold all of the text: back up without --encoding, PGCLIENTENCODING and a client_encoding of the \
         role or the database, and restore into a database with the source's encoding (UTF8)",
    ),
    (
        S::ValueTooLarge,
        "a value becomes more than 1 GB of text, which no COPY can hold (a bytea doubles): leave out the table's rows with \
         --exclude-table-data, and store such values as large objects or in parts",
    ),
    (
        S::EncodingInvalid,
        "the bytes are no text in this encoding: back up without --encoding, PGCLIENTENCODING and a client_encoding of the \
         role or the database, and restore into a database with the source's encoding",
    ),
    (
        S::ObjectMissingInFunction,
        "a restore runs with an empty search_path: --search-path public lets functions find names in public (not for \
         indexes, materialized views and ANALYZE of PostgreSQL 17 or newer); in the source, name what a function uses with \
         the schema, or ALTER FUNCTION … SET search_path; with --table, what it uses must be named too, or be in the database already \
         (CREATE EXTENSION): `restore --schema-only` defines everything, and --table … --into brings the rows",
    ),
    (S::ConstraintViolated(Constraint::ForeignKey), "rows refer to rows that are not among the data"),
    (
        S::ReadOnly,
        "the server or the role only allows reading; use the primary, or default_transaction_read_only=off",
    ),
    (
        S::PermissionDenied,
        "the connecting role lacks a privilege: pg_read_all_data is enough for a backup (PostgreSQL 14 and newer); else use \
         the owner or a superuser, or leave out what it may not read: --exclude-schema NAME, --exclude-table NAME",
    ),
    (
        S::LargeObjectDenied,
        "pg_read_all_data does not include large objects: GRANT SELECT ON LARGE OBJECT … TO the role, or make it a member of their \
         owner; docs/backup.md has a statement for all of them",
    ),
    (S::DatabaseInUse, "other sessions are connected to the database; end them first"),
    (
        S::HasSubscriptions,
        "drop its subscriptions first, with DROP SUBSCRIPTION in that database; in a copy after ALTER SUBSCRIPTION … DISABLE and \
         ALTER SUBSCRIPTION … SET (slot_name = NONE), or the original's slot on the publisher is dropped",
    ),
    (
        S::UserUnnamed,
        "PostgreSQL runs only as a user that has a name in /etc/passwd: give it one, install libnss-wrapper, or verify on a \
         server with --to",
    ),
];

/// What the user can do if a restore leaves in this situation; before the other advice.
const AFTER_PG_RESTORE: &[(S, &str)] = &[
    (
        S::PermissionDenied,
        "the restoring role lacks a privilege, or an owner may not create in a schema \
         (GRANT CREATE ON SCHEMA … TO …); a superuser may restore all",
    ),
    (
        S::TargetTooOld,
        "the target is older than 17 and this pg_restore is not; use a pg_restore of 16 or older, or a newer target",
    ),
    (
        S::SyntaxError,
        "this PostgreSQL reads the statement otherwise than the one that was dumped: if it is newer, a name may be a keyword \
         now, and a backup with --pg-dump-arg=--quote-all-identifiers can be restored, or one by the newer client (--pg-bin)",
    ),
    (
        S::NotAttached,
        "no server makes an exclusion constraint of a partition, or its key WITHOUT OVERLAPS, part of one of the whole table: \
         pgstow adds it to the whole table instead, unless a partition's is not the one that the server would make, as if it \
         was renamed",
    ),
    (S::NotPopulated, "a function reads a materialized view that is filled later, and no dump says so"),
];

/// What a restore of a whole database, or a clone, can do without, by its flags; other commands do not have these.
const WITH_FLAGS: &[(S, &str)] = &[
    (
        S::RoleMissing,
        "or let --roles restore or --roles create create it, or leave it out with --no-owner and --no-acl",
    ),
    (S::NotMember, "or use --owner or --no-owner"),
    (S::ExtensionOwned, "--target-profile auto leaves this out"),
    (S::PublicationDenied, "or leave it out with --target-profile auto"),
    (S::EventTriggerDenied, "--target-profile managed leaves event triggers out"),
    (S::TablespaceMissing, "or leave it out with --target-profile auto"),
    (S::PermissionDenied, "--owner ROLE gives everything to one role"),
    (
        S::NotPopulated,
        "--skip-refresh restores all of them empty; fill them afterwards with REFRESH MATERIALIZED VIEW, first the one that is \
         read",
    ),
];

impl S {
    /// What the user can do if this program fails so, if that is known.
    pub fn hint_after(self, program: &str) -> Option<&'static str> {
        let after = if program == "pg_restore" { AFTER_PG_RESTORE } else { &[] };
        advice(after, self).or_else(|| self.hint())
    }

    /// What the user can also do with the flags of a restore of a whole database.
    pub fn hint_with_flags(self) -> Option<&'static str> {
        advice(WITH_FLAGS, self)
    }

    /// What the user can do, if that is known.
    pub fn hint(self) -> Option<&'static str> {
        advice(TABLE, self).or_else(|| self.hint_anywhere())
    }

    /// What the user can do, if that is right for more than dumps and restores.
    pub fn hint_anywhere(self) -> Option<&'static str> {
        advice(ANYWHERE, self)
    }
}

fn advice(table: &[(S, &'static str)], situation: S) -> Option<&'static str> {
    table.iter().find(|(of, _)| *of == situation).map(|(_, hint)| *hint)
}
