//! The statements that make roles on a server; they are gathered here and run elsewhere.

use crate::postgres::server::TargetFacts;
use crate::postgres::sql::identifier;

/// What makes roles on a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Making {
    /// Those that are made, in their order.
    pub names: Vec<String>,
    /// Statements that must hold together.
    pub must: Vec<String>,
    /// What the roles can be used without: what it is, and the statement.
    pub may: Vec<(String, String)>,
    /// What is not as it was on the source, a sentence each.
    pub left_out: Vec<String>,
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

    /// Adds what creates a role with these attributes.
    pub(super) fn create(&mut self, name: &str, attributes: &str, facts: &TargetFacts) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_ones_are_made_for_nobody_to_log_in_as() {
        let names = ["a\"b".to_owned()];
        let made = |superuser: bool| {
            let facts = serde_json::json!({
                "me": "me", "major": 17, "roles": {}, "extensions": [], "tablespaces": [],
                "rights": {"superuser": superuser, "createrole": true, "createdb": true, "replication": false, "bypassrls": false},
            });
            Making::plain(&names, &serde_json::from_value(facts).unwrap()).must
        };
        assert_eq!(made(true), ["CREATE ROLE \"a\"\"b\" WITH NOLOGIN;"]);
        assert_eq!(made(false).len(), 2);
    }
}
