//! `pgstow copy`: backups from one store into another, as they are.

use crate::answers::copy::Copied;
use crate::cli::CopyWords;
use crate::copy::copy;
use crate::error::Result;
use crate::report::Report;
use crate::run::Run;
use crate::settings;

pub async fn run(words: CopyWords, report: &Report, run: &Run) -> Result<()> {
    let copies = copy(&settings::copy(&words)?, run).await?;
    report.answer(&Copied::new(&copies))?;
    copies.conclude()
}
