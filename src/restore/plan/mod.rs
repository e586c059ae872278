//! A backup fitted to a server: which roles replace which, which are created, what the server would refuse.
//!
//! All of it is decided, and what stands in the way is reported, before a database is created or a byte of data
//! moves; missing roles are created then, if that was asked for. The result is the same archive with another
//! preamble (header and table of contents), which any way of loading reads.

pub mod extensions;
mod given;
mod left_out;
pub mod narrow;
pub mod occupied;
pub mod partial;
mod refused;
mod roles;
mod stated;
mod untrusted;

pub use narrow::Narrowing;

use self::partial::{Completed, completed};
use super::request::{Fitting, Profile, RestoreRequest, Roles};
use crate::archive::{DatabaseStatement, EntryKind, Preamble, RoleUses, TocEntry};
use crate::error::{Error, Result};
use crate::postgres::{PgRestoreOptions, TIMESCALEDB_RESTORING, Target, TargetFacts, identifier, sessions};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The most names in one message.
const MOST_TOLD: usize = 20;

/// What was decided, besides the archive's front.
#[derive(Debug)]
pub struct Plan {
    /// How it is run.
    pub options: PgRestoreOptions,
    /// The roles that were made.
    pub made_roles: Vec<String>,
    /// What is left out, and why.
    pub left_out: Vec<String>,
    /// What of that is nowhere else than where the backup was made.
    pub lost: Vec<String>,
    /// The entries that are left out for what others have in the database, or for what the archive lacks.
    pub gone: HashSet<i32>,
    /// The server as it was found, with the roles that were made.
    pub facts: TargetFacts,
    /// Settings and grants of the database itself.
    pub of_database: Vec<DatabaseStatement>,
}

impl Plan {
    /// What of an archive came.
    pub fn came(&self, front: &Preamble) -> Preamble {
        front.keep(|entry| !self.gone.contains(&entry.dump_id()))
    }
}

impl RestoreRequest {
    /// Looks at the server, creates the roles that are to be created, and says what of the archive it gets: the
    /// front that `pg_restore` reads before the data.
    ///
    /// # Errors
    /// `Kind::Postgres` where roles or extensions are missing.
    pub async fn plan(&self, front: &Preamble, target: &mut Target) -> Result<(Preamble, Plan)> {
        refuse_foreign_rows(front)?;
        // Not by pg_restore: it would leave out what is taken back, too.
        let front = front.keep(|entry| !(self.fitting.options.no_acl && entry.kind().is_grant()));
        target.find_names_in(self.fitting.search_path.as_deref());
        self.keep_closed(target)?;
        let mut fit = Fit::begin(&self.fitting, target).await?;
        let watched = front.toc.of_kind(EntryKind::EventTrigger).next().is_some();
        fit.event_triggers = watched && fit.is_managed() && target.takes_event_triggers().await;
        if front.toc.of_kind(EntryKind::PublicationTable).next().is_some() {
            fit.publications = target.own_publications().await?;
        }
        if watched && fit.facts.rights.superuser && fit.facts.major >= sessions::KNOWS_EVENT_TRIGGERS_OFF {
            target.without_event_triggers().await?;
        }
        // pg_dump refreshes materialized views after them, which they would notice.
        let front = front.with_last(TocEntry::is_of_event_trigger);
        let refreshes = |entry: &TocEntry| entry.kind() == EntryKind::MaterializedViewData;
        let front = front.keep(|entry| !(self.fitting.skip_refresh && refreshes(entry)));
        // They hold samples of the rows as they were before the scripts.
        let samples = |entry: &TocEntry| entry.kind() == EntryKind::StatisticsData;
        let front = front.keep(|entry| self.after.scripts.is_empty() || !samples(entry));
        let schemas = target.schemas().await?;
        let has_schema = |name: &str| schemas.has(name);
        let completed =
            completed(&front, &self.extensions, has_schema, async |names| target.existing(names).await);
        let Completed { front, left_out, gone } = completed.await?;
        (fit.left_out, fit.gone) = (left_out, gone);
        let is_public =
            |entry: &TocEntry| entry.kind() == EntryKind::Schema && entry.tag() == Some(b"public");
        let front = front.with(|entry| if is_public(entry) { entry.unless_there() } else { entry.clone() });
        let lacking = fit.left_out.len();
        let front = fit.without_refused(&front);
        fit.check_extensions(&front)?;
        fit.check_rights(&front, target).await?;
        fit.check_schemas(&front, target).await?;
        let front = fit.with_roles(&front)?;
        let count = fit.left_out.len() - lacking;
        if count > 0 {
            let service = fit.facts.service();
            tracing::warn!(
                "{count} left out for {service}; --target-profile plain tries to restore everything"
            );
        }
        let front = fit.without_impossible(&front, &schemas);
        let needed =
            self.granted(&fit, fit.needed(&front), Some("--roles create creates them as NOLOGIN roles"))?;
        fit.provide_roles(&needed, self.known.as_ref(), target).await?;
        fit.left_out.extend_from_slice(&self.left_out);
        fit.give_database(&front, target).await?;
        fit.place_database(&front, target);
        let (mut of_database, unreadable) = front.toc.database_statements(target.called());
        for what in unreadable {
            fit.leave_out(&what, "its text is not valid in the encoding of the dump");
        }
        // The user's scripts may rely on settings; they make room for those of the name later.
        of_database.retain(|said| !target.inherits() || said.is_for_everybody());
        // A source that was being restored itself.
        of_database.retain(|said| said.sets.join(".") != TIMESCALEDB_RESTORING);
        let of_database = fit.unless_said(of_database, target).await?;
        let front = fit.letting_owners_create(&front, &schemas);
        Ok((front, fit.decided(of_database)))
    }

