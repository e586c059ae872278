//! Which of the installed PostgreSQL client programs to run.
//!
//! Several majors may lie side by side; the server decides which one dumps it, the archive and the
//! target which one restores it. Debian's `/usr/bin/pg_dump` is a wrapper that follows the local
//! cluster instead of the server, so it is never used.

mod client;
#[cfg(test)]
pub mod fake;
mod platform;
mod search;

use std::cmp::Reverse;

use crate::error::{Error, Result};

use self::platform::Platform;

pub use client::{Client, Version};
pub use search::Search;

/// The clients found, and the choice among them.
#[derive(Debug, Clone)]
pub struct Clients {
    found: Vec<Client>,
    /// Why others that are there do not run.
    broken: Vec<Error>,
    platform: Platform,
}

/// The minors of August 2026, the first with the fixes for CVE-2026-18408, CVE-2026-15741 and
/// CVE-2026-19385, and a dump or a restore can meet all of them.
const SAFE_MINORS: &[(u32, u32)] = &[(14, 24), (15, 19), (16, 15), (17, 11), (18, 6)];

/// From this major on `pg_restore` begins with SET transaction_timeout, which older servers refuse, and no older one reads what
/// `pg_dump` writes.
const ALONE_SINCE: u32 = 17;

impl Clients {
    /// Looks for clients and asks each for its version.
    ///
    /// Fails with `Kind::Settings` when there is none.
    pub async fn find(search: &Search) -> Result<Self> {
        let (found, broken) = search::search(search).await;
        for client in &found {
            tracing::debug!("PostgreSQL {} clients in {}", client.version, client.dir.display());
        }
        for why in &broken {
            tracing::debug!("{why}");
        }
        if let (true, true, Some(dir)) = (found.is_empty(), broken.is_empty(), &search.only) {
            return Err(Error::settings(format!("no pg_dump, pg_restore and psql in {}", dir.display()))
                .hint("--pg-bin names the folder that holds PostgreSQL's programs, as in /usr/lib/postgresql/17/bin"));
        }
        Self::new(found, broken, Platform::here())
    }

    fn new(found: Vec<Client>, broken: Vec<Error>, platform: Platform) -> Result<Self> {
        match (found.is_empty(), broken.first()) {
            (true, Some(why)) => Err(why.clone()),
            (true, None) => Err(Error::settings(
                "PostgreSQL's client programs (pg_dump, pg_restore, psql) are not installed",
            )
            .hint(platform.install(18))),
            (false, _) => Ok(Self { found, broken, platform }),
        }
    }

    /// What helps where a client of this major is missing. One that is there and does not run may be it.
    fn install(&self, error: Error, major: u32) -> Error {
        let error = error.hint(self.platform.install(major));
        self.broken.iter().fold(error, |error, why| error.hint(why.to_string()))
    }

    /// The newest: its `psql` talks to every server.
    pub fn newest(&self) -> Result<&Client> {
        let newest = self.found.iter().max_by_key(|client| client.version);
        newest.ok_or_else(|| Error::unexpected("a list of clients is empty"))
    }

    /// The client that dumps this server: the newest of its own major, else of the next newer one.
    ///
    /// The same major keeps the archive restorable there. An older `pg_dump` always refuses.
    pub fn for_dump(&self, server: Version) -> Result<&Client> {
        let newer = self.found.iter().filter(|client| client.version.major >= server.major);
        let Some(client) = lowest_major(newer) else {
            let error = Error::settings(format!(
                "the server is PostgreSQL {server}, and the newest pg_dump here is {}; an older pg_dump cannot dump it",
                self.newest()?.version
            ));
            return Err(self.install(error, server.major));
        };
        tell_if_unsafe(client.version);
        Ok(client)
    }

    /// The same for a backup: warns if what this client writes cannot go back into the server.
    pub fn for_backup(&self, server: Version) -> Result<&Client> {
        let client = self.for_dump(server)?;
        if server.major < ALONE_SINCE && client.version.major >= ALONE_SINCE {
            tracing::warn!(target: "pgstow::once",
                "what pg_dump {} writes can be restored into PostgreSQL {ALONE_SINCE} or newer only, and this server is {server}: \
                 to restore into it, back up with the client of PostgreSQL {} (--pg-bin); {}",
                client.version, server.major, self.platform.install(server.major)
            );
        }
        Ok(client)
    }

