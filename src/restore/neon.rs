//! `restore --neon`: a branch made for it, and in that branch the database, made fresh.
//!
//! Whatever fails, and whoever ends it, the branch goes again, unless `--keep-failed`.

use super::backup::ReadyBackup;
use super::outcome::Outcome;
use super::request::Profile;
use crate::branch::{self, Neon, NeonBranch, OwnBranch, TemporaryBranch, Uri, give_back, keep, lend};
use crate::error::{Error, Kind, Result};
use crate::postgres::Naming;
use crate::run::Run;
use crate::stored::format::manifest::BackupKind;

/// Where the restored database is on Neon.
pub struct NeonPlace {
    /// The project's id.
    pub project: String,
    /// The branch's name.
    pub branch: String,
    /// The branch's id.
    pub branch_id: String,
    /// When Neon deletes the branch by itself, RFC 3339.
    pub expires_at: Option<String>,
    /// The database's name.
    pub database: String,
    /// The role that owns it.
    pub role: String,
    /// How to connect to it.
    pub direct: Uri,
    /// How to connect to it through Neon's pooler.
    pub pooled: Uri,
}

impl ReadyBackup {
    /// Restores into a new branch.
    pub async fn restore_into_branch(
        &mut self,
        wanted: &NeonBranch,
        run: &Run,
    ) -> Result<(Outcome, Option<NeonPlace>)> {
        let database = self.database_name(wanted)?;
        let temporary = TemporaryBranch {
            name: wanted.name.clone(),
            label: format!("restore-{database}"),
            parent: wanted.parent.clone(),
            expires: wanted.expires,
        };
        let (neon, mut own) = lend(&wanted.project, &temporary, run).await?;
        self.fit_to_neon(run);
        let done = self.within(&neon, &own, wanted, &database, run).await;
        if let Ok((Outcome { differs: None, .. }, _)) = &done {
            if wanted.expires.is_none() {
                keep(&neon, &mut own).await;
            }
            let (outcome, mut place) = done?;
            place.expires_at = own.branch.expires_at.clone();
            return Ok((outcome, Some(place)));
        }
        if self.keep_failed {
            tracing::warn!(
                "the branch {} ({}) is kept as the failed restore left it",
                own.branch.name,
                own.branch.id
            );
        } else {
            give_back(&neon, &own, run).await;
        }
        done.map(|(outcome, _)| (outcome, None))
    }

    /// What Neon takes: nobody there may give things to roles they are not a member of.
    fn fit_to_neon(&mut self, run: &Run) {
        let is_archive = self.reader.kind() == BackupKind::Postgres;
        let fitting = &mut self.request.fitting;
        if fitting.profile == Profile::Auto {
            fitting.profile = Profile::Managed;
        }
        // An owner that was named is believed; a plain script is run as it is.
        let named = fitting.owner.is_some() || !fitting.map.is_empty() || fitting.options.no_owner;
        if !named && is_archive {
            run.say("everything will belong to the restoring role, as Neon requires");
            fitting.options.no_owner = true;
        }
    }

    /// The name of the database that was backed up, unless another was asked for.
    fn database_name(&self, wanted: &NeonBranch) -> Result<String> {
        let dumped = self.held().map(|held| held.archive.database.as_str().to_owned());
        wanted.project.database.clone().or(dumped).ok_or_else(|| {
            Error::usage("the backup does not say the name of its database").hint("give one with --database")
        })
    }

    /// Makes the database, restores into it and proves it.
    async fn within(
        &mut self,
        neon: &Neon,
        own: &OwnBranch,
        wanted: &NeonBranch,
        database: &str,
        run: &Run,
    ) -> Result<(Outcome, NeonPlace)> {
        let role = role(own, wanted, database)?;
        let tell = |said: &str| run.say(said);
        run.or(neon.fresh_database(own, database, &role, &tell)).await?;
        let branch = &own.branch.id;
        let direct = run.or(neon.uri(branch, database, &role, false)).await?;
        let pooled = run.or(neon.uri(branch, database, &role, true)).await?;
        let conn = branch::conn(&direct)?;
        let outcome = self.restore_named(&conn, Naming::AtOnce, run).await.map_err(|e| match e.kind() {
            Kind::TargetExists => e.without_hints().hint("the database that Neon created is not empty"),
            _ => e,
        })?;
        let place = NeonPlace {
            project: wanted.project.id.clone(),
            branch: own.branch.name.clone(),
            branch_id: own.branch.id.clone(),
            expires_at: None,
            database: database.to_owned(),
            role,
            direct,
            pooled,
        };
        Ok((outcome, place))
    }
}

/// Who owns the database in the parent, or else the only role there is.
fn role(own: &OwnBranch, wanted: &NeonBranch, database: &str) -> Result<String> {
    if let Some(role) = &wanted.project.role {
        return Ok(role.clone());
    }
    let inherited = own.databases.iter().find(|inherited| inherited.name == database);
    match (inherited, own.roles.as_slice()) {
        (Some(inherited), _) => Ok(inherited.owner_name.clone()),
        (None, [only]) => Ok(only.clone()),
        (None, roles) => Err(Error::usage(format!("it is not clear which role is to own {database}"))
            .hint(format!("name it with --role; the branch has {}", roles.join(", ")))),
    }
}
