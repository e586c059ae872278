//! Branches on Neon for the time of a run: made for it, and given back.

use crate::error::{Error, Result};
use crate::neon::{ApiKey, Database, Situation};

pub use crate::neon::{Neon, OwnBranch, Uri};

use crate::postgres::ConnInfo;
use crate::run::Run;
use crate::units::stamp;
use std::time::{Duration, SystemTime};

/// How long Neon may take, after a signal, to say that it has made the branch we no longer want, and to
/// delete it.
const LAST_WAIT: Duration = Duration::from_secs(60);

/// Neon deletes a branch after so long, should this run be killed.
const LONGEST_RUN: Duration = Duration::from_secs(3 * 24 * 3600);

/// A project, and how to reach it.
#[derive(Debug, Clone)]
pub struct NeonProject {
    /// The project's id.
    pub id: String,
    /// The API's address.
    pub api: String,
    /// The key to it.
    pub key: ApiKey,
    /// How long operations are waited for.
    pub patience: Duration,
    /// The database, where one was named.
    pub database: Option<String>,
    /// The role, where one was named.
    pub role: Option<String>,
}

/// The database to back up.
#[derive(Debug, Clone)]
pub struct NeonSource {
    /// Where it is.
    pub project: NeonProject,
    /// Whether the dump comes from a branch made for it.
    pub via_branch: bool,
}

/// The branch to restore into.
#[derive(Debug)]
pub struct NeonBranch {
    /// Where it is made.
    pub project: NeonProject,
    /// Id or name of the branch it is made from; the default branch otherwise.
    pub parent: Option<String>,
    /// Its name, where the user gave one.
    pub name: Option<String>,
    /// How long it lives, where it ends by itself.
    pub expires: Option<Duration>,
    /// Whether its connection is printed with the password.
    pub show_password: bool,
}

/// The branch that is wanted.
pub struct TemporaryBranch {
    /// Its name, where the user gave one.
    pub name: Option<String>,
    /// How its name begins otherwise.
    pub label: String,
    /// Id or name of its parent; the default branch otherwise.
    pub parent: Option<String>,
    /// When Neon is to delete it by itself, whatever happens to it.
    pub expires: Option<Duration>,
}

impl TemporaryBranch {
    /// When Neon is to delete it, RFC 3339.
    fn expires_at(&self) -> String {
        let life = self.expires.unwrap_or(LONGEST_RUN);
        humantime::format_rfc3339_seconds(SystemTime::now() + life).to_string()
    }
}

/// Makes the branch. Neon deletes it in the end, unless [`keep`] is called.
pub async fn lend(project: &NeonProject, wanted: &TemporaryBranch, run: &Run) -> Result<(Neon, OwnBranch)> {
    let opening = Neon::open(&project.api, project.key.clone(), &project.id, project.patience);
    let neon = run.or(opening).await?;
    let parent = match &wanted.parent {
        None => None,
        Some(parent) => Some(run.or(neon.branch(parent)).await?.ok_or_else(|| {
            Error::postgres(format!("the project {} has no branch {parent}", project.id))
                .hint("--neon-parent takes a branch's id or name")
        })?),
    };
    let name =
        wanted.name.clone().unwrap_or_else(|| format!("{}-{}", wanted.label, stamp(SystemTime::now(), '-')));
    if run.or(neon.branch(&name)).await?.is_some() {
        return Err(Error::target_exists(format!("the project {} has a branch {name} already", project.id))
            .hint("give the new one another name with --neon-branch"));
    }
    run.say(format!("creating the branch {name} on Neon"));
    let parent = parent.as_ref().map(|parent| parent.id.as_str());
    let mut own = create(&neon, &name, parent, Some(&wanted.expires_at()), run).await;
    // Not every account may let its branches expire, and nobody asked for it.
    if let (Err(error), None) = (&own, wanted.expires)
        && error.situation() == Some(Situation::Rejected)
    {
        tracing::debug!("{error}; creating a branch that does not expire");
        own = create(&neon, &name, parent, None, run).await;
    }
    let own = own?;
    run.say(format!("created the branch {} ({})", own.branch.name, own.branch.id));
    let tell = |said: &str| run.say(said);
    if let Err(first) = run.or(neon.ready(&own, &tell)).await {
        give_back(&neon, &own, run).await;
        return Err(first);
    }
    Ok((neon, own))
}

