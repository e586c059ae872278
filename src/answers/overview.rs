//! What `report` answers: the facts that its page draws.

use super::Answer;
use crate::overview::Overview;
use serde::Serialize;

/// A store at a glance; for people there is the page.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct StoreOverview(pub Overview);

impl Answer for StoreOverview {}
