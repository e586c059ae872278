//! The settings of monitoring, for verbs that run on a schedule.
//!
//! An address that cannot be used is reported, and does not keep the backup from being made.

use super::environment::variable;
use super::file::Values;
use super::lines;
use super::words::readable_alarms;
use crate::cli::{self, MonitoringWords, NotifyWhen, Verb};
use crate::error::{self, Error};
use crate::monitoring::{self, MonitoringOptions, Notify};
use crate::postgres::ConnInfo;
use crate::record::Entry;
use crate::stored::format::names::Name;
use crate::web::SecretUrl;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How long it may take to send a trace: what OpenTelemetry's specification says if nothing is set.
const WITHIN: Duration = Duration::from_secs(10);

/// Who hears how a run of this verb goes; `None` if it is nothing that runs on a schedule.
///
/// Nobody hears of a run that only says what it would do: it must not look like one that did it.
pub fn monitoring(verb: &Verb) -> Option<MonitoringOptions> {
    let words = verb.monitoring()?;
    let is_dry = matches!(verb, Verb::Prune(words) if words.dry_run);
    Some(if is_dry { MonitoringOptions::default() } else { options(words) })
}

fn options(words: &MonitoringWords) -> MonitoringOptions {
    MonitoringOptions {
        ping: words.ping_url.as_deref().and_then(|text| usable("--ping-url", monitoring::parse_ping(text))),
        webhooks: words
            .webhooks
            .iter()
            .filter(|text| !text.trim().is_empty())
            .filter_map(|text| usable("--webhook", SecretUrl::parse(text)))
            .collect(),
        notify: match words.notify {
            NotifyWhen::Failure => Notify::Failure,
            NotifyWhen::Success => Notify::Success,
            NotifyWhen::Always => Notify::Always,
        },
        metrics_file: words.metrics_file.clone(),
        push_gateway: words
            .push_gateway
            .as_deref()
            .and_then(|text| usable("--push-gateway", SecretUrl::parse(text))),
        traces: traces(),
    }
}

fn usable(flag: &str, parsed: Result<SecretUrl, &str>) -> Option<SecretUrl> {
    parsed.inspect_err(|why| tracing::warn!("{flag} cannot be used, so nobody hears from it: {why}")).ok()
}

/// A command line that cannot be understood, as far as its monitoring can be known: by what was typed, by variables, and
/// by the part of the settings file that can be read.
struct Early<'a> {
    args: &'a [OsString],
    of_file: Values,
}

impl Early<'_> {
    /// What a variable or the file says.
    fn set(&self, key: &str) -> Vec<String> {
        let by_variable = variable(&format!("PGSTOW_{}", key.to_ascii_uppercase()));
        by_variable.map(|value| vec![value]).or_else(|| self.of_file.get(key).cloned()).unwrap_or_default()
    }

    /// What was typed, else what is set.
    fn all(&self, key: &str) -> Vec<String> {
        let typed = cli::early_all(self.args, &key.replace('_', "-"));
        if typed.is_empty() { self.set(key) } else { typed }
    }

    fn one(&self, key: &str) -> Option<String> {
        self.all(key).into_iter().next()
    }

    /// Whether a flag that takes no value is given, by what clap takes for a no.
    fn is_on(&self, flag: &str, key: &str) -> bool {
        let is_no = |value: &String| cli::yes_or_no(value) == Ok(false);
        cli::early_flag(self.args, flag) || self.set(key).first().is_some_and(|value| !is_no(value))
    }

    /// What the run is about, if that is one name.
    fn subject(&self, verb: &str) -> Option<Entry> {
        let of_many = verb == "backup" && self.is_on("all-databases", "all_databases");
        if of_many || verb == "clone" {
            return None;
        }
        let typed = cli::early_names(self.args);
        let given = if typed.is_empty() { self.set("name") } else { typed };
        // Anything may have been typed in place of a name.
        let name = only(&lines(&given)).filter(|name| name.parse::<Name>().is_ok())?;
        let mode = match verb {
            "verify" if self.is_on("restore", "verify_restore") => Some("restore"),
            "verify" if self.is_on("quick", "verify_quick") => Some("quick"),
            "verify" => Some("read"),
            _ => None,
        };
        Some(Entry { name, mode, ..Entry::default() })
    }
}

/// The verb of a command line that cannot be understood, who hears of it, and what it is about, as far as that can be known.
/// `None` if it is nothing that runs on a schedule.
pub fn early_monitoring(args: &[OsString]) -> Option<(&'static str, MonitoringOptions, Entry)> {
    let verb = cli::early_monitored(args)?;
    let early = Early { args, of_file: readable_alarms(args) };
    if verb == "prune" && early.is_on("dry-run", "dry_run") {
        return None;
    }
    let notify = match early.one("notify").as_deref() {
        Some("always") => NotifyWhen::Always,
        Some("success") => NotifyWhen::Success,
        _ => NotifyWhen::Failure,
    };
    let subject = early.subject(verb);
    // Metrics without a name would stay until a next run, which may be nobody's plan.
    let is_measured = subject.is_some();
    let words = MonitoringWords {
        ping_url: early.one("ping_url"),
        webhooks: early.all("webhook").iter().flat_map(|value| value.lines()).map(str::to_owned).collect(),
        notify,
        metrics_file: early.one("metrics_file").filter(|_| is_measured).map(PathBuf::from),
        push_gateway: early.one("push_gateway").filter(|_| is_measured),
    };
    Some((verb, options(&words), subject.unwrap_or_default()))
}

