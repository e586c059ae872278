//! Which databases a server has.

use serde::Deserialize;

use crate::error::Result;

use super::managed::THEIR_DATABASES;
use crate::postgres::change::is_unfinished;
use crate::postgres::sql::literal;
use crate::postgres::tools::Psql;

/// The databases of a server; each list is sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Databases {
    /// Those that can be connected to.
    pub open: Vec<String>,
    /// Those that a pattern excludes.
    pub excluded: Vec<String>,
    /// Templates but for the server's own.
    pub templates: Vec<String>,
    /// Those that a service keeps for itself, by their names and owners.
    pub of_service: Vec<String>,
    /// Those of ALLOW_CONNECTIONS false.
    pub closed: Vec<String>,
    /// Those that an interrupted DROP DATABASE has left: they can only be dropped.
    pub invalid: Vec<String>,
    /// Those that a restore of ours fills, or was killed in, by their names.
    #[serde(skip)]
    pub unfinished: Vec<String>,
}

/// The lists that the server is asked for; each database is in one.
const LISTS: [&str; 6] = ["open", "excluded", "templates", "of_service", "closed", "invalid"];

/// Asks for all databases, except those that a pattern excludes; in patterns `*` and `?` stand for anything.
pub async fn databases(psql: &Psql, exclude: &[String]) -> Result<Databases> {
    let patterns: Vec<String> = exclude.iter().map(|pattern| literal(&like(pattern))).collect();
    let theirs: Vec<String> = THEIR_DATABASES.iter().copied().map(literal).collect();
    let names = |list: &str| {
        format!(
            "'{list}', (SELECT coalesce(json_agg(datname ORDER BY datname), '[]') FROM found WHERE list = '{list}')"
        )
    };
    let query = format!(
        "WITH found AS (
           SELECT datname, CASE WHEN datname LIKE ANY (ARRAY[{}]::text[]) THEN 'excluded'
               WHEN datname IN ({}) AND NOT pg_has_role(datdba, 'MEMBER') THEN 'of_service'
               WHEN datconnlimit = -2 THEN 'invalid' WHEN datistemplate THEN 'templates'
               WHEN NOT datallowconn THEN 'closed' ELSE 'open' END AS list
             FROM pg_database WHERE datname NOT IN ('template0', 'template1'))
         SELECT json_build_object({});",
        patterns.join(", "),
        theirs.join(", "),
        LISTS.map(names).join(", "),
    );
    let mut found: Databases = psql.query(&query).await?;
    (found.unfinished, found.open) =
        std::mem::take(&mut found.open).into_iter().partition(|name| is_unfinished(name));
    Ok(found)
}

/// The pattern as LIKE has it.
fn like(pattern: &str) -> String {
    let letter = |letter| match letter {
        '*' => "%".to_owned(),
        '?' => "_".to_owned(),
        '%' | '_' | '\\' => format!("\\{letter}"),
        other => other.to_string(),
    };
    pattern.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stars_and_question_marks_stand_for_anything() {
        assert_eq!(like("test_*"), "test\\_%");
        assert_eq!(like("a?%\\"), "a_\\%\\\\");
    }
}
