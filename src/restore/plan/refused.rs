//! What the server would refuse is left out, and said; what it lacks is named before anything is made.

use super::super::request::Profile;
use super::left_out;
use super::stated;
use super::{Fit, reported, text};
use crate::archive::{EntryKind, Preamble, TocEntry};
use crate::error::{Error, Result};
use crate::postgres::managed::{is_of_a_service, only_a_service_has, refuses};
use crate::postgres::{Schemas, Target, identifier};
use crate::sql::words;
use crate::units::count;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Since this major a server has functions that take the statistics of another one.
const TAKES_STATISTICS: u32 = 18;

impl Fit<'_> {
    pub(super) fn leave_out(&mut self, what: &str, why: &str) {
        tracing::warn!("left out: {what} ({why})");
        self.left_out.push(format!("{what} ({why})"));
    }

    /// Leaves out what cannot be restored here whatever the server is taken for.
    pub(super) fn without_impossible(&mut self, front: &Preamble, schemas: &Schemas) -> Preamble {
        let front = &self.without_statistics(front);
        let lost: HashSet<i32> = front.toc.lost_event_triggers().map(TocEntry::dump_id).collect();
        self.without(front, |fit, entry| match lost.contains(&entry.dump_id()) {
            true => Some("its function is not in the backup"),
            false => fit.keeps_public(entry, schemas),
        })
    }

    /// Leaves out what `ANALYZE` finds out anyway if the server has no functions to put it in.
    fn without_statistics(&mut self, front: &Preamble) -> Preamble {
        let is_statistics = |entry: &TocEntry| entry.kind() == EntryKind::StatisticsData;
        let number = front.toc.entries().iter().filter(|entry| is_statistics(entry)).count();
        if number == 0 || self.facts.major >= TAKES_STATISTICS {
            return front.clone();
        }
        let why = format!("PostgreSQL {TAKES_STATISTICS} and newer take them; ANALYZE makes new ones");
        self.leave_out(&format!("the statistics of {}", count(number, "object")), &why);
        front.keep(|entry| !is_statistics(entry))
    }

    /// Leaves out entries for which there is a reason, and what is said about them.
    fn without(
        &mut self,
        front: &Preamble,
        why: impl Fn(&Self, &TocEntry) -> Option<&'static str>,
    ) -> Preamble {
        let (mut gone, mut left_out) = (BTreeMap::new(), Vec::new());
        for entry in front.toc.entries().iter().filter(|entry| !entry.has_data() && !entry.is_of_database()) {
            // Nobody drops the schema public.
            let about = |id| gone.get(&id).copied().filter(|_| entry.tag() != Some(b"SCHEMA public"));
            let about = || entry.dependencies().filter(|_| entry.kind().is_remark()).find_map(about);
            if let Some(why) = why(self, entry).or_else(about) {
                left_out.push((entry, why));
                gone.insert(entry.dump_id(), why);
            }
        }
        self.left_out.extend(left_out::say(&left_out));
        let lost = left_out.iter().filter(|(entry, why)| left_out::is_loss(entry, why));
        self.lost.extend(lost.map(|(entry, _)| entry.described()));
        front.keep(|entry| !gone.contains_key(&entry.dump_id()))
    }

    /// Leaves out what the server would refuse.
    pub(super) fn without_refused(&mut self, front: &Preamble) -> Preamble {
        if self.fitting.profile == Profile::Plain {
            return front.clone();
        }
        let ids: HashSet<i32> = front.toc.entries().iter().map(TocEntry::dump_id).collect();
        let front = self.without(front, |fit, entry| fit.refusal(entry, front, &ids));
        let lacking = |entry: &TocEntry| {
            let tablespace = text(entry.tablespace());
            !tablespace.is_empty() && (self.is_managed() || !self.facts.has_tablespace(&tablespace))
        };
        let elsewhere: BTreeSet<i32> =
            front.toc.entries().iter().filter(|entry| lacking(entry)).map(TocEntry::dump_id).collect();
        let front = front.with(|entry| match elsewhere.contains(&entry.dump_id()) {
            true => entry.without_tablespace(),
            false => entry.clone(),
        });
        if !elsewhere.is_empty() {
            let what = format!("the tablespace of {}", count(elsewhere.len(), "object"));
            self.leave_out(&what, "the default one is used");
        }
        if self.facts.rights.superuser { front } else { front.granted_by_owners() }
    }

    fn refusal(&self, entry: &TocEntry, front: &Preamble, ids: &HashSet<i32>) -> Option<&'static str> {
        let [kind, name, schema] = [entry.desc(), entry.tag(), entry.namespace()].map(text);
        let owner = text(entry.owner());
        if kind == "DEFAULT ACL" && self.is_foreign(&owner) {
            return Some("default privileges of a service's own role");
        }
        // An extension's, which is made with it and never becomes this role's.
        if kind == "ACL" && self.is_foreign(&owner) && !entry.dependencies().any(|id| ids.contains(&id)) {
            return Some("about what a service's own role has");
        }
        let extension =
            if kind == "EXTENSION" { &*name } else { name.strip_prefix("EXTENSION ").unwrap_or_default() };
        if only_a_service_has(extension) && !self.facts.has_extension(extension) {
            return Some("only the service that was dumped has it");
        }
        let mut others = front.toc.entries().iter();
        if kind == "SCHEMA" && self.is_foreign(&owner) && !others.any(|other| needs(other, entry)) {
            return Some("a service's own role has it, and nothing else is in it");
        }
        let calls = |other: &TocEntry| entry.dependencies().any(|id| id == other.dump_id());
        let is_theirs = |other: &TocEntry| calls(other) && self.is_foreign(&text(other.owner()));
        if kind == "EVENT TRIGGER" && others.any(is_theirs) {
            return Some("a service's own role has its function");
        }
        // Tables are added to one that is there already.
        let is_there = |publication: String| self.publications.contains(&publication);
        if entry.kind() == EntryKind::PublicationTable && stated::publication(entry).is_some_and(is_there) {
            return None;
        }
        self.is_managed().then(|| refuses(&kind, &name, &schema, self.event_triggers)).flatten()
    }

    /// Whether a service keeps this role for itself, and things cannot be given to it here.
    fn is_foreign(&self, role: &str) -> bool {
        is_of_a_service(role) && !self.facts.may_give_to(role)
    }

    /// Why the schema `public` stays as it is here, if an entry would change it: only its owner may.
    fn keeps_public(&self, entry: &TocEntry, schemas: &Schemas) -> Option<&'static str> {
        let is_about = entry.tag() == Some(b"SCHEMA public")
            && matches!(entry.kind(), EntryKind::Comment | EntryKind::SecurityLabel);
        let gives = entry.kind() == EntryKind::Schema
            && entry.tag() == Some(b"public")
            && !self.fitting.options.no_owner;
        if self.facts.rights.superuser || !(is_about || gives) {
            return None;
        }
        if !schemas.has_own("public") {
            return Some("the schema belongs to another role here");
        }
        let owner = text(entry.owner());
        let is_withheld = self.facts.is_superuser(&owner) && !self.facts.may_give_to(&owner);
        (gives && (is_withheld || self.is_foreign(&owner))).then_some("it cannot be given to its owner here")
    }

    /// Looks for the extensions that the archive makes; who wants what can be restored does without.
    pub(super) fn check_extensions(&self, front: &Preamble) -> Result<()> {
        let lacking = front.toc.extensions().filter(|name| !self.facts.has_extension(name));
        let missing: Vec<String> = lacking.map(Cow::into_owned).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = reported(&missing);
        self.unless_kept(
            Error::postgres(format!("the target server lacks extensions that the backup needs: {missing}"))
                .hint("install their packages on the target server, or choose a server that has them")
                .hint("or restore without them, and without what needs them: --exclude-extension NAME"),
        )
    }

    /// Refuses a database that has an extension in another schema than the backup, if a definition names by its schema what the
    /// extension made.
    pub(super) async fn check_schemas(&self, front: &Preamble, target: &Target) -> Result<()> {
        let (found, entries) = (target.schemas_of_extensions().await?, front.toc.entries());
        if found.is_empty() {
            return Ok(());
        }
        // What the backup itself has in a schema is not the extension's.
        let ours: HashSet<(Vec<u8>, Vec<u8>)> = entries.iter().flat_map(named).collect();
        let mut elsewhere = Vec::new();
        for extension in entries.iter().filter(|entry| entry.kind() == EntryKind::Extension) {
            let name = text(extension.tag());
            let (Some(schema), Some((written, was))) = (found.get(&*name), extension.schema_of_extension())
            else {
                continue;
            };
            if *schema == text(Some(&was)) {
                continue;
            }
            let prefix = [written, b"."].concat();
            let is_theirs = |defn: &[u8], at: usize| {
                let name = defn.get(at + prefix.len()..).and_then(first_name).unwrap_or_default();
                !ours.contains(&(was.clone(), name))
            };
            let names_it = |entry: &TocEntry| {
                let defn = entry.defn().unwrap_or_default();
                entry.dependencies().any(|id| id == extension.dump_id())
                    && memchr::memmem::find_iter(defn, &prefix).any(|at| is_theirs(defn, at))
            };
            let [name, was, is] = [&*name, &*text(Some(&was)), schema].map(identifier);
            if entries.iter().any(names_it) {
                elsewhere.push(format!("{name} in {is} instead of {was}"));
            } else {
                tracing::warn!(
                    "the extension {name} is in the schema {is} instead of {was}, which matters to functions that name it in their text"
                );
            }
        }
        if elsewhere.is_empty() {
            return Ok(());
        }
        let (target, elsewhere) = (identifier(target.name()), reported(&elsewhere));
        Err(Error::postgres(format!(
            "{target} has extensions in other schemas than the backup's definitions name: {elsewhere}"
        ))
        .hint("drop these extensions there (DROP EXTENSION): the restore creates them in the right schemas")
        .hint("or name a database that does not exist yet: it is created"))
    }
}

/// Whether an entry cannot do without a schema.
fn needs(entry: &TocEntry, schema: &TocEntry) -> bool {
    let is_in_it = entry.namespace() == schema.tag();
    !entry.kind().is_remark() && (is_in_it || entry.dependencies().any(|id| id == schema.dump_id()))
}

/// The schema of an entry, and its name with and without arguments.
fn named(entry: &TocEntry) -> [(Vec<u8>, Vec<u8>); 2] {
    let (_, schema, tag) = entry.identity();
    [tag.to_vec(), first_name(tag).unwrap_or_default()].map(|name| (schema.to_vec(), name))
}

/// The name that a text begins with.
fn first_name(text: &[u8]) -> Option<Vec<u8>> {
    words(text).next()?.name()
}
