//! Roles as `pg_dumpall` writes them, and the statements that make some of them on another server.
//!
//! Only what is understood is taken over, and written anew: nothing of the text itself is ever run.
//! What the restoring role may not give (SUPERUSER, mostly) is left out and reported.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::granted::{Membership, OfParameter};
use crate::postgres::server::{Rights, TargetFacts};
use crate::postgres::sql::words::{Word, words};
use crate::postgres::sql::{identifier, literal};

/// The roles of a server, and their memberships.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownRoles {
    roles: BTreeMap<String, Role>,
    memberships: Vec<Membership>,
    of_parameters: Vec<OfParameter>,
}

/// A role's attributes and settings.
#[derive(Clone, Default, PartialEq, Eq)]
struct Role {
    rights: Rights,
    login: bool,
    no_inherit: bool,
    connection_limit: Option<String>,
    valid_until: Option<String>,
    /// As a digest, most likely; printed by nothing all the same.
    password: Option<String>,
    comment: Option<String>,
    /// Parameter and value, as SQL.
    settings: Vec<(String, String)>,
}

/// What makes roles on a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Making {
    /// Those that are made, in their order.
    pub names: Vec<String>,
    /// Statements that must hold together.
    pub must: Vec<String>,
    /// What the roles can be used without: what it is, and the statement.
    pub may: Vec<(String, String)>,
    /// What was not taken over, a sentence each.
    pub left_out: Vec<String>,
}

impl KnownRoles {
    /// Reads what `pg_dumpall --globals-only` wrote; what it does not know is passed over.
    pub fn read(sql: &str) -> Self {
        let mut known = Self::default();
        let words = words(sql);
        for statement in words.split(|word| word.is(";")) {
            known.take(statement);
        }
        known
    }

    fn take(&mut self, statement: &[Word]) -> Option<()> {
        let [first, second, rest @ ..] = statement else { return None };
        match rest {
            [name] if first.is("CREATE") && second.is("ROLE") => {
                self.roles.entry(name.name()?.to_owned()).or_default();
            }
            [name, with, attributes @ ..] if first.is("ALTER") && second.is("ROLE") && with.is("WITH") => {
                self.roles.get_mut(name.name()?)?.take(attributes);
            }
            [name, set, parameter, to, value @ ..]
                if first.is("ALTER") && second.is("ROLE") && set.is("SET") && to.is("TO") =>
            {
                let setting = (parameter.name()?.to_owned(), value.iter().map(sql).collect());
                self.roles.get_mut(name.name()?)?.settings.push(setting);
            }
            [role, name, is, Word::Literal(text)]
                if first.is("COMMENT") && second.is("ON") && role.is("ROLE") && is.is("IS") =>
            {
                self.roles.get_mut(name.name()?)?.comment = Some(text.clone());
            }
            _ if first.is("GRANT") => match Membership::read(statement) {
                Some(membership) => membership.join(&mut self.memberships),
                None => self.of_parameters.extend(OfParameter::read(statement)),
            },
            _ => {}
        }
        Some(())
    }

    /// The same roles under other names.
    #[must_use]
    pub fn renamed(self, other: &BTreeMap<String, String>) -> Self {
        let new = |name: String| other.get(&name).cloned().unwrap_or(name);
        let mut memberships = Vec::new();
        for m in self.memberships {
            Membership { role: new(m.role), member: new(m.member), ..m }.join(&mut memberships);
        }
        let of_parameters = self.of_parameters.into_iter();
        Self {
            roles: self.roles.into_iter().map(|(name, role)| (new(name), role)).collect(),
            memberships,
            of_parameters: of_parameters.map(|of| OfParameter { role: new(of.role), ..of }).collect(),
        }
    }

    /// These roles, whoever is a member of them, and whom all those are members of; as far as they are
    /// known.
    fn tied_to(&self, roles: &BTreeSet<String>) -> BTreeSet<String> {
        // Of the system's own roles half the world is a member.
        let own = |name: &&String| !name.starts_with("pg_");
        let mut tied: BTreeSet<String> = roles.iter().filter(own).cloned().collect();
        for down in [true, false] {
            loop {
                let before = tied.len();
                for Membership { role, member, .. } in &self.memberships {
                    let (from, to) = if down { (role, member) } else { (member, role) };
                    if tied.contains(from) {
                        tied.insert(to.clone());
                    }
                }
                if tied.len() == before {
                    break;
                }
            }
        }
        tied.retain(|name| self.roles.contains_key(name));
        tied
    }

