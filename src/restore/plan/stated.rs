//! Whose part an entry is, as its statement says it: a tag has names with blanks between them, and names may have blanks too.

use crate::archive::{EntryKind, TocEntry};
use crate::sql::words;

/// The schema and the name of the table that an entry makes a part of (a trigger, a policy, a constraint, a rule, a column's
/// default), and the part's own name; `None` if it makes no such.
pub fn part(entry: &TocEntry) -> Option<(String, String, String)> {
    use EntryKind::{CheckConstraint, Constraint, Default, ForeignKey, Policy, Rule, Trigger};
    let before: &[u8] = match entry.kind() {
        // What says of a partition's trigger only whether it fires alters the table.
        Trigger if !entry.creates() => b"TABLE",
        Trigger | Policy => b"ON",
        Rule => b"TO",
        CheckConstraint | Constraint | Default | ForeignKey => b"TABLE",
        _ => return None,
    };
    let (schema, table) = entry.name_after(before)?;
    let (schema, table) = (text(&schema), text(&table));
    let own = text(entry.tag()?).strip_prefix(&table)?.strip_prefix(' ')?.to_owned();
    Some((schema, table, own))
}

/// The publication that an entry adds something to.
pub fn publication(entry: &TocEntry) -> Option<String> {
    let mut rest = words(entry.defn()?).skip_while(|word| !word.is(b"PUBLICATION"));
    rest.find_map(|word| word.name()).map(|name| text(&name))
}

/// Whether it is more than one statement, or one that alters what another made.
pub fn alters(entry: &TocEntry) -> bool {
    !entry.creates() || crate::sql::statements(entry.defn().unwrap_or_default()).count() > 1
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
