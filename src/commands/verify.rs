//! `pgstow verify`: reads backups back and says which can be trusted.

use crate::answers::verify::Verdicts;
use crate::cli::VerifyWords;
use crate::error::Result;
use crate::report::Report;
use crate::run::Run;
use crate::settings;
use crate::verify::verify;

pub async fn run(words: VerifyWords, report: &Report, run: &Run) -> Result<()> {
    let mut verified = verify(settings::verify(words)?, run).await?;
    report.answer(&Verdicts::new(&mut verified))?;
    verified.conclude()
}