    /// What makes those of these roles that the server lacks, and of those they are tied to.
    pub fn making(&self, needed: &BTreeSet<String>, facts: &TargetFacts) -> Making {
        let tied = self.tied_to(needed);
        let missing = |name: &&String| !facts.has_role(name) && !name.starts_with("pg_");
        let mut making = Making::default();
        for name in tied.iter().filter(missing) {
            if let Some(role) = self.roles.get(name) {
                role.make(name, facts, &mut making);
            }
        }
        let made: BTreeSet<String> = making.names.iter().cloned().collect();
        for membership in &self.memberships {
            self.join(membership, &made, facts, &mut making);
        }
        for of in self.of_parameters.iter().filter(|of| made.contains(&of.role)) {
            let (role, what) = (identifier(&of.role), of.what());
            match of.why_not(facts) {
                Some(why) => making.left_out.push(format!("{role} has no {what} here: {why}")),
                None => making.may.push((format!("{what} for {role}"), of.grant())),
            }
        }
        making
    }

    /// Those of these roles that log in, and whose passwords are not known.
    pub fn without_password(&self, names: &[String]) -> Vec<String> {
        let lacks =
            |name: &&String| self.roles.get(*name).is_some_and(|role| role.login && role.password.is_none());
        names.iter().filter(lacks).cloned().collect()
    }

    /// Adds what makes one of these that were made a member of another, or another a member of it.
    fn join(
        &self,
        membership: &Membership,
        made: &BTreeSet<String>,
        facts: &TargetFacts,
        making: &mut Making,
    ) {
        let Membership { role, member, .. } = membership;
        let has_granted_itself = facts.major >= 16 && !facts.rights.superuser && *member == facts.me;
        if !(made.contains(role) || made.contains(member)) || (made.contains(role) && has_granted_itself) {
            return;
        }
        let there = |name: &&String| made.contains(*name) || facts.has_role(name);
        // One that was there before may inherit here, whatever it did on the source.
        let inherits = !(made.contains(member) && self.roles.get(member).is_some_and(|role| role.no_inherit));
        let (me, major) = (identifier(&facts.me), facts.major);
        let why_not = if let Some(lacking) = [role, member].into_iter().find(|name| !there(name)) {
            format!("there is no role {}", identifier(lacking))
        } else if !(made.contains(role) || facts.may_grant(role)) {
            format!("{me} may not grant that")
        } else if major < 16 && !membership.is_plain(inherits) {
            format!("PostgreSQL {major} has no membership WITH INHERIT FALSE or SET FALSE")
        } else {
            let what = format!("the membership of {} in {}", identifier(member), identifier(role));
            making.may.push((what, membership.grant(major)));
            return;
        };
        let (role, member) = (identifier(role), identifier(member));
        making.left_out.push(format!("{member} is no member of {role} here: {why_not}"));
    }
}

impl Making {
    /// Creates these roles as NOLOGIN roles.
    pub fn plain<'a>(names: impl IntoIterator<Item = &'a String>, facts: &TargetFacts) -> Self {
        let mut making = Self::default();
        for name in names {
            making.create(name, "NOLOGIN", facts);
        }
        making
    }

    fn create(&mut self, name: &str, attributes: &str, facts: &TargetFacts) {
        let quoted = identifier(name);
        self.names.push(name.to_owned());
        self.must.push(format!("CREATE ROLE {quoted} WITH {attributes};"));
        if !facts.rights.superuser {
            // Whoever makes a role may not yet give things to it.
            let options = if facts.major >= 16 { " WITH INHERIT TRUE, SET TRUE" } else { "" };
            self.must.push(format!("GRANT {quoted} TO CURRENT_USER{options};"));
        }
    }
}

