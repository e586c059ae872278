//! pgstow ships PostgreSQL databases into cloud storage, encrypted, and brings them back.
//!
//! ```text
//! backup:   pg_dump ─▶ archive reader ─▶ frames ─▶ zstd ─▶ age ─▶ parts ═▶ store ─▶ manifest
//! restore:  pg_restore ◀─ last bytes held back ◀─ digests ◀─ zstd ◀─ age ◀═ ranged reads ◀─ store
//! ```
//!
//! [`cli`] holds the words a user may type, [`settings`] what they mean. A verb in [`commands`] hands them
//! to the engine ([`dump`], [`stored`], [`restore`], [`proof`], [`rehearsal`], [`verify`], [`fetch`], [`branch`], [`prune`],
//! [`copy`], [`status`], [`overview`], [`schedule`]) and gives the answer ([`answers`]). The engine stands on rooms that know nothing of each other:
//! [`archive`], [`script`], [`neon`], [`pipeline`], [`postgres`] and [`store`]. [`report`] prints, [`error`]
//! decides the exit code. ARCHITECTURE.md is the map.
//!
//! The library exists for the program and its tests; only the command line is kept stable.

pub mod actions;
pub mod answers;
pub mod archive;
pub mod branch;
pub mod cli;
pub mod command;
pub mod commands;
pub mod consistent;
pub mod copy;
pub mod doctor;
pub mod dump;
pub mod error;
pub mod failures;
pub mod fetch;
pub mod layout;
pub mod monitoring;
pub mod neon;
pub mod overview;
pub mod paper;
pub mod parallel;
pub mod pipeline;
pub mod postgres;
pub mod progress;
pub mod proof;
pub mod prune;
pub mod readers;
pub mod record;
pub mod rehearsal;
pub mod rekey;
pub mod report;
pub mod restore;
pub mod retention;
pub mod run;
pub mod schedule;
pub mod script;
pub mod settings;
pub mod sha256;
pub mod signal;
pub mod sql;
pub mod status;
pub mod store;
pub mod stored;
pub mod temporary;
pub mod text;
pub mod units;
pub mod verify;
pub mod version;
pub mod web;

use cli::{Parsed, Words};
use error::{Error, Kind, Result};
use monitoring::Monitoring;
use pipeline::keys::end_plugins;
use record::{Entry, Failed, Record};
use report::Report;
use run::{Events, Run};
use settings::Remarks;
use signal::Stop;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Runtime;

/// Runs the program and returns its exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let (words, remarks) = match settings::words(args.clone()) {
        Ok((Parsed::Words(words), remarks)) => (words, remarks),
        Ok((Parsed::Help(text), _)) => {
            report::print_plain(&text, true);
            return ExitCode::SUCCESS;
        }
        Ok((Parsed::Refused(refusal), _)) => {
            report::print_plain(&refusal.text, false);
            let error = Error::usage(refusal.in_alarm);
            return refused(&args, &error, &Report::new(false, false, 0, &[], None));
        }
        Err(error) => {
            let report = Report::new(false, false, 0, &[], None);
            report.fail(&error, true);
            return refused(&args, &error, &report);
        }
    };
    let common = &words.common;
    let step = settings::actions(&words);
    let report = Report::new(common.json, common.quiet, common.verbose, &common.accept, step);
    match run(*words, &remarks, &report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(error.kind().exit_code()),
    }
}

/// Tells those who want to know how a run went that its words could not be understood; its exit code.
fn refused(args: &[OsString], error: &Error, report: &Report) -> ExitCode {
    let _listening = report.listen();
    if let Some((command, options, subject)) = settings::early_monitoring(args)
        && let Ok(runtime) = runtime(report)
    {
        let failed = Some(Failed::new(error, true));
        let entries = vec![Entry { failed: failed.clone(), ..subject }];
        let (took, (_, log)) = (Duration::ZERO, report.told());
        let record = Record { command, started_at: SystemTime::now(), took, failed, entries, log };
        runtime.block_on(async { Monitoring::of_no_run(options, command).finish(&record).await });
        runtime.shutdown_timeout(LAST_WAIT);
    }
    ExitCode::from(error.kind().exit_code())
}

/// How long threads may take to end. Those that do are waited for: to let one go in the moment in which it ends crashes in
/// some versions of the C library, after all work was done. One that hangs, as in a read of a disk, must not keep the process.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Whatever its threads warn of belongs to this run.
fn runtime(report: &Report) -> Result<Runtime> {
    let listener = report.clone();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(move || listener.listen_on_this_thread())
        .build()
        .map_err(|e| Error::unexpected("the runtime cannot be started").because(e))
        .inspect_err(|e| report.fail(e, true))
}

fn run(words: Words, remarks: &Remarks, report: &Report) -> Result<()> {
    // What the engine's rooms warn of belongs to this run, whichever thread it is said on.
    let _listening = report.listen();
    report.hide(settings::masks(&words));
    let runtime = runtime(report)?;
    let done = runtime.block_on(watched(words, remarks, report));
    end_plugins();
    runtime.block_on(postgres::all_reaped());
    runtime.shutdown_timeout(LAST_WAIT);
    done
}

/// Runs a verb, says why if it failed, and tells those who want to know how it went.
async fn watched(words: Words, remarks: &Remarks, report: &Report) -> Result<()> {
    let (command, subject) = (words.verb.name(), settings::subject(&words.verb));
    let (started_at, since) = (SystemTime::now(), Instant::now());
    // Before anybody hears that the run has begun: from then on a signal ends it as it should.
    let stop = Stop::on_signals();
    let monitoring = settings::monitoring(&words.verb).map(|options| Monitoring::begin(options, command));
    if monitoring.is_some() {
        report.fold(command);
    }
    let done = async {
        let mut events: Arc<dyn Events> = Arc::new(report.clone());
        if let Some(monitoring) = &monitoring {
            events = monitoring.watch(events);
        }
        let run = Run::new(events, stop?);
        commands::run(words, remarks, report, &run).await
    };
    let done = done.await.map_err(|error| remarks.explain(error));
    if monitoring.is_some() {
        report.unfold();
    }
    if let Err(error) = &done {
        report.fail(error, may_be_public(error));
    }
    if let Some(monitoring) = monitoring {
        let (mut entries, log) = report.told();
        entries.iter_mut().for_each(|entry| entry.mode = subject.mode);
        let failed = done.as_ref().err().map(|error| Failed::new(error, may_be_public(error)));
        if entries.is_empty() {
            entries.push(Entry { failed: failed.clone(), ..subject });
        }
        let record = Record { command, started_at, took: since.elapsed(), failed, entries, log };
        report.conclude(&record);
        monitoring.finish(&record).await;
    }
    done
}

/// Whether everyone may read why a run failed: whether it names nothing that is in a database.
fn may_be_public(error: &Error) -> bool {
    match error.kind() {
        Kind::Usage | Kind::Settings | Kind::Store | Kind::NotFound | Kind::Locked => true,
        Kind::Prune | Kind::HungUp | Kind::Interrupted | Kind::Terminated => true,
        Kind::Postgres => error.situation().is_some_and(postgres::Situation::is_about_connecting),
        Kind::Unexpected
        | Kind::Verify
        | Kind::Overdue
        | Kind::TargetExists
        | Kind::LocalFile
        | Kind::Command => false,
    }
}
