//! Whose part an entry is, as its statement says it: a tag has names with blanks between them, and names may have blanks too.

use crate::archive::{EntryKind, TocEntry};
use crate::sql::{Word, words};

/// The schema and the name of the table that an entry makes a part of (a trigger, a policy, a constraint, a rule, a column's
/// default), and the part's own name; `None` if it makes no such.
pub fn part(entry: &TocEntry) -> Option<(String, String, String)> {
    use EntryKind::{CheckConstraint, Constraint, Default, ForeignKey, Policy, Rule, Trigger};
    let before: &[u8] = match entry.kind() {
        // What says of a partition's trigger only whether it fires alters the table.
        Trigger if !entry.defn().is_some_and(|defn| defn.starts_with(b"CREATE ")) => b"TABLE",
        Trigger | Policy => b"ON",
        Rule => b"TO",
        CheckConstraint | Constraint | Default | ForeignKey => b"TABLE",
        _ => return None,
    };
    let mut rest = words(entry.defn()?).skip_while(|word| !word.is(before));
    let [schema, dot, table] = [next_name(&mut rest), rest.next().map(of_sign), next_name(&mut rest)];
    dot.filter(|dot| dot == b".")?;
    let (schema, table) = (text(&schema?), text(&table?));
    let own = text(entry.tag()?).strip_prefix(&table)?.strip_prefix(' ')?.to_owned();
    Some((schema, table, own))
}

/// The publication that an entry adds something to.
pub fn publication(entry: &TocEntry) -> Option<String> {
    let mut rest = words(entry.defn()?).skip_while(|word| !word.is(b"PUBLICATION"));
    next_name(&mut rest).map(|name| text(&name))
}

/// Whether it is more than one statement, or one that alters what another made.
pub fn alters(entry: &TocEntry) -> bool {
    let defn = entry.defn().unwrap_or_default();
    !defn.starts_with(b"CREATE ") || crate::sql::statements(defn).count() > 1
}

fn next_name<'t>(words: &mut impl Iterator<Item = Word<'t>>) -> Option<Vec<u8>> {
    words.find_map(|word| word.name())
}

fn of_sign(word: Word<'_>) -> Vec<u8> {
    if word.is_sign(b'.') { b".".to_vec() } else { Vec::new() }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
