//! A database straight into another one made for it; nothing is stored on the way.
//!
//! The dump passes the same reader as a backup's, and its last bytes reach `pg_restore` only if the
//! archive is whole and `pg_dump` has exited with 0: before that nothing is committed.

use super::Narrowing;
use super::backup::jobs;
use super::load::stream::{Arriving, BETWEEN};
use super::outcome::{Filled, Outcome};
use super::plan::extensions::{Lacking, with_possible};
use super::plan::narrow::{entries_gone, rows_gone, warn_of_lacking_rows};
use super::request::{After, Fitting, RestoreRequest, Roles};
use super::run::{Content, Flow};
use crate::archive::Contents;
use crate::consistent::Dumping;
use crate::error::{Error, Kind, Result};
use crate::parallel::{self, Sessions};
use crate::pipeline::pass_on;
use crate::postgres::clients::{Clients, Search};
use crate::postgres::globals::globals;
use crate::postgres::lock::sessions_left;
use crate::postgres::{
    ConnInfo, DumpOptions, KnownRoles, Naming, Psql, Server, Target, extensions, identifier,
};
use crate::progress::{Direction, Progress};
use crate::proof::{Proof, counts};
use crate::run::Run;
use crate::stored::format::extension::Extension;
use crate::stored::format::inventory::Inventory;
use crate::stored::watch::ArchiveWatch;
use crate::units::{age, count, counted_rows};
use indicatif::BinaryBytes;
use std::time::{Duration, Instant};
use tokio::io::{AsyncWriteExt, DuplexStream};

/// A database to copy, and what to make of it.
#[derive(Debug)]
pub struct CopyOptions {
    /// The database to copy.
    pub source: ConnInfo,
    /// The database to create.
    pub target: ConnInfo,
    /// How to dump the source.
    pub dump: DumpOptions,
    /// How the source is read.
    pub sessions: Sessions,
    /// How many connections create what follows the data, if the user says so.
    pub jobs: Option<u8>,
    /// What of it is copied.
    pub narrowing: Narrowing,
    /// How the copy is fitted to its server.
    pub fitting: Fitting,
    /// What is done in it before anybody uses it.
    pub after: After,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
    /// Whether a database that differs is kept.
    pub keep_failed: bool,
    /// Whether a connection pooler is accepted.
    pub allow_pooled: bool,
}

/// A copy that was made.
pub struct Copied {
    /// The database that was copied.
    pub source: String,
    /// To whom everything belongs, if that was asked for.
    pub owner: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
}

/// Copies a database, and proves the copy by its rows.
pub async fn copy(options: CopyOptions, run: &Run) -> Result<Copied> {
    let started = Instant::now();
    let clients = run.or(Clients::find(&options.clients)).await?;
    let (server, mut target) = run.or(check(&options, &clients)).await?;
    let request = run.or(request(&options, &clients, &server)).await?;
    run.say(format!(
        "cloning {} ({}) into {}",
        server.database,
        BinaryBytes(server.size_bytes),
        target.name()
    ));
    let content = PassingDump { options: &options, server: &server, clients: &clients, request: &request };
    let flow = Flow { started, clients: &clients, request: &request, keep_failed: options.keep_failed, run };
    let outcome = flow.run(&content, &mut target).await?;
    Ok(Copied { source: server.database.clone(), owner: options.fitting.owner.clone(), outcome })
}

/// Everything that can be known before a byte moves: the source is there and can be read whole, the
/// target is not there, its owner is.
async fn check(options: &CopyOptions, clients: &Clients) -> Result<(Server, Target)> {
    let server = Server::inspect(&Psql::new(clients.newest()?, &options.source)).await?;
    if !options.allow_pooled {
        server.refuse_pooler()?;
    }
    server.check_dump(false)?;
    clients.for_dump(server.version())?;
    let mut target = Target::open(clients.newest()?, &options.target, Naming::WhenProven).await?;
    if target.exists() {
        let name = identifier(target.name());
        return Err(Error::target_exists(format!("database {name} exists already"))
            .hint("name one that does not exist yet; it will be created"));
    }
    clients.for_copy(server.version(), target.version())?;
    if let (Some(owner), Roles::Check) = (&options.fitting.owner, options.fitting.roles) {
        target.belongs_to(owner).await?;
    }
    Ok((server, target))
}

