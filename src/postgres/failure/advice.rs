//! What PostgreSQL's tools say when they fail, and what to do about it.
//!
//! A table and nothing else: the first row whose words appear decides. Only advice that is right
//! whenever the words appear belongs here; the message itself is always the tool's own.

/// Words in a failed tool's stderr → advice. More specific rows stand above more general ones.
const TABLE: &[(&str, &str)] = &[
    // Connecting.
    (
        "unsupported startup parameter",
        "this is a connection pooler (pgbouncer); use the server's direct host and port",
    ),
    ("no password supplied", "give the password in the URL, in PGPASSWORD, or in ~/.pgpass"),
    ("password authentication failed", "check user and password (URL, PGPASSWORD, ~/.pgpass, PGSERVICE)"),
    (
        "no pg_hba.conf entry",
        "the server does not let this user in from here; check sslmode and its pg_hba.conf",
    ),
    ("server does not support SSL", "the server speaks no TLS; say sslmode=disable if that is intended"),
    ("could not translate host name", "check the host's name and this machine's DNS"),
    (
        "too many clients already",
        "all of the server's connections are taken; try again, or raise max_connections",
    ),
    ("timeout expired", "the server did not answer in time; check host, port and firewalls"),
    (
        // PostgreSQL 13 and older say it without the first words.
        "connections on Unix domain socket",
        "no server listens on this machine's socket; if it is elsewhere, name it with a URL, DATABASE_URL or PGHOST",
    ),
    (
        "accepting connections on that socket",
        "no server listens on this machine's socket; if it is elsewhere, name it with a URL, DATABASE_URL or PGHOST",
    ),
    ("Connection refused", "nothing listens there; check host and port, and that the server runs"),
    ("invalid connection option", "this PostgreSQL client does not know that connection parameter"),
    // Both ways.
    ("server version mismatch", "a newer pg_dump is needed; --pg-bin names the folder to use"),
    ("No space left on device", "the server's disk is full"),
    (
        "server closed the connection unexpectedly",
        "the server or something on the way ended the session; its log says why",
    ),
    (
        "due to administrator command",
        "somebody ended the session on the server: a restart, a failover, or pg_terminate_backend",
    ),
    // Dumping.
    (
        "row-level security policy",
        "dump as a role with BYPASSRLS (ALTER ROLE … BYPASSRLS), or exclude the table",
    ),
    (
        // pg_dump sets a statement_timeout for its LOCK TABLE, and only for that.
        "due to statement timeout",
        "another session holds a lock on a table (a migration, a VACUUM FULL); wait for it, or raise --lock-wait-timeout",
    ),
    (
        "conflict with recovery",
        "the standby cancelled the dump; raise max_standby_streaming_delay, set hot_standby_feedback, or dump the primary",
    ),
    (
        "deadlock detected",
        "another session was in the way, or one of pg_restore's own: try again, or with --jobs 1",
    ),
    ("unrecognized option", "this pg_dump or pg_restore does not know that option; --pg-bin chooses another"),
    // Restoring.
    ("invalid command \\restrict", "this psql is older than the dump; --pg-bin chooses another"),
    (
        "transaction_timeout",
        "the target is older than 17 and this pg_restore is not; use a pg_restore of 16 or older, or a newer target",
    ),
    (
        "unsupported version (",
        "this pg_restore is too old for the archive; install the client of the server that was dumped",
    ),
    (
        "must be able to SET ROLE",
        "make the connecting role a member of that role, or say --owner or --no-owner",
    ),
    (
        "must be member of role",
        "make the connecting role a member of that role, or say --owner or --no-owner",
    ),
    (
        "must be owner of extension",
        "the extension belongs to somebody else here: --target-profile auto leaves this out",
    ),
    (
        "must be superuser to create FOR ALL TABLES publication",
        "restore as a superuser; without those rights, --target-profile auto leaves this out",
    ),
    (
        "permission denied to create event trigger",
        "only a superuser may; another --target-profile, such as neon, leaves event triggers out",
    ),
    ("Tablespace \"", "create the tablespace, or leave it out with --target-profile auto"),
    ("extension control file", "install the extension's package on the target server"),
    (" is not available", "install the extension's package on the target server"),
    ("permission denied to create extension", "create the extension as a superuser first, or restore as one"),
    (
        "has no equivalent in encoding",
        "the target database's encoding cannot hold this text; create the target with the source's encoding (UTF8)",
    ),
    ("invalid byte sequence for encoding", "the text does not fit the target database's encoding"),
    (
        "out of shared memory",
        "one transaction needs a lock per object; raise max_locks_per_transaction on the target",
    ),
    ("permission denied", "the connecting role lacks a privilege; use the owner or a superuser"),
];

/// Advice on what a failed tool said, if there is any.
pub fn on(lines: &[String]) -> Option<&'static str> {
    let said = |words: &str| lines.iter().any(|line| line.contains(words));
    if lines
        .iter()
        .any(|line| line.contains("role \"") && line.contains("does not exist") && line.contains("ERROR"))
    {
        return Some(
            "make it with --roles restore or --roles create, or do without it: --no-owner and --no-acl",
        );
    }
    if lines
        .iter()
        .any(|line| line.contains("FATAL") && line.contains("role \"") && line.contains("does not exist"))
    {
        return Some(
            "name a user that the server knows, in the URL or in PGUSER; without one it is the system's user",
        );
    }
    if lines
        .iter()
        .any(|line| line.contains("FATAL") && line.contains("database \"") && line.contains("does not exist"))
    {
        return Some("check the database's name at the end of the URL");
    }
    TABLE.iter().find(|(words, _)| said(words)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_failures_have_advice() {
        for (said, advised) in [
            ("pg_restore: error: could not execute query: ERROR:  role \"app\" does not exist", "--no-owner"),
            ("psql: error: … FATAL:  database \"ap\" does not exist", "name at the end of the URL"),
            ("psql: error: … FATAL:  role \"nouser\" does not exist", "PGUSER"),
            (
                "psql: error: connection to server on socket \"/run/.s.PGSQL.5432\" failed: No such file or directory\n\tIs the server running locally and accepting connections on that socket?",
                "DATABASE_URL",
            ),
            ("FATAL:  unsupported startup parameter: extra_float_digits", "pgbouncer"),
            ("ERROR:  unrecognized configuration parameter \"transaction_timeout\"", "16 or older"),
            ("ERROR:  query would be affected by row-level security policy for table \"t\"", "BYPASSRLS"),
            ("pg_restore: error: unsupported version (1.16) in file header", "too old"),
            ("ERROR:  could not open extension control file \"/x/vector.control\"", "extension's package"),
            ("ERROR:  could not extend file \"base/1/2\": No space left on device", "disk is full"),
        ] {
            let advice = on(&[said.to_string()]).unwrap();
            assert!(advice.contains(advised), "{said}: {advice}");
        }
        assert_eq!(on(&["something new".to_string()]), None);
    }
}
