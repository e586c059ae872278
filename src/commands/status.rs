//! `pgstow status`: whether backups go on.

use crate::answers::status::Statuses;
use crate::cli::StatusWords;
use crate::error::Result;
use crate::report::Report;
use crate::run::Run;
use crate::settings;
use crate::status::status;

pub async fn run(words: StatusWords, report: &Report, run: &Run) -> Result<()> {
    let status = status(&settings::status(&words)?, run).await?;
    report.done(&Statuses::new(&status))?;
    status.conclude()
}