    /// The client that dumps a server to fill one of version `target`: of the target's own major if that is newer and there,
    /// as it writes what the target reads otherwise than the source; else as for any dump.
    ///
    /// # Errors
    /// Those of [`Clients::for_dump`]; `Kind::Postgres` if the target does not take what any client here writes.
    pub fn for_copy(&self, source: Version, target: Version) -> Result<&Client> {
        let of_target = self.found.iter().filter(|client| client.version.major == target.major);
        if let Some(client) = lowest_major(of_target).filter(|client| client.version.major > source.major) {
            tell_if_unsafe(client.version);
            return Ok(client);
        }
        let client = self.for_dump(source)?;
        if target.major >= ALONE_SINCE || client.version.major < ALONE_SINCE {
            return Ok(client);
        }
        let error = Error::postgres(format!(
            "what pg_dump {} writes goes into PostgreSQL {ALONE_SINCE} or newer only, and the target server is {target}",
            client.version
        ))
        .hint(format!("clone into PostgreSQL {ALONE_SINCE} or newer"));
        Err(match source.major {
            ..ALONE_SINCE => error.hint(format!(
                "or clone with the client of PostgreSQL {} (--pg-bin); {}",
                source.major,
                self.platform.install(source.major)
            )),
            _ => error,
        })
    }

    /// The programs of a server that takes what a server of version `dumped` held and a `pg_dump` of
    /// version `dumped_by` wrote: of the lowest major there is that fits.
    ///
    /// Fails with `Kind::Settings` where none is installed.
    pub fn for_cluster(&self, dumped: Version, dumped_by: Version) -> Result<&Client> {
        let oldest = oldest_cluster(dumped, dumped_by);
        let servers: Vec<_> = self.found.iter().filter(|client| client.has_server()).collect();
        let fitting = servers.iter().copied().filter(|client| client.version.major >= oldest);
        lowest_major(fitting).ok_or_else(|| {
            let mut have: Vec<String> = servers.iter().map(|client| client.version.to_string()).collect();
            have.sort();
            let have = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
            Error::settings(format!(
                "a temporary cluster needs a PostgreSQL server (initdb, postgres) of {oldest} or newer next to \
                 its client programs; found: {have}"
            ))
            .hint(format!("install PostgreSQL {oldest}'s server, or verify on a server of yours with --to"))
        })
    }

    /// The client that reads an archive, whatever becomes of it: the lowest major that is not older than
    /// the `pg_dump` that wrote it, as what a newer one prints may mean nothing to older servers.
    pub fn for_reading(&self, dumped_by: Option<Version>) -> Result<&Client> {
        let Some(dumped_by) = dumped_by else { return self.newest() };
        let newer = self.found.iter().filter(|client| client.version.major >= dumped_by.major);
        lowest_major(newer).ok_or_else(|| {
            let newest = self.newest().map(|client| client.version).unwrap_or_default();
            let major = dumped_by.major;
            let error = Error::settings(format!(
                "reading this archive needs a pg_restore of PostgreSQL {major} or newer; the newest here is {newest}"
            ));
            self.install(error, major)
        })
    }

