//! The roles of a fitted archive: mapped, looked for, created; and who owns the database.

use super::super::request::{Fitting, Roles};
use super::{Fit, reported, text};
use crate::archive::{Preamble, RoleUses};
use crate::error::{Error, Result};
use crate::postgres::{
    Constraint, KnownRoles, Making, PgRestoreOptions, Schemas, Situation, Target, identifier,
};
use crate::sql::decoded_of_server;
use crate::text::shell_word;
use std::collections::{BTreeMap, BTreeSet};

/// How often roles are made, if other restores keep making one of them at the same moment.
const MEETINGS: usize = 5;

impl Fit<'_> {
    /// Uses other roles instead of those that are mapped, or that owned something.
    pub(super) fn with_roles(&self, front: &Preamble) -> Result<Preamble> {
        let Fitting { map, owner, .. } = self.fitting;
        let new = map.values().chain(owner);
        let encoding = front.toc.encoding().unwrap_or_else(|| "UTF8".to_owned());
        if let Some(name) = new.into_iter().find(|name| !name.is_ascii() && encoding != "UTF8") {
            return Err(Error::usage(format!("the role {name} cannot be written in the dump's {encoding}")));
        }
        Ok(front.with_roles(|entry, role| {
            if let Some(new) = decoded_of_server(role, &encoding).and_then(|name| map.get(&*name)) {
                return Some(new.clone().into_bytes());
            }
            // The system's own roles keep what they have on every server that has them.
            let stays = role.starts_with(b"pg_") && self.facts.has_role(&String::from_utf8_lossy(role));
            let owner = owner.as_deref().filter(|_| entry.owner() == Some(role) && !stays)?;
            let not_for_all = entry.kind().is_of_superusers();
            // Without an owner it stays with who makes it.
            let owner = if not_for_all && !self.facts.is_superuser(owner) { "" } else { owner };
            Some(owner.as_bytes().to_vec())
        }))
    }

    /// Lets the roles that will own something create in its schema until the grants are made: nobody but a superuser may give
    /// an object to a role that cannot.
    pub(super) fn letting_owners_create(&self, front: &Preamble, schemas: &Schemas) -> Preamble {
        let PgRestoreOptions { no_owner, extra, .. } = &self.fitting.options;
        // Further options may leave out what takes it back.
        if self.facts.rights.superuser || *no_owner || !extra.is_empty() {
            return front.clone();
        }
        let mut owners = front.toc.owners_by_schema();
        for (schema, owners) in &mut owners {
            let schema = text(Some(schema));
            owners.retain(|owner| {
                let owner = text(Some(owner));
                let may = *owner == self.facts.me || schemas.lets_create(&schema, &owner);
                !may && self.facts.may_give_to(&owner) && !self.facts.is_superuser(&owner)
            });
        }
        owners.retain(|_, owners| !owners.is_empty());
        front.letting_create(&owners)
    }

    /// What the archive needs of each role, as far as it is restored. Names that are not UTF-8 are left to
    /// `pg_restore`.
    pub(super) fn needed(&self, front: &Preamble) -> BTreeMap<String, RoleUses> {
        let no_owner = self.fitting.options.no_owner;
        // Who asks for the roles gets those too that only the database itself knows.
        let all = self.fitting.roles != Roles::Check;
        let uses = front.keep(|entry| all || !entry.is_of_database()).toc.role_uses();
        let as_restored = |(name, mut uses): (Vec<u8>, RoleUses)| {
            if no_owner {
                uses.owns = 0;
            }
            (uses != RoleUses::default()).then_some((String::from_utf8(name).ok()?, uses))
        };
        uses.into_iter().filter_map(as_restored).collect()
    }

    /// Sees to it that all roles are there, and that the restoring one may give them what is theirs.
    pub(super) async fn provide_roles(
        &mut self,
        needed: &BTreeMap<String, RoleUses>,
        known: Option<&KnownRoles>,
        target: &mut Target,
    ) -> Result<()> {
        let names: BTreeSet<String> = needed.keys().cloned().collect();
        let mut silent = Vec::new();
        for again in (0..MEETINGS).rev() {
            let making;
            (making, silent) = self.making(&names, known);
            if making.names.is_empty() {
                break;
            }
            match self.make(making, target).await {
                // Another restore has made one of them since this one looked.
                Err(error) if again > 0 && is_there_already(&error) => self.facts = target.facts().await?,
                made => {
                    made?;
                    break;
                }
            }
        }
        if !silent.is_empty() {
            let all: Vec<String> = silent.iter().map(|name| identifier(name)).collect();
            tracing::info!(
                "roles that log in, and have no password here: {}; ALTER ROLE … PASSWORD sets one, and backups with --role-passwords have them",
                reported(&all)
            );
        }
        let missing: BTreeMap<&String, RoleUses> = needed
            .iter()
            .filter(|(name, _)| !self.facts.has_role(name))
            .map(|(name, uses)| (name, *uses))
            .collect();
        if !missing.is_empty() {
            self.unless_kept(self.missing(&missing))?;
        }
        self.check_memberships(needed)
    }

    /// What makes the roles that are missing, and which of them log in and have no password.
    fn making(&self, names: &BTreeSet<String>, known: Option<&KnownRoles>) -> (Making, Vec<String>) {
        match (self.fitting.roles, known) {
            (Roles::Check, _) => Default::default(),
            (Roles::Restore, Some(known)) => {
                let known = known.clone().renamed(&self.fitting.map);
                let making = known.making(names, &self.facts);
                let silent = known.without_password(&making.names);
                (making, silent)
            }
            (Roles::Create | Roles::Restore, _) => {
                let lacking = |name: &&String| !self.facts.has_role(name) && !name.starts_with("pg_");
                (Making::plain(names.iter().filter(lacking), &self.facts), Vec::new())
            }
        }
    }

    /// Looks whether the restoring role may give all others what is theirs.
    pub(super) fn check_memberships(&self, needed: &BTreeMap<String, RoleUses>) -> Result<()> {
        // To the system's own roles only belongs what does so everywhere. Nobody is a member of one that is missing.
        let withheld = |(name, uses): &(&String, &RoleUses)| {
            let is_other = self.facts.has_role(name) && !self.facts.may_give_to(name);
            uses.owns + uses.defaults > 0 && is_other && !name.starts_with("pg_")
        };
        let withheld: BTreeMap<&String, &RoleUses> = needed.iter().filter(withheld).collect();
        let Some((first, _)) = withheld.first_key_value() else { return Ok(()) };
        let me = identifier(&self.facts.me);
        let all = reported(&withheld.keys().map(|name| identifier(name)).collect::<Vec<_>>());
        let owners = withheld.values().any(|uses| uses.owns > 0);
        let (purpose, without) = match (owners, withheld.values().any(|uses| uses.defaults > 0)) {
            (true, false) => {
                ("which have to own objects", "--no-owner gives everything to the restoring role")
            }
            (true, true) => (
                "which have to own objects and default privileges",
                "--no-owner with --no-acl gives everything to the restoring role, without grants",
            ),
            (false, _) => {
                ("whose default privileges have to be set", "--no-acl leaves out these and all grants")
            }
        };
        let what = format!("{me} is not a member of roles {purpose}: {all}");
        let mut solutions = vec![without.to_owned()];
        if owners {
            solutions.push("--owner ROLE gives everything to that role".into());
        }
        solutions.push(instead_of(first));
        // Nobody is to become a superuser for it.
        if !withheld.keys().any(|name| self.facts.is_superuser(name)) {
            solutions.push(format!("or let a role that is allowed to run GRANT {all} TO {me}"));
        }
        self.unless_kept(Error::postgres(what).hint(solutions.join("; ")))
    }

    pub(super) async fn make(&mut self, making: Making, target: &mut Target) -> Result<()> {
        let names: Vec<String> = making.names.clone();
        let quoted: Vec<String> = names.iter().map(|name| identifier(name)).collect();
        let made = target.make_roles(making).await;
        let not = made.map_err(|e| e.context(format_args!("make the roles {}", reported(&quoted))))?;
        for not in not {
            tracing::warn!("{not}");
        }
        for name in names {
            self.facts.add_role(&name);
            self.made_roles.push(name);
        }
        Ok(())
    }

    /// Says which roles are missing, and what can be done about it.
    pub(super) fn missing(&self, missing: &BTreeMap<&String, RoleUses>) -> Error {
        let names: Vec<String> = missing.iter().map(|(name, uses)| with_uses(name, *uses)).collect();
        let error = Error::postgres(format!(
            "the target server lacks roles that the backup needs: {}",
            reported(&names)
        ));
        if self.fitting.trial {
            let create = missing.keys().map(|name| format!("CREATE ROLE {}", identifier(name)));
            let create = reported(&create.collect::<Vec<_>>());
            return error.hint(format!(
                "create them there ({create}), or leave --to out: a temporary cluster gets them"
            ));
        }
        let mut solutions = Vec::new();
        // Nobody can create one of the system's own roles.
        if self.fitting.roles == Roles::Check && !missing.keys().all(|name| name.starts_with("pg_")) {
            solutions.push("--roles restore creates them as they were on the source".to_owned());
            solutions.push("--roles create creates them as NOLOGIN roles".to_owned());
        }
        if let Some(name) = missing.keys().next() {
            solutions.push(instead_of(name));
        }
        let any = |count: fn(&RoleUses) -> usize| missing.values().any(|uses| count(uses) > 0);
        let (owners, grants) = (any(|uses| uses.owns), any(|uses| uses.granted + uses.defaults));
        // Nothing leaves out a policy for a role.
        if !any(|uses| uses.named) {
            solutions.push(match (owners, grants) {
                (true, true) => "--owner NEW or --no-owner, with --no-acl, makes them unnecessary".into(),
                (true, false) => "--owner NEW or --no-owner makes them unnecessary".into(),
                (false, _) => "--no-acl makes them unnecessary".into(),
            });
        }
        error.hint(solutions.join("; "))
    }

    /// Says to whom a database that will be made belongs: to whom it did, where that is possible.
    pub(super) async fn give_database(&self, front: &Preamble, target: &mut Target) -> Result<()> {
        let owner = match &self.fitting.owner {
            Some(owner) => owner.clone(),
            None if self.fitting.options.no_owner || target.inherits() => return Ok(()),
            None => front.toc.database_owner().unwrap_or_default().into_owned(),
        };
        if owner == self.facts.me || owner.is_empty() || target.exists() {
            return Ok(());
        }
        if self.fitting.owner.is_some() || self.facts.may_give_to(&owner) {
            return target.belongs_to(&owner).await;
        }
        let (me, owner) = (identifier(&self.facts.me), identifier(&owner));
        tracing::warn!("the database will belong to {me}: it cannot be given to {owner}, whose it was");
        Ok(())
    }
}

