//! One role: its attributes as `pg_dumpall` writes them, and what makes it on another server.
//!
//! What the restoring role may not give is left out and reported.

use std::fmt;

use super::making::Making;
use crate::postgres::server::{Rights, TargetFacts};
use crate::postgres::sql::words::Word;
use crate::postgres::sql::{identifier, literal};

/// A role's attributes and settings.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Role {
    rights: Rights,
    login: bool,
    pub(super) no_inherit: bool,
    connection_limit: Option<String>,
    valid_until: Option<String>,
    /// As a digest, most likely; printed by nothing all the same.
    password: Option<String>,
    pub(super) comment: Option<String>,
    /// Provider and text of security labels.
    pub(super) labels: Vec<(String, String)>,
    /// Parameter and value, as SQL.
    pub(super) settings: Vec<(String, String)>,
}

impl Role {
    /// Whether it logs in, and its password is not known.
    pub(super) fn lacks_password(&self) -> bool {
        self.login && self.password.is_none()
    }

    pub(super) fn take(&mut self, attributes: &[Word]) {
        let mut rest = attributes.iter();
        while let Some(Word::Bare(word)) = rest.next() {
            let mut text = || match rest.next() {
                Some(Word::Literal(text)) => Some(text.clone()),
                _ => None,
            };
            match word.as_str() {
                "SUPERUSER" => self.rights.superuser = true,
                "CREATEROLE" => self.rights.createrole = true,
                "CREATEDB" => self.rights.createdb = true,
                "REPLICATION" => self.rights.replication = true,
                "BYPASSRLS" => self.rights.bypassrls = true,
                "LOGIN" => self.login = true,
                "NOINHERIT" => self.no_inherit = true,
                "PASSWORD" => self.password = text(),
                "UNTIL" => self.valid_until = text(),
                "LIMIT" => {
                    let limit = rest.next().and_then(Word::name).unwrap_or_default();
                    self.connection_limit = limit.parse::<u32>().ok().map(|limit| limit.to_string());
                }
                _ => {}
            }
        }
    }

    /// Whether making roles means more there than on a server of this major. Since 16 whoever makes roles may do so with
    /// its own only.
    pub(super) fn makes_more_here(&self, major: Option<u32>, facts: &TargetFacts) -> bool {
        let may = facts.rights.superuser || facts.rights.createrole;
        let is_limited = self.rights.createrole && !self.rights.superuser;
        is_limited && may && facts.major < 16 && major.is_some_and(|major| major >= 16)
    }

    /// Adds what makes this role on that server.
    pub(super) fn make(&self, name: &str, facts: &TargetFacts, making: &mut Making) {
        let mut attributes = vec![if self.login { "LOGIN" } else { "NOLOGIN" }.to_owned()];
        if self.no_inherit {
            attributes.push("NOINHERIT".into());
        }
        let (wanted, mine) = (self.rights, facts.rights);
        // Before 16, who may make roles may let them make databases and roles.
        let of_old = facts.major < 16 && mine.createrole;
        for (keyword, wanted, may) in [
            ("SUPERUSER", wanted.superuser, false),
            ("CREATEROLE", wanted.createrole, mine.createrole),
            ("CREATEDB", wanted.createdb, mine.createdb || of_old),
            ("REPLICATION", wanted.replication, mine.replication && !of_old),
            ("BYPASSRLS", wanted.bypassrls, mine.bypassrls && !of_old),
        ] {
            match (wanted, may || mine.superuser) {
                (false, _) => {}
                (true, true) => attributes.push(keyword.into()),
                (true, false) => {
                    let (name, me) = (identifier(name), identifier(&facts.me));
                    making.left_out.push(format!("{name} has no {keyword} here: {me} may not give it"));
                }
            }
        }
        if let Some(limit) = &self.connection_limit {
            attributes.push(format!("CONNECTION LIMIT {limit}"));
        }
        if let Some(password) = &self.password {
            attributes.push(format!("PASSWORD {}", literal(password)));
        }
        if let Some(until) = &self.valid_until {
            attributes.push(format!("VALID UNTIL {}", literal(until)));
        }
        making.create(name, &attributes.join(" "), facts);
        let name = identifier(name);
        if let Some(comment) = &self.comment {
            let statement = format!("COMMENT ON ROLE {name} IS {};", literal(comment));
            making.may.push((format!("the comment on {name}"), statement));
        }
        for (provider, label) in &self.labels {
            let provider = identifier(provider);
            let statement = format!("SECURITY LABEL FOR {provider} ON ROLE {name} IS {};", literal(label));
            making.may.push((format!("the security label for {provider} of {name}"), statement));
        }
        for (parameter, value) in &self.settings {
            let statement = format!("ALTER ROLE {name} SET {} TO {value};", identifier(parameter));
            making.may.push((format!("the setting {parameter} of {name}"), statement));
        }
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Role")
            .field("rights", &self.rights)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}
