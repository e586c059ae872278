//! `pgstow schedule`: runs another command whenever it is due.

use crate::cli::{CommonWords, ScheduleWords};
use crate::error::Result;
use crate::run::Run;
use crate::schedule::schedule;
use crate::settings;

pub async fn run(words: ScheduleWords, common: &CommonWords, run: &Run) -> Result<()> {
    schedule(settings::schedule(words, common)?, run).await
}