    /// The client that restores an archive: the lowest major that reads it and that the target takes.
    ///
    /// `archive` is the format's version from the archive's header, `dumped_by` the version of the
    /// `pg_dump` that wrote it, `source` that of the server it read. Fails with `Kind::Postgres` where no client could do it.
    pub fn for_restore(
        &self,
        archive: (u8, u8),
        dumped_by: Version,
        source: Version,
        target: Version,
    ) -> Result<&Client> {
        let target_is_old = target.major < ALONE_SINCE;
        if target_is_old && dumped_by.major >= ALONE_SINCE {
            return Err(Error::postgres(format!(
                "the target server ({target}) is older than the archive allows: \
                 what pg_dump {dumped_by} wrote restores into PostgreSQL 17 or newer only"
            ))
            .hint("restore into PostgreSQL 17 or newer")
            .hint("only if the source's server is 16 or older: dump it again with a client of 16 or older (--pg-bin)")
            .hint(
                "or, if nothing else in it is newer, load it yourself into an empty database: pgstow fetch … --format sql -o - | \
                 sed '1,30{/^SET transaction_timeout/d;}' | psql -X -1 -v ON_ERROR_STOP=1 …",
            ));
        }
        let can = |version: Version| {
            version.major >= dumped_by.major
                && reads(version.major, archive)
                && !(target_is_old && version.major > 16)
        };
        let Some(client) = lowest_major(self.found.iter().filter(|client| can(client.version))) else {
            let mut have: Vec<u32> = self.found.iter().map(|client| client.version.major).collect();
            have.sort_unstable();
            have.dedup();
            let have: Vec<String> = have.iter().map(u32::to_string).collect();
            let until = if target_is_old { " and at most 16, as the target is older than 17" } else { "" };
            let error = Error::settings(format!(
                "restoring this archive needs a pg_restore of PostgreSQL {} or newer{until}; here is {}",
                dumped_by.major,
                have.join(", ")
            ));
            // Where several would do, the one that is sure to be still on offer.
            return Err(self.install(error, if target_is_old { 16 } else { dumped_by.major.max(17) }));
        };
        if target.major < source.major {
            // A default that no dump mentions.
            let open = match target.major < 15 && source.major >= 15 {
                true => "; PUBLIC may create objects in its schema public, unless that is revoked",
                false => "",
            };
            tracing::warn!(target: "pgstow::once",
                "the target server ({target}) is older than the server that was dumped ({source}); \
                 newer features in the backup would make the restore fail{open}"
            );
        }
        tell_if_unsafe(client.version);
        Ok(client)
    }
}

/// The oldest major whose server takes what a server of version `dumped` held and a `pg_dump` of version `dumped_by` wrote.
pub fn oldest_cluster(dumped: Version, dumped_by: Version) -> u32 {
    if dumped_by.major >= ALONE_SINCE { dumped.major.max(ALONE_SINCE) } else { dumped.major }
}

/// The newest minor of the lowest major.
fn lowest_major<'a>(clients: impl Iterator<Item = &'a Client>) -> Option<&'a Client> {
    clients.min_by_key(|client| (client.version.major, Reverse(client.version.minor)))
}

/// Says whether `pg_restore` of this major reads this version of the archive format.
fn reads(major: u32, archive: (u8, u8)) -> bool {
    let newest = match major {
        0..=9 => (1, 12),
        10 | 11 => (1, 13),
        12..=15 => (1, 14),
        16 => (1, 15),
        17 | 18 => (1, 16),
        // Unknown yet; the caller asks for a client no older than the pg_dump, and that suffices.
        _ => return true,
    };
    archive <= newest
}

