//! Waits for operations: Neon answers at once, and does the work afterwards.

use super::Neon;
use super::shapes::{Operation, OperationOnly};
use crate::error::{Error, Result};
use std::time::{Duration, Instant};

/// Between two looks at an operation.
const LOOK_EVERY: Duration = Duration::from_millis(500);

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

impl Neon {
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

fn failed(operation: &Operation) -> Error {
    let why = operation.error.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    Error::postgres(format!(
        "Neon's operation {} ({}) ended as {}{why}",
        operation.action, operation.id, operation.status
    ))
}
