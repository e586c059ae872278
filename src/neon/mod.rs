//! Neon's API: branches to restore into, or to dump from, and what hangs on them.
//!
//! [`Neon`] speaks for one project. What it deletes or drops lies in an [`OwnBranch`], which exists only
//! for branches that this run has created: the default branch and everybody else's are never touched.
//! PostgreSQL itself is none of this room's business, and nothing here reads the environment.

mod http;
mod shapes;
mod wait;

pub use shapes::{Branch, Database};

use crate::error::{Error, Result};
use http::{Answer, Http};
use serde_json::json;
use shapes::{Branches, Created, Databases, Operation, OperationsOnly, ProjectOnly, UriOnly};
use std::fmt;
use std::time::Duration;

/// Neon's own address.
pub const API: &str = "https://console.neon.tech/api/v2";

/// A project's API, opened with a key.
#[derive(Debug)]
pub struct Neon {
    http: Http,
    project: String,
    patience: Duration,
}

/// What a refusal of Neon's means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Situation {
    /// It is not acceptable as it is, and nothing was done: another request may be accepted.
    Rejected,
}

/// An API key: printed by nothing.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// Wraps a key.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A connection URI with its password: printed by nothing.
#[derive(Clone)]
pub struct Uri(String);

impl Uri {
    /// The URI itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The URI with `***` for its password.
    pub fn masked(&self) -> String {
        match url::Url::parse(&self.0) {
            Ok(mut url) => match url.password().is_none() || url.set_password(Some("***")).is_ok() {
                true => url.into(),
                false => "***".into(),
            },
            Err(_) => "***".into(),
        }
    }

