//! A backup fitted to a server: which roles take whose place, which are made, what the server would refuse.
//!
//! All of it is decided, and what stands in the way is told, before a database is made or a byte of data
//! moves. What comes of it is the same archive with another front, which any way of loading reads.

use super::request::{Fitting, Profile, RestoreRequest, Roles};
use crate::archive::{Front, OfDatabase, TocEntry, Uses};
use crate::error::{Error, Result};
use crate::postgres::managed::{is_of_a_service, only_a_service_has};
use crate::postgres::{Ground, KnownRoles, Making, Provider, RestoreOptions, Target, identifier};

use crate::units::count;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Objects that only superusers may own.
const OF_SUPERUSERS: [&[u8]; 3] = [b"EVENT TRIGGER", b"FOREIGN DATA WRAPPER", b"PUBLICATION"];
/// So many names are told in a message.
const MOST_TOLD: usize = 20;

/// What was decided, besides the archive's front.
#[derive(Debug)]
pub struct Plan {
    /// How it is run.
    pub options: RestoreOptions,
    /// The roles that were made.
    pub made_roles: Vec<String>,
    /// What is left out, and why.
    pub left_out: Vec<String>,
    /// The server as it was found, with the roles that were made.
    pub ground: Ground,
    /// Settings and grants of the database itself.
    pub of_database: Vec<OfDatabase>,
}

impl RestoreRequest {
    /// Looks at the server, makes the roles that shall be made, and says what of the archive it gets: the
    /// front that `pg_restore` reads before the data.
    ///
    /// # Errors
    /// `Kind::Postgres` where roles or extensions are missing.
    pub async fn plan(&self, front: &Front, target: &mut Target) -> Result<(Front, Plan)> {
        let mut fit = Fit::begin(&self.fitting, target).await?;
        let watched = front.toc.entries().iter().any(|entry| entry.desc() == Some(b"EVENT TRIGGER"));
        fit.event_triggers = watched && fit.provider().is_some() && target.takes_event_triggers().await;
        let front = fit.without_refused(front);
        fit.check_extensions(&front)?;
        let front = fit.with_roles(&front)?;
        if !fit.left_out.is_empty() {
            let service = fit.provider().map_or("this server", Provider::name);
            let count = fit.left_out.len();
            tracing::warn!("{count} left out for {service}; with --target-profile plain everything is tried");
        }
        let needed = self.granted(fit.needed(&front));
        fit.provide_roles(&needed, self.known.as_ref(), target).await?;
        fit.give_database(&front, target).await?;
        if !self.after.is_empty() {
            target.keep_closed();
        }
        let of_database = front.toc.of_database(target.name().as_bytes());
        Ok((front, fit.decided(of_database)))
    }

    /// The same for a plain script, which nothing can be taken out of.
    pub async fn plan_of_script(&self, target: &mut Target) -> Result<Plan> {
        let Fitting { options, roles, map, owner, profile: _ } = &self.fitting;
        let RestoreOptions { no_owner, no_acl, role, extra } = options;
        let changed = *no_owner || *no_acl || role.is_some() || !extra.is_empty();
        if changed || *roles != Roles::Check || !map.is_empty() || owner.is_some() {
            return Err(Error::usage("a plain dump is run as it is: its roles cannot be left out or changed")
                .hint("make them first, and leave out --no-owner, --no-acl, --owner, --roles and --map-role (their variables too)"));
        }
        let mut fit = Fit::begin(&self.fitting, target).await?;
        let needed = self.granted(BTreeMap::new());
        fit.provide_roles(&needed, None, target).await?;
        if !self.after.is_empty() {
            target.keep_closed();
        }
        Ok(fit.decided(Vec::new()))
    }

    /// Adds the roles that shall be granted something.
    fn granted(&self, mut needed: BTreeMap<String, Uses>) -> BTreeMap<String, Uses> {
        for (role, _) in &self.after.grants {
            needed.entry(role.clone()).or_default().granted += 1;
        }
        needed
    }
}

/// The fitting of one archive to one server.
struct Fit<'a> {
    fitting: &'a Fitting,
    ground: Ground,
    /// Whether the server takes event triggers, where that is in doubt.
    event_triggers: bool,
    made_roles: Vec<String>,
    left_out: Vec<String>,
}

