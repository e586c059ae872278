//! `restore --neon`: a branch made for it, the database made fresh in that branch.
//!
//! Whatever fails, and whoever ends it, the branch goes again, unless `--keep-failed`.

use super::super::neon::{Lent, keep, lend};
use super::Run;
use crate::error::{Error, Kind as Failing, Result};
use crate::manifest::Kind;
use crate::neon::{Neon, OwnBranch, Uri};
use crate::postgres::Provider;
use crate::settings::{NeonBranch, Profile};
use serde_json::{Value, json};

/// Restores into a new branch.
pub async fn restore(mut run: Run<'_>, settings: &NeonBranch) -> Result<()> {
    let database = database(&run, settings)?;
    let (report, stop) = (run.report, run.stop);
    let lent = Lent {
        name: settings.name.clone(),
        label: format!("restore-{database}"),
        parent: settings.parent.clone(),
        expires: settings.expires,
    };
    let (neon, mut own) = lend(&settings.project, &lent, report, stop).await?;
    fit(&mut run);
    let done = within(&run, &neon, &own, settings, &database).await;
    let judgement = match done {
        Ok((mut document, place, Ok(()))) => {
            if settings.expires.is_none() {
                keep(&neon, &mut own).await;
            }
            let place = place.describe(&own, &settings.project.id, settings.show_password);
            let text = place.text();
            if let Some(fields) = document.as_object_mut() {
                fields.insert("neon".into(), place.0);
            }
            return report.answer(text, &document);
        }
        Ok((document, _, Err(judgement))) => {
            report.answer("", &document)?;
            Err(judgement)
        }
        Err(first) => Err(first),
    };
    if run.keep_failed {
        tracing::warn!(
            "the branch {} ({}) is kept as the failed restore left it",
            own.branch.name,
            own.branch.id
        );
    } else {
        super::super::neon::give_back(&neon, &own, report).await;
    }
    judgement
}

/// What Neon takes: nobody there may give things to roles they are not a member of.
fn fit(run: &mut Run<'_>) {
    let fitting = &mut run.wishes.fitting;
    if fitting.profile == Profile::Auto {
        fitting.profile = Profile::Of(Provider::Neon);
    }
    // Who says whose it shall be is believed; a plain script is run as it is.
    let said = fitting.owner.is_some() || !fitting.map.is_empty() || fitting.options.no_owner;
    if !said && run.source.kind() == Kind::Postgres {
        run.report.say("everything will belong to the role that restores, as Neon asks for");
        fitting.options.no_owner = true;
    }
}

/// The name of the database that was backed up, unless another was asked for.
fn database(run: &Run<'_>, settings: &NeonBranch) -> Result<String> {
    let dumped = run.inventory.as_ref().map(|inventory| inventory.archive.database.as_str().to_owned());
    settings.project.database.clone().or(dumped).ok_or_else(|| {
        Error::usage("the backup does not say the name of its database").hint("give one with --database")
    })
}

/// Where the database is now.
struct Place {
    database: String,
    role: String,
    direct: Uri,
    pooled: Uri,
}

/// Makes the database, restores into it and proves it.
async fn within(
    run: &Run<'_>,
    neon: &Neon,
    own: &OwnBranch,
    settings: &NeonBranch,
    database: &str,
) -> Result<(Value, Place, Result<()>)> {
    let stop = run.stop;
    let role = role(own, settings, database)?;
    let tell = |said: &str| run.report.say(said);
    stop.or(neon.fresh_database(own, database, &role, &tell)).await?;
    let branch = &own.branch.id;
    let direct = stop.or(neon.uri(branch, database, &role, false)).await?;
    let pooled = stop.or(neon.uri(branch, database, &role, true)).await?;
    let conn = super::super::neon::conn(&direct)?;
    let restored = run.restore_into(&conn).await.map_err(|e| match e.kind() {
        Failing::TargetExists => e.without_hints().hint("Neon made the new database with something in it"),
        _ => e,
    });
    let (document, judgement) = restored?;
    Ok((document, Place { database: database.to_owned(), role, direct, pooled }, judgement))
}

/// Who owns the database in the parent, or else the only role there is.
fn role(own: &OwnBranch, settings: &NeonBranch, database: &str) -> Result<String> {
    if let Some(role) = &settings.project.role {
        return Ok(role.clone());
    }
    let inherited = own.databases.iter().find(|inherited| inherited.name == database);
    match (inherited, own.roles.as_slice()) {
        (Some(inherited), _) => Ok(inherited.owner_name.clone()),
        (None, [only]) => Ok(only.clone()),
        (None, roles) => Err(Error::usage(format!("it is not clear who shall own {database}"))
            .hint(format!("say it with --role; the branch has {}", roles.join(", ")))),
    }
}

/// What is told of a place, as a document.
struct Described(Value);

impl Place {
    fn describe(&self, own: &OwnBranch, project: &str, show_password: bool) -> Described {
        let uri = |uri: &Uri| if show_password { uri.reveal().to_owned() } else { uri.masked() };
        let branch = &own.branch;
        Described(json!({
            "project": project, "branch": branch.name, "branch_id": branch.id, "expires_at": branch.expires_at,
            "host": self.direct.host(), "database": self.database, "role": self.role,
            "direct": uri(&self.direct), "pooled": uri(&self.pooled),
        }))
    }
}

impl Described {
    /// The same as lines.
    fn text(&self) -> String {
        let fields = ["branch", "branch_id", "expires_at", "host", "pooled", "direct"];
        let line = |field: &str| Some(format!("{field:<11} {}", self.0.get(field)?.as_str()?));
        fields.iter().filter_map(|field| line(field)).collect::<Vec<_>>().join("\n")
    }
}