/// Said for information: the run is none the worse for it, and `--quiet` leaves it out.
fn tell_if_unsafe(client: Version) {
    match SAFE_MINORS.iter().find(|(major, _)| *major == client.major) {
        Some((_, minor)) if client.minor < *minor => {
            let major = client.major;
            tracing::info!(target: "pgstow::once", "PostgreSQL client {client} lacks security fixes that {major}.{minor} has");
        }
        None if client.major < 14 => {
            tracing::info!(target: "pgstow::once", "PostgreSQL client {client} is no longer maintained");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::error::Kind;
    use crate::postgres::process::Environment;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    fn clients(versions: &str) -> Clients {
        let client = |text: &str| {
            let (dir, version) = (PathBuf::from("/pg").join(text), version(text));
            Client { dir, version, environment: Environment::default() }
        };
        let broken = vec![Error::settings("the clients in /pg/broken do not run")];
        Clients::new(versions.split_whitespace().map(client).collect(), broken, Platform::Apt).unwrap()
    }

    #[test]
    fn clients_that_do_not_run_are_not_called_missing() {
        let missing = Clients::new(Vec::new(), Vec::new(), Platform::Apt).unwrap_err();
        assert!(missing.message().contains("are not installed"), "{missing:?}");
        let broken = Error::settings("the clients in /pg/broken do not run");
        let error = Clients::new(Vec::new(), vec![broken], Platform::Apt).unwrap_err();
        assert_eq!(error.message(), "the clients in /pg/broken do not run");

        let have = clients("15.20");
        for error in [
            have.for_dump(version("17.2")).unwrap_err(),
            have.for_reading(Some(version("17.2"))).unwrap_err(),
            have.for_restore((1, 16), version("17.2"), version("17.2"), version("17.2")).unwrap_err(),
        ] {
            assert_eq!(error.hints().last().unwrap(), "the clients in /pg/broken do not run", "{error:?}");
        }
    }

    #[test]
    fn dumping_takes_the_servers_major_else_the_next_newer() {
        for (have, server, expected) in [
            ("15.19 15.20 16.15 17.11", "15.3", "15.20"),
            ("14.24 16.15 18.6", "15.3", "16.15"),
            ("18.6 17.11", "10.1", "17.11"),
            ("16.2", "16.14", "16.2"),
        ] {
            assert_eq!(
                clients(have).for_dump(version(server)).unwrap().version,
                version(expected),
                "{have} {server}"
            );
        }
    }

    #[test]
    fn a_copy_takes_the_targets_major_if_it_is_newer_and_there() {
        for (have, source, target, expected) in [
            ("15.20 17.11 18.6", "15.20", "18.4", "18.6"),
            ("15.20 17.11", "15.20", "18.4", "15.20"),
            ("15.20 16.15 18.6", "16.14", "15.20", "16.15"),
            ("15.20 18.6", "15.20", "15.20", "15.20"),
            ("13.23 17.11", "13.23", "15.20", "13.23"),
        ] {
            let have = clients(have);
            let client = have.for_copy(version(source), version(target)).unwrap();
            assert_eq!(client.version, version(expected), "{have:?} {source} {target}");
        }
    }

    #[test]
    fn no_copy_begins_that_the_target_would_not_take() {
        for (have, source, target, hints) in [
            ("17.11 18.6", "17.5", "16.4", 1),
            ("13.23 17.11", "16.4", "15.3", 2),
            ("18.6", "14.1", "16.4", 2),
        ] {
            let have = clients(have);
            let error = have.for_copy(version(source), version(target)).err().unwrap();
            assert!(error.kind() == Kind::Postgres && error.hints().len() == hints, "{error:?}");
            assert!(!error.with_hints().contains("fetch"), "{error:?}");
        }
    }

    #[test]
    fn an_older_dump_client_is_refused_with_the_install_line() {
        let error = clients("15.20 16.15").for_dump(version("18.6")).err().unwrap();
        assert_eq!(error.kind(), Kind::Settings);
        assert!(error.message().contains("PostgreSQL 18.6") && error.message().contains("16.15"), "{error}");
        assert!(error.hints()[0].contains("postgresql-client-18"));
    }

    #[test]
    fn restoring_takes_the_lowest_major_that_can() {
        let all = clients("13.16 15.20 16.15 17.11 18.6");
        for (archive, dumped_by, target, expected) in [
            ((1, 14), "13.16", "13.16", "13.16"),
            ((1, 14), "14.1", "18.6", "15.20"),
            ((1, 15), "16.2", "13.1", "16.15"),
            ((1, 16), "17.1", "18.6", "17.11"),
            ((1, 16), "18.4", "17.11", "18.6"),
            ((1, 12), "9.6.1", "15.1", "13.16"),
        ] {
            let client =
                all.for_restore(archive, version(dumped_by), version(dumped_by), version(target)).unwrap();
            assert_eq!(client.version, version(expected), "{archive:?} {dumped_by} {target}");
        }
        let newest = clients("18.6");
        let client =
            newest.for_restore((1, 14), version("13.16"), version("13.16"), version("18.6")).unwrap();
        assert_eq!(client.version, version("18.6"));
    }

    #[test]
    fn what_cannot_be_restored_is_refused_up_front() {
        let error = clients("16.15 18.6")
            .for_restore((1, 16), version("17.1"), version("17.1"), version("16.1"))
            .err()
            .unwrap();
        assert_eq!(error.kind(), Kind::Postgres);
        assert!(error.message().contains("older than the archive allows"), "{error}");
        let error = clients("15.20")
            .for_restore((1, 16), version("17.1"), version("17.1"), version("18.1"))
            .err()
            .unwrap();
        assert_eq!(error.kind(), Kind::Settings);
        assert!(error.hints()[0].contains("postgresql-client-17"), "{error:?}");
        let error = clients("18.6")
            .for_restore((1, 14), version("15.1"), version("15.1"), version("16.1"))
            .err()
            .unwrap();
        assert!(error.message().contains("at most 16"), "{error}");
    }
}
