//! Which databases a server has.

use crate::error::Result;

use crate::postgres::sql::literal;
use crate::postgres::tools::Psql;

/// The names of all databases that can be connected to, templates left out, sorted; `exclude` holds
/// patterns in which `*` and `?` match anything.
pub async fn databases(psql: &Psql, exclude: &[String]) -> Result<Vec<String>> {
    let patterns: Vec<String> = exclude.iter().map(|pattern| literal(&like(pattern))).collect();
    let query = format!(
        "SELECT coalesce(json_agg(datname ORDER BY datname), '[]') FROM pg_database
         WHERE datallowconn AND NOT datistemplate AND NOT datname LIKE ANY (ARRAY[{}]::text[]);",
        patterns.join(", ")
    );
    psql.query(&query).await
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
