//! Which variables of pgstow's own environment a child gets: those it needs, and nothing else.
//!
//! pgstow's environment holds keys to stores and services, and databases' URLs with their passwords. A
//! client needs none of them; and a server that is made for a rehearsal runs what is in a backup, which may
//! run programs. So every child starts with an empty environment, and one table says what is put into it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::Arc;

/// The variables that pgstow was started with.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(Arc<Vec<(OsString, OsString)>>);

/// Variables with which a program finds what it runs with. `LC_` and more stand for all that begin so.
const SYSTEM: &[&str] = &[
    "PATH",
    "TMPDIR",
    "TZ",
    "TZDIR",
    "LANG",
    "LC_*",
    "LOCPATH",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    // Containers with a user that has no name give it one with this.
    "NSS_WRAPPER_*",
];

/// Variables with which libpq finds a server and is let in.
/// <https://www.postgresql.org/docs/current/libpq-envars.html>
const LIBPQ: &[&str] = &[
    "PGAPPNAME",
    "PGCHANNELBINDING",
    "PGCLIENTENCODING",
    "PGCONNECT_TIMEOUT",
    "PGDATABASE",
    "PGDATESTYLE",
    "PGGEQO",
    "PGGSSDELEGATION",
    "PGGSSENCMODE",
    "PGGSSLIB",
    "PGHOST",
    "PGHOSTADDR",
    "PGKRBSRVNAME",
    "PGLOADBALANCEHOSTS",
    "PGLOCALEDIR",
    "PGMAXPROTOCOLVERSION",
    "PGMINPROTOCOLVERSION",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGPORT",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGREQUIRESSL",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSSLCERT",
    "PGSSLCERTMODE",
    "PGSSLCOMPRESSION",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLKEY",
    "PGSSLMAXPROTOCOLVERSION",
    "PGSSLMINPROTOCOLVERSION",
    "PGSSLMODE",
    "PGSSLNEGOTIATION",
    "PGSSLROOTCERT",
    "PGSSLSNI",
    "PGSYSCONFDIR",
    "PGTARGETSESSIONATTRS",
    "PGTZ",
    "PGUSER",
];

/// Variables of a client besides: the user's own files (`~/.pgpass`), names, TLS, Kerberos.
const CLIENT: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "RES_OPTIONS",
    "OPENSSL_*",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "KRB5*",
    "GSS_USE_PROXY",
];

impl Environment {
    /// The variables that pgstow was started with.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(Arc::new(variables.into_iter().collect()))
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
    }

    /// What a client program gets.
    pub fn of_client(&self) -> Vec<(OsString, OsString)> {
        self.only(&[SYSTEM, LIBPQ, CLIENT])
    }

    /// What a server of our own gets.
    pub fn of_server(&self) -> Vec<(OsString, OsString)> {
        self.only(&[SYSTEM])
    }

    fn only(&self, tables: &[&[&str]]) -> Vec<(OsString, OsString)> {
        let wanted = |name: &OsStr| {
            let name = name.to_string_lossy();
            tables.iter().copied().flatten().any(|known| match known.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == *known,
            })
        };
        self.0.iter().filter(|(name, _)| wanted(name)).cloned().collect()
    }
}

/// Whether a variable leads libpq to a server, or says how to behave there.
pub fn is_of_libpq(name: &OsStr) -> bool {
    LIBPQ.iter().any(|known| name == *known)
}

/// Shows names alone: values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(variables: &[(OsString, OsString)]) -> Vec<&str> {
        variables.iter().filter_map(|(name, _)| name.to_str()).collect()
    }

    #[test]
    fn no_secret_is_passed_on_but_those_of_libpq() {
        let all = [
            "PATH",
            "HOME",
            "LC_MESSAGES",
            "PGPASSWORD",
            "PGPASSFILE",
            "KRB5CCNAME",
            "PGSTOW_IDENTITY",
            "PG_COLOR",
            "PGBACKREST_REPO1_S3_KEY_SECRET",
            "DATABASE_URL",
            "AWS_SECRET_ACCESS_KEY",
            "NEON_API_KEY",
            "TZ",
        ];
        let environment = Environment::new(all.map(|name| (name.into(), "s3cret".into())));
        let of_client = ["PATH", "HOME", "LC_MESSAGES", "PGPASSWORD", "PGPASSFILE", "KRB5CCNAME", "TZ"];
        assert_eq!(names(&environment.of_client()), of_client);
        assert_eq!(names(&environment.of_server()), ["PATH", "LC_MESSAGES", "TZ"]);
        assert_eq!(environment.get("PATH"), Some(OsStr::new("s3cret")));
        assert!(!format!("{environment:?}").contains("s3cret"));
    }
}
