//! Branches: find, create, keep and delete them. Only branches that this run has created are deleted.

use super::http::Answer;
use super::project::Neon;
use super::shapes::{Branch, Branches, Created, Database, Operation, OperationsOnly};
use crate::error::{Error, Result};
use serde_json::json;

/// A branch that this run has created, and so may delete.
#[derive(Debug)]
pub struct OwnBranch {
    /// What the API says about it.
    pub branch: Branch,
    /// The databases it inherited from its parent.
    pub databases: Vec<Database>,
    /// The roles it inherited, without those of the system.
    pub roles: Vec<String>,
    /// What Neon still had to do after creating it.
    operations: Vec<Operation>,
}

impl Neon {
    /// The branch with this id or name.
    pub async fn branch(&self, wanted: &str) -> Result<Option<Branch>> {
        // The search also finds parts of names.
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
            .ok_or_else(|| Error::postgres(format!("project {} has no default branch", self.project)))
    }

    /// Creates a branch with a compute; both are usable after [`Neon::ready`].
    ///
    /// No branch may have this `name` yet: if the answer is lost, the branch with that name is deleted as ours.
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
                "Neon made the new branch the project's default branch; pgstow does not touch it",
            ));
        }
        let roles = roles.into_iter().filter(|role| !role.protected).map(|role| role.name).collect();
        Ok(OwnBranch { branch, databases, roles, operations })
    }

    /// Waits until the branch and its compute are ready; `tell` gets what it waits for.
    pub async fn ready(&self, own: &OwnBranch, tell: &(dyn Fn(&str) + Sync)) -> Result<()> {
        self.wait(own.operations.clone(), tell).await
    }

    /// Keeps a branch that this run has created: Neon will no longer delete it automatically.
    pub async fn keep(&self, own: &mut OwnBranch) -> Result<()> {
        let body = json!({ "branch": { "expires_at": null } });
        let OperationsOnly { .. } = self.http.patch(&self.path(&["branches", &own.branch.id]), &body).await?;
        own.branch.expires_at = None;
        Ok(())
    }

    /// Deletes the branch if it was created although the answer was lost.
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
            tracing::warn!("Neon may have created the branch {name}; check, and delete it: {error}");
        }
    }

    /// Deletes a branch that this run has created, including its compute.
    pub async fn delete_branch(&self, own: &OwnBranch) -> Result<()> {
        let Branch { id, name, default, .. } = &own.branch;
        if *default {
            return Err(Error::unexpected(format!("{name} ({id}) is the project's default branch")));
        }
        let deleted = self.http.delete::<OperationsOnly>(&self.path(&["branches", id])).await;
        // Neon does the rest by itself; nobody needs to wait.
        deleted.map(drop).map_err(|error| {
            error
                .context(format_args!("the branch {name} ({id}) still exists on Neon"))
                .hint(format!("delete it: neonctl branches delete {id} --project-id {}", self.project))
        })
    }
}
