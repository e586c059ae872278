//! `pgstow clone`: a database straight into another one made for it; nothing is stored on the way.
//!
//! The dump passes the same reader as a backup's, and its last bytes reach `pg_restore` only when the
//! archive is whole and `pg_dump` has exited with 0: before that nothing is committed.

use super::list::age;
use super::proof::counts;
use super::restore::plan::{Plan, Wishes};
use super::restore::single::{BETWEEN, load};
use super::restore::{after, jobs};
use super::watch::ArchiveWatch;
use crate::archive::Contents;
use crate::error::{Error, Kind, Result};
use crate::inventory::Inventory;
use crate::numbers::{count, told_rows};
use crate::pipeline::pass_on;
use crate::postgres::clients::Clients;
use crate::postgres::dump::dump;
use crate::postgres::globals::globals;
use crate::postgres::{ChildOutput, KnownRoles, Psql, Server, Target, identifier};
use crate::progress::{Direction, Progress};
use crate::report::Report;
use crate::settings::{self, Roles};
use crate::signal::Stop;
use indicatif::BinaryBytes;
use serde_json::json;
use std::time::Instant;
use tokio::io::{AsyncWriteExt, DuplexStream};

/// Runs `pgstow clone`.
pub async fn run(settings: settings::Clone, report: &Report, stop: &Stop) -> Result<()> {
    let started = Instant::now();
    let clients = stop.or(Clients::find(&settings.clients)).await?;
    let (server, mut target) = stop.or(check(&settings, &clients)).await?;
    let wishes = stop.or(wishes(&settings, &clients, &server)).await?;
    let (from, to) = (server.database.clone(), target.name().to_owned());
    let progress =
        Progress { expected: Some(server.size_bytes), direction: Direction::Across, ..Progress::default() };
    report.say(format!("cloning {from} ({}) into {to}", BinaryBytes(server.size_bytes)));

    let following = report.follow(&progress);
    let copied = stop.or(copy(&settings, &wishes, &clients, &server, &mut target, &progress)).await;
    drop(following);
    let (contents, plan) = match copied {
        Ok(copied) => copied,
        Err(first) => {
            settle(&mut target, false).await;
            return Err(first);
        }
    };

    let inventory = Inventory::new(contents, &[]);
    let proving = async {
        report.say("analyzing");
        target.analyze().await;
        report.say("counting rows");
        counts::prove(&target, &inventory).await.map_err(|e| e.context("prove what was copied"))
    };
    let proof = match stop.or(proving).await {
        Ok(proof) => proof,
        // With more to be done in it, it is for nobody yet.
        Err(first) if !wishes.after.is_empty() => {
            settle(&mut target, false).await;
            return Err(first);
        }
        Err(first) => {
            return Err(first.hint("the copy itself is complete, and was not looked at any further"));
        }
    };
    let (tables, rows, took) = (inventory.archive.tables, inventory.rows(), started.elapsed());
    let judgement = proof.judge(&to);
    if judgement.is_err() {
        settle(&mut target, settings.keep_failed).await;
    } else {
        report.say(format!(
            "cloned {from} into {to}: {}, {}, {}",
            count(tables, "table"),
            told_rows(rows),
            age(took)
        ));
        report.say(format!("proven: {}, in {to}", proof.said()));
        let finishing = after::finish(&wishes.after, &plan, &target, &clients, report);
        if let Err(first) = stop.or(finishing).await {
            settle(&mut target, settings.keep_failed).await;
            return Err(first);
        }
    }
    let document = json!({
        "source": from, "database": to, "owner": wishes.fitting.owner, "tables": tables,
        "rows": rows, "plain_bytes": inventory.archive.bytes, "duration_s": took.as_secs_f64(),
        "proof": proof, "made_roles": plan.made_roles, "left_out": plan.left_out,
    });
    report.answer("", &document)?;
    judgement
}

/// Everything that can be known before a byte moves: the source is there and can be read whole, the
/// target is not there, its owner is.
async fn check(settings: &settings::Clone, clients: &Clients) -> Result<(Server, Target)> {
    let server = Server::inspect(&Psql::new(clients.newest()?, &settings.source)).await?;
    if !settings.allow_pooled {
        server.refuse_pooler()?;
    }
    server.check_dump(false)?;
    clients.for_dump(server.version())?;
    let mut target = Target::open(clients.newest()?, &settings.target).await?;
    if target.exists() {
        let name = identifier(target.name());
        return Err(Error::target_exists(format!("database {name} exists already"))
            .hint("name one that does not exist yet; it will be created"));
    }
    if let (Some(owner), Roles::Check) = (&settings.fitting.owner, settings.fitting.roles) {
        target.belongs_to(owner).await?;
    }
    Ok((server, target))
}

/// What is wished of the copy, with what the source knows of its roles where that is needed.
async fn wishes(settings: &settings::Clone, clients: &Clients, server: &Server) -> Result<Wishes> {
    let settings::Clone { fitting, after, source, .. } = settings;
    fitting.options.check()?;
    let known = if fitting.roles == Roles::Restore {
        let sql = globals(clients.for_dump(server.version())?, source, &server.database, false).await?;
        Some(KnownRoles::read(&String::from_utf8_lossy(&sql)))
    } else {
        None
    };
    Ok(Wishes { fitting: fitting.clone(), known, after: after.clone() })
}

/// Runs `pg_dump` and `pg_restore` side by side until both are done.
async fn copy(
    settings: &settings::Clone,
    wishes: &Wishes,
    clients: &Clients,
    server: &Server,
    target: &mut Target,
    progress: &Progress,
) -> Result<(Contents, Plan)> {
    let (near, far) = tokio::io::duplex(BETWEEN);
    let pg_dump = dump(clients.for_dump(server.version())?, &settings.source, &settings.dump)?;
    let jobs = jobs(settings.jobs, server.size_bytes);
    tokio::try_join!(hand_on(pg_dump, near, progress), load(far, clients, target, wishes, jobs))
}

/// Hands the dump on, its last bytes and its end only when it is known to be whole.
async fn hand_on(pg_dump: ChildOutput, mut to: DuplexStream, progress: &Progress) -> Result<Contents> {
    let mut watch = ArchiveWatch::new(progress.clone());
    let held = pass_on(pg_dump, &mut watch, &mut to, &progress.plain).await?;
    let contents = watch.finish()?;
    let cannot = |e| Error::from_io(e, Kind::Unexpected, "the stream cannot be ended");
    for bytes in held {
        to.write_all(&bytes).await.map_err(cannot)?;
    }
    to.shutdown().await.map_err(cannot)?;
    Ok(contents)
}

/// Leaves nothing half-copied behind.
async fn settle(target: &mut Target, keep: bool) {
    if keep {
        tracing::warn!("{} is kept, though it is not what the source was", target.name());
    } else if let Err(error) = target.drop_created().await {
        tracing::warn!("{} is left behind, empty or unfinished: {error}", target.name());
    }
}