/// Makes the branch, and deletes it again if a signal came in the meantime.
async fn create(
    neon: &Neon,
    name: &str,
    parent: Option<&str>,
    expires_at: Option<&str>,
    run: &Run,
) -> Result<OwnBranch> {
    let late = async |created: Option<Result<OwnBranch>>| match created {
        Some(Ok(own)) => give_back(neon, &own, run).await,
        Some(Err(_)) => {}
        None => tracing::warn!("Neon may still make the branch {name}; look for it, and delete it"),
    };
    run.or_late(LAST_WAIT, neon.create_branch(name, parent, expires_at), late).await
}

/// Keeps the branch for good, now that it is what was wanted; a failure is said.
pub async fn keep(neon: &Neon, own: &mut OwnBranch) {
    let Some(expires_at) = own.branch.expires_at.clone() else { return };
    if let Err(error) = neon.keep(own).await {
        let name = &own.branch.name;
        tracing::warn!(
            "Neon will delete the branch {name} at {expires_at} unless you tell it not to: {error}"
        );
    }
}

/// Deletes the branch; a failure is said, with what to do about it.
pub async fn give_back(neon: &Neon, own: &OwnBranch, run: &Run) {
    let late = || Error::postgres(format!("Neon did not delete the branch {} in time", own.branch.id));
    let deleted = tokio::time::timeout(LAST_WAIT, neon.delete_branch(own)).await;
    match deleted.unwrap_or_else(|_| Err(late())) {
        Ok(()) => run.say(format!("deleted the branch {} ({})", own.branch.name, own.branch.id)),
        Err(error) => {
            tracing::warn!("{}", error.with_hints());
        }
    }
}

/// A database to dump, and the branch that was made for that.
pub struct DumpSource {
    /// How to connect to it.
    pub conn: ConnInfo,
    borrowed: Option<(Neon, OwnBranch)>,
}

impl DumpSource {
    /// Gives back what was made for it.
    pub async fn close(self, run: &Run) {
        if let Some((neon, own)) = self.borrowed {
            give_back(&neon, &own, run).await;
        }
    }
}

/// Finds the project's database; with `via_branch`, in a branch made to be dumped.
pub async fn source(settings: &NeonSource, run: &Run) -> Result<DumpSource> {
    let project = &settings.project;
    let opening = Neon::open(&project.api, project.key.clone(), &project.id, project.patience);
    let neon = run.or(opening).await?;
    let default = run.or(neon.default_branch()).await?;
    let found = choose(run.or(neon.databases(&default.id)).await?, project.database.as_deref())?;
    let role = project.role.as_deref().unwrap_or(&found.owner_name);
    if !settings.via_branch {
        let uri = run.or(neon.uri(&default.id, &found.name, role, false)).await?;
        return Ok(DumpSource { conn: conn(&uri)?, borrowed: None });
    }
    let wanted = TemporaryBranch {
        name: None,
        label: format!("backup-{}", found.name),
        parent: Some(default.id),
        expires: None,
    };
    let (neon, own) = lend(project, &wanted, run).await?;
    let uri = run.or(neon.uri(&own.branch.id, &found.name, role, false)).await;
    match uri.and_then(|uri| conn(&uri)) {
        Ok(conn) => Ok(DumpSource { conn, borrowed: Some((neon, own)) }),
        Err(first) => {
            give_back(&neon, &own, run).await;
            Err(first)
        }
    }
}

/// The database that was named, or the only one.
fn choose(mut databases: Vec<Database>, name: Option<&str>) -> Result<Database> {
    if let Some(name) = name {
        let all = names(&databases);
        return databases.into_iter().find(|database| database.name == name).ok_or_else(|| {
            Error::postgres(format!("the default branch has no database {name}"))
                .hint(format!("it has {all}"))
        });
    }
    match (databases.len(), databases.pop()) {
        (1, Some(only)) => Ok(only),
        (_, None) => Err(Error::postgres("the default branch has no database")),
        (_, Some(last)) => {
            databases.push(last);
            Err(Error::usage("the default branch has more than one database")
                .hint(format!("name one with --database: {}", names(&databases))))
        }
    }
}

fn names(databases: &[Database]) -> String {
    databases.iter().map(|database| database.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// A connection as libpq takes it.
pub fn conn(uri: &Uri) -> Result<ConnInfo> {
    ConnInfo::of_service(uri.reveal())
}
