//! Which name a database has while it is filled, and what earlier runs left under such names.

use std::time::{Duration, SystemTime};

use super::rename::{RESTORING, is_stamp};
use crate::error::Result;
use crate::postgres::sql::{LONGEST_NAME, identifier, literal};
use crate::postgres::tools::Psql;
use crate::units::stamp;

/// A moment in a name is exact to this.
pub const SECOND: Duration = Duration::from_secs(1);

/// Under which name a database is filled that does not exist yet.
#[derive(Debug, Clone)]
pub enum Naming {
    /// Under its own: nobody uses it before more is done than the restore.
    AtOnce,
    /// The same, and then it gets the name of a database that exists, with all that belongs to that name.
    ForSwap {
        /// The role that it belongs to from the beginning: the owner of the database that exists, unless somebody chose
        /// another one.
        owner: Option<String>,
    },
    /// Under another one, which has the moment in it (`20261121_054500`), until it is dropped.
    ForTrial,
    /// Under another one, which has the moment in it (`20261121_054500`), until it is proven.
    WhenProven,
}

/// Whether this is the name of a database that a restore fills, or was killed in.
pub fn is_unfinished(name: &str) -> bool {
    name.rsplit_once(RESTORING).is_some_and(|(_, moment)| is_stamp(moment))
}

/// The beginning of the name of a database that a trial restore makes on a server of the user's.
pub const TRIAL: &str = "pgstow_verify_";
/// After the name of a database in which something is missing.
pub const INCOMPLETE: &str = "_incomplete";

/// Warns of the name of a database in which something is missing.
pub fn warn_of_incomplete(name: &str) {
    if is_incomplete(name) {
        tracing::warn!("by its name, {} is of a restore in which something is missing", identifier(name));
    }
}

fn is_incomplete(name: &str) -> bool {
    let name = match name.rsplit_once('_').and_then(|(start, _)| start.rsplit_once('_')) {
        Some((start, _)) if name.get(start.len() + 1..).is_some_and(is_stamp) => start,
        _ => name,
    };
    name.ends_with(INCOMPLETE)
}

/// A name, shortened if that is too long, and what is added to it.
pub fn name_with(name: &str, what: &str, moment: &str) -> String {
    let mut end = name.len().min(LONGEST_NAME.saturating_sub(what.len() + moment.len()));
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{what}{moment}", name.get(..end).unwrap_or_default())
}

/// The moment as names have it.
pub fn moment() -> String {
    stamp(SystemTime::now(), '_')
}

/// Chooses a name that no database has: another run may have given one in this very second.
pub async fn free_name(maintenance: &Psql, name: &str, what: &str) -> Result<String> {
    loop {
        let called = name_with(name, what, &moment());
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

/// Says which databases earlier runs left that were ended before they were proven; no other run is using one.
pub async fn report_unfinished(maintenance: &Psql, name: &str) -> Result<()> {
    let start = name_with(name, RESTORING, "00000000_000000");
    let start = start.strip_suffix("00000000_000000").unwrap_or(&start);
    // Of a name that was shortened nobody knows whose it is, and another run may be at it.
    let whose = match start.strip_suffix(RESTORING) == Some(name) {
        true => "is left from a run that was killed:",
        false => {
            "is left from a run that was killed, or belongs to a run into a database whose name begins alike: if none is running,"
        }
    };
    let found = beginning_with(maintenance, start).await?;
    for left in found.iter().filter(|found| found.strip_prefix(start).is_some_and(is_stamp)) {
        let left = identifier(left);
        tracing::warn!("{left} {whose} DROP DATABASE {left};");
    }
    Ok(())
}

/// Says which databases of other trial restores there are; several may run at the same time.
pub async fn report_trials(maintenance: &Psql) -> Result<()> {
    for left in beginning_with(maintenance, TRIAL).await?.iter().filter(|found| is_unfinished(found)) {
        let left = identifier(left);
        tracing::warn!(
            "{left} is of another trial restore, and holds the data of a backup: if none is running, DROP DATABASE {left};"
        );
    }
    Ok(())
}

async fn beginning_with(maintenance: &Psql, start: &str) -> Result<Vec<String>> {
    let question = format!(
        "SELECT coalesce(json_agg(datname ORDER BY datname), '[]') FROM pg_database WHERE left(datname, {}) = {};",
        start.chars().count(),
        literal(start)
    );
    maintenance.query(&question).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_in_which_something_is_missing_says_so_in_its_name() {
        assert!(is_incomplete("app_incomplete") && is_incomplete("app_incomplete_20261121_054500"));
        assert!(!is_incomplete("app") && !is_incomplete("app_incomplete_tasks"));
    }

    #[test]
    fn a_long_name_is_shortened_between_two_letters() {
        let moment = "20261121_054500";
        assert_eq!(name_with("app", RESTORING, moment), "app_restoring_20261121_054500");
        let name = name_with(&"ü".repeat(31), RESTORING, moment);
        assert!(name.len() <= LONGEST_NAME && name.starts_with("üü") && name.ends_with(moment), "{name}");
    }
}
