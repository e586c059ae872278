//! Which name a database has while it is filled, and what earlier runs left under such names.

use super::rename::{LONGEST_NAME, RESTORING, is_stamp};
use crate::error::Result;
use crate::postgres::sql::{identifier, literal};
use crate::postgres::tools::Psql;

/// Under which name a database is filled that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// Under its own: nobody uses it before more is done than the restore.
    AtOnce,
    /// Under another one, which has this moment in it (`20261121_054500`), until it is proven.
    WhenProven(String),
}

/// The name of a database while it is restored: its own, shortened if that is too long, and the moment.
pub fn name_while_restoring(name: &str, moment: &str) -> String {
    name_with(name, RESTORING, moment)
}

/// After the name of a database in which something is missing.
pub const INCOMPLETE: &str = "_incomplete";

/// A name, shortened if that is too long, and what is added to it.
pub fn name_with(name: &str, what: &str, moment: &str) -> String {
    let mut end = name.len().min(LONGEST_NAME.saturating_sub(what.len() + moment.len()));
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{what}{moment}", name.get(..end).unwrap_or_default())
}

/// Says which databases earlier runs left that were ended before they were proven.
pub async fn report_unfinished(maintenance: &Psql, name: &str) -> Result<()> {
    let start = name_while_restoring(name, "00000000_000000");
    let start = start.strip_suffix("00000000_000000").unwrap_or(&start);
    let question = format!(
        "SELECT coalesce(json_agg(datname ORDER BY datname), '[]') FROM pg_database WHERE left(datname, {}) = {};",
        start.chars().count(),
        literal(start)
    );
    let found: Vec<String> = maintenance.query(&question).await?;
    for left in found.iter().filter(|found| found.strip_prefix(start).is_some_and(is_stamp)) {
        let left = identifier(left);
        tracing::warn!("{left} is left from a run that was killed: DROP DATABASE {left};");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_shortened_between_two_letters() {
        let moment = "20261121_054500";
        assert_eq!(name_while_restoring("app", moment), "app_restoring_20261121_054500");
        let name = name_while_restoring(&"ü".repeat(31), moment);
        assert!(name.len() <= LONGEST_NAME && name.starts_with("üü") && name.ends_with(moment), "{name}");
    }
}
