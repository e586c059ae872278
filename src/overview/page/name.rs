//! The section of one name: how it is, its timeline, its charts, its tables, and what retention removes next.

use super::axis::Axis;
use super::backups;
use super::chart::{self, Mark};
use super::escape::Escaped;
use super::said::{badge, bytes, day, minute, since, span};
use super::tables;
use crate::overview::facts::{BackupFacts, NameFacts, Overview};
use crate::overview::gaps::Gap;
use crate::stored::format::names::Timestamp;
use crate::units::count;
use indicatif::HumanCount;
use std::time::Duration;

/// Gaps that are named; the others are counted.
const GAPS: usize = 5;

/// The section of one name.
pub(super) fn section(number: usize, facts: &NameFacts, overview: &Overview) -> String {
    let now = overview.made_at;
    let mut html = format!(
        "<section aria-labelledby=\"name-{number}\">\n<h2 id=\"name-{number}\">{} {}</h2>\n",
        Escaped(&facts.name),
        badge(facts.state)
    );
    html.push_str(&passed_over(facts));
    html.push_str(&summary(facts, now));
    html.push_str(&timeline(facts, now));
    html.push_str(&plots(facts, now));
    if overview.retention {
        html.push_str(&retention(facts));
    }
    if let Some(tables) = &facts.tables {
        html.push_str(&tables::growth(facts, tables));
    }
    html.push_str(&backups::table(facts, overview.retention));
    html.push_str("</section>\n");
    html
}

impl NameFacts {
    /// The newest backup that counts; if there is none, the newest that can be restored.
    pub(super) fn newest(&self) -> Option<&BackupFacts> {
        let newest = |is_it: fn(&BackupFacts) -> bool| self.backups.iter().rev().find(|one| is_it(one));
        newest(|backup| backup.counts).or_else(|| newest(|backup| backup.usable))
    }

    /// How many backups there are; one that is there twice, for other recipients, is one, and a partial one is none.
    pub(super) fn number(&self) -> usize {
        self.backups.iter().filter(|backup| backup.counts).count()
    }

    /// The newest backup that is proven to restore.
    fn proven(&self) -> Option<&BackupFacts> {
        let id = self.proven_id.as_ref()?;
        self.backups.iter().find(|backup| backup.id == *id)
    }
}

/// Says if the very last backup is not one to rely on.
fn passed_over(facts: &NameFacts) -> String {
    let flaw = facts.backups.last().and_then(|last| Some((last, last.flaw.as_ref()?)));
    flaw.map_or_else(String::new, |(last, flaw)| {
        let moment = minute(last.started_at);
        let why = Escaped(flaw);
        format!("<p class=\"warning\">The last backup, of {moment}, does not count as whole: {why}</p>\n")
    })
}

fn summary(facts: &NameFacts, now: Timestamp) -> String {
    let mut all: Vec<(&str, String)> = Vec::new();
    if let Some(newest) = facts.newest() {
        all.push(("Newest backup", since(newest.started_at, now)));
        all.push(("Begun", minute(newest.started_at)));
        all.push(("Size in the store", bytes(newest.stored_bytes)));
        all.extend(newest.rows.map(|rows| ("Rows", HumanCount(rows).to_string())));
        all.extend(newest.tables.map(|tables| ("Tables", HumanCount(tables).to_string())));
        all.extend(newest.duration_s.map(|took| ("Took", span(Duration::from_secs_f64(took)))));
    }
    all.push(("Last proof", facts.proven_at.map_or_else(|| "none".to_owned(), |proven| since(proven, now))));
    all.extend(facts.proven().map(|backup| ("Proven backup", minute(backup.started_at))));
    all.extend(facts.usual_interval_s.map(|usual| ("Usual interval", span(Duration::from_secs(usual)))));
    let stored = facts.backups.iter().map(|backup| backup.stored_bytes).fold(0, u64::saturating_add);
    all.push(("Backups", HumanCount(facts.number() as u64).to_string()));
    all.push(("All together", bytes(stored)));
    let rows =
        all.iter().map(|(term, value)| format!("<div><dt>{term}</dt><dd>{}</dd></div>\n", Escaped(value)));
    format!("<dl class=\"facts\">\n{}</dl>\n", rows.collect::<String>())
}

