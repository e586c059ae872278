//! `pgstow clone`: a database straight into another one made for it.

use crate::answers::restore::Cloned;
use crate::cli::CloneWords;
use crate::error::Result;
use crate::report::Report;
use crate::restore::copy::copy;
use crate::run::Run;
use crate::settings;

pub async fn run(words: CloneWords, report: &Report, run: &Run) -> Result<()> {
    let mut copied = copy(settings::clone(words)?, run).await?;
    report.answer(&Cloned::new(&mut copied))?;
    copied.outcome.conclude()
}
