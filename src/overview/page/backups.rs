//! The table of all backups of a name: whatever the charts show, in numbers.

use super::escape::Escaped;
use super::said::{bytes, minute, span, wide};
use crate::overview::facts::{BackupFacts, NameFacts};
use crate::units::count;
use indicatif::HumanCount;
use std::fmt::Write;
use std::time::Duration;

/// The table, newest first, folded.
pub(super) fn table(facts: &NameFacts, with_retention: bool) -> String {
    let mut columns = vec![
        ("Started", ""),
        ("Id", ""),
        ("Size", "number"),
        ("Dump", "number"),
        ("Tables", "number"),
        ("Rows", "number"),
        ("Took", "number"),
        ("Proven", ""),
        ("Remarks", ""),
    ];
    if with_retention {
        columns.push(("Kept by", ""));
    }
    let mut head = String::new();
    for (title, class) in columns {
        let _ = write!(head, "<th scope=\"col\" class=\"{class}\">{title}</th>");
    }
    let rows: String = facts.backups.iter().rev().map(|backup| row(backup, with_retention)).collect();
    let table = format!("<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n");
    let all = format!("All backups of {}", facts.name);
    let summary = format!("All {}", count(facts.backups.len(), "backup"));
    format!("<details><summary>{summary}</summary>\n{}</details>\n", wide(&all, &table))
}

fn row(backup: &BackupFacts, with_retention: bool) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "—".to_owned());
    let number = |number: Option<u64>| or_dash(number.map(|number| HumanCount(number).to_string()));
    let mut html = format!(
        "<tr><th scope=\"row\">{}</th><td class=\"id\">{}</td>",
        minute(backup.started_at),
        Escaped(&backup.id)
    );
    for cell in [
        bytes(backup.stored_bytes),
        or_dash(backup.plain_bytes.map(bytes)),
        number(backup.tables),
        number(backup.rows),
        or_dash(backup.duration_s.map(|took| span(Duration::from_secs_f64(took)))),
    ] {
        let _ = write!(html, "<td class=\"number\">{cell}</td>");
    }
    let _ = write!(html, "<td class=\"id\">{}</td>", or_dash(backup.proven_at.map(minute)));
    let twin = backup.same_as.as_ref().map(|id| format!("the same as {id}, for other recipients"));
    let remarks: Vec<String> = backup.flaw.clone().into_iter().chain(twin).collect();
    let _ = write!(html, "<td>{}</td>", Escaped(remarks.join("; ")));
    if with_retention {
        let why = if backup.kept == Some(false) { "no rule".to_owned() } else { backup.why.join(", ") };
        let _ = write!(html, "<td>{}</td>", Escaped(why));
    }
    html.push_str("</tr>\n");
    html
}
