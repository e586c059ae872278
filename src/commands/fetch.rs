//! `pgstow fetch`: brings a backup, or some tables of it, back as a file.

use crate::answers::fetch::FetchedFile;
use crate::cli::FetchWords;
use crate::error::Result;
use crate::fetch::fetch;
use crate::report::Report;
use crate::run::Run;
use crate::settings;

pub async fn run(words: FetchWords, report: &Report, run: &Run) -> Result<()> {
    let fetched = fetch(settings::fetch(words)?, report.is_json(), run).await?;
    FetchedFile::new(fetched).map_or(Ok(()), |answer| report.answer(&answer))
}
