//! A run as Prometheus' metrics, in its text format.
//!
//! Those of the last success change only with a success, so that an alert on their age also notices runs that fail,
//! and runs that do not happen.

use crate::record::{Entry, Record};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What every metric's name begins with.
const PREFIX: &str = "pgstow_";
/// How the names end of those that only a success changes.
const OF_SUCCESS: &str = "_last_success_";
/// How the names end of those that every run changes.
const OF_RUN: &str = "_last_run_";

/// How names end, and what is measured.
const KNOWN: [(&str, &str); 10] = [
    ("_last_success_timestamp_seconds", "When the last success ended, in seconds since 1970."),
    ("_last_success_duration_seconds", "How long the last success took, in seconds."),
    ("_last_success_stored_bytes", "Bytes in the store of the last success."),
    ("_last_success_dump_bytes", "Bytes of the dump of the last success, uncompressed."),
    ("_last_success_tables", "Tables in the last success."),
    ("_last_success_rows", "Rows in the last success."),
    ("_last_run_timestamp_seconds", "When the last run ended, in seconds since 1970."),
    ("_last_run_success", "Whether the last run succeeded."),
    ("_last_run_exit_code", "The exit code of the last run."),
    (
        "_last_run_stores_failed",
        "Stores that did not get the backup of the last run, optional ones included.",
    ),
];

/// Values by the metric's name and its labels, as they are written between braces.
pub type Samples = BTreeMap<(String, String), String>;

/// The metrics of a run that ended now.
pub fn samples(record: &Record, now: SystemTime) -> Samples {
    record.entries.iter().flat_map(|entry| of_entry(record, entry, now)).collect()
}

/// The metrics of one entry of a run that ended now.
pub fn of_entry(record: &Record, entry: &Entry, now: SystemTime) -> Samples {
    let seconds = |span: Duration| format!("{:.3}", span.as_secs_f64());
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
    let failed = record.failure_of(entry);
    let exit_code = failed.map_or(0, |failed| failed.exit_code);
    let mut all = vec![
        ("_last_run_timestamp_seconds", Some(now.clone())),
        ("_last_run_success", Some(u8::from(failed.is_none()).to_string())),
        ("_last_run_exit_code", Some(exit_code.to_string())),
    ];
    // A run that has no backup to say it of has failed as a whole.
    if entry.id.is_some() && ["backup", "adopt"].contains(&record.command) {
        all.push(("_last_run_stores_failed", Some(entry.lacking.len().to_string())));
    }
    // A backup that is stored, or was restored, is a success, whatever failed after it.
    // One without a name, as of a prune that finds nothing, would stay for ever.
    let is_success = failed.is_none() || entry.failed.is_none() && entry.id.is_some();
    if is_success && !entry.name.is_empty() {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        all.extend([
            ("_last_success_timestamp_seconds", Some(now)),
            ("_last_success_duration_seconds", entry.took.map(seconds)),
            ("_last_success_stored_bytes", number(entry.stored_bytes)),
            ("_last_success_dump_bytes", number(entry.plain_bytes)),
            ("_last_success_tables", number(entry.tables)),
            ("_last_success_rows", number(entry.rows)),
        ]);
    }
    let labels = labels(entry);
    let sample = |(end, value): (&str, Option<String>)| {
        Some(((format!("{PREFIX}{}{end}", record.command), labels.clone()), value?))
    };
    all.into_iter().filter_map(sample).collect()
}

fn labels(entry: &Entry) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let mode = entry.mode.map(|mode| format!(",mode=\"{mode}\"")).unwrap_or_default();
    format!("name=\"{}\"{mode}", escaped(&entry.name))
}

/// The metrics of earlier runs, updated by those of this one.
pub fn updated(mut all: Samples, new: Samples) -> Samples {
    let command =
        |metric: &str| KNOWN.iter().find_map(|(end, _)| metric.strip_suffix(end).map(str::to_owned));
    for (metric, labels) in new.keys() {
        let Some(command) = command(metric) else { continue };
        let is_success = metric.contains(OF_SUCCESS);
        all.retain(|(other, of), _| {
            let same = is_success && of == labels && other.starts_with(&format!("{command}{OF_SUCCESS}"));
            // A run that did not come as far as to know its name is over when one does.
            let unnamed = of.starts_with("name=\"\"") && other.starts_with(&format!("{command}{OF_RUN}"));
            !same && !unnamed
        });
    }
    all.extend(new);
    all
}

/// The metrics as text.
pub fn text(samples: &Samples) -> String {
    let (mut text, mut last) = (String::new(), "");
    for ((metric, labels), value) in samples {
        if metric != last {
            let help = KNOWN.iter().find(|(end, _)| metric.ends_with(end)).map_or("", |(_, help)| help);
            let _ = writeln!(text, "# HELP {metric} {help}\n# TYPE {metric} gauge");
            last = metric;
        }
        let _ = writeln!(text, "{metric}{{{labels}}} {value}");
    }
    text
}

