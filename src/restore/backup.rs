//! A stored backup, found and checked, on its way into a database.

use super::Narrowing;
use super::load::{script, stream, workers};
use super::outcome::{Filled, Outcome};
use super::plan::extensions::{Fitted, fit};
use super::request::{After, Fitting, Profile, RestoreRequest};
use super::run::{Content, Flow};
use crate::archive::Preamble;
use crate::error::{Error, Kind, Result};
use crate::postgres::clients::{Clients, Search, Version};
use crate::postgres::{ConnInfo, Constraint, Naming, NotEmpty, PgRestoreOptions, Situation, Target};
use crate::proof::{self, Proof, ProofBy};
use crate::run::Run;
use crate::stored::format::inventory::Inventory;
use crate::stored::format::manifest::BackupKind;
use crate::stored::read::excerpt;
use crate::stored::read::opened::BackupSelection;
use crate::stored::read::reader::BackupReader;
use crate::units::{age, count, counted_rows};
use std::time::{Duration, Instant};

/// More workers than this wait for the server rather than help it.
const MOST_JOBS: usize = 8;
/// Bytes of dump that keep a worker busy long enough to be worth it.
const WORTH_A_JOB: u64 = 64 << 20;

/// What is asked of a restore, whatever it goes into.
#[derive(Debug)]
pub struct RestoreOptions {
    /// What to restore.
    pub selection: BackupSelection,
    /// How much of it.
    pub narrowing: Narrowing,
    /// How many workers, if the user says so.
    pub jobs: Option<u8>,
    /// How it is fitted to the server.
    pub fitting: Fitting,
    /// What is done in it before anybody uses it.
    pub after: After,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
    /// How what was restored is proven.
    pub proof: ProofBy,
    /// Whether a database this run created is kept when the run fails.
    pub keep_failed: bool,
}

/// A stored backup, or some tables of it, as what a database is filled with: found and checked, everything is known except
/// where to.
pub struct ReadyBackup {
    started: Instant,
    /// Streams it.
    pub reader: BackupReader,
    /// What it holds, if that is written, or what was chosen from it; the rows of foreign tables are part of it. `None` if
    /// the reader's excerpt is that.
    pub inventory: Option<Inventory>,
    /// PostgreSQL's programs.
    pub clients: Clients,
    /// What is asked for.
    pub request: RestoreRequest,
    /// Whether a database this run created is kept when the run fails.
    pub keep_failed: bool,
    /// Whether it has rows, and what was chosen of it has none.
    pub(super) rows_left_out: bool,
    /// What else can be done if the database that would be created is there.
    if_it_is_there: Option<&'static str>,
    jobs: Option<u8>,
    pub(super) proof: ProofBy,
}

impl ReadyBackup {
    /// Finds and checks a backup; its dump is not touched yet.
    pub async fn find(options: RestoreOptions, run: &Run) -> Result<Self> {
        let started = Instant::now();
        let RestoreOptions { selection, narrowing, jobs, fitting, after, clients, proof, keep_failed } =
            options;
        fitting.options.check()?;
        let mut reader = run.or(BackupReader::find(selection)).await?;
        let if_it_is_there = narrowing.if_it_is_there();
        let whole = match narrowing.is_all() {
            true => run.or(inventory(&reader, proof)).await?,
            false => run.or(reader.inventory()).await?,
        };
        let has_rows = |held: &Inventory| !held.blocks.is_empty();
        let had_rows = whole.as_ref().is_some_and(has_rows);
        let (inventory, left_out) = narrowing.apply(&mut reader, whole)?;
        let rows_left_out = had_rows && !inventory.as_ref().or(reader.excerpt()).is_some_and(has_rows);
        let mut request = run.or(RestoreRequest::of(fitting, after, &reader)).await?;
        request.left_out.extend(left_out);
        let clients = run.or(Clients::find(&clients)).await?;
        let plain = Self::for_trial(reader, inventory, clients, jobs, proof);
        Ok(Self { started, request, keep_failed, rows_left_out, if_it_is_there, ..plain })
    }

    /// For a trial, from which nothing is kept.
    pub fn for_trial(
        reader: BackupReader,
        inventory: Option<Inventory>,
        clients: Clients,
        jobs: Option<u8>,
        proof: ProofBy,
    ) -> Self {
        let (request, started) = (RestoreRequest::plain(PgRestoreOptions::default()), Instant::now());
        let (keep_failed, rows_left_out, if_it_is_there) = (false, false, None);
        Self {
            started,
            reader,
            inventory,
            clients,
            request,
            keep_failed,
            rows_left_out,
            if_it_is_there,
            jobs,
            proof,
        }
    }

    /// What it holds, or what was chosen from it; `None` if that is not written.
    pub fn held(&self) -> Option<&Inventory> {
        self.inventory.as_ref().or(self.reader.excerpt())
    }

