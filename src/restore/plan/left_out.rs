//! What of a backup is not restored, and why: said line by line, unless many lines would say nothing new.

use crate::archive::{EntryKind, TocEntry};
use crate::postgres::identifier;
use crate::units::count;
use std::collections::BTreeMap;

/// More lines about one schema than this are one line with their number, if nothing is lost.
const FEW: usize = 3;

/// Why something is left out that is no loss.
pub const THERE: &str = "there already";

/// Whether the restored database is the poorer for what is left out.
pub fn is_loss(entry: &TocEntry, why: &str) -> bool {
    // Every database has a schema public, whoever owns it.
    let is_public = entry.kind() == EntryKind::Schema && entry.tag() == Some(b"public");
    is_named(entry, why) && !is_public
}

/// Whether it is named in a line of its own.
fn is_named(entry: &TocEntry, why: &str) -> bool {
    why != THERE && !entry.kind().is_grant() && !entry.kind().is_remark()
}

/// Says what is left out, each with its reason; returns all of it, a line each.
pub fn say(left_out: &[(&TocEntry, &'static str)]) -> Vec<String> {
    let mut counted: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let mut all = Vec::new();
    for (entry, why) in left_out {
        let (_, schema, _) = entry.identity();
        let line = format!("{} ({why})", entry.described());
        all.push(line.clone());
        match is_named(entry, why) {
            true => tracing::warn!("left out: {line}"),
            false => counted.entry((schema, *why)).or_default().push(line),
        }
    }
    for ((schema, why), lines) in counted {
        if lines.len() > FEW && !schema.is_empty() {
            let (number, schema) = (count(lines.len(), "object"), String::from_utf8_lossy(schema));
            tracing::warn!("left out: {number} of the schema {} ({why})", identifier(&schema));
        } else if schema.is_empty() && lines.len() > 1 {
            let without = |line: &String| line.trim_end_matches(&format!(" ({why})")).to_owned();
            let all: Vec<String> = lines.iter().map(without).collect();
            tracing::warn!("left out: {} ({why})", all.join(", "));
        } else {
            lines.iter().for_each(|line| tracing::warn!("left out: {line}"));
        }
    }
    all
}
