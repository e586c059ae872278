//! A database that was there before the restore, and in which others have something: a service's own schemas, the schema of
//! an extension.
//!
//! Of the backup what is there already is left out, and said; rows never. What cannot be made room for is refused before
//! anything is created.

use super::request::{Fitting, Profile};
use crate::archive::{EntryKind, Preamble, TocEntry};
use crate::error::{Error, Result};
use crate::postgres::{Taken, Target, first_names, identifier};
use std::collections::BTreeSet;

/// Why an entry does not go into a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    /// It can be left out, for this reason.
    LeftOut(&'static str),
    /// It would be in a schema in which the role may not create, and rows may go with it.
    Barred,
    /// There is one of its name.
    InTheWay,
}

/// The same archive without what others have already in the target's database, if it was there before; and what that is,
/// which is said.
///
/// # Errors
/// `Kind::TargetExists` if something has the name of what the backup would create, `Kind::Postgres` if tables would be in a
/// schema of others.
pub async fn without_theirs(
    front: &Preamble,
    fitting: &Fitting,
    target: &Target,
) -> Result<(Preamble, Vec<String>)> {
    let taken = target.taken().await?;
    if fitting.profile == Profile::Plain || taken.schemas.is_empty() {
        return Ok((front.clone(), Vec::new()));
    }
    let (mut gone, mut left_out) = (BTreeSet::new(), Vec::new());
    let (mut barred, mut in_the_way) = (Vec::new(), Vec::new());
    // Grants that nobody wants are no news.
    let is_wanted = |entry: &&TocEntry| !(fitting.options.no_acl && entry.kind().is_grant());
    for entry in front.toc.entries().iter().filter(is_wanted) {
        let (kind, ..) = entry.identity();
        let named = || format!("{} {}", String::from_utf8_lossy(kind), entry.label());
        match obstacle(entry, &taken) {
            None => {}
            Some(Obstacle::Barred) => barred.push(entry),
            Some(Obstacle::InTheWay) => in_the_way.push(named()),
            Some(Obstacle::LeftOut(why)) => {
                gone.insert(entry.dump_id());
                left_out.push(format!("{} ({why})", named()));
            }
        }
    }
    if !barred.is_empty() {
        return Err(not_admitted(&barred, target.name()));
    }
    if !in_the_way.is_empty() {
        return Err(Error::target_exists(format!(
            "the target database {} has already what the backup would create: {}",
            identifier(target.name()),
            first_names(&in_the_way)
        ))
        .hint("leave tables out with --exclude-table NAME, or remove there what has these names")
        .hint(
            "or by hand: `pgstow fetch` brings the dump, `pg_restore -l` lists what is in it, and `pg_restore -L` restores what \
             is left of that list",
        ));
    }
    for what in &left_out {
        tracing::warn!("left out: {what}");
    }
    let front = front.keep(|entry| !gone.contains(&entry.dump_id()));
    // Of the role's own there may be some without content: they get the owner, the grants and the comment of the backup.
    let front = front.with(|entry| match entry.kind() {
        EntryKind::Schema => match entry.defn().and_then(|defn| defn.strip_prefix(b"CREATE SCHEMA ")) {
            Some(rest) => entry.with_defn(&[b"CREATE SCHEMA IF NOT EXISTS ", rest].concat()),
            None => entry.clone(),
        },
        _ => entry.clone(),
    });
    Ok((front, left_out))
}

fn obstacle(entry: &TocEntry, taken: &Taken) -> Option<Obstacle> {
    let (desc, schema, tag) = entry.identity();
    let [schema, tag] = [schema, tag].map(String::from_utf8_lossy);
    let about = |what: &str| entry.kind().is_remark().then(|| tag.strip_prefix(what)).flatten();
    let named = |names: &BTreeSet<(String, String)>| {
        let name = tag.split('(').next().unwrap_or_default();
        names.contains(&(schema.to_string(), name.to_owned()))
    };
    let is_ours = |schema: &str| taken.schemas.get(schema).map(|(ours, _)| *ours);
    match entry.kind() {
        // It is there always: the plan knows what of it can be restored.
        EntryKind::Schema if tag == "public" => return None,
        EntryKind::Schema if is_ours(&tag) == Some(false) => {
            return Some(Obstacle::LeftOut("it is there already"));
        }
        EntryKind::EventTrigger if taken.event_triggers.contains(&*tag) => {
            return Some(Obstacle::LeftOut("it is there already"));
        }
        _ => {}
    }
    let of_others =
        about("SCHEMA ").is_some_and(|schema| schema != "public" && is_ours(schema) == Some(false));
    let of_trigger = about("EVENT TRIGGER ").is_some_and(|trigger| taken.event_triggers.contains(trigger));
    if of_others || of_trigger {
        return Some(Obstacle::LeftOut("it belongs to somebody else there"));
    }
    let relation = is_relation(entry.kind());
    match taken.schemas.get(&*schema) {
        // An extension's rows may go into what it made there.
        Some((false, false)) if !entry.has_data() && entry.kind() != EntryKind::SequenceSet => {
            return Some(if relation {
                Obstacle::Barred
            } else {
                Obstacle::LeftOut("its schema belongs to somebody else there")
            });
        }
        _ => {}
    }
    let is_type = matches!(desc, b"TYPE" | b"DOMAIN");
    let is_function =
        matches!(entry.kind(), EntryKind::Function | EntryKind::Procedure | EntryKind::Aggregate);
    let taken = (relation || is_type) && named(&taken.relations) || is_function && named(&taken.functions);
    taken.then_some(Obstacle::InTheWay)
}

fn is_relation(kind: EntryKind) -> bool {
    matches!(
        kind,
        EntryKind::Table
            | EntryKind::ForeignTable
            | EntryKind::View
            | EntryKind::MaterializedView
            | EntryKind::Sequence
    )
}

/// Refuses tables in schemas in which the role may not create: their rows would be lost.
fn not_admitted(barred: &[&TocEntry], database: &str) -> Error {
    let schemas: BTreeSet<String> =
        barred.iter().map(|entry| String::from_utf8_lossy(entry.identity().1).into_owned()).collect();
    let labels: Vec<String> = barred.iter().map(|entry| entry.label()).collect();
    let list = |to: &dyn Fn(&String) -> String| schemas.iter().map(to).collect::<Vec<_>>();
    let without = list(&|schema| format!("--exclude-table '{}.*'", identifier(schema))).join(" ");
    let names = list(&|schema| identifier(schema)).join(", ");
    Error::postgres(format!(
        "{} has schemas of others, in which this role may not create what the backup has there: {}",
        identifier(database),
        first_names(&labels)
    ))
    .hint(format!("leave that out: {without}"))
    .hint(format!("or, as the owner of the schema: GRANT CREATE ON SCHEMA {names} TO the restoring role"))
}
