//! Facts about a server that a restore needs before it begins: roles, extensions, tablespaces, and which
//! service it is.
//!
//! One query to the maintenance database; nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::Result;

use super::managed::Provider;
use crate::postgres::tools::Psql;

/// A server as the restoring role sees it.
#[derive(Debug, Clone, Deserialize)]
pub struct TargetFacts {
    /// The role that restores.
    pub me: String,
    /// The server's major.
    pub major: u32,
    /// What the restoring role may do.
    pub rights: Rights,
    roles: BTreeMap<String, Standing>,
    extensions: BTreeSet<String>,
    tablespaces: BTreeSet<String>,
}

/// A role's attributes.
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

/// What the restoring role may do with another role.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Standing {
    /// It may give objects to it, and still change them.
    member: bool,
    /// It may grant membership in it.
    admin: bool,
    superuser: bool,
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
              'superuser', rolsuper)) FROM pg_roles),
  'extensions', (SELECT coalesce(json_agg(name), '[]') FROM pg_available_extensions),
  'tablespaces', (SELECT json_agg(spcname) FROM pg_tablespace));";

impl TargetFacts {
    /// Asks the server, through its maintenance database.
    pub async fn ask(maintenance: &Psql) -> Result<Self> {
        maintenance.query(QUESTION).await
    }

    /// Adds a role whose member the restoring role is.
    #[must_use]
    pub fn with_role(mut self, name: &str) -> Self {
        self.roles.insert(name.to_owned(), Standing { member: true, admin: true, superuser: false });
        self
    }

    /// Says whether this role exists.
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.contains_key(name)
    }

    /// Says whether the restoring role may give objects to this one.
    pub fn may_give_to(&self, name: &str) -> bool {
        self.roles.get(name).is_some_and(|standing| standing.member)
    }

    /// Says whether this role exists and is a superuser.
    pub fn is_superuser(&self, name: &str) -> bool {
        self.roles.get(name).is_some_and(|standing| standing.superuser)
    }

    /// Says whether the restoring role may grant membership in this one.
    pub fn may_grant(&self, name: &str) -> bool {
        let of_old = self.major < 16 && self.rights.createrole && !self.is_superuser(name);
        self.rights.superuser || of_old || self.roles.get(name).is_some_and(|standing| standing.admin)
    }

    /// Says whether this extension is installed on the server.
    pub fn has_extension(&self, name: &str) -> bool {
        self.extensions.contains(name)
    }

    /// Says whether this tablespace exists.
    pub fn has_tablespace(&self, name: &str) -> bool {
        self.tablespaces.contains(name)
    }

    /// Which service it is, as its roles show; `None` if the restoring role is a superuser.
    pub fn provider(&self) -> Option<Provider> {
        let provider = Provider::ALL.into_iter().find(|provider| self.has_role(provider.mark()));
        if self.rights.superuser { None } else { Some(provider.unwrap_or(Provider::Other)) }
    }
}
