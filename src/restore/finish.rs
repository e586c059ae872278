//! What is done in a restored database before others may use it, in this order: its old
//! settings, the user's scripts, what was made from the rows (materialized views, statistics), the user's grants, and
//! what its old settings and grants say of who works in it.
//!
//! The user's own must succeed. What the dump says about its database is tried, and reported if it fails.

use super::plan::Plan;
use super::request::After;
use crate::archive::{About, DatabaseStatement};
use crate::error::{Error, Result};
use crate::postgres::clients::Clients;
use crate::postgres::psql::run_script;
use crate::postgres::{Situation, Target, identifier, masked};
use crate::run::Run;

/// Does it all; what the settings of the source ask for first, since scripts may rely on them. Returns what could not be said
/// of the database.
pub async fn finish(
    after: &After,
    plan: &Plan,
    target: &Target,
    clients: &Clients,
    run: &Run,
) -> Result<Vec<String>> {
    let mut unsaid = say(plan, target, When::Before).await;
    for script in &after.scripts {
        let psql = clients.newest()?;
        run.say(format!("running {}", script.title));
        let done = run_script(psql, &target.conn_of_anybody(), &script.file, &script.text).await;
        done.map_err(|e| {
            explained(e).context(&script.label).hint(
                "correct the script, and restore again; --keep-failed keeps the database, to try it there",
            )
        })?;
    }
    if !after.scripts.is_empty() {
        // What views and statistics have of the rows as they were is not for everybody.
        target.refresh_filled().await.map_err(|e| {
            e.context("refresh the materialized views after the scripts")
                .hint("--skip-refresh leaves them empty")
        })?;
        target.forget_samples().await?;
        run.say("analyzing");
        target.analyze().await;
    }
    for (role, grant) in &after.grants {
        target
            .grant(role, *grant)
            .await
            .map_err(|e| e.context(format_args!("grant to {}", identifier(role))))?;
    }
    target.open_to_others().await?;
    unsaid.extend(say(plan, target, When::Last).await);
    Ok(unsaid)
}

/// Adds to what a script may not do what a script is.
fn explained(error: Error) -> Error {
    if error.situation() != Some(Situation::InTransaction) {
        return error;
    }
    error.hint("each script is one transaction: leave out what cannot be done in one (VACUUM, CREATE INDEX CONCURRENTLY), and do it when the restore has ended; CREATE INDEX alone is allowed")
}

/// Says of the database all that was said of the source's, for one that nobody finishes: whether nothing failed.
pub async fn all_settings(plan: &Plan, target: &mut Target) -> bool {
    let is_free = target.let_timescaledb_go().await.inspect_err(|error| tracing::warn!("{error}")).is_ok();
    let before = say(plan, target, When::Before).await;
    let is_open = target.open_to_others().await.inspect_err(|error| tracing::warn!("{error}")).is_ok();
    let last = say(plan, target, When::Last).await;
    is_free && is_open && before.is_empty() && last.is_empty()
}

/// When something is said of a database.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before the user's scripts, which may rely on it.
    Before,
    /// When all else is done: who may connect, how many of them, and as whom they work. Before, it would be this run that
    /// works as somebody else, or does not get in.
    Last,
}

impl When {
    fn of(said: &DatabaseStatement) -> Self {
        let is_role = matches!(said.sets.as_slice(), [only] if only.eq_ignore_ascii_case("role"));
        match said.about {
            About::Grants | About::Limit => Self::Last,
            _ if is_role => Self::Last,
            _ => Self::Before,
        }
    }
}

/// Says of the database what was said of the source's. Returns what could not be said, and why.
async fn say(plan: &Plan, target: &Target, when: When) -> Vec<String> {
    let mut unsaid = Vec::new();
    for said in plan.of_database.iter().filter(|said| When::of(said) == when) {
        // Others have different bytes in another encoding: the database itself knows whether there is such a role.
        let is_known = |role: &str| plan.facts.has_role(role) || said.said_inside && !role.is_ascii();
        let is_lacking = |role: &&String| !is_known(role);
        let problem = match said.roles.iter().find(is_lacking) {
            Some(role) => format!("there is no role {}", identifier(role)),
            None => match carry(said, target).await {
                Ok(()) => continue,
                Err(error) => error.to_string(),
            },
        };
        let said = format!("{} ({problem})", masked(&said.sql).trim_end_matches(';'));
        let said = target.by_its_last_name(&said);
        tracing::warn!("not applied to the new database: {said}");
        unsaid.push(format!("{said}: not applied to the database"));
    }
    unsaid
}

/// Says it of the database, and takes it back if this role could not enter the database any more.
async fn carry(said: &DatabaseStatement, target: &Target) -> Result<()> {
    target.say_of_database(&said.sql, said.said_inside).await?;
    let login = &target.server().login;
    let is_ours = said.roles.is_empty() || said.roles.contains(login);
    if said.about != About::Setting || !is_ours {
        return Ok(());
    }
    let Err(error) = target.can_be_entered().await else { return Ok(()) };
    let parts: Vec<String> = said.sets.iter().map(|part| identifier(part)).collect();
    target.reset(&parts.join("."), said.roles.first().map(String::as_str)).await?;
    Err(error.context("nobody could connect"))
}
