//! The database: programs, connection, and a dump that is begun.

use super::finding::Findings;
use super::request::{DoctorRequest, Subject};
use super::rights;
use crate::branch::{self, NeonSource};
use crate::consistent::{Dumping, waited_for_lock};
use crate::dump::checks;
use crate::dump::every::{one_of, say_what_is_left_out};
use crate::dump::request::DumpRequest;
use crate::error::Result;
use crate::postgres::databases::{Databases, databases};
use crate::postgres::globals::globals;
use crate::postgres::{Client, Clients, DumpOptions, Psql, Server, exclusive_locks, refuse_shared_backends};
use crate::store::Store;
use crate::stored::format::names::Name;
use crate::stored::upload;
use crate::stored::write::compare::{Before, Like};
use crate::stored::write::destinations::room_in;
use crate::units;
use indicatif::BinaryBytes;
use std::sync::Arc;
use std::time::Duration;

/// How long the trial waits for locks: nobody is to wait for a doctor.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Looks at what is to be backed up; the name that the backup gets, if it is one and known.
pub async fn examine(
    findings: &mut Findings<'_>,
    subject: &Subject,
    store: Option<&Arc<dyn Store>>,
    request: &DoctorRequest,
) -> Result<Option<Name>> {
    match subject {
        Subject::Stream(name) => {
            findings.not_checked("database", "the backup is of a command's output, which needs none");
            Ok(Some(name.clone()))
        }
        Subject::Database(database) => one(findings, database, store, request).await,
        Subject::Every { each, exclude } => {
            let asking = async {
                let clients = Clients::find(&each.clients).await?;
                databases(&Psql::new(clients.newest()?, &each.connection), exclude).await
            };
            let say = |found: &Databases| {
                format!(
                    "{} to back up: {}",
                    units::count(found.open.len(), "database"),
                    found.open.join(", ")
                )
            };
            let Some(found) = findings.check("databases", asking, say).await? else { return Ok(None) };
            say_what_is_left_out(&found, exclude, findings.run());
            for database in &found.open {
                findings.about(Some(database));
                match one_of(each, database) {
                    Ok(database) => drop(one(findings, &database, store, request).await?),
                    Err(error) => findings.failed("name", error)?,
                }
            }
            findings.about(None);
            Ok(None)
        }
    }
}

/// Looks at one database.
async fn one(
    findings: &mut Findings<'_>,
    database: &DumpRequest,
    store: Option<&Arc<dyn Store>>,
    request: &DoctorRequest,
) -> Result<Option<Name>> {
    let given = database.name.clone();
    let Some(database) = located(findings, database).await? else { return Ok(given) };
    let options = async { database.dump.check() };
    findings.check("options", options, |()| String::new()).await?;
    let found = Clients::find(&database.clients);
    let say = |clients: &Clients| {
        clients.newest().map_or_else(|_| String::new(), |newest| format!("the newest is {}", newest.version))
    };
    let Some(clients) = findings.check("programs", found, say).await? else {
        findings.not_checked("database", "there is no psql to connect with");
        return Ok(given);
    };
    let psql = Psql::new(clients.newest()?, &database.connection).in_role(database.dump.role());
    let Some(server) = findings.check("connection", Server::inspect(&psql), connected).await? else {
        findings.not_checked("database", "it cannot be connected to");
        return Ok(given);
    };
    let name = checks::name(&database, &server);
    if let Err(error) = &name {
        findings.failed("name", error.clone())?;
    }
    let name = name.ok();
    let is_direct = pooler(findings, &database, &psql, &server).await?;
    let dumping = async { clients.for_backup(server.version()) };
    let say = |client: &&Client| format!("{} dumps PostgreSQL {}", client.version, server.version());
    let client = findings.check("pg_dump", dumping, say).await?;
    rights::examine(findings, &psql, &server, &database.dump).await?;
    match client {
        Some(client) if is_direct => trial(findings, &database, client, &psql, &server).await?,
        // Whoever gets a session of a pooler's after it would find nothing without its schema.
        Some(_) => findings.not_checked("dump", "pg_dump leaves its settings in the sessions of a pooler"),
        None => {}
    }
    match store {
        Some(store) => size(findings, &psql, &server, store, name.as_ref(), &database, request).await?,
        None => findings.not_checked(
            "size",
            format!("{}, and no store to compare it with", BinaryBytes(server.size_bytes)),
        ),
    }
    Ok(name)
}

/// The same request with the connection to a database on Neon, if it is one; no branch is made.
async fn located(findings: &mut Findings<'_>, database: &DumpRequest) -> Result<Option<DumpRequest>> {
    let Some(neon) = &database.neon else { return Ok(Some(database.clone())) };
    let direct = NeonSource { via_branch: false, ..neon.clone() };
    let found = branch::source(&direct, findings.run());
    let say = |_: &branch::DumpSource| format!("the API knows the project {}", neon.project.id);
    let found = findings.check("neon", found, say).await?;
    Ok(found.map(|found| DumpRequest { connection: found.conn, ..database.clone() }))
}

