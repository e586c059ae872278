//! Roles as `pg_dumpall` writes them, and the statements that make some of them on another server.
//!
//! Only what is understood is taken over, and written anew: nothing of the text itself is ever run.
//! What the restoring role may not give (SUPERUSER, mostly) is left out and reported.

use std::collections::{BTreeMap, BTreeSet};

use super::granted::{Membership, OfParameter};
use super::making::Making;
use super::role::Role;
use crate::postgres::server::TargetFacts;
use crate::postgres::sql::words::{Word, words};
use crate::postgres::sql::{identifier, literal};

/// The roles of a server, and their memberships.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownRoles {
    roles: BTreeMap<String, Role>,
    memberships: Vec<Membership>,
    of_parameters: Vec<OfParameter>,
    /// The server's major, if that is known.
    major: Option<u32>,
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

    /// The same, of a server of this major.
    #[must_use]
    pub fn of(self, major: Option<u32>) -> Self {
        Self { major, ..self }
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
            [f, provider, on, role, name, is, Word::Literal(text)]
                if first.is("SECURITY")
                    && second.is("LABEL")
                    && f.is("FOR")
                    && on.is("ON")
                    && role.is("ROLE")
                    && is.is("IS") =>
            {
                let label = (provider.name()?.to_owned(), text.clone());
                self.roles.get_mut(name.name()?)?.labels.push(label);
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

    /// The same roles under other names. What owns and is granted moves with a name, and a role that has the new one already
    /// stays as it is: it does not become a superuser, nor get another's password.
    #[must_use]
    pub fn renamed(self, other: &BTreeMap<String, String>) -> Self {
        let new = |name: String| other.get(&name).cloned().unwrap_or(name);
        let stays = |name: &String| !other.contains_key(name) && self.roles.contains_key(name);
        let joins = |name: &String| other.get(name).is_some_and(stays);
        let mut memberships = Vec::new();
        // What the other one was given, a role that stays does not get.
        for m in self.memberships.into_iter().filter(|m| !joins(&m.member)) {
            let (role, member) = (new(m.role), new(m.member));
            // Two that have become one are no members of each other.
            if role != member {
                Membership { role, member, ..m }.join(&mut memberships);
            }
        }
        let of_parameters = self.of_parameters.into_iter().filter(|of| !joins(&of.role));
        let of_parameters: Vec<OfParameter> =
            of_parameters.map(|of| OfParameter { role: new(of.role), ..of }).collect();
        let (moved, stays): (Vec<_>, Vec<_>) =
            self.roles.into_iter().partition(|(name, _)| other.contains_key(name));
        let mut roles: BTreeMap<String, Role> = stays.into_iter().collect();
        for (name, role) in moved {
            roles.entry(new(name)).or_insert(role);
        }
        Self { roles, memberships, of_parameters, major: self.major }
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
                if role.makes_more_here(self.major, facts) {
                    let what =
                        "it may make itself a member of all roles but superusers, which it may not since 16";
                    making
                        .left_out
                        .push(format!("{} has more with CREATEROLE here: {what}", identifier(name)));
                }
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
        let lacks = |name: &&String| self.roles.get(*name).is_some_and(Role::lacks_password);
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
        let no_inherit = self.roles.get(member).is_some_and(|role| role.no_inherit);
        // One that was there before does here what it does here, whatever it did on the source.
        let inherits = if made.contains(member) { !no_inherit } else { facts.inherits(member) };
        let limited = membership.of_member(no_inherit);
        let (me, major) = (identifier(&facts.me), facts.major);
        let why_not = if let Some(lacking) = [role, member].into_iter().find(|name| !there(name)) {
            format!("there is no role {}", identifier(lacking))
        } else if !(made.contains(role) || facts.may_grant(role)) {
            format!("{me} may not grant that")
        } else if major < 16 && !limited.is_plain(inherits) {
            format!("PostgreSQL {major} has no membership WITH INHERIT FALSE or SET FALSE")
        } else {
            let what = format!("the membership of {} in {}", identifier(member), identifier(role));
            making.may.push((what, limited.grant(major)));
            return;
        };
        let (role, member) = (identifier(role), identifier(member));
        making.left_out.push(format!("{member} is no member of {role} here: {why_not}"));
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
            "roles": {"me": {"member": true, "admin": false, "superuser": superuser, "inherits": true},
                      "pg_monitor": {"member": superuser, "admin": superuser, "superuser": false, "inherits": true}},
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
        // One that takes the place of a role that it is a member of is no member of itself.
        let other = BTreeMap::from([("readers".to_owned(), "Web, 1".to_owned())]);
        let making = KnownRoles::read(GLOBALS)
            .renamed(&other)
            .making(&BTreeSet::from(["app".to_owned()]), &facts(true, 17));
        let itself = making.may.iter().find(|(_, sql)| sql.starts_with("GRANT \"Web, 1\" TO"));
        assert_eq!(itself, None);
    }

    /// Ownership moves with a name; a role that is there already does not become a superuser with it.
    #[test]
    fn a_role_that_takes_another_s_place_stays_as_it_was() {
        let sql = "CREATE ROLE app; ALTER ROLE app WITH LOGIN PASSWORD 'own';
                   CREATE ROLE zed; ALTER ROLE zed WITH SUPERUSER LOGIN PASSWORD 'another';
                   SECURITY LABEL FOR anon ON ROLE app IS 'MASKED';";
        for old in ["zed", "Zed"] {
            let other = BTreeMap::from([(old.to_owned(), "app".to_owned())]);
            let made = KnownRoles::read(sql)
                .renamed(&other)
                .making(&BTreeSet::from(["app".to_owned()]), &facts(true, 17));
            let text = made.must.join(" ");
            assert!(text.contains("'own'") && !text.contains("SUPERUSER"), "{old}: {text}");
            assert!(
                made.may.iter().any(|(_, sql)| sql.contains("FOR \"anon\" ON ROLE \"app\" IS 'MASKED'")),
                "{made:?}"
            );
        }
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
    fn a_member_that_inherited_nothing_inherits_nothing() {
        let known = KnownRoles::read(
            "CREATE ROLE lead; CREATE ROLE me; ALTER ROLE me WITH NOINHERIT; CREATE ROLE new; ALTER ROLE new WITH NOINHERIT;
             GRANT lead TO me; GRANT lead TO new WITH ADMIN OPTION;",
        );
        let made = |major| {
            let making = known.making(&BTreeSet::from(["lead".to_owned()]), &facts(true, major));
            (making.may.into_iter().map(|(_, sql)| sql).collect::<Vec<_>>().join(" "), making.left_out)
        };
        let (may, left_out) = made(16);
        assert_eq!(
            may,
            "GRANT \"lead\" TO \"me\" WITH INHERIT FALSE, SET TRUE; GRANT \"lead\" TO \"new\" WITH ADMIN TRUE, INHERIT FALSE, SET TRUE;"
        );
        assert!(left_out.is_empty(), "{left_out:?}");
        // Here the role that is there inherits from all, and the one that is made from none.
        let (may, left_out) = made(15);
        assert_eq!(may, "GRANT \"lead\" TO \"new\" WITH ADMIN OPTION;");
        assert!(
            left_out.len() == 1 && left_out[0].starts_with("\"me\" is no member of \"lead\" here"),
            "{left_out:?}"
        );
    }

    #[test]
    fn making_roles_means_more_on_an_older_server() {
        let known = KnownRoles::read(
            "CREATE ROLE mgr; ALTER ROLE mgr WITH CREATEROLE; CREATE ROLE root; ALTER ROLE root WITH SUPERUSER CREATEROLE;",
        );
        for (source, target, said) in [(16, 15, 1), (15, 14, 0), (17, 16, 0)] {
            let roles = BTreeSet::from(["mgr".to_owned(), "root".to_owned()]);
            let making = known.clone().of(Some(source)).making(&roles, &facts(true, target));
            assert_eq!(making.left_out.len(), said, "{source} {target}: {:?}", making.left_out);
        }
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
}
