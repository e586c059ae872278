//! Which name a database has while it is filled, and what earlier runs left under such names.

use std::time::Duration;

use super::rename::{LONGEST_NAME, RESTORING, is_stamp};
use crate::error::Result;
use crate::postgres::sql::{identifier, literal};
use crate::postgres::tools::Psql;

/// A moment in a name is exact to this.
const SECOND: Duration = Duration::from_secs(1);

/// Under which name a database is filled that does not exist yet.
#[derive(Debug, Clone, Copy)]
pub enum Naming {
    /// Under its own: nobody uses it before more is done than the restore.
    AtOnce,
    /// Under another one, which has the moment in it that this tells (`20261121_054500`), until it is proven.
    WhenProven(fn() -> String),
}

/// The name of a database while it is restored: its own, shortened if that is too long, and the moment.
pub fn name_while_restoring(name: &str, moment: &str) -> String {
    name_with(name, RESTORING, moment)
}

/// Whether this is the name of a database that a restore fills, or was killed in.
pub fn is_unfinished(name: &str) -> bool {
    name.rsplit_once(RESTORING).is_some_and(|(_, moment)| is_stamp(moment))
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

/// Chooses a name that no database has: a run that was killed in this very second may have left one.
pub async fn free_name(maintenance: &Psql, name: &str, moment: fn() -> String) -> Result<String> {
    loop {
        let called = name_while_restoring(name, &moment());
        let question = format!(
            "SELECT json_build_array(EXISTS (SELECT FROM pg_database WHERE datname = {}));",
            literal(&called)
        );
        let [taken]: [bool; 1] = maintenance.query(&question).await?;
        if !taken {
            return Ok(called);
        }
        tokio::time::sleep(SECOND).await;
    }
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