    /// Leaves out the extensions that the target cannot have, and restores no more than the rest from now on.
    pub async fn fit_extensions(&mut self, profile: Profile, target: &Target) -> Result<Fitted> {
        let Some(held) = self.held() else { return Ok(Fitted::default()) };
        let extensions = held.extensions.clone();
        let fitted = fit(held, profile, target).await?;
        // What they make decides what is missing in the backup.
        self.request.extensions = extensions;
        let Some((rest, fitted)) = fitted else { return Ok(Fitted::default()) };
        self.request.left_out.extend(fitted.left_out());
        self.reader.narrow(excerpt::rows_of_this_server(&rest)?.unwrap_or_else(|| rest.clone()));
        self.inventory = Some(rest);
        Ok(fitted)
    }

    /// Restores into a database and proves it; a new one has its name only after that.
    ///
    /// A failure leaves nothing behind that this made.
    pub async fn restore_into(&mut self, conn: &ConnInfo, run: &Run) -> Result<Outcome> {
        self.restore_named(conn, Naming::WhenProven, run).await.map_err(|error| {
            match error.situation::<NotEmpty>().and(self.if_it_is_there) {
                Some(advice) => error.hint(advice),
                None => error,
            }
        })
    }

    /// Whether `--on-error keep` would do something that was not done; it is refused with scripts and grants.
    fn may_keep_some(&self) -> bool {
        let is_possible = self.request.after.is_empty();
        self.reader.kind() == BackupKind::Postgres && is_possible && !self.request.fitting.options.keep_going
    }

    /// Restores into a database under this name; [`Naming::AtOnce`] if more is done before anybody uses it.
    pub(super) async fn restore_named(
        &mut self,
        conn: &ConnInfo,
        naming: Naming,
        run: &Run,
    ) -> Result<Outcome> {
        let is_named_last = matches!(naming, Naming::WhenProven);
        let mut target = run.or(Target::open(self.clients.newest()?, conn, naming)).await?;
        let is_new = is_named_last && !target.exists();
        if self.proof == ProofBy::Digests {
            // Better now than after the data has moved.
            self.clients.for_dump(target.version())?;
        }
        run.say(format!("restoring {} into {}", self.reader.place(), target.name()));
        run.or(self.fit_extensions(self.request.fitting.profile, &target)).await?;
        let flow = Flow {
            started: self.started,
            clients: &self.clients,
            request: &self.request,
            keep_failed: self.keep_failed,
            run,
        };
        let version = target.version();
        let done = flow.run(self, &mut target).await;
        let mut outcome = done.map_err(|error| self.advised(error, version, is_new))?;
        let lacking = &self.reader.backup.manifest.left_out;
        if !lacking.is_empty() {
            let said = format!("{lacking}: the role that made the backup could not read them");
            tracing::warn!("not in the backup: {said}");
            outcome.filled.plan.left_out.push(said);
        }
        Ok(outcome)
    }

    /// Fills the target, with as many workers as were asked for or are worth it.
    ///
    /// Only a database made for it is filled by several: that is not one transaction.
    async fn load(&self, target: &mut Target, run: &Run) -> Result<Filled> {
        let Self { reader, clients, request, .. } = self;
        let _following = run.follow(&reader.progress);
        let jobs = target.at_most(jobs(self.jobs, reader.plain_bytes()));
        // Not the whole inventory: it may have rows that are left out.
        let read = reader.excerpt().or(self.inventory.as_ref());
        match read {
            _ if reader.kind() == BackupKind::Sql => {
                if self.jobs.is_some_and(|jobs| jobs > 1) {
                    tracing::warn!("--jobs is ignored: a plain SQL dump is run by one psql");
                }
                script::restore(reader, clients, target, request).await
            }
            _ if request.fitting.options.keep_going => {
                if target.exists() {
                    return Err(Error::usage(format!(
                        "{} exists, and is filled as a whole or not at all",
                        target.name()
                    ))
                    .hint("--on-error keep is for a database that does not exist yet"));
                }
                stream::restore(reader, read, clients, target, request).await
            }
            Some(inventory) if jobs > 1 && !target.exists() => {
                let plan = workers::restore(reader, inventory, clients, target, request, jobs).await?;
                let (tables, rows) = (inventory.archive.tables, inventory.rows());
                Ok(Filled { tables, rows, plan, passed: None, failed: Vec::new() })
            }
            _ => {
                if jobs > 1 && self.jobs.is_some() {
                    let why = if target.exists() { "the database exists" } else { "there is no inventory" };
                    tracing::warn!("--jobs is ignored: {why}, so one stream fills it in one transaction");
                }
                let may_be_several = read.is_some() && !target.exists();
                let filled = stream::restore(reader, read, clients, target, request).await;
                filled.map_err(|error| match error.situation() {
                    Some(Situation::ConstraintViolated(Constraint::Check)) if may_be_several => {
                        error.hint("if a function of the constraint reads rows that come later, --jobs 2 may help: it loads refused tables again after all others")
                    }
                    _ => error,
                })
            }
        }
    }

