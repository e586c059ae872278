//! What is done in a restored database before others may use it, in this order: its old
//! settings, the user's scripts, what was made from the rows (materialized views, statistics), the user's grants, its
//! old grants.
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

/// Does it all; what the settings of the source ask for first, since scripts may rely on them.
pub async fn finish(after: &After, plan: &Plan, target: &Target, clients: &Clients, run: &Run) -> Result<()> {
    settings(plan, target, false).await;
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
    settings(plan, target, true).await;
    Ok(())
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
    let (others, grants) = (settings(plan, target, false).await, settings(plan, target, true).await);
    is_free && others && grants
}

/// Says of the database what was said of the source's, grants or all else; whether nothing failed.
async fn settings(plan: &Plan, target: &Target, grants: bool) -> bool {
    let mut all = true;
    for said in plan.of_database.iter().filter(|said| (said.about == About::Grants) == grants) {
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
        tracing::warn!("not applied to the new database: {}", target.by_its_last_name(&said));
        all = false;
    }
    all
}

/// Says it of the database, and takes it back if nobody could enter the database any more.
async fn carry(said: &DatabaseStatement, target: &Target) -> Result<()> {
    target.say_of_database(&said.sql, said.said_inside).await?;
    if !said.is_for_everybody() {
        return Ok(());
    }
    let Err(error) = target.can_be_entered().await else { return Ok(()) };
    let parts: Vec<String> = said.sets.iter().map(|part| identifier(part)).collect();
    target.reset(&parts.join(".")).await?;
    Err(error.context("nobody could connect"))
}
