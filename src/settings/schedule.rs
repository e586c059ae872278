//! The settings of `pgstow schedule`.

use super::{
    Adopt, Backup, List, Remarks, Restore, Show, StoreReport, clone, copy, doctor, fetch, monitoring, prune,
    readers, receipts_check, rekey, status, thief, verify, words,
};
use crate::cli::{CommonWords, Parsed, ScheduleWords, Verb, early};
use crate::error::{Error, Result};
use crate::retention::time_zone;
use crate::schedule::{Job, MetricsFile, Moments, ScheduleOptions};
use std::ffi::OsString;

/// By this variable a run knows the file for its metrics.
const METRICS_FILE: &str = "PGSTOW_METRICS_FILE";

/// Checks the words of `pgstow schedule`, and those of the command that it is to run: who mistypes one must not hear of
/// it in the night.
pub fn schedule(words: ScheduleWords, common: &CommonWords) -> Result<ScheduleOptions> {
    let moments = match (&words.cron, words.every) {
        (Some(expression), None) => Moments::cron(expression, time_zone(&words.timezone)?)?,
        (None, Some(period)) => Moments::every(period)?,
        (None, None) => {
            return Err(Error::usage("nothing says when to run")
                .hint("give --cron \"17 3 * * *\" (PGSTOW_CRON) or --every 1d (PGSTOW_EVERY)"));
        }
        (Some(_), Some(_)) => {
            return Err(Error::usage("--cron and --every contradict each other")
                .hint("leave one of them out (PGSTOW_CRON, PGSTOW_EVERY)"));
        }
    };
    let typed = handed_on(common, &words.command);
    let (verb, metrics) = check(typed.iter().chain(&words.command).cloned().collect())?;
    let program = std::env::current_exe()
        .map_err(|e| Error::unexpected("the path of this program is unknown").because(e))?;
    Ok(ScheduleOptions {
        moments,
        jitter: words.jitter,
        at_start: words.at_start,
        job: Job::new(verb, program, typed, words.command),
        listen: words.listen,
        metrics,
    })
}

/// What stands before the verb and is meant for every run too, unless the command says it itself; the rest is in
/// variables.
fn handed_on(common: &CommonWords, command: &[OsString]) -> Vec<OsString> {
    let file = common.config.as_ref().map(|file| ("config", file.into()));
    let profile = common.profile.as_ref().map(|profile| ("profile", profile.into()));
    let line: Vec<OsString> = std::iter::once("pgstow".into()).chain(command.iter().cloned()).collect();
    let all = file.into_iter().chain(profile).filter(|(flag, _)| early(&line, flag).is_none());
    all.flat_map(|(flag, value): (&str, OsString)| [format!("--{flag}").into(), value]).collect()
}

/// Checks a command line; its verb, and the file for its metrics.
fn check(typed: Vec<OsString>) -> Result<(&'static str, MetricsFile)> {
    let says_pgstow = typed.iter().any(|word| word == "pgstow");
    let line = std::iter::once(OsString::from("pgstow")).chain(typed).collect();
    let (parsed, remarks) = words(line)?;
    let (verb, has_document) = match parsed {
        Parsed::Words(words) => (words.verb, words.common.json),
        Parsed::Help(_) => return Err(Error::usage("the command after -- only prints help")),
        Parsed::Refused(refusal) => {
            let text = refusal.text.trim();
            let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
            let why = first.trim_start_matches("error: ");
            let error = Error::usage(format!("the command after -- is refused: {why}"));
            let error = if rest.trim().is_empty() { error } else { error.detail("usage", rest.trim()) };
            return Err(if says_pgstow { error.hint("leave out the word pgstow") } else { error });
        }
    };
    let metrics = match verb.monitoring() {
        None => MetricsFile::None,
        Some(monitoring) => {
            let named = monitoring.metrics_file.clone();
            named.map_or(MetricsFile::ByVariable(METRICS_FILE), MetricsFile::Named)
        }
    };
    let name = verb.name();
    let alarms = verb.monitoring().map_or(Ok(0), monitoring::check);
    let checked = check_verb(verb, has_document).and(alarms);
    checked.map_err(|error| remarks.explain(error).context("the command after --"))?;
    Ok((name, metrics))
}

/// Reads the settings of a verb as a run of it will.
fn check_verb(verb: Verb, has_document: bool) -> Result<()> {
    let name = verb.name();
    match verb {
        Verb::Backup(words) if words.writing.passphrase && words.writing.passphrase_file.is_none() => {
            Err(Error::usage("nobody is there to be asked for a passphrase every time")
                .hint("give it with --passphrase-file or in PGSTOW_PASSPHRASE"))
        }
        Verb::Backup(words) => Backup::read(*words).map(drop),
        Verb::Adopt(words) => Adopt::read(*words).map(drop),
        Verb::List(words) => List::read(&words).map(drop),
        Verb::Show(words) => Show::read(words).map(drop),
        Verb::Status(words) => status(&words).map(drop),
        Verb::Report(words) => StoreReport::read(*words, has_document).map(drop),
        Verb::Keys(words) => readers(&words).map(drop),
        Verb::Verify(words) => verify(*words).map(drop),
        Verb::Fetch(words) => fetch(*words).map(drop),
        Verb::Restore(words) => Restore::read(*words).map(drop),
        Verb::Clone(words) => clone(words).map(drop),
        Verb::Copy(words) => copy(&words).map(drop),
        Verb::Prune(words) => prune(&words).map(drop),
        Verb::Rekey(words) => rekey(*words).map(drop),
        Verb::Doctor(words) if words.thief => thief(&words).map(drop),
        Verb::Doctor(words) => doctor(*words, &Remarks::default()).map(drop),
        Verb::Receipts(words) => receipts_check(&words).map(drop),
        Verb::Schedule(_) => Err(Error::usage("a schedule does not run another one")),
        Verb::Swap(_)
        | Verb::Delete(_)
        | Verb::Keygen(_)
        | Verb::Config(_)
        | Verb::Completions(_)
        | Verb::Man(_)
        | Verb::Version => Err(Error::usage(format!("{name} is nothing to run again and again"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_says_itself_is_not_handed_on() {
        let typed = ["pgstow", "version", "--config", "c.toml", "--profile", "a"].map(OsString::from);
        let Parsed::Words(words) = crate::cli::parse(typed.into(), &|_| vec![], &|_| None) else {
            panic!("refused");
        };
        let common = words.common;
        let handed =
            |line: &str| handed_on(&common, &line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(handed("list"), ["--config", "c.toml", "--profile", "a"]);
        assert_eq!(handed("list --profile b"), ["--config", "c.toml"]);
        assert_eq!(handed("--config=d.toml list"), ["--profile", "a"]);
        assert_eq!(handed("backup --name x -- cat --profile b"), ["--config", "c.toml", "--profile", "a"]);
    }
}
