//! What a restore finds on a server before it begins: roles, extensions, tablespaces, and whose service
//! it is.
//!
//! Asked once, in one question, of the maintenance database; nothing is changed here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::Result;

use super::managed;
use crate::postgres::sql::literal;
use crate::postgres::tools::Psql;

/// A server as the restoring role finds it.
#[derive(Debug, Clone, Deserialize)]
pub struct TargetFacts {
    /// The role that restores.
    pub me: String,
    /// The server's major.
    pub major: u32,
    /// What the restoring role may.
    pub rights: Rights,
    roles: BTreeMap<String, Standing>,
    /// The database in which pg_cron runs its jobs; `None` without it, and if this role may not see it.
    pub jobs_in: Option<String>,
    extensions: BTreeSet<String>,
    /// Whether a service has a database of its own there.
    #[serde(default)]
    lent: bool,
    tablespaces: BTreeSet<String>,
}

/// What a role may: its attributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as many as a role has")]
pub struct Rights {
    /// SUPERUSER.
    pub superuser: bool,
    /// CREATEROLE.
    pub createrole: bool,
    /// CREATEDB.
    pub createdb: bool,
    /// REPLICATION.
    pub replication: bool,
    /// BYPASSRLS.
    pub bypassrls: bool,
}

/// How the restoring role stands to another.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Standing {
    /// It may give objects to it, and go on working on them.
    member: bool,
    /// It may make others members of it.
    admin: bool,
    superuser: bool,
    /// It has what the roles may that it is a member of; since 16 each membership may say otherwise.
    inherits: bool,
}

/// `SET` as a privilege on a role came with 16; before, every member had it.
const QUESTION: &str = "
SELECT json_build_object(
  'me', current_user,
  'major', current_setting('server_version_num')::int / 10000,
  'rights', (SELECT json_build_object('superuser', rolsuper, 'createrole', rolcreaterole, 'createdb', rolcreatedb,
                                      'replication', rolreplication, 'bypassrls', rolbypassrls)
             FROM pg_roles WHERE rolname = current_user),
  'roles', (SELECT json_object_agg(rolname, json_build_object(
              'member', pg_has_role(oid, 'USAGE') AND pg_has_role(oid,
                CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END),
              'admin', pg_has_role(oid, 'USAGE WITH ADMIN OPTION'),
              'superuser', rolsuper, 'inherits', rolinherit)) FROM pg_roles),
  'jobs_in', (SELECT setting FROM pg_settings WHERE name = 'cron.database_name'),
  'lent', EXISTS (SELECT FROM pg_database WHERE datname IN ({theirs})),
  'extensions', (SELECT coalesce(json_agg(name), '[]') FROM pg_available_extensions),
  'tablespaces', (SELECT coalesce(json_agg(spcname), '[]') FROM pg_tablespace WHERE has_tablespace_privilege(oid, 'CREATE')));";

impl TargetFacts {
    /// Asks the server, through its maintenance database.
    pub async fn ask(maintenance: &Psql) -> Result<Self> {
        let theirs: Vec<String> = managed::THEIR_DATABASES.iter().copied().map(literal).collect();
        maintenance.query(&QUESTION.replace("{theirs}", &theirs.join(", "))).await
    }

    /// Adds a role that was made since, which the restoring role is a member of.
    pub fn add_role(&mut self, name: &str) {
        let standing = Standing { member: true, admin: true, superuser: false, inherits: true };
        self.roles.insert(name.to_owned(), standing);
    }

    /// Says whether there is such a role.
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.contains_key(name)
    }

    /// Says whether the restoring role may give objects to this one.
    pub fn may_give_to(&self, name: &str) -> bool {
        self.roles.get(name).is_some_and(|standing| standing.member)
    }

    /// Says whether there is such a role, and it is a superuser.
    pub fn is_superuser(&self, name: &str) -> bool {
        self.roles.get(name).is_some_and(|standing| standing.superuser)
    }

    /// Says whether there is such a role, and it has what the roles may that it is a member of.
    pub fn inherits(&self, name: &str) -> bool {
        self.roles.get(name).is_some_and(|standing| standing.inherits)
    }

    /// Says whether the restoring role may make others members of this one.
    pub fn may_grant(&self, name: &str) -> bool {
        let of_old = self.major < 16 && self.rights.createrole && !self.is_superuser(name);
        self.rights.superuser || of_old || self.roles.get(name).is_some_and(|standing| standing.admin)
    }

    /// Says whether this extension's files are there.
    pub fn has_extension(&self, name: &str) -> bool {
        self.extensions.contains(name)
    }

    /// Says whether there is such a tablespace, and the restoring role may use it.
    pub fn has_tablespace(&self, name: &str) -> bool {
        self.tablespaces.contains(name)
    }

    /// Says whether it is the server of a service that is known here.
    pub fn is_of_a_service(&self) -> bool {
        self.lent
            || self.roles.keys().any(|role| managed::is_of_a_service(role))
            || managed::service(|role| self.has_role(role)).is_some()
    }

    /// Whose server it is, for messages.
    pub fn service(&self) -> &'static str {
        let usual = if self.rights.superuser { "this server" } else { "a server without superuser rights" };
        managed::service(|role| self.has_role(role)).unwrap_or(usual)
    }
}
