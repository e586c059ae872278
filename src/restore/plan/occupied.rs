//! A database that was there before the restore, and in which others have something: a service's own schemas, the schema of
//! an extension.
//!
//! Of the backup what is there already is left out, and said; rows never. What cannot be made room for is refused before
//! anything is created.

use super::super::request::{Fitting, Profile};
use super::left_out::{self, THERE};
use super::stated;
use crate::archive::{EntryKind, Preamble, TocEntry, qualified};
use crate::error::{Error, Result};
use crate::postgres::managed::FURNISHED_SCHEMAS;
use crate::postgres::{BY_HAND, Taken, Target, first_names, identifier};
use crate::text::shell_word;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Why something is left out that would be in a schema in which the role may not create.
const IN_THEIRS: &str = "in a schema of somebody else there";
/// Why something is left out that is said about what belongs to others.
const ABOUT_THEIRS: &str = "about what is somebody else's there";
/// Why a function is left out that the service has put there, perhaps another version of it.
const FROM_SERVICE: &str = "there already, from the service";
/// Why a trigger is left out that would alter a table of others.
const ALTERS_THEIRS: &str = "only the owner of its table may say when it fires";
/// Why an event trigger is left out.
const CALLS_LEFT_OUT: &str = "its function is left out";

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

/// What of an archive does not go into a database in which others have something.
#[derive(Debug, Default)]
pub struct Theirs {
    /// The entries, and those that set sequences of others, which may be further than the backup.
    pub entries: HashSet<i32>,
    /// What each of them is, and why it is left out.
    pub said: Vec<String>,
}

/// The same archive without what others have already in the target's database, if it was there before; and what that is,
/// which is said.
///
/// # Errors
/// `Kind::TargetExists` if something has the name of what the backup would create, `Kind::Postgres` if the backup has rows or
/// views for schemas of others, or something that needs what is left out there.
pub async fn without_theirs(
    front: &Preamble,
    fitting: &Fitting,
    target: &Target,
) -> Result<(Preamble, Theirs)> {
    let taken = target.taken().await?;
    if fitting.profile == Profile::Plain || taken.schemas.is_empty() {
        return Ok((front.clone(), Theirs::default()));
    }
    let room = Room::of(front, taken, target).await;
    // Grants that nobody wants are no news.
    let is_wanted = |entry: &&TocEntry| !(fitting.options.no_acl && entry.kind().is_grant());
    let Sorted { left_out, barred, in_the_way, lacking } =
        room.sorted(front.toc.entries().iter().filter(is_wanted));
    if !barred.is_empty() {
        return Err(room.not_admitted(&barred, target.name()));
    }
    if !in_the_way.is_empty() {
        return Err(Error::target_exists(format!(
            "the target database {} has already what the backup would create: {}",
            identifier(target.name()),
            first_names(&in_the_way)
        ))
        .hint("leave tables out with --exclude-table NAME, or remove there what has these names")
        .hint(BY_HAND));
    }
    if !lacking.is_empty() {
        return Err(Error::postgres(format!(
            "{} has schemas of others, in which this role may not create what other parts of the backup need: {}",
            identifier(target.name()),
            first_names(&lacking)
        ))
        .hint("leave out the tables and views that need it: --exclude-table NAME")
        .hint("or let its owner create it there first, as it is in the backup")
        .hint(BY_HAND));
    }
    let mut entries: HashSet<i32> = left_out.iter().map(|(entry, _)| entry.dump_id()).collect();
    // Without an owner, pg_restore writes its own CREATE SCHEMA, which would fail.
    let is_made = |entry: &TocEntry| !(fitting.options.no_owner && room.has_schema(entry));
    let kept = front.keep(|entry| !entries.contains(&entry.dump_id()) && is_made(entry));
    let of_theirs = |entry: &&TocEntry| entry.kind() == EntryKind::SequenceSet && room.is_theirs(entry);
    entries.extend(kept.toc.entries().iter().filter(of_theirs).map(TocEntry::dump_id));
    Ok((kept.with(|entry| room.fitted(entry)), Theirs { entries, said: left_out::say(&left_out) }))
}

/// An archive's entries by what keeps them out of a database.
#[derive(Default)]
struct Sorted<'e> {
    /// What can be left out, and why.
    left_out: Vec<(&'e TocEntry, &'static str)>,
    barred: Vec<&'e TocEntry>,
    in_the_way: Vec<String>,
    /// What would be restored and needs what is left out, and what that is.
    lacking: Vec<String>,
}

/// What there is room for in a database.
struct Room<'a> {
    taken: Taken,
    /// The tables whose rows come along: schema and name.
    filled: BTreeSet<(&'a [u8], &'a [u8])>,
    /// Tables of others on which this role may make policies.
    open: BTreeSet<(String, String)>,
}

