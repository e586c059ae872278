//! `pgstow adopt`: a dump that was made before becomes a backup.

use crate::answers::backup::StoredMany;
use crate::cli::AdoptWords;
use crate::dump::adopt::adopt;
use crate::error::Result;
use crate::report::Report;
use crate::run::Run;
use crate::settings::Adopt;
use crate::stored::write::writer::StoredBackup;

pub async fn run(words: AdoptWords, report: &Report, run: &Run) -> Result<()> {
    let Adopt { request, writing } = Adopt::read(words)?;
    run.or(writing.check()).await?;
    let stored = adopt(&request, &writing, run).await?;
    let concluded = stored.iter().try_for_each(StoredBackup::conclude);
    report.done(&StoredMany::adopted(stored))?;
    concluded
}
