//! `pgstow keys`: who can read which backups.

use crate::answers::keys::KeysInUse;
use crate::cli::KeysWords;
use crate::error::Result;
use crate::readers::readers;
use crate::report::Report;
use crate::run::Run;
use crate::settings;

pub async fn run(words: &KeysWords, report: &Report, run: &Run) -> Result<()> {
    let found = readers(&settings::readers(words)?, run).await?;
    report.answer(&KeysInUse::new(&found))?;
    found.conclude()
}
