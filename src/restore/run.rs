//! The one flow into a database: fill → prove → finish → clean up.
//!
//! Restore, swap, clone and a restore into a Neon branch go through [`Flow::run`]; a rehearsal takes the
//! first two steps and looks further by itself.

use super::finish;
use super::outcome::{Filled, Outcome};
use super::request::{RestoreRequest, Roles};
use crate::error::{Error, Result};
use crate::postgres::clients::Clients;
use crate::postgres::{Checkpoints, Situation, Target, identifier};
use crate::proof::Proof;
use crate::run::Run;
use crate::units::count;
use std::time::{Duration, Instant};

/// This many checkpoints cost more than the one or two that any large restore causes.
const MANY: u64 = 5;

/// What a database is filled with, and compared with afterwards.
#[expect(async_fn_in_trait, reason = "only the engine implements it, and nothing is spawned")]
pub trait Content {
    /// Fills the target; nothing of it counts before all of it was verified.
    async fn fill(&self, target: &mut Target, run: &Run) -> Result<Filled>;

    /// Compares the target with what was dumped; `None` if nothing was to be compared, or could be.
    async fn prove(&self, target: &Target, filled: &Filled, run: &Run) -> Result<Option<Proof>>;

    /// Says that it is done.
    fn done(&self, filled: &Filled, target: &Target, took: Duration) -> String;

    /// Advice if the target is not what was dumped.
    fn advice(&self) -> Option<&'static str>;
}

/// How long the settings of a database that could not be compared may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The flow, with everything decided but the content and the target.
pub struct Flow<'a> {
    /// When the run began.
    pub started: Instant,
    /// PostgreSQL's programs.
    pub clients: &'a Clients,
    /// What was asked for.
    pub request: &'a RestoreRequest,
    /// Whether a database that is not what was dumped is kept, to look into it.
    pub keep_failed: bool,
    /// The run it belongs to.
    pub run: &'a Run,
}