    /// The host it leads to.
    pub fn host(&self) -> Option<String> {
        url::Url::parse(&self.0).ok()?.host_str().map(str::to_owned)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// A branch that this run has created, and so may delete.
#[derive(Debug)]
pub struct OwnBranch {
    /// What the API says of it.
    pub branch: Branch,
    /// The databases it got from its parent.
    pub databases: Vec<Database>,
    /// The roles it got, those of the system left out.
    pub roles: Vec<String>,
    /// What Neon still had to do when it had created it.
    operations: Vec<Operation>,
}

impl Neon {
    /// Reaches the project; nothing is changed.
    ///
    /// `patience` is how long operations, and a project that is busy with others, are waited for.
    pub async fn open(api: &str, key: ApiKey, project: &str, patience: Duration) -> Result<Self> {
        let neon = Self { http: Http::new(api, key, patience)?, project: project.to_owned(), patience };
        let ProjectOnly { project } = neon.http.get(&neon.path(&[]), &[]).await?;
        tracing::debug!("Neon project {} ({}), PostgreSQL {}", project.name, project.id, project.pg_version);
        Ok(neon)
    }

    fn path(&self, rest: &[&str]) -> Vec<String> {
        let start = ["projects", &self.project];
        start.iter().chain(rest).map(|part| (*part).to_owned()).collect()
    }

    /// The branch of this id or name.
    pub async fn branch(&self, wanted: &str) -> Result<Option<Branch>> {
        // The search finds parts of names too.
        let query = [("search", wanted), ("limit", "10000")];
        let Branches { branches } = self.http.get(&self.path(&["branches"]), &query).await?;
        Ok(branches.into_iter().find(|branch| branch.id == wanted || branch.name == wanted))
    }

    /// The branch that production uses.
    pub async fn default_branch(&self) -> Result<Branch> {
        let query = [("limit", "10000")];
        let Branches { branches } = self.http.get(&self.path(&["branches"]), &query).await?;
        branches
            .into_iter()
            .find(|branch| branch.default)
            .ok_or_else(|| Error::postgres(format!("the project {} has no default branch", self.project)))
    }

    /// The databases of a branch.
    pub async fn databases(&self, branch: &str) -> Result<Vec<Database>> {
        let path = self.path(&["branches", branch, "databases"]);
        let Databases { databases } = self.http.get(&path, &[]).await?;
        Ok(databases)
    }

    /// Creates a branch with a compute; both are there when [`Neon::ready`] says so.
    ///
    /// `name` must be nobody's yet: where the answer is lost, the branch of that name is taken for ours and
    /// deleted.
    pub async fn create_branch(
        &self,
        name: &str,
        parent: Option<&str>,
        expires_at: Option<&str>,
    ) -> Result<OwnBranch> {
        let mut branch = json!({ "name": name });
        for (field, value) in [("parent_id", parent), ("expires_at", expires_at)] {
            if let (Some(value), Some(fields)) = (value, branch.as_object_mut()) {
                fields.insert(field.into(), value.into());
            }
        }
        let body = json!({ "branch": branch, "endpoints": [{ "type": "read_write" }] });
        let Created { branch, operations, roles, databases } =
            match self.http.post(&self.path(&["branches"]), &body).await {
                Answer::Done(created) => created,
                Answer::Refused(error) => return Err(error),
                Answer::Lost(error) => {
                    self.delete_lost(name).await;
                    return Err(error);
                }
            };
        if branch.default {
            return Err(Error::unexpected(
                "Neon made the new branch the project's default one; it is not touched",
            ));
        }
        let roles = roles.into_iter().filter(|role| !role.protected).map(|role| role.name).collect();
        Ok(OwnBranch { branch, databases, roles, operations })
    }

    /// Waits until the branch and its compute are there; `tell` hears what is waited for.
    pub async fn ready(&self, own: &OwnBranch, tell: &(dyn Fn(&str) + Sync)) -> Result<()> {
        self.wait(own.operations.clone(), tell).await
    }

    /// Keeps a branch that this run has created: Neon will not delete it by itself any more.
    pub async fn keep(&self, own: &mut OwnBranch) -> Result<()> {
        let body = json!({ "branch": { "expires_at": null } });
        let OperationsOnly { .. } = self.http.patch(&self.path(&["branches", &own.branch.id]), &body).await?;
        own.branch.expires_at = None;
        Ok(())
    }

    /// Deletes the branch that was created though its answer never came.
    async fn delete_lost(&self, name: &str) {
        let found = match self.branch(name).await {
            Ok(None) => return,
            Ok(Some(branch)) => {
                Ok(OwnBranch { branch, databases: Vec::new(), roles: Vec::new(), operations: Vec::new() })
            }
            Err(error) => Err(error),
        };
        let deleted = match found {
            Ok(own) => self.delete_branch(&own).await,
            Err(error) => Err(error),
        };
        if let Err(error) = deleted {
            tracing::warn!("Neon may have created the branch {name}; look for it, and delete it: {error}");
        }
    }

    /// Deletes a branch that this run has created, its compute and all.
    pub async fn delete_branch(&self, own: &OwnBranch) -> Result<()> {
        let Branch { id, name, default, .. } = &own.branch;
        if *default {
            return Err(Error::unexpected(format!("{name} ({id}) is the project's default branch")));
        }
        let deleted = self.http.delete::<OperationsOnly>(&self.path(&["branches", id])).await;
        // It ends by itself from here on; nobody needs to wait.
        deleted.map(drop).map_err(|error| {
            error
                .context(format_args!("the branch {name} ({id}) is left on Neon"))
                .hint(format!("delete it: neonctl branches delete {id} --project-id {}", self.project))
        })
    }

    /// Makes a database fresh in a branch that this run has created: what it inherited under that name goes.
    pub async fn fresh_database(
        &self,
        own: &OwnBranch,
        name: &str,
        owner: &str,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<()> {
        let id = &own.branch.id;
        let all = self.path(&["branches", id, "databases"]);
        if self.databases(id).await?.iter().any(|database| database.name == name) {
            tell(&format!("dropping the copy of {name} in the new branch {}", own.branch.name));
            let path = self.path(&["branches", id, "databases", name]);
            if let Some(OperationsOnly { operations }) = self.http.delete(&path).await? {
                self.wait(operations, tell).await?;
            }
        }
        let body = json!({ "database": { "name": name, "owner_name": owner } });
        let OperationsOnly { operations } = match self.http.post(&all, &body).await {
            Answer::Done(done) => done,
            Answer::Refused(error) | Answer::Lost(error) => {
                return Err(error.context(format_args!("create the database {name}")));
            }
        };
        self.wait(operations, tell).await
    }

    /// The connection URI of a branch's database, for a role; through the pooler or not.
    pub async fn uri(&self, branch: &str, database: &str, role: &str, pooled: bool) -> Result<Uri> {
        let query = [
            ("branch_id", branch),
            ("database_name", database),
            ("role_name", role),
            ("pooled", if pooled { "true" } else { "false" }),
        ];
        let UriOnly { uri } = self
            .http
            .get(&self.path(&["connection_uri"]), &query)
            .await
            .map_err(|error| error.context(format_args!("the connection of {role} to {database}")))?;
        Ok(Uri(uri))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let uri = Uri("postgresql://app:hunter22@ep-x.eu.neon.tech/app?sslmode=require".into());
        assert_eq!(uri.masked(), "postgresql://app:***@ep-x.eu.neon.tech/app?sslmode=require");
        assert_eq!(uri.host().as_deref(), Some("ep-x.eu.neon.tech"));
        let shown = format!("{uri:?} {:?}", ApiKey::new("napi_secret"));
        assert!(!shown.contains("hunter22") && !shown.contains("napi"), "{shown}");
    }
}