impl Role {
    fn take(&mut self, attributes: &[Word]) {
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

    /// Adds what makes this role on that server.
    fn make(&self, name: &str, facts: &TargetFacts, making: &mut Making) {
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

/// A word of a setting's value, written anew.
fn sql(word: &Word) -> String {
    match word {
        Word::Literal(text) => literal(text),
        Word::Name(name) => identifier(name),
        Word::Bare(sign) if sign == "," => ", ".into(),
        Word::Bare(word) => literal(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLOBALS: &str = "\\restrict x\nSET client_encoding = 'UTF8';\n\
        CREATE ROLE app;\nALTER ROLE app WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;\n\
        COMMENT ON ROLE app IS 'the app''s; own';\n\
        CREATE ROLE \"Web, 1\";\nALTER ROLE \"Web, 1\" WITH SUPERUSER NOINHERIT NOCREATEROLE CREATEDB LOGIN REPLICATION NOBYPASSRLS \
        CONNECTION LIMIT 5 PASSWORD 'SCRAM-SHA-256$4096:a==$b=:c=' VALID UNTIL '2030-01-01 00:00:00+00';\n\
        CREATE ROLE stranger;\nALTER ROLE stranger WITH LOGIN;\nCREATE ROLE readers;\n\
        -- User Config \"app\"\nALTER ROLE app SET search_path TO 'app', 'public';\n\
        ALTER ROLE app SET \"my.own\" TO E'a\\\\b';\n\
        GRANT app TO \"Web, 1\" WITH INHERIT FALSE GRANTED BY postgres;\n\
        GRANT readers TO \"Web, 1\" WITH ADMIN OPTION, INHERIT TRUE GRANTED BY postgres;\n\
        GRANT pg_monitor TO app GRANTED BY postgres;\nGRANT stranger TO readers_of_old;\n\
        CREATE TABLESPACE fast OWNER postgres LOCATION '/x';\nDROP DATABASE app;";

    fn facts(superuser: bool, major: u32) -> TargetFacts {
        serde_json::from_value(serde_json::json!({
            "me": "me", "major": major,
            "rights": {"superuser": superuser, "createrole": true, "createdb": true, "replication": false, "bypassrls": false},
            "roles": {"me": {"member": true, "admin": false, "superuser": superuser},
                      "pg_monitor": {"member": superuser, "admin": superuser, "superuser": false}},
            "extensions": [], "tablespaces": [],
        }))
        .unwrap()
    }

    fn app_of(superuser: bool, major: u32) -> Making {
        KnownRoles::read(GLOBALS)
            .making(&BTreeSet::from(["app".to_owned(), "unknown".to_owned()]), &facts(superuser, major))
    }

    #[test]
    fn a_superuser_makes_them_as_they_were() {
        let making = app_of(true, 17);
        assert_eq!(making.names, ["Web, 1", "app", "readers"]);
        assert_eq!(
            making.must,
            [
                "CREATE ROLE \"Web, 1\" WITH LOGIN NOINHERIT SUPERUSER CREATEDB REPLICATION CONNECTION LIMIT 5 \
                 PASSWORD 'SCRAM-SHA-256$4096:a==$b=:c=' VALID UNTIL '2030-01-01 00:00:00+00';",
                "CREATE ROLE \"app\" WITH NOLOGIN;",
                "CREATE ROLE \"readers\" WITH NOLOGIN;",
            ]
        );
        let may: Vec<&str> = making.may.iter().map(|(_, statement)| statement.as_str()).collect();
        assert_eq!(
            may,
            [
                "COMMENT ON ROLE \"app\" IS 'the app''s; own';",
                "ALTER ROLE \"app\" SET \"search_path\" TO 'app', 'public';",
                "ALTER ROLE \"app\" SET \"my.own\" TO U&'a!005Cb' UESCAPE '!';",
                "GRANT \"app\" TO \"Web, 1\" WITH INHERIT FALSE, SET TRUE;",
                "GRANT \"readers\" TO \"Web, 1\" WITH ADMIN TRUE, INHERIT TRUE, SET TRUE;",
                "GRANT \"pg_monitor\" TO \"app\" WITH SET TRUE;",
            ]
        );
        assert!(making.left_out.is_empty());
    }

    #[test]
    fn others_make_what_they_may_and_say_the_rest() {
        let making = app_of(false, 17);
        assert!(
            making.must[0].starts_with("CREATE ROLE \"Web, 1\" WITH LOGIN NOINHERIT CREATEDB CONNECTION")
        );
        assert_eq!(making.must[1], "GRANT \"Web, 1\" TO CURRENT_USER WITH INHERIT TRUE, SET TRUE;");
        assert_eq!(
            making.left_out,
            [
                "\"Web, 1\" has no SUPERUSER here: \"me\" may not give it",
                "\"Web, 1\" has no REPLICATION here: \"me\" may not give it",
                "\"app\" is no member of \"pg_monitor\" here: \"me\" may not grant that",
            ]
        );
        assert_eq!(app_of(false, 15).must[1], "GRANT \"Web, 1\" TO CURRENT_USER;");
    }

    #[test]
    fn other_names_are_kept_through_everything() {
        let other = BTreeMap::from([("app".to_owned(), "shop".to_owned())]);
        let known = KnownRoles::read(GLOBALS).renamed(&other);
        let making = known.making(&BTreeSet::from(["shop".to_owned()]), &facts(true, 17));
        assert_eq!(making.names, ["Web, 1", "readers", "shop"]);
        assert!(
            making
                .may
                .iter()
                .any(|(_, sql)| sql == "GRANT \"shop\" TO \"Web, 1\" WITH INHERIT FALSE, SET TRUE;")
        );
        assert!(!format!("{known:?}").contains("SCRAM"));
    }

    #[test]
    fn what_the_server_does_not_know_is_left_out_and_said() {
        let known = KnownRoles::read(
            "CREATE ROLE lead; CREATE ROLE peon; CREATE ROLE me; GRANT lead TO peon WITH INHERIT FALSE, SET FALSE;
             GRANT lead TO me WITH INHERIT FALSE, SET FALSE; GRANT pg_new TO peon WITH INHERIT TRUE;
             GRANT SET ON PARAMETER work_mem TO peon; GRANT SET ON PARAMETER work_mem TO stranger;",
        );
        let made = |superuser, major| {
            let making = known.making(&BTreeSet::from(["peon".to_owned()]), &facts(superuser, major));
            (making.may.into_iter().map(|(_, sql)| sql).collect::<Vec<_>>().join(" "), making.left_out)
        };
        let no_role = "\"peon\" is no member of \"pg_new\" here: there is no role \"pg_new\"";
        let (may, left_out) = made(true, 14);
        assert_eq!(may, "");
        let limits = "here: PostgreSQL 14 has no membership WITH INHERIT FALSE or SET FALSE";
        assert_eq!(
            left_out,
            [
                &format!("\"peon\" is no member of \"lead\" {limits}"),
                &format!("\"me\" is no member of \"lead\" {limits}"),
                no_role,
                "\"peon\" has no SET on parameter \"work_mem\" here: PostgreSQL 14 has no such privileges",
            ]
        );
        let (may, left_out) = made(true, 16);
        assert!(may.ends_with("GRANT SET ON PARAMETER \"work_mem\" TO \"peon\";"), "{may}");
        assert_eq!(left_out, [no_role]);
        // Who makes a role needs what it granted itself with it.
        let (may, left_out) = made(false, 16);
        assert_eq!(may, "GRANT \"lead\" TO \"peon\" WITH INHERIT FALSE, SET FALSE;");
        assert_eq!(left_out[1], "\"peon\" has no SET on parameter \"work_mem\" here: \"me\" may not give it");
    }

    #[test]
    fn what_is_there_is_left_alone_and_what_is_not_tied_stays_away() {
        let known = KnownRoles::read(GLOBALS);
        let of =
            |needed: &str, facts: &TargetFacts| known.making(&BTreeSet::from([needed.to_owned()]), facts);
        // Half the world is a member of the system's own roles.
        assert_eq!(of("pg_monitor", &facts(true, 17)), Making::default());
        let mut there = facts(true, 17);
        there.add_role("app");
        assert_eq!(of("readers", &there).names, ["Web, 1", "readers"]);
        assert_eq!(of("stranger", &there).names, ["stranger"]);
    }

    #[test]
    fn plain_ones_are_made_for_nobody_to_log_in_as() {
        let names = ["a\"b".to_owned()];
        assert_eq!(Making::plain(&names, &facts(true, 17)).must, ["CREATE ROLE \"a\"\"b\" WITH NOLOGIN;"]);
        assert_eq!(Making::plain(&names, &facts(false, 17)).must.len(), 2);
    }
}