impl<'a> Room<'a> {
    async fn of(front: &'a Preamble, taken: Taken, target: &Target) -> Self {
        let place = |entry: &'a TocEntry| (entry.identity().1, entry.identity().2);
        let mut room =
            Self { taken, filled: front.toc.with_data().map(place).collect(), open: BTreeSet::new() };
        let policies = front.toc.of_kind(EntryKind::Policy);
        let new = policies.filter(|entry| room.is_theirs(entry) && !room.has(entry));
        let tables: BTreeSet<_> = new.filter_map(|entry| table_of(entry, &room.taken.relations)).collect();
        let mut open = BTreeSet::new();
        for (schema, table) in tables {
            if target.takes_policies(&schema, &table).await {
                open.insert((schema, table));
            }
        }
        room.open = open;
        room
    }

    /// Sorts entries by what keeps them out. In an archive, what others need comes before these.
    fn sorted<'e>(&self, entries: impl Iterator<Item = &'e TocEntry>) -> Sorted<'e> {
        let mut sorted = Sorted::default();
        let (mut gone, mut lost) = (HashSet::new(), HashMap::new());
        for entry in entries {
            let goes_along = || entry.kind().is_remark() && entry.dependencies().any(|id| gone.contains(&id));
            let needs = || entry.dependencies().find_map(|id| lost.get(&id));
            let why = match self.obstacle(entry) {
                Some(Obstacle::Barred) => {
                    sorted.barred.push(entry);
                    continue;
                }
                Some(Obstacle::InTheWay) => {
                    sorted.in_the_way.push(entry.described());
                    continue;
                }
                Some(Obstacle::LeftOut(why)) => why,
                None if goes_along() => ABOUT_THEIRS,
                None if entry.has_data() || entry.kind().is_remark() => continue,
                None => match needs() {
                    // A service that lets nobody make them would leave it out, too.
                    Some(_) if entry.kind() == EntryKind::EventTrigger => CALLS_LEFT_OUT,
                    Some(needed) => {
                        sorted.lacking.push(format!("{} for {}", needed, entry.described()));
                        continue;
                    }
                    None => continue,
                },
            };
            gone.insert(entry.dump_id());
            if why == IN_THEIRS && !entry.kind().is_remark() {
                lost.insert(entry.dump_id(), entry.described());
            }
            sorted.left_out.push((entry, why));
        }
        sorted
    }

    /// Whether an entry belongs into a schema of others, in which this role may not create.
    fn is_theirs(&self, entry: &TocEntry) -> bool {
        self.taken.schemas.get(&*text(entry.identity().1)) == Some(&(false, false))
    }

    /// Whether the database has what an entry would make.
    fn has(&self, entry: &TocEntry) -> bool {
        has(&self.taken, entry)
    }

    /// Whether an entry belongs into a schema in which the service has things in this role's name.
    fn is_furnished(&self, entry: &TocEntry) -> bool {
        self.taken.is_furnished && FURNISHED_SCHEMAS.contains(&&*text(entry.identity().1))
    }

    /// Whether an entry would make a schema that is there, besides `public`.
    fn has_schema(&self, entry: &TocEntry) -> bool {
        let tag = text(entry.identity().2);
        entry.kind() == EntryKind::Schema && tag != "public" && self.taken.schemas.contains_key(&*tag)
    }

    fn obstacle(&self, entry: &TocEntry) -> Option<Obstacle> {
        let tag = text(entry.identity().2);
        let taken = &self.taken;
        let about = |what: &str| entry.kind().is_remark().then(|| tag.strip_prefix(what)).flatten();
        let is_of_others = |schema: &str| taken.schemas.get(schema).is_some_and(|(ours, _)| !ours);
        match entry.kind() {
            // It is there always: the plan knows what of it can be restored.
            EntryKind::Schema if tag == "public" => return None,
            EntryKind::Schema if is_of_others(&tag) => return Some(Obstacle::LeftOut(THERE)),
            EntryKind::EventTrigger if taken.event_triggers.contains(&*tag) => {
                return Some(Obstacle::LeftOut(THERE));
            }
            _ => {}
        }
        let of_schema = about("SCHEMA ").is_some_and(|schema| schema != "public" && is_of_others(schema));
        let of_trigger =
            about("EVENT TRIGGER ").is_some_and(|trigger| taken.event_triggers.contains(trigger));
        if of_schema || of_trigger {
            return Some(Obstacle::LeftOut(ABOUT_THEIRS));
        }
        if self.is_theirs(entry) {
            return self.obstacle_in_theirs(entry);
        }
        let is_type = matches!(entry.kind(), EntryKind::Type | EntryKind::Domain);
        let counts = is_function(entry) || is_relation(entry.kind()) || is_type;
        match counts && self.has(entry) {
            // In this role's name, but the service's.
            true if is_function(entry) && self.is_furnished(entry) => Some(Obstacle::LeftOut(FROM_SERVICE)),
            true => Some(Obstacle::InTheWay),
            false => None,
        }
    }

    /// The same in a schema of others: this role may do no more than complete what is there.
    fn obstacle_in_theirs(&self, entry: &TocEntry) -> Option<Obstacle> {
        let (_, schema, tag) = entry.identity();
        match entry.kind() {
            // An extension's rows may go into what it made there.
            _ if entry.has_data() => None,
            EntryKind::SequenceSet => {
                let sequence = (text(schema).into_owned(), text(tag).into_owned());
                (!self.taken.usable.contains(&sequence)).then_some(Obstacle::LeftOut(IN_THEIRS))
            }
            EntryKind::Table if self.filled.contains(&(schema, tag)) => Some(Obstacle::Barred),
            _ if self.has(entry) => Some(Obstacle::LeftOut(THERE)),
            EntryKind::Trigger if table_of(entry, &self.taken.usable).is_some() => {
                stated::alters(entry).then_some(Obstacle::LeftOut(ALTERS_THEIRS))
            }
            EntryKind::Policy if table_of(entry, &self.open).is_some() => None,
            EntryKind::View | EntryKind::MaterializedView | EntryKind::ForeignTable => Some(Obstacle::Barred),
            _ => Some(Obstacle::LeftOut(IN_THEIRS)),
        }
    }

    /// An entry as it can be made where others have something.
    fn fitted(&self, entry: &TocEntry) -> TocEntry {
        match entry.kind() {
            // Of the role's own there may be some without content: they get the owner, the grants and the comment of the backup.
            EntryKind::Schema => entry.unless_there(),
            EntryKind::SequenceSet if self.is_theirs(entry) => forwards(entry),
            // It belongs to whom the table belongs to, and to no role that would be needed.
            EntryKind::Trigger | EntryKind::Policy if self.is_theirs(entry) => entry.with_owner(b""),
            _ => entry.clone(),
        }
    }

    /// Refuses what is in schemas in which the role may not create: rows would be lost.
    fn not_admitted(&self, barred: &[&TocEntry], database: &str) -> Error {
        let labels = |wanted: &dyn Fn(&TocEntry) -> bool| -> Vec<String> {
            barred.iter().filter(|entry| wanted(entry)).map(|entry| entry.label()).collect()
        };
        let schemas = |wanted: &dyn Fn(&TocEntry) -> bool| -> BTreeSet<String> {
            let wanted = barred.iter().filter(|entry| wanted(entry));
            wanted.map(|entry| identifier(&text(entry.identity().1))).collect()
        };
        let is_table = |entry: &TocEntry| entry.kind() == EntryKind::Table;
        let words = |flag: &str, schemas: &BTreeSet<String>| {
            let words = schemas.iter().map(|schema| format!("{flag} {}", shell_word(&format!("{schema}.*"))));
            words.collect::<Vec<_>>().join(" ")
        };
        let mut error = Error::postgres(format!(
            "{} has schemas of others, in which this role may not create what the backup has there: {}",
            identifier(database),
            first_names(&labels(&|_| true))
        ));
        let (with_rows, others) = (schemas(&is_table), schemas(&|entry| !is_table(entry)));
        if !with_rows.is_empty() {
            error =
                error.hint(format!("leave these rows out: {}", words("--exclude-table-data", &with_rows)));
        }
        let there = labels(&|entry| is_table(entry) && self.has(entry));
        if !there.is_empty() {
            error = error.hint(format!(
                "before that, append the rows that are wanted to tables that are there ({}): --into with --table NAME",
                first_names(&there)
            ));
        }
        if !others.is_empty() {
            error = error.hint(format!("leave the views out: {}", words("--exclude-table", &others)));
        }
        let all: Vec<String> = schemas(&|_| true).into_iter().collect();
        error.hint(format!(
            "or, as the owner of the schema: GRANT CREATE ON SCHEMA {} TO the restoring role",
            all.join(", ")
        ))
    }
}