impl Fit<'_> {
    /// Says where a database that will be made lies: where it did, if that is possible; and what it will not be.
    pub(super) fn place_database(&mut self, front: &Preamble, target: &mut Target) {
        let options = &self.fitting.options;
        if target.exists() || options.extra.iter().any(|extra| extra == "--no-tablespaces") {
            return;
        }
        if let Some(tablespace) = front.toc.database_tablespace() {
            let tablespace = text(Some(&tablespace)).into_owned();
            if self.facts.has_tablespace(&tablespace) {
                target.lies_in(tablespace);
            } else {
                let what = format!("the database's own tablespace {}", identifier(&tablespace));
                self.leave_out(&what, "the default one is used");
            }
        }
        if front.toc.is_template() {
            let name = identifier(target.name());
            let why = format!("if it is to be one: ALTER DATABASE {name} IS_TEMPLATE true");
            self.leave_out("that the database was a template", &why);
        }
    }
}

/// Whether roles were not made because one of them is there.
fn is_there_already(error: &Error) -> bool {
    use Situation::{ConstraintViolated, ObjectExists};
    matches!(error.situation(), Some(ObjectExists | ConstraintViolated(Constraint::Unique)))
}

/// The flag with which another role takes its part, as a shell takes it.
fn instead_of(role: &str) -> String {
    format!("--map-role {} uses role NEW instead of {role}", shell_word(&format!("{role}=NEW")))
}

/// A role and what it is needed for: `"app" (owns 3 objects, in 1 policy)`.
fn with_uses(name: &str, uses: RoleUses) -> String {
    let parts = [
        ("owns", uses.owns, "object", "objects"),
        ("in", uses.granted, "grant", "grants"),
        ("has", uses.defaults, "default privilege", "default privileges"),
        ("in", uses.named, "policy or user mapping", "policies or user mappings"),
    ];
    let part = |(verb, count, one, many): (&str, usize, &str, &str)| match count {
        0 => None,
        1 => Some(format!("{verb} 1 {one}")),
        _ => Some(format!("{verb} {count} {many}")),
    };
    let parts: Vec<String> = parts.into_iter().filter_map(part).collect();
    format!("{} ({})", identifier(name), parts.join(", "))
}
