//! One project of Neon's: opened once, and waited for while Neon works.

use super::http::Http;
use super::secret::ApiKey;
use super::shapes::{Operation, OperationOnly, ProjectOnly};
use crate::error::{Error, Result};
use std::time::{Duration, Instant};

/// Neon's own address.
pub const API: &str = "https://console.neon.tech/api/v2";

/// Between two looks at an operation.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A project's API, opened with a key.
#[derive(Debug)]
pub struct Neon {
    pub(super) http: Http,
    pub(super) project: String,
    patience: Duration,
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

    pub(super) fn path(&self, rest: &[&str]) -> Vec<String> {
        let start = ["projects", &self.project];
        start.iter().chain(rest).map(|part| (*part).to_owned()).collect()
    }

    /// Waits until all of these are done, and tells which it waits for.
    pub(super) async fn wait(&self, operations: Vec<Operation>, tell: &(dyn Fn(&str) + Sync)) -> Result<()> {
        let since = Instant::now();
        for mut operation in operations {
            let mut told = false;
            loop {
                match state(&operation) {
                    State::Done => break,
                    State::Failed => return Err(failed(&operation)),
                    State::Going if since.elapsed() > self.patience => return Err(self.late(&operation)),
                    State::Going if !told => tell(&format!("waiting for Neon: {}", operation.action)),
                    State::Going => {}
                }
                told = true;
                tokio::time::sleep(LOOK_EVERY).await;
                let path = self.path(&["operations", &operation.id]);
                OperationOnly { operation } = self.http.get(&path, &[]).await?;
            }
        }
        Ok(())
    }

    fn late(&self, operation: &Operation) -> Error {
        Error::postgres(format!(
            "Neon's operation {} ({}) is {} after {} seconds",
            operation.action,
            operation.id,
            operation.status,
            self.patience.as_secs()
        ))
        .hint("try again later, or wait longer with --neon-timeout")
    }
}

/// How an operation stands.
enum State {
    Going,
    Done,
    Failed,
}

fn state(operation: &Operation) -> State {
    match operation.status.as_str() {
        "finished" | "skipped" => State::Done,
        "error" | "failed" | "cancelled" => State::Failed,
        _ => State::Going,
    }
}

fn failed(operation: &Operation) -> Error {
    let why = operation.error.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    Error::postgres(format!(
        "Neon's operation {} ({}) ended as {}{why}",
        operation.action, operation.id, operation.status
    ))
}