/// Whether a database has what an entry would make: a relation, a type, a function, or a part of a table of others.
fn has(taken: &Taken, entry: &TocEntry) -> bool {
    let (_, schema, tag) = entry.identity();
    has_named(taken, entry, &text(schema), &text(tag))
}

/// The same, if the texts of its schema and its tag are these.
fn has_named(taken: &Taken, entry: &TocEntry, schema: &str, tag: &str) -> bool {
    let is_in = |names: &BTreeSet<(String, String)>, name: &str| {
        names.contains(&(schema.to_owned(), name.to_owned()))
    };
    if is_function(entry) {
        return is_in(&taken.functions, tag)
            || tag.contains('"') && is_in(&taken.functions, &with_plain_types(tag));
    }
    stated::part(entry).map_or_else(|| is_in(&taken.relations, tag), |part| taken.parts.contains(&part))
}

/// The schemas, extensions, types, functions and relations of an archive that a database lacks, the triggers, policies and rules that are
/// not among these parts of its tables, and all else in schemas that it lacks.
pub fn lacking(front: &Preamble, taken: &Taken, parts: &BTreeSet<(String, String, String)>) -> HashSet<i32> {
    // A name that is not UTF-8 is not compared.
    let lacks = |part: &(String, String, String)| {
        let is_text =
            [&part.0, &part.1, &part.2].iter().all(|name| !name.contains(char::REPLACEMENT_CHARACTER));
        is_text && !parts.contains(part)
    };
    let has_schema =
        |schema: &str| schema.is_empty() || schema == "public" || taken.schemas.contains_key(schema);
    let is_lacking = |entry: &&TocEntry| {
        let (_, schema, tag) = entry.identity();
        let [schema, tag] = [schema, tag].map(|bytes| front.toc.text(bytes).unwrap_or_else(|| text(bytes)));
        match entry.kind() {
            EntryKind::Schema => !has_schema(&tag),
            EntryKind::Extension => !taken.extensions.contains(&*tag),
            EntryKind::Trigger | EntryKind::Policy | EntryKind::Rule => {
                stated::part(entry).as_ref().is_some_and(lacks)
            }
            EntryKind::ForeignKey => stated::part(entry).as_ref().is_none_or(lacks),
            kind if is_function(entry)
                || is_relation(kind)
                || matches!(kind, EntryKind::Type | EntryKind::Domain) =>
            {
                !has_named(taken, entry, &schema, &tag)
            }
            _ => !has_schema(&schema),
        }
    };
    front.toc.entries().iter().filter(is_lacking).map(TocEntry::dump_id).collect()
}

