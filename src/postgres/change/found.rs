//! A database whose name may change hands, as the server shows it, and what keeps it from that.

use serde::Deserialize;

use super::rename::Known;
use crate::error::{Error, Result};
use crate::postgres::sql::identifier;

/// A database that has to do with the name.
#[derive(Debug, Clone, Deserialize)]
pub struct Found {
    pub(super) oid: u32,
    /// Its name.
    pub name: String,
    /// `pg_database_size`, bytes; `None` where the role may not know.
    pub size_bytes: Option<u64>,
    /// How many are connected.
    pub sessions: u64,
    /// The role that it belongs to.
    pub owner: String,
    /// Whether the connecting role owns it, or is a member of the role that does.
    pub(super) owned: bool,
    /// Whether the connecting role may make the owner the owner of another database.
    pub(super) giveable: bool,
    pub(super) prepared: u64,
    pub(super) template: bool,
    /// Whether anybody can connect to it.
    pub(super) connectable: bool,
    /// Whether dropping it was begun, and not finished: nothing else can be done with it.
    pub(super) invalid: bool,
    pub(super) slots: Vec<String>,
    /// Subscriptions that receive changes.
    pub(super) subscriptions: Vec<String>,
}

impl Found {
    pub(super) fn known(&self) -> Known {
        Known { oid: self.oid, name: self.name.clone() }
    }

    pub(super) fn refuse_template(&self) -> Result<()> {
        let name = identifier(&self.name);
        let what = format!("{name} is a template, from which databases are made: it is not swapped");
        let hint = format!("if it is not meant to be one: ALTER DATABASE {name} IS_TEMPLATE false;");
        if self.template { Err(Error::postgres(what).hint(hint)) } else { Ok(()) }
    }

    /// Refuses one that nobody can connect to.
    pub(super) fn refuse_closed(&self) -> Result<()> {
        let name = identifier(&self.name);
        if self.invalid {
            let what = format!(
                "{name} is invalid, because dropping it was begun and not finished: it is not swapped"
            );
            return Err(Error::postgres(what)
                .hint(format!("nothing else can be done with it: DROP DATABASE {name};")));
        }
        if self.connectable {
            return Ok(());
        }
        Err(Error::postgres(format!("nobody can connect to {name}: it is not swapped"))
            .hint(format!("to allow it: ALTER DATABASE {name} ALLOW_CONNECTIONS true;")))
    }
}
