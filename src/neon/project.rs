//! One project on Neon, and waiting for its operations.

use super::http::Http;
use super::secret::ApiKey;
use super::shapes::{Operation, OperationOnly, ProjectOnly};
use crate::error::{Error, Result};
use std::time::{Duration, Instant};

/// The address of Neon's API.
pub const API: &str = "https://console.neon.tech/api/v2";

/// The time between two requests for the state of an operation.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A project on Neon.
#[derive(Debug)]
pub struct Neon {
    pub(super) http: Http,
    pub(super) project: String,
    patience: Duration,
}

impl Neon {
    /// Requests the project; changes nothing.
    ///
    /// `patience` is how long to wait for operations, and for a project that is busy with others.
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

    /// Waits until all of these are done; `tell` gets the name of each that it waits for.
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
            "Neon's operation {} ({}) is still {} after {} seconds",
            operation.action,
            operation.id,
            operation.status,
            self.patience.as_secs()
        ))
        .hint("try again later, or wait longer with --neon-timeout")
    }
}

/// The state of an operation.
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
        "Neon's operation {} ({}) ended with status {}{why}",
        operation.action, operation.id, operation.status
    ))
}