/// What is asked of the copy, with what the source knows of its roles if that is needed.
async fn request(options: &CopyOptions, clients: &Clients, server: &Server) -> Result<RestoreRequest> {
    let CopyOptions { fitting, after, source, .. } = options;
    fitting.options.check()?;
    let known = if fitting.roles == Roles::Restore {
        let sql = globals(clients.for_dump(server.version())?, source, &server.database, false).await?;
        Some(KnownRoles::read(&String::from_utf8_lossy(&sql)).of(Some(server.version().major)))
    } else {
        None
    };
    Ok(RestoreRequest {
        fitting: fitting.clone(),
        known,
        after: after.clone(),
        left_out: Vec::new(),
        extensions: Vec::new(),
    })
}

/// The dump of a database, as what another is filled with while it passes.
struct PassingDump<'a> {
    options: &'a CopyOptions,
    server: &'a Server,
    clients: &'a Clients,
    request: &'a RestoreRequest,
}

impl Content for PassingDump<'_> {
    /// Runs `pg_dump` and `pg_restore` side by side until both are done.
    async fn fill(&self, target: &mut Target, run: &Run) -> Result<Filled> {
        let Self { options, server, clients, request } = self;
        let progress = Progress {
            expected: Some(server.size_bytes),
            direction: Direction::Across,
            ..Progress::default()
        };
        let _following = run.follow(&progress);
        let (near, far) = tokio::io::duplex(BETWEEN);
        let psql = Psql::new(clients.newest()?, &options.source);
        let psql = if options.allow_pooled { psql } else { server.as_usual(psql).await };
        let client = clients.for_copy(server.version(), target.version())?;
        // Asked again: the target may be on the same server, and have sessions of the same role.
        let left = sessions_left(&psql).await?;
        let extensions: Vec<Extension> = extensions(&psql).await?;
        let dumping = Dumping { client, psql: &psql, options: &options.dump, left };
        let (dump, kept) =
            parallel::start(dumping, server, options.sessions, !options.allow_pooled, run).await?;
        let jobs = target.at_most(jobs(options.jobs, server.size_bytes));
        let loaded = async {
            let mut arriving = Arriving::begin(far).await?;
            let chosen = options.narrowing.of_front(&arriving.front, &extensions)?;
            let (front, left_out) =
                with_possible(&chosen, &extensions, options.fitting.profile, target).await?;
            warn_of_lacking_rows(&arriving.front, &arriving.front, &front);
            let gone = entries_gone(&arriving.front, &front);
            arriving.front = front.clone();
            let (mut plan, _) = arriving.load(clients, target, request, jobs).await?;
            plan.left_out.extend(left_out.iter().map(Lacking::said));
            Ok((front, gone, plan))
        };
        let read = hand_on(dump, near, &progress, kept.fit(&psql));
        let (contents, (front, gone, mut plan)) = tokio::try_join!(read, loaded)?;
        let whole = Inventory::new(contents, &[]);
        // Only now are they counted.
        plan.left_out.extend(rows_gone(&whole, &extensions, &gone));
        let inventory = whole.only(&front);
        let (tables, rows) = (inventory.archive.tables, inventory.rows());
        Ok(Filled { tables, rows, plan, passed: Some(inventory), failed: Vec::new() })
    }

    async fn prove(&self, target: &Target, filled: &Filled, run: &Run) -> Result<Option<Proof>> {
        let Some(inventory) = &filled.passed else { return Ok(None) };
        run.say("counting rows");
        counts::prove(target, inventory).await.map(Some).map_err(|e| e.context("compare what was copied"))
    }

    fn done(&self, filled: &Filled, target: &Target, took: Duration) -> String {
        format!(
            "cloned {} into {}: {}, {}, {}",
            self.server.database,
            target.name(),
            count(filled.tables, "table"),
            counted_rows(filled.rows),
            age(took)
        )
    }

    fn advice(&self) -> Option<&'static str> {
        None
    }
}

/// Hands the dump on, its last bytes and its end only when it is known to be whole, and `fits`.
async fn hand_on(
    dump: parallel::Dump,
    mut to: DuplexStream,
    progress: &Progress,
    fits: impl Future<Output = Result<()>>,
) -> Result<Contents> {
    let mut watch = ArchiveWatch::new(progress.clone());
    let held = pass_on(dump, &mut watch, &mut to, &progress.plain).await?;
    let contents = watch.finish()?;
    fits.await?;
    let cannot = |e| Error::from_io(e, Kind::Unexpected, "the stream cannot be ended");
    for bytes in held {
        to.write_all(&bytes).await.map_err(cannot)?;
    }
    to.shutdown().await.map_err(cannot)?;
    Ok(contents)
}
