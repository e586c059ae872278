//! What roles are granted on a whole server, as `pg_dumpall` writes it: memberships in others, and parameters.

use crate::postgres::server::TargetFacts;
use crate::postgres::sql::identifier;
use crate::postgres::sql::words::Word;

/// What `GRANT role TO member` said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) role: String,
    pub(super) member: String,
    pub(super) admin: bool,
    /// Since 16; before, it is the member that inherits or not, from all its roles alike.
    pub(super) inherit: Option<bool>,
    /// Since 16; before, every member has it.
    pub(super) set: bool,
}

/// What `GRANT SET ON PARAMETER parameter TO role` said, which is known since 15.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OfParameter {
    pub(super) role: String,
    pub(super) parameter: String,
    pub(super) privileges: String,
    /// Whether the role may pass it on.
    pub(super) option: bool,
}

impl Membership {
    pub(super) fn read(statement: &[Word]) -> Option<Self> {
        let [grant, role, to, member, options @ ..] = statement else { return None };
        if !(grant.is("GRANT") && to.is("TO")) {
            return None;
        }
        let option = |keyword: &str| {
            let at = options.iter().position(|word| word.is(keyword))?;
            options.get(at + 1).map(|value| !value.is("FALSE"))
        };
        Some(Self {
            role: role.name()?.to_owned(),
            member: member.name()?.to_owned(),
            admin: option("ADMIN").unwrap_or_default(),
            inherit: option("INHERIT"),
            set: option("SET").unwrap_or(true),
        })
    }

    /// Adds it to these. Since 16 several roles may grant the same membership, and it allows whatever one of them
    /// allows; all are restored by one role, so that each would replace the one before.
    pub(super) fn join(self, all: &mut Vec<Self>) {
        match all.iter_mut().find(|other| (&other.role, &other.member) == (&self.role, &self.member)) {
            Some(other) => {
                other.admin |= self.admin;
                other.inherit = other.inherit.max(self.inherit);
                other.set |= self.set;
            }
            None => all.push(self),
        }
    }

    /// The same, with what its member did before 16 as its own.
    pub(super) fn of_member(&self, no_inherit: bool) -> Self {
        Self { inherit: self.inherit.or(no_inherit.then_some(false)), ..self.clone() }
    }

    /// Whether servers before 16 can keep its limits, if its member inherits or not.
    pub(super) fn is_plain(&self, inherits: bool) -> bool {
        self.set && (self.inherit != Some(false) || !inherits)
    }

    pub(super) fn grant(&self, major: u32) -> String {
        let mut options = Vec::new();
        if self.admin {
            options.push(if major >= 16 { "ADMIN TRUE" } else { "ADMIN OPTION" });
        }
        if major >= 16 {
            match self.inherit {
                Some(true) => options.push("INHERIT TRUE"),
                Some(false) => options.push("INHERIT FALSE"),
                None => {}
            }
            options.push(if self.set { "SET TRUE" } else { "SET FALSE" });
        }
        let with = if options.is_empty() { String::new() } else { format!(" WITH {}", options.join(", ")) };
        format!("GRANT {} TO {}{with};", identifier(&self.role), identifier(&self.member))
    }
}

impl OfParameter {
    pub(super) fn read(statement: &[Word]) -> Option<Self> {
        let on = statement.windows(2).position(|two| two[0].is("ON") && two[1].is("PARAMETER"))?;
        let (privileges, [_, _, parameter, to, role, option @ ..]) = statement.split_at_checked(on)? else {
            return None;
        };
        if !(statement.first()?.is("GRANT") && to.is("TO")) {
            return None;
        }
        let has = |keyword: &str| privileges.iter().any(|word| word.is(keyword) || word.is("ALL"));
        let privileges = [("SET", "SET"), ("SYSTEM", "ALTER SYSTEM")];
        let privileges = privileges.into_iter().filter(|(keyword, _)| has(keyword));
        Some(Self {
            role: role.name()?.to_owned(),
            parameter: parameter.name()?.to_owned(),
            privileges: privileges.map(|(_, privilege)| privilege).collect::<Vec<_>>().join(", "),
            option: option.iter().any(|word| word.is("OPTION")),
        })
    }

