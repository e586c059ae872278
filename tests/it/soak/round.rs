//! One round: a backup and a restore through a proxy that makes things go wrong, and what has come of each.

use super::dice::Dice;
use super::faults::{Act, COMMON, Kind, OF_GOOGLE, OF_S3, Way};
use super::scene::{At, GOOD, Spot, Store, Worker, after_header, digest};
use crate::harness::{Pgstow, Run};
use crate::scene::{fresh, named};
use crate::servers::fault::FaultProxy;
use crate::servers::s3::S3;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// When a run counts as hung. Five seconds of patience for one thing, a deadline of seventeen for a small part, twenty seconds for
/// an abort: everything ends well before. Since PostgreSQL 15 whoever drops a database waits for the rows of all that restore.
const HANGS: Duration = Duration::from_secs(300);

/// How a run ended.
pub enum End {
    /// A whole backup, or an equal database.
    Whole,
    /// None, with an error.
    None,
    /// It did not end.
    Hung(String),
    /// It said something that is not so.
    Wrong(String),
    /// Something is left, and nobody named it.
    Left(String),
}

/// A run, and what it was up against.
pub struct Outcome {
    pub way: Way,
    pub store: &'static str,
    /// The kinds of faults it was given.
    pub kinds: Vec<&'static str>,
    /// Those that struck, once for each time.
    pub struck: Vec<&'static str>,
    pub end: End,
    pub took: Duration,
}

/// A backup, and a restore.
pub fn round(worker: &Worker, dice: &mut Dice) -> [Outcome; 2] {
    [Way::Backup, Way::Restore].map(|way| {
        let store = dice.of(&worker.stores());
        one(worker, store, way, dice)
    })
}

fn one(worker: &Worker, store: &Store, way: Way, dice: &mut Dice) -> Outcome {
    let of_store: &[Kind] = if matches!(store.at, At::S3(_)) { &OF_S3 } else { &OF_GOOGLE };
    let all: Vec<Kind> = COMMON.iter().chain(of_store).copied().collect();
    let number = dice.of(&[1, 1, 1, 1, 2, 2, 3]);
    let kinds: Vec<Kind> = (0..number).map(|_| dice.of(&all)).collect();
    let acts: Vec<Act> = kinds.iter().map(|kind| kind.make(dice, way)).collect();

    let proxy = FaultProxy::start(&store.endpoint());
    let (mut outage, mut endpoint, mut others) = (None, proxy.endpoint(), Vec::new());
    for (act, kind) in acts.into_iter().zip(&kinds) {
        match act {
            Act::Strike(rule) => {
                proxy.inject(rule);
                continue;
            }
            Act::Outage(after, time) => outage = Some((after, time)),
            Act::Untrusted => endpoint = worker.scene.untrusted.clone(),
            Act::Grpc(method, code, times) => {
                let At::Google(google) = &store.at else { unreachable!() };
                google.inject(method, code, times);
            }
        }
        others.push(kind.name);
    }
    let prefix = if way == Way::Backup { S3::fresh_prefix("run") } else { GOOD.to_owned() };
    let (spot, copy) = (Spot { store, prefix }, format!("{}x", fresh("soaked")));
    let words = ["--retry-for", "5s", "--timeout", "2s"];
    let command = match way {
        Way::Backup => spot.backup(worker.scene, Some(&endpoint)),
        Way::Restore => {
            let (to, jobs) = (worker.scene.cluster.url(&copy), dice.of(&["1", "3"]));
            spot.pgstow(&["restore", "latest", "--to", &to, "--jobs", jobs], Some(&endpoint))
        }
    };
    let begun = Instant::now();
    let run = std::thread::scope(|scope| {
        if let Some((after, time)) = outage {
            let proxy = &proxy;
            scope.spawn(move || {
                std::thread::sleep(after);
                proxy.outage(time);
            });
        }
        ended(command.args(words).patience(HANGS))
    });
    let took = begun.elapsed();
    let mut struck = proxy.struck();
    struck.extend(others);
    drop(proxy);
    if let At::Google(google) = &store.at {
        google.heal();
    }
    let end = match (run, way) {
        (Err(why), _) => End::Hung(why),
        (Ok(run), Way::Backup) => judge_backup(worker, &spot, &run),
        (Ok(run), Way::Restore) => judge_restore(worker, &copy, &run),
    };
    Outcome { way, store: store.name, kinds: kinds.iter().map(|kind| kind.name).collect(), struck, end, took }
}

