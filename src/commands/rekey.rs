//! `pgstow rekey`: new recipients for existing backups.

use crate::answers::rekey::Rekeys;
use crate::cli::RekeyWords;
use crate::error::Result;
use crate::rekey::rekey;
use crate::report::Report;
use crate::run::Run;
use crate::settings;

pub async fn run(words: RekeyWords, report: &Report, run: &Run) -> Result<()> {
    let rekeyed = rekey(settings::rekey(words)?, run).await?;
    report.answer(&Rekeys::new(&rekeyed))?;
    rekeyed.conclude()
}