/// Checks the addresses of those who are to hear of runs, for whoever sets them up; returns how many there are.
///
/// # Errors
/// `Kind::Settings`, which names all that cannot be used.
pub(super) fn check(words: &MonitoringWords) -> error::Result<usize> {
    let given = [
        ("ping_url", "--ping-url (PGSTOW_PING_URL)", words.ping_url.as_slice()),
        ("webhook", "--webhook (PGSTOW_WEBHOOK)", words.webhooks.as_slice()),
        ("push_gateway", "--push-gateway (PGSTOW_PUSH_GATEWAY)", words.push_gateway.as_slice()),
    ];
    let wrong = given
        .iter()
        .map(|(key, flag, values)| check_addresses(key, values).map_err(|error| error.context(flag)));
    let wrong: Vec<String> = wrong
        .chain([check_traces()])
        .filter_map(Result::err)
        .map(|error| error.message().to_owned())
        .collect();
    if !wrong.is_empty() {
        return Err(Error::settings(wrong.join("; ")));
    }
    let number: usize = given.iter().map(|(_, _, values)| values.len()).sum();
    Ok(number + usize::from(is_traced()))
}

/// Checks the addresses that a setting holds, if it holds any.
pub(super) fn check_addresses(key: &str, values: &[String]) -> error::Result<()> {
    let parse: fn(&str) -> Result<SecretUrl, &'static str> = match key {
        "ping_url" => monitoring::parse_ping,
        "webhook" | "push_gateway" => SecretUrl::parse,
        _ => return Ok(()),
    };
    let is_blank = |line: &&str| key == "webhook" && line.trim().is_empty();
    let lines = values.iter().flat_map(|value| value.split('\n')).filter(|line| !is_blank(line));
    let parsed: Vec<Result<SecretUrl, &str>> = lines.map(parse).collect();
    match &parsed[..] {
        [only] => only.as_ref().map(drop).map_err(|why| no_address(why)),
        all => {
            // They are secrets, so their numbers say which they are.
            let wrong = all.iter().enumerate().filter_map(|(at, parsed)| {
                let why = parsed.as_ref().err()?;
                Some(format!("address {} of {} cannot be used: {why}", at + 1, all.len()))
            });
            let wrong: Vec<String> = wrong.collect();
            if wrong.is_empty() { Ok(()) } else { Err(Error::settings(wrong.join(", "))) }
        }
    }
}

/// Checks where traces are sent to, if they are to be sent.
pub(super) fn check_traces() -> error::Result<()> {
    let Some((name, endpoint)) = of_traces("ENDPOINT").filter(|_| is_traced()) else { return Ok(()) };
    SecretUrl::parse(&endpoint).map(drop).map_err(|why| no_address(why).context(name))
}

fn no_address(why: &str) -> Error {
    Error::settings(format!("the address cannot be used, so nobody would hear from it: {why}"))
}

/// One of OpenTelemetry's variables: the one for traces, or the one for everything.
fn of_traces(what: &str) -> Option<(String, String)> {
    let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
    names.into_iter().find_map(|name| variable(&name).map(|value| (name, value)))
}

/// Whether the standard variables of OpenTelemetry ask for traces.
fn is_traced() -> bool {
    let is_wanted = match variable("OTEL_TRACES_EXPORTER") {
        None => of_traces("ENDPOINT").is_some(),
        Some(exporters) => exporters.split(',').any(|exporter| exporter.trim() == "otlp"),
    };
    let is_disabled = || variable("OTEL_SDK_DISABLED").is_some_and(|is| is.eq_ignore_ascii_case("true"));
    cfg!(feature = "otlp") && is_wanted && !is_disabled()
}

/// How long it may take to send a trace, if traces are asked for; OpenTelemetry's crates read those variables themselves
/// that say where to and how.
fn traces() -> Option<Duration> {
    if !is_traced() {
        return None;
    }
    if let Some((name, protocol)) = of_traces("PROTOCOL").filter(|(_, protocol)| protocol != "http/protobuf")
    {
        tracing::warn!("traces are sent as http/protobuf: {name}={protocol} is not supported");
    }
    let within = of_traces("TIMEOUT").and_then(|(_, text)| text.parse().ok()).map(Duration::from_millis);
    Some(within.unwrap_or(WITHIN))
}

/// What a run of this verb is about, as far as the words say it: for runs that fail before they know more.
pub fn subject(verb: &Verb) -> Entry {
    let database = |url: Option<&str>| {
        let connection = ConnInfo::parse(url.unwrap_or_default(), variable).ok()?;
        connection.database().map(str::to_owned)
    };
    let (name, mode) = match verb {
        Verb::Backup(words) if words.all_databases => (words.name.clone(), None),
        Verb::Backup(words) => (words.name.clone().or_else(|| database(words.url.as_deref())), None),
        Verb::Adopt(words) => (Some(words.name.clone()), None),
        Verb::Verify(words) => {
            let mode = if words.quick { "quick" } else { "read" };
            (words.name.clone(), Some(if words.restore { "restore" } else { mode }))
        }
        Verb::Copy(words) => (words.name.clone(), None),
        Verb::Restore(words) => (words.select.name.clone(), None),
        Verb::Status(words) => (only(&lines(&words.names)), None),
        Verb::Prune(words) => (only(&lines(&words.names)), None),
        Verb::Clone(words) if words.target.contains(['=', '/']) => (database(Some(&words.target)), None),
        Verb::Clone(words) => (Some(words.target.clone()), None),
        _ => (None, None),
    };
    Entry { name: name.unwrap_or_default(), mode, ..Entry::default() }
}

/// The one name, if there is one only.
fn only(names: &[String]) -> Option<String> {
    match names {
        [only] => Some(only.clone()),
        _ => None,
    }
}