impl<'a> Fit<'a> {
    /// Looks at the server; nothing is decided yet.
    async fn begin(fitting: &'a Fitting, target: &Target) -> Result<Self> {
        let ground = target.ground().await?;
        Ok(Self { fitting, ground, event_triggers: false, made_roles: Vec::new(), left_out: Vec::new() })
    }

    /// What was decided.
    fn decided(self, of_database: Vec<OfDatabase>) -> Plan {
        Plan {
            options: self.fitting.options.clone(),
            made_roles: self.made_roles,
            left_out: self.left_out,
            ground: self.ground,
            of_database,
        }
    }

    fn provider(&self) -> Option<Provider> {
        match self.fitting.profile {
            Profile::Auto => self.ground.provider(),
            Profile::Plain => None,
            Profile::Of(provider) => Some(provider),
        }
    }

    fn leave_out(&mut self, what: &str, why: &str) {
        tracing::warn!("left out: {what} ({why})");
        self.left_out.push(format!("{what} ({why})"));
    }

    /// Leaves out what the server would refuse.
    fn without_refused(&mut self, front: &Front) -> Front {
        if self.fitting.profile == Profile::Plain {
            return front.clone();
        }
        let mut refused = BTreeSet::new();
        for entry in front.toc.entries().iter().filter(|entry| !entry.has_data() && !entry.is_of_database()) {
            if let Some(why) = self.refusal(entry) {
                self.leave_out(&format!("{} {}", text(entry.desc()), entry.label()), why);
                refused.insert(entry.dump_id());
            }
        }
        let front = front.keep(|entry| !refused.contains(&entry.dump_id()));
        let lacking = |entry: &TocEntry| {
            let tablespace = text(entry.tablespace());
            !tablespace.is_empty() && (self.provider().is_some() || !self.ground.has_tablespace(&tablespace))
        };
        let elsewhere: BTreeSet<i32> =
            front.toc.entries().iter().filter(|entry| lacking(entry)).map(TocEntry::dump_id).collect();
        let front = front.with(|entry| match elsewhere.contains(&entry.dump_id()) {
            true => entry.without_tablespace(),
            false => entry.clone(),
        });
        if !elsewhere.is_empty() {
            let what = format!("the tablespace of {}", count(elsewhere.len(), "object"));
            self.leave_out(&what, "it lies in the usual one");
        }
        if self.ground.rights.superuser { front } else { front.granted_by_owners() }
    }