impl Flow<'_> {
    /// Fills and proves a target, finishes it if it is what was dumped, and otherwise leaves nothing of it.
    pub async fn run(&self, content: &impl Content, target: &mut Target) -> Result<Outcome> {
        let filled = self.run.step("fill", self.run.or(self.fill(content, target))).await;
        let (filled, forced_checkpoints) = self.or_clean_up(filled, target).await?;
        if !filled.failed.is_empty() {
            return self.incomplete(filled, forced_checkpoints, target).await;
        }
        let proving = self.run.or(self.prove(content, target, &filled));
        let proof = match self.or_gone(self.run.step("prove", proving).await, target).await? {
            Err(first)
                if !first.kind().is_signal()
                    && !target.is_named_at_once()
                    && self.request.after.is_empty() =>
            {
                // Whom the source kept out stays out, whoever gives it its name.
                let settings = tokio::time::timeout(PATIENCE, finish::all_settings(&filled.plan, target));
                let is_settled = settings.await.unwrap_or_default();
                return Err(self.complete(first, is_settled, target));
            }
            proof => self.or_clean_up(proof.map_err(|e| is_filled(e, target)), target).await?,
        };
        let took = self.started.elapsed();
        self.run.say(content.done(&filled, target, took));
        let mut outcome = Outcome {
            database: target.name().to_owned(),
            created: target.is_created(),
            filled,
            proof,
            forced_checkpoints,
            took,
            differs: None,
        };
        match outcome.proof.as_ref().map_or(Ok(()), |proof| proof.judge(target.name())) {
            Ok(()) => {
                let unsaid = self.run.step("finish", self.finish(&outcome, target)).await?;
                outcome.filled.plan.left_out.extend(unsaid);
            }
            Err(differs) => {
                self.clean_up(target).await;
                outcome.differs = Some(match content.advice() {
                    _ if !outcome.created => is_filled(differs, target),
                    Some(advice) => differs.hint(advice),
                    None => differs,
                });
            }
        }
        Ok(outcome)
    }

    /// Keeps what could be restored under a name that says so, and says what could not.
    async fn incomplete(
        &self,
        mut filled: Filled,
        forced_checkpoints: Option<u64>,
        target: &mut Target,
    ) -> Result<Outcome> {
        target.analyze().await;
        // Nothing was asked for afterwards, but whom the source kept out stays out.
        let unsaid =
            finish::finish(&self.request.after, &filled.plan, target, self.clients, self.run).await?;
        filled.plan.left_out.extend(unsaid);
        target.keep_as_incomplete().await?;
        for failed in &filled.failed {
            tracing::warn!("not restored: {failed}");
        }
        let differs = Error::verify("not everything could be restored")
            .hint(format!("what could be restored is in {}", identifier(target.called())));
        Ok(Outcome {
            database: target.called().to_owned(),
            created: true,
            filled,
            proof: None,
            forced_checkpoints,
            took: self.started.elapsed(),
            differs: Some(differs),
        })
    }

    /// Fills the target; also returns how many checkpoints the server was asked for meanwhile, as far as it says.
    async fn fill(&self, content: &impl Content, target: &mut Target) -> Result<(Filled, Option<u64>)> {
        let before = target.checkpoints().await;
        let filled = content.fill(target, self.run).await;
        let filled = filled.map_err(|e| target.with_name_of_now(self.without_role(with_flags(e))))?;
        let forced = match before {
            Some(before) => self.checkpoints_since(&before, target).await,
            None => None,
        };
        if !filled.plan.made_roles.is_empty() {
            self.run.say(format!("created the roles {}", filled.plan.made_roles.join(", ")));
        }
        Ok((filled, forced))
    }

    /// Other advice on a role that is missing although `--roles` was to create those that are needed.
    fn without_role(&self, error: Error) -> Error {
        if self.request.fitting.roles == Roles::Check || error.situation() != Some(Situation::RoleMissing) {
            return error;
        }
        error
            .without_hints()
            .hint("if it was there when this run began: another restore had created it, failed, and dropped it again; run this one again")
            .hint("else create it: CREATE ROLE …")
    }

    /// Counts the checkpoints that the server was asked for outside its schedule; if there were many, says what helps.
    async fn checkpoints_since(&self, before: &Checkpoints, target: &Target) -> Option<u64> {
        let (forced, max_wal_size) = target.checkpoints_since(before).await?;
        if forced >= MANY {
            self.run.say(format!(
                "the server was asked for {forced} checkpoints outside its schedule while it was filled, usually because WAL reaches max_wal_size ({max_wal_size}): restores are faster with a larger one, if the server lets you set it"
            ));
        }
        Some(forced)
    }

    /// Gathers statistics and compares the target with what was dumped.
    ///
    /// Scripts come before statistics: these would keep samples of what a script removes.
    async fn prove(&self, content: &impl Content, target: &Target, filled: &Filled) -> Result<Option<Proof>> {
        if self.request.after.scripts.is_empty() {
            self.run.say("analyzing");
            target.analyze().await;
        }
        content.prove(target, filled, self.run).await
    }

    /// Does what remains before anybody uses the database; returns what could not be said of it.
    async fn finish(&self, outcome: &Outcome, target: &mut Target) -> Result<Vec<String>> {
        if let Some(proof) = outcome.proof.as_ref().filter(|proof| proof.is_any()) {
            self.run.say(format!("proven: {}, in {}", proof.said(), target.name()));
        }
        let plan = &outcome.filled.plan;
        let finishing = finish::finish(&self.request.after, plan, target, self.clients, self.run);
        let finished = self.run.or(finishing).await;
        let unsaid = self.or_clean_up(finished.map_err(|e| is_filled(e, target)), target).await?;
        // Whole and proven: whatever keeps it from getting its name is no reason to drop it.
        target.publish().await?;
        let scripts = &self.request.after.scripts;
        if !scripts.is_empty() && !target.is_named_at_once() {
            let ran = count(scripts.len(), "script");
            self.run.say(format!("{} is ready, after {ran}", target.name()));
        }
        Ok(unsaid)
    }

    /// Fails if it was not the restored database that was found not to agree: another may have its name.
    async fn or_gone(
        &self,
        proved: Result<Option<Proof>>,
        target: &mut Target,
    ) -> Result<Result<Option<Proof>>> {
        let agrees = match &proved {
            Ok(proof) => proof.as_ref().is_none_or(Proof::agrees),
            Err(error) => error.kind().is_signal(),
        };
        if agrees || !target.is_gone().await {
            return Ok(proved);
        }
        let what = format!(
            "{}, into which this run restored, was dropped or renamed by somebody else before it was compared",
            identifier(target.called())
        );
        if let Err(second) = target.drop_created().await {
            tracing::warn!("{second}");
        }
        Err(Error::postgres(what).hint("run it again"))
    }

    /// Nothing was found wrong with a database that could not be looked at to the end: it stays.
    fn complete(&self, error: Error, is_settled: bool, target: &Target) -> Error {
        let error = match is_settled {
            true => error.hint("the restore itself is complete, but it could not be compared with the backup"),
            false => error.hint(
                "all rows are restored, but they could not be compared with the backup, and the database lacks some of its \
                 settings and grants: who may connect to it may be one of them",
            ),
        };
        if target.called() == target.name() {
            return error;
        }
        let (called, name) = (identifier(target.called()), identifier(target.name()));
        error
            .hint(format!("it is kept: ALTER DATABASE {called} RENAME TO {name}; or DROP DATABASE {called};"))
    }

    /// The first error is the one to report; it leaves nothing half-restored behind.
    async fn or_clean_up<T>(&self, done: Result<T>, target: &mut Target) -> Result<T> {
        if done.is_err() {
            self.clean_up(target).await;
        }
        done
    }

    async fn clean_up(&self, target: &mut Target) {
        let created = target.is_created();
        if self.keep_failed && created {
            tracing::warn!("{} is kept as the failed run left it", target.called());
            if let Err(error) = target.let_timescaledb_go().await {
                tracing::warn!("{error}");
            }
            return;
        }
        let dropped = target.drop_created().await;
        if created && !target.is_created() {
            self.run.say(format!("dropped the new database {} again", target.name()));
        }
        match dropped {
            Err(error) if target.is_created() => tracing::warn!(
                "{called} could not be dropped, and is empty or unfinished; DROP DATABASE {called}; does it later: {error}",
                called = identifier(target.called())
            ),
            Err(error) => tracing::warn!("{error}"),
            Ok(()) => {}
        }
    }
}

/// Says that a database which was there before is not empty any more: it is never dropped, unless with its branch.
fn is_filled(error: Error, target: &Target) -> Error {
    if !target.is_given() {
        return error;
    }
    error.hint(format!(
        "{} existed before this run, so it is not dropped: it holds what was restored",
        identifier(target.name())
    ))
}

/// Adds what the flags of a restore can do without.
fn with_flags(error: Error) -> Error {
    let Some(situation) = error.situation::<Situation>() else { return error };
    situation.hint_with_flags().into_iter().fold(error, Error::hint)
}
