//! `pgstow prune`: old backups go, by rule.

use crate::answers::prune::Plan;
use crate::cli::PruneWords;
use crate::error::Result;
use crate::prune::prune;
use crate::report::Report;
use crate::run::Run;
use crate::settings;

pub async fn run(words: PruneWords, report: &Report, run: &Run) -> Result<()> {
    let pruned = prune(&settings::prune(&words)?, run).await?;
    report.answer(&Plan::new(&pruned))?;
    pruned.conclude()
}