    fn refusal(&self, entry: &TocEntry) -> Option<&'static str> {
        let [kind, name, schema] = [entry.desc(), entry.tag(), entry.namespace()].map(text);
        let owner = text(entry.owner());
        if kind == "DEFAULT ACL" && is_of_a_service(&owner) && !self.ground.may_give_to(&owner) {
            return Some("default privileges of a service's own role");
        }
        let extension =
            if kind == "EXTENSION" { &*name } else { name.strip_prefix("EXTENSION ").unwrap_or_default() };
        if only_a_service_has(extension) && !self.ground.has_extension(extension) {
            return Some("only the service that was dumped has it");
        }
        self.provider()?.refuses(&kind, &name, &schema, self.event_triggers)
    }

    /// Looks for the extensions that the archive makes.
    fn check_extensions(&self, front: &Front) -> Result<()> {
        let entries = front.toc.entries().iter().filter(|entry| entry.desc() == Some(b"EXTENSION"));
        let names = entries.map(|entry| text(entry.tag()).into_owned());
        let missing: Vec<String> = names.filter(|name| !self.ground.has_extension(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = told(&missing);
        Err(Error::postgres(format!("the target server lacks extensions that the backup needs: {missing}"))
            .hint("install their packages on the target server, or choose a server that has them"))
    }

    /// Puts other roles in the place of those that are mapped, or that owned something.
    fn with_roles(&self, front: &Front) -> Result<Front> {
        let Fitting { map, owner, .. } = self.fitting;
        let new = map.values().chain(owner);
        let encoding = front.toc.encoding().unwrap_or_default();
        if let Some(name) = new.into_iter().find(|name| !name.is_ascii() && encoding != "UTF8") {
            return Err(Error::usage(format!("the role {name} cannot be written in the dump's {encoding}")));
        }
        Ok(front.with_roles(|entry, role| {
            let name = std::str::from_utf8(role).ok()?;
            if let Some(new) = map.get(name) {
                return Some(new.clone().into_bytes());
            }
            let owner =
                owner.as_deref().filter(|_| entry.owner() == Some(role) && !name.starts_with("pg_"))?;
            let not_for_all = entry.desc().is_some_and(|desc| OF_SUPERUSERS.contains(&desc));
            // Without an owner it stays with who makes it.
            let owner = if not_for_all && !self.ground.is_superuser(owner) { "" } else { owner };
            Some(owner.as_bytes().to_vec())
        }))
    }

    /// What the archive needs of each role, as far as it is restored. Names that are not UTF-8 are left to
    /// `pg_restore`.
    fn needed(&self, front: &Front) -> BTreeMap<String, Uses> {
        let RestoreOptions { no_owner, no_acl, .. } = self.fitting.options;
        // Who asks for the roles gets those too that only the database itself knows.
        let all = self.fitting.roles != Roles::Check;
        let uses = front.keep(|entry| all || !entry.is_of_database()).toc.role_uses();
        let as_restored = |(name, mut uses): (Vec<u8>, Uses)| {
            if no_owner {
                uses.owns = 0;
            }
            if no_acl {
                (uses.granted, uses.defaults) = (0, 0);
            }
            (uses != Uses::default()).then_some((String::from_utf8(name).ok()?, uses))
        };
        uses.into_iter().filter_map(as_restored).collect()
    }

    /// Sees to it that all roles are there, and that the restoring one may give them what is theirs.
    async fn provide_roles(
        &mut self,
        needed: &BTreeMap<String, Uses>,
        known: Option<&KnownRoles>,
        target: &mut Target,
    ) -> Result<()> {
        let names: BTreeSet<String> = needed.keys().cloned().collect();
        let making = match (self.fitting.roles, known) {
            (Roles::Check, _) => Making::default(),
            (Roles::Restore, Some(known)) => {
                known.clone().renamed(&self.fitting.map).making(&names, &self.ground)
            }
            (Roles::Create | Roles::Restore, _) => {
                let lacking = |name: &&String| !self.ground.has_role(name) && !name.starts_with("pg_");
                Making::plain(names.iter().filter(lacking), &self.ground)
            }
        };
        if !making.names.is_empty() {
            self.make(making, target).await?;
        }
        let missing: BTreeMap<&String, Uses> = needed
            .iter()
            .filter(|(name, _)| !self.ground.has_role(name))
            .map(|(name, uses)| (name, *uses))
            .collect();
        if !missing.is_empty() {
            return Err(self.missing(&missing));
        }
        self.check_memberships(needed)
    }

    /// Looks whether the restoring role may give all others what is theirs.
    fn check_memberships(&self, needed: &BTreeMap<String, Uses>) -> Result<()> {
        // To the system's own roles only belongs what does so everywhere.
        let withheld = |(name, uses): &(&String, &Uses)| {
            uses.owns + uses.defaults > 0 && !self.ground.may_give_to(name) && !name.starts_with("pg_")
        };
        let withheld: BTreeMap<&String, &Uses> = needed.iter().filter(withheld).collect();
        let Some((first, _)) = withheld.first_key_value() else { return Ok(()) };
        let me = identifier(&self.ground.me);
        let all = told(&withheld.keys().map(|name| identifier(name)).collect::<Vec<_>>());
        let owners = withheld.values().any(|uses| uses.owns > 0);
        let (purpose, without) = match (owners, withheld.values().any(|uses| uses.defaults > 0)) {
            (true, false) => {
                ("to which it would have to give objects", "--no-owner gives all to the restoring role")
            }
            (true, true) => (
                "to which it would have to give objects, and default privileges",
                "--no-owner with --no-acl gives all to the restoring role, without grants",
            ),
            (false, _) => {
                ("whose default privileges it would have to set", "--no-acl leaves out these and all grants")
            }
        };
        let what = format!("{me} is not a member of roles {purpose}: {all}");
        let mut solutions = vec![without.to_owned()];
        if owners {
            solutions.push("--owner ROLE gives all to another".into());
        }
        solutions.push(format!("--map-role {first}=NEW puts one in the place of another"));
        // Nobody is to become a superuser for it.
        if !withheld.keys().any(|name| self.ground.is_superuser(name)) {
            solutions.push(format!("or somebody who may says GRANT {all} TO {me}"));
        }
        Err(Error::postgres(what).hint(solutions.join("; ")))
    }

    async fn make(&mut self, making: Making, target: &mut Target) -> Result<()> {
        let names: Vec<String> = making.names.clone();
        for left_out in &making.left_out {
            tracing::warn!("{left_out}");
        }
        let quoted: Vec<String> = names.iter().map(|name| identifier(name)).collect();
        let made = target.make_roles(making).await;
        let not = made.map_err(|e| e.context(format_args!("make the roles {}", told(&quoted))))?;
        for not in not {
            tracing::warn!("{not}");
        }
        for name in names {
            self.ground = self.ground.clone().with_role(&name);
            self.made_roles.push(name);
        }
        Ok(())
    }

    /// Says which roles are missing, and what can be done about it.
    fn missing(&self, missing: &BTreeMap<&String, Uses>) -> Error {
        let mut solutions = Vec::new();
        if self.fitting.roles == Roles::Check {
            solutions.push("--roles restore makes them as they were on the source".to_owned());
            solutions.push("--roles create makes them for nobody to log in as".to_owned());
        }
        if let Some(name) = missing.keys().next() {
            solutions.push(format!("--map-role {name}=NEW puts another in the place of one"));
        }
        let any = |count: fn(&Uses) -> usize| missing.values().any(|uses| count(uses) > 0);
        let (owners, grants) = (any(|uses| uses.owns), any(|uses| uses.granted + uses.defaults));
        // Nothing leaves out a policy for a role.
        if !any(|uses| uses.named) {
            solutions.push(match (owners, grants) {
                (true, true) => "--owner NEW or --no-owner, with --no-acl, does without them".into(),
                (true, false) => "--owner NEW or --no-owner does without them".into(),
                (false, _) => "--no-acl does without them".into(),
            });
        }
        let names: Vec<String> = missing.iter().map(|(name, uses)| with_uses(name, *uses)).collect();
        Error::postgres(format!("the target server lacks roles that the backup needs: {}", told(&names)))
            .hint(solutions.join("; "))
    }

    /// Says to whom a database that will be made belongs: to whom it did, where that is possible.
    async fn give_database(&self, front: &Front, target: &mut Target) -> Result<()> {
        let owner = match &self.fitting.owner {
            Some(owner) => owner.clone(),
            None if self.fitting.options.no_owner => return Ok(()),
            None => text(front.toc.database_owner()).into_owned(),
        };
        if owner == self.ground.me || owner.is_empty() || target.exists() {
            return Ok(());
        }
        if self.fitting.owner.is_some() || self.ground.may_give_to(&owner) {
            return target.belongs_to(&owner).await;
        }
        let (me, owner) = (identifier(&self.ground.me), identifier(&owner));
        tracing::warn!("the database will belong to {me}: it cannot be given to {owner}, whose it was");
        Ok(())
    }
}

/// A role and what it is needed for: `"app" (owns 3 objects, in 1 policy)`.
fn with_uses(name: &str, uses: Uses) -> String {
    let parts = [
        ("owns", uses.owns, "object", "objects"),
        ("in", uses.granted, "grant", "grants"),
        ("has", uses.defaults, "default privilege", "default privileges"),
        ("in", uses.named, "policy", "policies"),
    ];
    let told = |(verb, count, one, many): (&str, usize, &str, &str)| match count {
        0 => None,
        1 => Some(format!("{verb} 1 {one}")),
        _ => Some(format!("{verb} {count} {many}")),
    };
    let parts: Vec<String> = parts.into_iter().filter_map(told).collect();
    format!("{} ({})", identifier(name), parts.join(", "))
}

/// Names as they are told, not all where there are many.
fn told(names: &[String]) -> String {
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
