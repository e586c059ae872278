//! Which databases a server has.

use serde::Deserialize;

use crate::error::Result;

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
    /// Those of ALLOW_CONNECTIONS false.
    pub closed: Vec<String>,
    /// Those that an interrupted DROP DATABASE has left: they can only be dropped.
    pub invalid: Vec<String>,
    /// Those that a restore of ours fills, or was killed in, by their names.
    #[serde(skip)]
    pub unfinished: Vec<String>,
}

/// Asks for all databases, except those that a pattern excludes; in patterns `*` and `?` stand for anything.
pub async fn databases(psql: &Psql, exclude: &[String]) -> Result<Databases> {
    let patterns: Vec<String> = exclude.iter().map(|pattern| literal(&like(pattern))).collect();
    let names = |which: &str| {
        format!("(SELECT coalesce(json_agg(datname ORDER BY datname), '[]') FROM found WHERE {which})")
    };
    let query = format!(
        "WITH found AS (SELECT *, datname LIKE ANY (ARRAY[{}]::text[]) AS excluded FROM pg_database
           WHERE datname NOT IN ('template0', 'template1'))
         SELECT json_build_object('open', {}, 'excluded', {}, 'templates', {}, 'closed', {}, 'invalid', {});",
        patterns.join(", "),
        names("NOT excluded AND NOT datistemplate AND datallowconn AND datconnlimit <> -2"),
        names("excluded"),
        names("NOT excluded AND datistemplate AND datconnlimit <> -2"),
        names("NOT excluded AND NOT datistemplate AND NOT datallowconn AND datconnlimit <> -2"),
        names("NOT excluded AND datconnlimit = -2"),
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
