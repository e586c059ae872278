//! `pgstow backup`: into one or more stores, encrypted, visible only when it is whole; then old ones may go.

use crate::answers::backup::{Stored, StoredMany};
use crate::cli::BackupWords;
use crate::dump::{command, database, every};
use crate::error::Result;
use crate::prune::{New, after_backup};
use crate::report::Report;
use crate::run::Run;
use crate::settings::{Backup, What};

pub async fn run(words: BackupWords, report: &Report, run: &Run) -> Result<()> {
    let Backup { what, writing, prune } = Backup::read(words)?;
    run.or(writing.check()).await?;
    let stored = match &what {
        What::Every { each, exclude } => {
            let mut every = every::back_up(each, exclude, &writing, run).await?;
            let stored = New::of(every.stored());
            report.done(&StoredMany::of_databases(&mut every))?;
            let pruned = after_backup(prune, stored, run).await;
            return every.conclude().and(pruned);
        }
        What::Database(database) => database::back_up_one(database, &writing, run).await?,
        What::Stream(stream) => command::back_up(stream, &writing, run).await?,
    };
    let (new, concluded) = (New::of([&stored]), stored.conclude());
    report.done(&Stored::from(stored))?;
    let pruned = after_backup(prune, new, run).await;
    concluded.and(pruned)
}