/// Reads what [`text`] wrote; the first line that it did not write is the error.
pub fn parse(text: &str) -> Result<Samples, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let sample = |line: &str| {
        let (metric, rest) = line.split_once('{')?;
        let (labels, value) = rest.rsplit_once("} ")?;
        let ours = metric.starts_with(PREFIX) && KNOWN.iter().any(|(end, _)| metric.ends_with(end));
        (ours && value.parse::<f64>().is_ok())
            .then(|| ((metric.to_owned(), labels.to_owned()), value.to_owned()))
    };
    lines.map(|line| sample(line).ok_or_else(|| line.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};
    use crate::record::Failed;

    fn run(name: &str, rows: Option<u64>, failed: bool) -> Record {
        let failed = failed.then(|| Failed::new(&Error::store("no"), true));
        Record {
            command: "backup",
            started_at: UNIX_EPOCH,
            took: Duration::from_secs(1),
            failed: failed.clone(),
            entries: vec![Entry { name: name.into(), rows, failed, ..Entry::default() }],
            log: String::new(),
        }
    }

    fn at(seconds: u64, record: &Record) -> Samples {
        samples(record, UNIX_EPOCH + Duration::from_secs(seconds))
    }

    fn value<'a>(samples: &'a Samples, metric: &str) -> Option<&'a str> {
        samples.get(&(metric.to_owned(), "name=\"app\"".to_owned())).map(String::as_str)
    }

    #[test]
    fn a_failure_keeps_the_last_success() {
        let success = at(100, &run("app", Some(5), false));
        let after = updated(success, at(200, &run("app", None, true)));
        assert_eq!(value(&after, "pgstow_backup_last_success_timestamp_seconds"), Some("100"));
        assert_eq!(value(&after, "pgstow_backup_last_success_rows"), Some("5"));
        assert_eq!(value(&after, "pgstow_backup_last_run_timestamp_seconds"), Some("200"));
        assert_eq!(value(&after, "pgstow_backup_last_run_exit_code"), Some("12"));
        let again = updated(after, at(300, &run("app", None, false)));
        assert_eq!(value(&again, "pgstow_backup_last_success_rows"), None, "they were not counted");
        assert_eq!(value(&again, "pgstow_backup_last_run_success"), Some("1"));
    }

    #[test]
    fn names_keep_apart_and_a_nameless_failure_ends_with_the_next_run() {
        let all = updated(at(1, &run("a", None, false)), at(2, &run("", None, true)));
        assert_eq!(all.len(), 7, "{all:?}");
        let all = updated(all, at(3, &run("", None, false)));
        assert_eq!(all.len(), 7, "a success without a name says only that the last run succeeded: {all:?}");
        let all = updated(all, at(4, &run("b", None, false)));
        assert_eq!(all.keys().filter(|(_, labels)| labels == "name=\"\"").count(), 0);
        assert_eq!(all.keys().filter(|(_, labels)| labels == "name=\"a\"").count(), 4);
    }

    #[test]
    fn stores_without_the_backup_are_counted_for_every_verb_that_makes_one() {
        for (command, is_counted) in [("backup", true), ("adopt", true), ("restore", false)] {
            let mut record = Record { command, ..run("app", None, false) };
            (record.entries[0].id, record.entries[0].lacking) = (Some("x".into()), vec!["s3://b".into()]);
            let samples = at(100, &record);
            let metric = format!("pgstow_{command}_last_run_stores_failed");
            assert_eq!(value(&samples, &metric), is_counted.then_some("1"), "{command}");
        }
    }

    #[test]
    fn a_failure_after_the_backup_is_one_of_the_run_only() {
        let failed = Failed::new(&Error::new(Kind::Prune, "the old ones stay"), true);
        let mut pruned = Record { failed: Some(failed), ..run("app", Some(5), false) };
        let samples = at(100, &pruned);
        assert_eq!(value(&samples, "pgstow_backup_last_run_success"), Some("0"));
        assert_eq!(value(&samples, "pgstow_backup_last_run_exit_code"), Some("19"));
        assert_eq!(value(&samples, "pgstow_backup_last_success_rows"), None, "no backup is known");
        pruned.entries[0].id = Some("20261127T030000Z-7f3k9q".into());
        assert_eq!(value(&at(100, &pruned), "pgstow_backup_last_success_rows"), Some("5"));
        // What failed for one name only is no failure of the others.
        pruned.entries.extend(run("other", None, true).entries);
        assert_eq!(value(&at(100, &pruned), "pgstow_backup_last_run_success"), Some("1"));
    }

    #[test]
    fn what_was_written_is_read_again() {
        let odd = at(1, &run("a\"} 1\\n\n#{b", Some(7), false));
        let text = text(&odd);
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), odd.len());
        assert_eq!(parse(&text), Ok(odd));
        assert_eq!(parse("# HELP x\nnode_load1 0.5\n"), Err("node_load1 0.5".to_owned()));
    }
}