fn timeline(facts: &NameFacts, now: Timestamp) -> String {
    let Some(axis) = Axis::of(facts, now) else { return String::new() };
    let mark = |backup: &BackupFacts| {
        let class = match (&backup.flaw, backup.kept) {
            (Some(_), _) => "flawed",
            (None, Some(false)) => "going",
            (None, _) => "whole",
        };
        Mark { at: axis.at(backup.started_at), class }
    };
    let marks: Vec<Mark> = facts.backups.iter().map(mark).collect();
    let gaps: Vec<(f64, f64)> = facts
        .gaps
        .iter()
        .map(|gap| (axis.at(gap.since), gap.until.map_or(1.0, |until| axis.at(until))))
        .collect();
    let has = |class: &str| marks.iter().any(|mark| mark.class == class);
    let legend =
        [("whole", "backup"), ("going", "removed by the next prune"), ("flawed", "does not count as whole")];
    let legend = legend.iter().filter(|(class, _)| has(class)).map(|(class, what)| (*class, *what));
    let legend = legend.chain((!gaps.is_empty()).then_some(("gap", "gap")));
    let legend: String =
        legend.map(|(class, what)| format!("<li><span class=\"key {class}\"></span>{what}</li>")).collect();
    let between =
        format!("{} from {} to {}", count(facts.backups.len(), "backup"), day(axis.first), day(axis.last));
    let mut html = format!(
        "<figure class=\"timeline\">\n<figcaption>Timeline</figcaption>\n{}{}<ul class=\"legend\">{legend}</ul>\n",
        chart::strip(&marks, &gaps, &between),
        axis.labels()
    );
    html.push_str(&gap_list(&facts.gaps, now));
    html.push_str("</figure>\n");
    html
}

fn gap_list(gaps: &[Gap], now: Timestamp) -> String {
    if gaps.is_empty() {
        return "<p>No gaps.</p>\n".to_owned();
    }
    let one = |gap: &Gap| {
        let long = span(gap.until.unwrap_or(now).since(gap.since));
        let usual = span(Duration::from_secs(gap.usual_s));
        match gap.until {
            Some(until) => {
                format!(
                    "<li>{long} between {} and {} (usual: {usual})</li>\n",
                    minute(gap.since),
                    minute(until)
                )
            }
            None => format!(
                "<li><strong>{long} since {}, until now</strong> (usual: {usual})</li>\n",
                minute(gap.since)
            ),
        }
    };
    let all: String = gaps.iter().rev().take(GAPS).map(one).collect();
    let more = match gaps.len().saturating_sub(GAPS) {
        0 => String::new(),
        more => format!("<li>and {} before</li>\n", count(more, "more gap")),
    };
    format!("<p>{}, newest first:</p>\n<ul>\n{all}{more}</ul>\n", count(gaps.len(), "gap"))
}

#[expect(clippy::cast_precision_loss, reason = "a chart needs no more")]
fn plots(facts: &NameFacts, now: Timestamp) -> String {
    let Some(axis) = Axis::of(facts, now) else { return String::new() };
    let plot = |title: &str, value: &dyn Fn(&BackupFacts) -> Option<f64>, said: &dyn Fn(f64) -> String| {
        let counted = facts.backups.iter().filter(|backup| backup.counts);
        let values: Vec<(f64, f64)> =
            counted.filter_map(|backup| Some((axis.at(backup.started_at), value(backup)?))).collect();
        let (Some((_, last)), true) = (values.last(), values.len() > 1) else { return String::new() };
        let least = values.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
        let most = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        let range = match (said(least), said(most)) {
            (least, most) if least == most => format!("always {most}"),
            (least, most) => format!("{least} to {most}"),
        };
        let sentence = format!("{title}: {range}, last {}", said(*last));
        format!(
            "<figure>\n<figcaption><span>{title}</span> <strong>{}</strong></figcaption>\n{}\
             <p class=\"axis-labels\" aria-hidden=\"true\"><span>{range}</span></p>\n</figure>\n",
            said(*last),
            chart::line("plot", &values, &sentence)
        )
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a whole number")]
    let whole = |value: f64| value as u64;
    let all = [
        plot("Size in the store", &|backup| Some(backup.stored_bytes as f64), &|value| bytes(whole(value))),
        plot("Duration", &|backup| backup.duration_s, &|value| span(Duration::from_secs_f64(value))),
        plot("Rows", &|backup| backup.rows.map(|rows| rows as f64), &|value| {
            HumanCount(whole(value)).to_string()
        }),
    ];
    format!("<div class=\"plots\">\n{}</div>\n", all.concat())
}

fn retention(facts: &NameFacts) -> String {
    let going: Vec<&BackupFacts> = facts.backups.iter().filter(|backup| backup.kept == Some(false)).collect();
    let size = going.iter().map(|backup| backup.stored_bytes).fold(0, u64::saturating_add);
    let sentence = match &going[..] {
        [] => "The next prune removes nothing.".to_owned(),
        [one] => format!("The next prune removes the backup of {}: {}.", minute(one.started_at), bytes(size)),
        [first, .., last] => format!(
            "The next prune removes {}, from {} to {}: {}.",
            count(going.len(), "backup"),
            minute(first.started_at),
            minute(last.started_at),
            bytes(size)
        ),
    };
    format!("<h3>Retention</h3>\n<p>{sentence}</p>\n")
}
