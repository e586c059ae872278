//! Patterns for tables and schemas, as `pg_dump` takes them: what they match, and how the server spells them.
//!
//! `pg_dump` says nothing of a pattern that excludes nothing. It also sends what was typed, which is UTF-8, as if
//! it were in the encoding that it speaks: the database's own, unless something says otherwise.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::postgres::failure::Situation;
use crate::postgres::sql::literal;
use crate::postgres::tools::Psql;

/// What a pattern is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternOf {
    /// Tables, views, sequences.
    Table,
    /// Schemas.
    Schema,
}

/// A pattern, as this server understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPattern {
    /// Whether there is something that it matches.
    pub matches: bool,
    /// Its bytes in the encoding that `pg_dump` speaks; `None` if the database's own cannot hold it.
    pub bytes: Option<OsString>,
}

/// SQL for the encoding that `pg_dump` speaks if nobody tells it to speak another: what its sessions begin with. Ours
/// begin with the same.
pub const SPOKEN: &str = "(SELECT reset_val::pg_catalog.name FROM pg_catalog.pg_settings \
     WHERE name OPERATOR(pg_catalog.=) 'client_encoding')";

/// Asks what patterns match; the answers are in their order. `encoding` is what `pg_dump` is asked to speak.
///
/// One that the database's encoding cannot hold matches nothing there.
pub async fn look_up(
    psql: &Psql,
    patterns: &[(PatternOf, &str)],
    encoding: Option<&str>,
) -> Result<Vec<ServerPattern>> {
    match ask(psql, patterns, encoding).await {
        Err(error) if is_too_much_for_an_encoding(&error) => {}
        answered => return answered,
    }
    let mut found = Vec::new();
    for pattern in patterns {
        match psql.execute(&format!("SELECT {};", literal(pattern.1))).await {
            Ok(()) => found.extend(ask(psql, &[*pattern], encoding).await?),
            Err(error) if is_too_much_for_an_encoding(&error) => {
                found.push(ServerPattern { matches: false, bytes: None });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn is_too_much_for_an_encoding(error: &Error) -> bool {
    error.situation() == Some(Situation::EncodingCannotHold)
}

async fn ask(
    psql: &Psql,
    patterns: &[(PatternOf, &str)],
    encoding: Option<&str>,
) -> Result<Vec<ServerPattern>> {
    #[derive(Deserialize)]
    struct Answer {
        matches: bool,
        hex: String,
    }
    let encoding = encoding.map_or_else(|| SPOKEN.to_owned(), literal);
    let one = |(of, pattern): &(PatternOf, &str)| {
        format!(
            "pg_catalog.json_build_object('matches', EXISTS ({}), 'hex', \
             pg_catalog.encode(pg_catalog.convert_to({}, {encoding}), 'hex'))",
            matching(*of, pattern),
            literal(pattern)
        )
    };
    let all: Vec<String> = patterns.iter().map(one).collect();
    // pg_dump looks for a name without a schema along the search path that the role has in this database. Others
    // may have put functions and operators there, so all are named with their schema.
    // Not as arguments of a function, which has at most 100.
    let question = format!(
        "RESET search_path; SELECT pg_catalog.to_json(ARRAY[{}]::pg_catalog.json[]);",
        all.join(", ")
    );
    let answers: Vec<Answer> = psql.query(&question).await?;
    let read = |answer: Answer| {
        let bytes = hex::decode(&answer.hex)
            .map_err(|e| Error::postgres("psql's answer cannot be read: it is not hexadecimal").because(e))?;
        Ok(ServerPattern { matches: answer.matches, bytes: Some(OsString::from_vec(bytes)) })
    };
    answers.into_iter().map(read).collect()
}

/// The query that finds what a pattern matches.
fn matching(of: PatternOf, pattern: &str) -> String {
    let is = |column: &str, regex: &str| {
        format!("{column} OPERATOR(pg_catalog.~) {} COLLATE pg_catalog.default", literal(regex))
    };
    let mut parts = regexes(pattern);
    let name = parts.pop().unwrap_or_default();
    match (of, parts.pop()) {
        (PatternOf::Schema, _) => {
            format!("SELECT FROM pg_catalog.pg_namespace AS n WHERE {}", is("n.nspname", &name))
        }
        (PatternOf::Table, schema) => format!(
            "SELECT FROM pg_catalog.pg_class AS c \
             JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
             WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{{r,S,v,m,f,p}}'::pg_catalog.\"char\"[]) AND {} AND {}",
            is("c.relname", &name),
            schema.map_or("pg_catalog.pg_table_is_visible(c.oid)".to_owned(), |schema| is(
                "n.nspname",
                &schema
            ))
        ),
    }
}

/// The regular expressions of a pattern's parts (database, schema, name), by psql's rules.
fn regexes(pattern: &str) -> Vec<String> {
    let (mut parts, mut quoted) = (vec![String::new()], false);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '"' && !(quoted && chars.next_if_eq(&'"').is_some()) {
            quoted = !quoted;
            continue;
        }
        if c == '.' && !quoted {
            parts.push(String::new());
            continue;
        }
        let Some(part) = parts.last_mut() else { continue };
        match c {
            '*' if !quoted => part.push_str(".*"),
            '?' if !quoted => part.push('.'),
            // A dollar would end the name; brackets stand for an array type.
            '$' => part.push_str("\\$"),
            '[' if quoted || chars.peek() == Some(&']') => part.push_str("\\["),
            _ if quoted && "|*+?()]{}.^\\".contains(c) => part.extend(['\\', c]),
            _ if quoted => part.push(c),
            _ => part.push(c.to_ascii_lowercase()),
        }
    }
    parts.into_iter().map(|part| format!("^({part})$")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_read_as_psql_reads_it() {
        for (pattern, expected) in [
            ("Orders", &["^(orders)$"][..]),
            ("\"Orders\"", &["^(Orders)$"]),
            ("app.*", &["^(app)$", "^(.*)$"]),
            ("db.app.o?d", &["^(db)$", "^(app)$", "^(o.d)$"]),
            ("\"a.b\".\"c\"\"d*\"", &["^(a\\.b)$", "^(c\"d\\*)$"]),
            ("a$b", &["^(a\\$b)$"]),
            ("(a|b)[0-9]", &["^((a|b)[0-9])$"]),
            ("Größe", &["^(größe)$"]),
        ] {
            assert_eq!(regexes(pattern), expected, "{pattern}");
        }
    }
}