/// Runs it to its end, or says that there was none.
fn ended(command: Pgstow) -> Result<Run, String> {
    catch_unwind(AssertUnwindSafe(|| command.run())).map_err(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(_) => "it hung".to_owned(),
    })
}

fn judge_backup(worker: &Worker, spot: &Spot<'_>, run: &Run) -> End {
    let (keys, unfinished) = spot.content();
    let is_manifest = |key: &&String| key.ends_with("/manifest.json");
    let manifests: Vec<&String> = keys.iter().filter(is_manifest).collect();
    let left = || keys.iter().chain(&unfinished);
    if run.status.success() {
        let id = run.text().trim().to_owned();
        if manifests.len() != 1 || !manifests[0].contains(&id) || keys.len() != 4 {
            return End::Wrong(format!("it succeeded, and these are there: {keys:?}: {run}"));
        }
        if let Err(why) = is_whole(worker, spot) {
            return End::Wrong(format!("it succeeded, and the backup is not whole: {why}: {run}"));
        }
        return match unfinished.iter().find(|key| !is_named(key, run)) {
            Some(key) => End::Left(format!("an upload of {key} is left: {run}")),
            None => End::Whole,
        };
    }
    if run.status.code().is_none_or(|code| code == 1) {
        return End::Wrong(format!("it did not fail in order: {run}"));
    }
    if let Some(key) = left().find(|key| !is_named(key, run)) {
        return End::Left(format!("{key} is left, and not named: {run}"));
    }
    // If even taking back failed, a manifest may be there; then the backup must be whole.
    match manifests.is_empty() || is_whole(worker, spot).is_ok() {
        true => End::None,
        false => End::Wrong(format!("it failed, and a backup is listed that is none: {keys:?}: {run}")),
    }
}

/// Whether what was said names this key: by the id in it.
fn is_named(key: &str, run: &Run) -> bool {
    key.rsplit('/').nth(1).is_some_and(|id| run.stderr.contains(id))
}

/// Whether the newest backup comes back as it was dumped.
fn is_whole(worker: &Worker, spot: &Spot<'_>) -> Result<(), String> {
    let fetched = ended(spot.pgstow(&["fetch", "latest", "-o", "-"], None))?;
    if !fetched.status.success() {
        return Err(fetched.stderr);
    }
    let is_equal = after_header(fetched.stdout) == worker.scene.archive;
    if is_equal { Ok(()) } else { Err("other bytes came back".to_owned()) }
}

fn judge_restore(worker: &Worker, copy: &str, run: &Run) -> End {
    let cluster = worker.scene.cluster;
    let there = named(cluster, copy);
    let end = if run.status.success() {
        match there == copy && digest(cluster, copy) == worker.scene.digest {
            true => End::Whole,
            false => End::Wrong(format!("it succeeded, and {there:?} is not equal: {run}")),
        }
    } else if run.status.code().is_none_or(|code| code == 1) {
        End::Wrong(format!("it did not fail in order: {run}"))
    } else if there.split(' ').any(|name| !run.stderr.contains(name)) {
        End::Left(format!("{there} is left, and not named: {run}"))
    } else {
        End::None
    };
    for name in there.split_whitespace() {
        cluster.psql("postgres", &format!("DROP DATABASE \"{name}\""));
    }
    end
}
