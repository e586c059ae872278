//! `pgstow swap`: a database takes another's place, and the other is kept.

use crate::answers::restore::NewName;
use crate::cli::SwapWords;
use crate::error::Result;
use crate::report::Report;
use crate::restore::swap::swap;
use crate::run::Run;
use crate::settings;

pub async fn run(words: SwapWords, report: &Report, run: &Run) -> Result<()> {
    let swapped = swap(settings::swap(words)?, run).await?;
    report.answer(&NewName::from(swapped))
}
