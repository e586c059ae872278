//! GitHub Actions: workflow commands, the job's summary, and what may be said if everyone can read it.
//!
//! In a public repository logs and summaries are world-readable, so nothing of a database's content may be in them.

use crate::record::{Entry, Record};
use crate::text::one_line;
use crate::units::age;
use indicatif::BinaryBytes;
use indicatif::HumanCount;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// How many entries the summary shows.
const MOST_SHOWN: usize = 200;

/// The parts of a workflow file's step that pgstow runs in.
#[derive(Debug, Clone, Default)]
pub struct Actions {
    /// The file that the step's summary is appended to.
    pub summary: Option<PathBuf>,
    /// Whether names of tables, numbers of rows and messages of servers may be in the log and the summary.
    pub details: bool,
}

impl Actions {
    /// Appends what a run did to the step's summary; the error is the file's.
    pub fn summarize(&self, record: &Record) -> io::Result<()> {
        let Some(path) = &self.summary else { return Ok(()) };
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(summary(record, self.details).as_bytes())
    }
}

/// A command to the runner, such as `::error title=pgstow backup::no such table`.
pub fn command(name: &str, title: Option<&str>, text: &str) -> String {
    let value = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| value(text).replace(':', "%3A").replace(',', "%2C");
    let title = title.map(|title| format!(" title={}", property(title))).unwrap_or_default();
    format!("::{name}{title}::{}", value(text))
}

/// The text without anything that the runner would take as a command: servers and names may say what they like.
pub fn inert(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace("##[", "# #[");
        let rest = line.trim_start();
        match rest.strip_prefix("::") {
            Some(after) => format!("{}: :{after}", line.strip_suffix(rest).unwrap_or_default()),
            None => line,
        }
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// What a run did, as Markdown.
fn summary(record: &Record, details: bool) -> String {
    let mut text = format!("### {}\n\n", plain(&record.headline(details)));
    let shown: Vec<&Entry> =
        record.entries.iter().filter(|entry| !entry.name.is_empty()).take(MOST_SHOWN).collect();
    if !shown.is_empty() {
        let counts = if details { [" Tables | Rows |", " ---: | ---: |"] } else { ["", ""] };
        let _ = writeln!(
            text,
            "| Name | Backup | Outcome | Stored | Dump |{} Took | Since the last |",
            counts[0]
        );
        let _ = writeln!(text, "| --- | --- | --- | ---: | ---: |{} ---: | --- |", counts[1]);
        for entry in shown {
            let outcome = match record.failure_of(entry) {
                Some(failed) if details => failed.message.clone(),
                Some(failed) => failed.in_public.clone(),
                None if entry.lacking.is_empty() => "succeeded".to_owned(),
                None => format!("succeeded, but not in {}", entry.lacking.join(", ")),
            };
            let size =
                |bytes: Option<u64>| bytes.map(|bytes| BinaryBytes(bytes).to_string()).unwrap_or_default();
            let number = |number: Option<u64>| number.map(|n| HumanCount(n).to_string()).unwrap_or_default();
            let mut cells = vec![
                entry.name.clone(),
                entry.id.clone().unwrap_or_default(),
                outcome,
                size(entry.stored_bytes),
                size(entry.plain_bytes),
            ];
            if details {
                cells.extend([number(entry.tables), number(entry.rows)]);
            }
            cells.extend([entry.took.map(age).unwrap_or_default(), entry.changes(details)]);
            let cells: Vec<String> = cells.iter().map(|cell| plain(cell)).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
    }
    for hint in record.failed.iter().flat_map(|failed| &failed.hints).filter(|_| details) {
        let _ = writeln!(text, "\n- {}", plain(hint));
    }
    if !details {
        text.push_str("\nThis repository is public: names of tables, numbers of rows and messages of the server are left out.\n");
    }
    text.push('\n');
    text
}

/// Text as it is, for Markdown.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '&' => plain.push_str("&amp;"),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '#' | '~' | '@' | '$' => {
                let _ = write!(plain, "&#{};", u32::from(c));
            }
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::record::Failed;
    use std::time::{Duration, SystemTime};

    #[test]
    fn commands_are_one_line() {
        assert_eq!(
            command("error", Some("pgstow: a,b"), "100%\r\nno: x"),
            "::error title=pgstow%3A a%2Cb::100%25%0D%0Ano: x"
        );
        assert_eq!(command("endgroup", None, ""), "::endgroup::");
    }

    #[test]
    fn nothing_from_outside_commands_the_runner() {
        for (text, harmless) in [
            ("no\n    ::stop-commands::x", "no\n    : :stop-commands::x"),
            ("a ##[add-mask]b", "a # #[add-mask]b"),
            ("app::text is fine", "app::text is fine"),
        ] {
            assert_eq!(inert(text), harmless);
        }
    }

    #[test]
    fn the_summary_says_in_public_nothing_of_the_content() {
        let entry = |name: &str| Entry {
            name: name.into(),
            id: Some("20261127T030000Z-7f3k9q".into()),
            stored_bytes: Some(1 << 20),
            tables: Some(3),
            rows: Some(140_500),
            took: Some(Duration::from_secs(12)),
            ..Entry::default()
        };
        let failed = Failed::new(&Error::postgres("permission denied for table patients").hint("ask"), false);
        let record = Record {
            command: "backup",
            started_at: SystemTime::UNIX_EPOCH,
            took: Duration::from_secs(12),
            entries: vec![entry("app"), Entry { failed: Some(failed.clone()), ..entry("b|<i>") }],
            failed: Some(failed),
            log: String::new(),
        };
        let public = summary(&record, false);
        assert!(!public.contains("patients") && !public.contains("140,500"), "{public}");
        assert!(
            public.contains("| app | 20261127T030000Z-7f3k9q | succeeded | 1.00 MiB |  | 12s |  |"),
            "{public}"
        );
        let private = summary(&record, true);
        assert!(
            private.contains("| b&#124;&lt;i&gt; |")
                && private.contains("permission denied for table patients")
        );
        assert!(private.contains("| 3 | 140,500 | 12s |") && private.contains("\n- ask\n"), "{private}");
    }
}
