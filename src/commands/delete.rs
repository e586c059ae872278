//! `pgstow delete`: backups go that were named by their ids.

use crate::answers::prune::Plan;
use crate::cli::DeleteWords;
use crate::error::Result;
use crate::prune::delete;
use crate::report::Report;
use crate::run::Run;
use crate::settings;

pub async fn run(words: &DeleteWords, report: &Report, run: &Run) -> Result<()> {
    let deleted = delete(&settings::delete(words)?, run).await?;
    report.answer(&Plan::new(&deleted))?;
    deleted.conclude()
}