fn connected(server: &Server) -> String {
    let Server { database, user, host, port, version_text, .. } = server;
    let host = host.as_deref().unwrap_or("the default host");
    let port = port.as_deref().map(|port| format!(":{port}")).unwrap_or_default();
    format!("database {database} on {host}{port} as {user}, PostgreSQL {version_text}")
}

/// Whether the sessions are the server's own, or need not be.
async fn pooler(
    findings: &mut Findings<'_>,
    database: &DumpRequest,
    psql: &Psql,
    server: &Server,
) -> Result<bool> {
    if database.allow_pooled {
        findings.warning("pooler", "--allow-pooled: a pooler is accepted", "connect to the server itself");
        return Ok(true);
    }
    let asking = async {
        server.refuse_pooler()?;
        refuse_shared_backends(psql, server.sessions_left).await
    };
    let asked = findings.check("pooler", asking, |()| "sessions are the server's own".to_owned()).await?;
    Ok(asked.is_some())
}

/// Lets `pg_dump` begin, until it has locked every table and read all definitions; and reads the roles.
async fn trial(
    findings: &mut Findings<'_>,
    database: &DumpRequest,
    client: &Client,
    psql: &Psql,
    server: &Server,
) -> Result<()> {
    let say = |locks: &Vec<String>| match &locks[..] {
        [] => "nobody keeps others from reading a table".to_owned(),
        _ => String::new(),
    };
    if let Some(locks) = findings.check("locks", exclusive_locks(psql), say).await?
        && !locks.is_empty()
    {
        let detail = format!("locked so that nobody can read: {}", locks.join("; "));
        let fix = "a backup waits for it, as long as --lock-wait-timeout says; end that session if it hangs";
        findings.warning("locks", detail, fix);
    }
    let options = checks::spelled(psql, &database.dump);
    let Some(options) = findings.check("patterns", options, |_| String::new()).await? else { return Ok(()) };
    let left_out = checks::besides(psql, server, &options);
    findings.check("left out", left_out, |_| String::new()).await?;
    let options = DumpOptions { lock_wait_timeout: LOCK_WAIT, ..options };
    let psql = if database.allow_pooled { psql.clone() } else { server.as_usual(psql.clone()).await };
    let beginning = async {
        let dumping = Dumping { client, psql: &psql, options: &options, left: server.sessions_left };
        let (head, pg_dump) = dumping.start().await?.into_inner();
        pg_dump.stop().await;
        Ok(head.get_ref().len() as u64)
    };
    let say = |bytes: &u64| format!("pg_dump has read all definitions ({})", BinaryBytes(*bytes));
    match findings.run().or(beginning).await {
        Ok(bytes) => findings.fine("dump", say(&bytes)),
        Err(error) if waited_for_lock(&error) => findings.failed_mildly("dump", error)?,
        Err(error) => findings.failed("dump", error)?,
    }
    findings.warned("dump");
    let roles = globals(client, &database.connection, &server.database, database.role_passwords);
    match findings.run().or(roles).await {
        Ok(_) => findings.fine("roles", "pg_dumpall reads the server's roles"),
        Err(error) => findings.failed_mildly("roles", error.context("a backup goes on without the roles"))?,
    }
    findings.warned("roles");
    Ok(())
}

/// Whether the dump fits into the store.
async fn size(
    findings: &mut Findings<'_>,
    psql: &Psql,
    server: &Server,
    store: &Arc<dyn Store>,
    name: Option<&Name>,
    database: &DumpRequest,
    request: &DoctorRequest,
) -> Result<()> {
    let limits = store.limits();
    let parts = async { upload::part_size(limits, Some(server.size_bytes), request.part_size) };
    let say = |part: &u64| {
        let (size, part) = (BinaryBytes(server.size_bytes), units::size(*part));
        match limits.max_parts {
            u32::MAX => size.to_string(),
            most => format!("{size}, sent in parts of {part}; the store takes up to {most} of them"),
        }
    };
    findings.check("size", parts, say).await?;
    let Some(name) = name else { return Ok(()) };
    let like = Like { partial: database.dump.is_partial(), signed_by: None };
    let before = findings.run().or(Before::read(store, name, like)).await;
    let before = match before {
        Ok(before) => before,
        // Most keys for backups may only write; whether this one may is looked at next.
        Err(error) => {
            tracing::debug!("the last backup cannot be compared with: {error}");
            None
        }
    };
    let source = checks::source(psql, server, database).await;
    checks::warn_of_another_source(before.as_ref(), source.as_ref());
    findings.warned("name");
    if request.check_space {
        let expected = checks::stored_bytes(before.as_ref(), server);
        findings.check("space", room_in(&**store, expected), |()| String::new()).await?;
    }
    Ok(())
}