/// The table that an entry hangs on, if it is one of these.
fn table_of(entry: &TocEntry, tables: &BTreeSet<(String, String)>) -> Option<(String, String)> {
    stated::part(entry).map(|(schema, table, _)| (schema, table)).filter(|table| tables.contains(table))
}

/// A function's name and the types of its arguments, as the server names these: a dump may have all names in quotes.
fn with_plain_types(tag: &str) -> String {
    let Some((name, types)) = tag.split_once('(') else { return tag.to_owned() };
    let is_plain = |word: &str| {
        let of_name = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '_' | '$');
        word.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && word.chars().all(of_name)
    };
    // Every second piece is in quotes.
    let pieces = types.split('"').enumerate().map(|(number, piece)| match number % 2 {
        0 => piece.to_owned(),
        _ if is_plain(piece) => piece.to_owned(),
        _ => format!("\"{piece}\""),
    });
    format!("{name}({}", pieces.collect::<String>())
}

/// The same, if that is further than the sequence is: what others have may have given out more numbers than the backup.
fn forwards(entry: &TocEntry) -> TocEntry {
    let (_, schema, name) = entry.identity();
    let sequence = qualified(schema, name);
    let literal = crate::sql::string(&sequence);
    let Some((last, is_called)) = entry.sequence_state().and_then(|state| state.split_once(", ")) else {
        return entry.clone();
    };
    let [before, after] = [
        format!(", {last}, {is_called}) FROM "),
        format!(
            "::pg_catalog.regclass AND (CASE WHEN q.seqincrement > 0 THEN s.last_value < {last} ELSE s.last_value > {last} END \
             OR s.last_value = {last} AND NOT s.is_called);\n"
        ),
    ];
    entry.with_defn(
        &[
            b"SELECT pg_catalog.setval(",
            &literal[..],
            before.as_bytes(),
            &sequence,
            b" AS s, pg_catalog.pg_sequence AS q WHERE q.seqrelid = ",
            &literal,
            after.as_bytes(),
        ]
        .concat(),
    )
}

fn is_function(entry: &TocEntry) -> bool {
    matches!(entry.kind(), EntryKind::Function | EntryKind::Procedure | EntryKind::Aggregate)
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

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_types_in_needless_quotes_lose_them() {
        for (tag, plain) in [
            (r#"f("jsonb", "public"."st"[])"#, "f(jsonb, public.st[])"),
            (r#"f("T1".st, "a b".st)"#, r#"f("T1".st, "a b".st)"#),
            ("f", "f"),
        ] {
            assert_eq!(with_plain_types(tag), plain);
        }
    }
}
