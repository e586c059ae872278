//! The settings of monitoring, for verbs that run on a schedule.
//!
//! An address that cannot be used is reported, and does not keep the backup from being made.

use super::environment::variable;
use crate::cli::{MonitoringWords, NotifyWhen, Verb};
use crate::monitoring::{self, MonitoringOptions, Notify};
use crate::postgres::ConnInfo;
use crate::record::Entry;
use crate::web::SecretUrl;
use std::time::Duration;

/// How long it may take to send a trace: what OpenTelemetry's specification says if nothing is set.
const WITHIN: Duration = Duration::from_secs(10);

/// Who hears how a run of this verb goes; `None` if it is nothing that runs on a schedule.
pub fn monitoring(verb: &Verb) -> Option<MonitoringOptions> {
    let words: &MonitoringWords = verb.monitoring()?;
    Some(MonitoringOptions {
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
    })
}

/// How long it may take to send a trace, if the standard variables of OpenTelemetry ask for traces; it reads those
/// itself that say where to and how.
fn traces() -> Option<Duration> {
    if !cfg!(feature = "otlp") {
        return None;
    }
    let of_traces = |name: &str| {
        let general = format!("OTEL_EXPORTER_OTLP_{name}");
        variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}")).or_else(|| variable(&general))
    };
    let exporter = variable("OTEL_TRACES_EXPORTER");
    let is_wanted = match exporter.as_deref() {
        None => of_traces("ENDPOINT").is_some(),
        Some(exporters) => exporters.split(',').any(|exporter| exporter.trim() == "otlp"),
    };
    if !is_wanted || variable("OTEL_SDK_DISABLED").is_some_and(|is| is.eq_ignore_ascii_case("true")) {
        return None;
    }
    if let Some(protocol) = of_traces("PROTOCOL").filter(|protocol| protocol != "http/protobuf") {
        tracing::warn!(
            "traces are sent as http/protobuf: OTEL_EXPORTER_OTLP_PROTOCOL={protocol} is not supported"
        );
    }
    let within = of_traces("TIMEOUT").and_then(|text| text.parse().ok()).map(Duration::from_millis);
    Some(within.unwrap_or(WITHIN))
}

fn usable(flag: &str, parsed: Result<SecretUrl, &str>) -> Option<SecretUrl> {
    parsed.inspect_err(|why| tracing::warn!("{flag} cannot be used, so nobody hears from it: {why}")).ok()
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
        Verb::Status(words) => (only(&words.names), None),
        Verb::Prune(words) => (only(&words.names), None),
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