    /// Adds to a failure what this run could do without what was refused; `--on-error keep` does it in a new database only.
    fn advised(&self, error: Error, target: Version, is_new: bool) -> Error {
        let keeps = is_new && self.may_keep_some();
        match error.situation() {
            _ if self.is_of_older(&error, target) => {
                let rest = if keeps { ", and --on-error keep restores the rest" } else { "" };
                // The usual advice on syntax is for newer servers.
                let is_syntax = error.situation() == Some(Situation::SyntaxError);
                let error = if is_syntax { error.without_hints() } else { error };
                error.hint(format!(
                    "the target is older than the source: --schema-only shows first what it refuses{rest}"
                ))
            }
            Some(Situation::ConstraintViolated(_)) if keeps => error
                .hint("--on-error keep restores all that can be, under another name, and lists what cannot"),
            Some(Situation::ObjectMissing) if keeps && self.reader.backup.manifest.partial => {
                error.hint("--on-error keep restores everything else")
            }
            Some(Situation::SyntaxError | Situation::NotAttached) if keeps => {
                error.hint("--on-error keep restores everything else")
            }
            _ => error,
        }
    }

    /// Adds to a failure that the backup may lack what is missing.
    fn if_partial(&self, error: Error) -> Error {
        match error.situation() {
            Some(Situation::ObjectMissing) if self.reader.backup.manifest.partial => error
                .hint("the backup is partial, and this needs something that was left out of it: back that up too")
                .hint("--into appends the rows of its tables to a database that has them"),
            _ => error,
        }
    }

    /// Whether the target may refuse a statement only because it is too old for that.
    fn is_of_older(&self, error: &Error, target: Version) -> bool {
        let source = self.reader.backup.manifest.postgres.as_ref();
        let source = source.and_then(|postgres| Version::parse(&postgres.server_version));
        let is_of_statement = error.details().iter().any(|detail| detail.label == "statement");
        let is_unknown = matches!(
            error.situation(),
            None | Some(Situation::ObjectMissing | Situation::SyntaxError | Situation::LocaleMissing)
        );
        is_of_statement
            && is_unknown
            && self.may_keep_some()
            && source.is_some_and(|source| target.major < source.major)
    }
}

impl Content for ReadyBackup {
    async fn fill(&self, target: &mut Target, run: &Run) -> Result<Filled> {
        self.load(target, run).await.map_err(|error| self.if_partial(error))
    }

    async fn prove(&self, target: &Target, filled: &Filled, run: &Run) -> Result<Option<Proof>> {
        let Some(inventory) = self.held() else { return Ok(None) };
        let came = || {
            let front = Preamble::read(&inventory.archive.preamble)?;
            Ok::<_, Error>(inventory.clone().only(&filled.plan.came(&front)))
        };
        let came = (!filled.plan.gone.is_empty()).then(came).transpose()?;
        let inventory = came.as_ref().unwrap_or(inventory);
        let proving = proof::prove(self.proof, target, &self.clients, &self.reader, inventory, run);
        proving.await.map_err(|e| e.context("compare what was restored"))
    }

    fn done(&self, filled: &Filled, target: &Target, took: Duration) -> String {
        format!(
            "restored {} into {}: {}, {}, {}; all digests verified",
            self.reader.place(),
            target.name(),
            count(filled.tables, "table"),
            counted_rows(filled.rows),
            age(took)
        )
    }

    fn advice(&self) -> Option<&'static str> {
        Some(
            "all digests of the backup itself are correct; --keep-failed keeps the database so that you can look into it",
        )
    }
}

/// How many workers share the load: what was asked for, else the cores; a small dump is worth one only.
pub fn jobs(asked: Option<u8>, plain_bytes: u64) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let worth = usize::try_from(plain_bytes / WORTH_A_JOB).unwrap_or(usize::MAX);
    asked.map_or_else(|| cores.min(MOST_JOBS).min(worth).max(1), usize::from)
}

/// The inventory, to share the work out by and to prove the restore with; read first, so that damage is
/// found before data moves.
async fn inventory(reader: &BackupReader, proof: ProofBy) -> Result<Option<Inventory>> {
    if reader.kind() == BackupKind::Stream {
        let place = reader.place();
        return Err(Error::usage(format!("{place} is a stream, not a database")).hint(format!(
            "give it to a command: pgstow restore {} --name {} -- COMMAND",
            place.id, place.name
        )));
    }
    match reader.inventory().await {
        Ok(None) => {
            let whatever = if proof == ProofBy::Digests { ", and --proof is ignored" } else { "" };
            tracing::warn!("{} has no inventory: its rows will not be compared{whatever}", reader.place());
            Ok(None)
        }
        // Who wants no proof gets the dump, whatever became of the inventory.
        Err(error) if proof == ProofBy::Nothing && error.kind() == Kind::Verify => {
            tracing::warn!("{error}");
            Ok(None)
        }
        Err(error) if error.kind() == Kind::Verify && error.hints().is_empty() => {
            Err(error.hint("--proof none restores the dump anyway, and proves nothing"))
        }
        found => found,
    }
}