    /// What it is, for messages.
    pub(super) fn what(&self) -> String {
        format!("{} on parameter {}", self.privileges, identifier(&self.parameter))
    }

    /// Why it cannot be granted on that server.
    pub(super) fn why_not(&self, facts: &TargetFacts) -> Option<String> {
        match facts.major {
            ..15 => Some(format!("PostgreSQL {} has no such privileges", facts.major)),
            _ if facts.rights.superuser => None,
            _ => Some(format!("{} may not give it", identifier(&facts.me))),
        }
    }

    pub(super) fn grant(&self) -> String {
        let Self { role, parameter, privileges, option } = self;
        let with = if *option { " WITH GRANT OPTION" } else { "" };
        format!("GRANT {privileges} ON PARAMETER {} TO {}{with};", identifier(parameter), identifier(role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::sql::words::words;

    /// The one membership that these grants are.
    fn joined(grants: &[&str]) -> Membership {
        let mut all = Vec::new();
        grants.iter().for_each(|grant| Membership::read(&words(grant)).unwrap().join(&mut all));
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn a_membership_is_what_all_its_grants_allow() {
        for (grants, since_16, before) in [
            (&["GRANT a TO b"][..], "SET TRUE", ""),
            (
                &["GRANT a TO b WITH ADMIN OPTION GRANTED BY set"],
                "ADMIN TRUE, SET TRUE",
                " WITH ADMIN OPTION",
            ),
            (
                &[
                    "GRANT a TO b WITH ADMIN OPTION, INHERIT FALSE, SET FALSE GRANTED BY postgres",
                    "GRANT a TO b WITH INHERIT TRUE GRANTED BY b",
                ],
                "ADMIN TRUE, INHERIT TRUE, SET TRUE",
                " WITH ADMIN OPTION",
            ),
            (
                &["GRANT a TO b WITH INHERIT TRUE, SET FALSE", "GRANT a TO b WITH INHERIT FALSE, SET FALSE"],
                "INHERIT TRUE, SET FALSE",
                "",
            ),
        ] {
            let membership = joined(grants);
            assert_eq!(membership.grant(16), format!("GRANT \"a\" TO \"b\" WITH {since_16};"));
            assert_eq!(membership.grant(15), format!("GRANT \"a\" TO \"b\"{before};"));
        }
    }

    #[test]
    fn older_servers_limit_no_membership() {
        for (grant, inheriting, otherwise) in [
            ("GRANT a TO b", true, true),
            ("GRANT a TO b WITH INHERIT TRUE", true, true),
            ("GRANT a TO b WITH INHERIT FALSE", false, true),
            ("GRANT a TO b WITH INHERIT TRUE, SET FALSE", false, false),
        ] {
            let membership = joined(&[grant]);
            assert_eq!(
                (membership.is_plain(true), membership.is_plain(false)),
                (inheriting, otherwise),
                "{grant}"
            );
        }
    }

    #[test]
    fn privileges_on_parameters_are_written_anew() {
        for (read, written) in [
            ("GRANT SET ON PARAMETER work_mem TO a", "GRANT SET ON PARAMETER \"work_mem\" TO \"a\";"),
            (
                "GRANT ALL ON PARAMETER \"my.own\" TO \"A b\" WITH GRANT OPTION",
                "GRANT SET, ALTER SYSTEM ON PARAMETER \"my.own\" TO \"A b\" WITH GRANT OPTION;",
            ),
            ("GRANT ALTER SYSTEM ON PARAMETER x TO a", "GRANT ALTER SYSTEM ON PARAMETER \"x\" TO \"a\";"),
        ] {
            assert_eq!(OfParameter::read(&words(read)).unwrap().grant(), written);
        }
        for other in ["REVOKE ALL ON PARAMETER x FROM a", "GRANT a TO b", "GRANT ON PARAMETER"] {
            assert_eq!(OfParameter::read(&words(other)), None, "{other}");
        }
    }
}
