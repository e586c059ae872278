//! Databases in a branch, and how to connect to them.

use super::branches::OwnBranch;
use super::http::Answer;
use super::project::Neon;
use super::secret::Uri;
use super::shapes::{Database, Databases, OperationsOnly, UriOnly};
use crate::error::Result;
use serde_json::json;

impl Neon {
    /// The databases of a branch.
    pub async fn databases(&self, branch: &str) -> Result<Vec<Database>> {
        let path = self.path(&["branches", branch, "databases"]);
        let Databases { databases } = self.http.get(&path, &[]).await?;
        Ok(databases)
    }

    /// Creates an empty database in a branch that this run has created; drops an inherited one with that name.
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

    /// The connection URI of a database in a branch, for a role; through the pooler or not.
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
            .map_err(|error| error.context(format_args!("get the connection of {role} to {database}")))?;
        Ok(Uri(uri))
    }
}