    /// The same for a plain script, which nothing can be taken out of.
    pub async fn plan_of_script(&self, target: &mut Target) -> Result<Plan> {
        let Fitting { options, roles, map, owner, profile: _, trial: _, skip_refresh, search_path } =
            &self.fitting;
        let PgRestoreOptions { no_owner, no_acl, keep_going, extra, reports: _ } = options;
        if *skip_refresh || *keep_going || search_path.is_some() {
            return Err(Error::usage("a plain dump can only be restored as it is, and as a whole")
                .hint("leave out --skip-refresh, --search-path and --on-error (their variables too)"));
        }
        let changed = *no_owner || *no_acl || !extra.is_empty();
        if changed || *roles != Roles::Check || !map.is_empty() || owner.is_some() {
            return Err(Error::usage("a plain SQL dump is run unchanged: its roles cannot be left out or replaced")
                .hint("create them first, and do not use --no-owner, --no-acl, --owner, --roles and --map-role (their variables too)"));
        }
        target.refuse_default_privileges().await?;
        self.keep_closed(target)?;
        let mut fit = Fit::begin(&self.fitting, target).await?;
        let needed = self.granted(&fit, BTreeMap::new(), None)?;
        fit.provide_roles(&needed, None, target).await?;
        Ok(fit.decided(Vec::new()))
    }

    /// Lets nobody into a new database before it is finished: the rights on its tables come long before those on itself, by
    /// which the source may keep others out.
    ///
    /// # Errors
    /// `Kind::TargetExists` if others may be in it already, and a script is to change what they must not see.
    fn keep_closed(&self, target: &mut Target) -> Result<()> {
        if target.is_given() && !self.after.scripts.is_empty() {
            let what = format!(
                "{} exists, so others could connect to it before --after and --after-sql have run",
                identifier(target.name())
            );
            return Err(Error::target_exists(what)
                .hint("name a database that does not exist: nobody else can connect to it until then")
                .hint("or restore without the scripts, and run them yourself"));
        }
        match self.after.is_empty() {
            true => target.keep_closed(),
            false => target.keep_closed_to_its_owner(),
        }
        Ok(())
    }

    /// Adds the roles that are to be granted something; refuses those that neither the server nor the backup knows.
    fn granted(
        &self,
        fit: &Fit<'_>,
        mut needed: BTreeMap<String, RoleUses>,
        way: Option<&str>,
    ) -> Result<BTreeMap<String, RoleUses>> {
        let roles = || self.after.grants.iter().map(|(role, _)| role);
        let unknown = |role: &&String| !needed.contains_key(*role) && !fit.facts.has_role(role);
        let unknown: BTreeSet<String> = roles().filter(unknown).map(|role| identifier(role)).collect();
        if self.fitting.roles == Roles::Check && !unknown.is_empty() {
            let unknown: Vec<String> = unknown.into_iter().collect();
            let what = format!(
                "the target server lacks roles of --grant-read or --grant-all: {}",
                reported(&unknown)
            );
            let error =
                Error::postgres(what).hint("check the names, or create the roles first with CREATE ROLE");
            return Err(way.into_iter().fold(error, Error::hint));
        }
        for role in roles() {
            needed.entry(role.clone()).or_default().granted += 1;
        }
        Ok(needed)
    }
}

/// The fitting of one archive to one server.
struct Fit<'a> {
    fitting: &'a Fitting,
    facts: TargetFacts,
    /// Whether the server takes event triggers, where that is in doubt.
    event_triggers: bool,
    /// Publications that the database has, and tables can be added to.
    publications: Vec<String>,
    made_roles: Vec<String>,
    left_out: Vec<String>,
    lost: Vec<String>,
    /// The entries that are left out for what the archive lacks.
    gone: HashSet<i32>,
}

impl<'a> Fit<'a> {
    /// Looks at the server; nothing is decided yet.
    async fn begin(fitting: &'a Fitting, target: &Target) -> Result<Self> {
        let facts = target.facts().await?;
        let (publications, made_roles, left_out, lost, gone) = Default::default();
        Ok(Self { fitting, facts, event_triggers: false, publications, made_roles, left_out, lost, gone })
    }

    /// What was decided.
    fn decided(self, of_database: Vec<DatabaseStatement>) -> Plan {
        Plan {
            options: self.fitting.options.clone(),
            made_roles: self.made_roles,
            left_out: self.left_out,
            lost: self.lost,
            gone: self.gone,
            facts: self.facts,
            of_database,
        }
    }

    /// Something will not be restored: that is an error, unless what can be restored is to be kept.
    fn unless_kept(&self, error: Error) -> Result<()> {
        if !self.fitting.options.keep_going {
            return Err(error);
        }
        tracing::warn!("{}", error.with_hints());
        Ok(())
    }

    fn is_managed(&self) -> bool {
        match self.fitting.profile {
            Profile::Auto => !self.facts.rights.superuser,
            Profile::Plain => false,
            Profile::Managed => true,
        }
    }
}

/// Refuses rows that would be written to another server: without an inventory nobody can pass over them.
fn refuse_foreign_rows(front: &Preamble) -> Result<()> {
    let foreign: Vec<String> = front.toc.foreign_rows().map(TocEntry::label).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let what =
        format!("the rows of foreign tables would be written to their servers: {}", reported(&foreign));
    Err(Error::postgres(what)
        .hint("`pgstow fetch` brings the dump; pg_restore --use-list restores it without these rows"))
}

/// Names for a message, not all of them if there are many.
fn reported(names: &[String]) -> String {
    let more = names.len().saturating_sub(MOST_TOLD);
    let mut told = names.iter().take(MOST_TOLD).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        told.push_str(&format!(" and {more} more"));
    }
    told
}

fn text(bytes: Option<&[u8]>) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.unwrap_or_default())
}
