//! `pgstow backup`: into the store, encrypted, visible only when it is whole.

use crate::answers::backup::{Stored, StoredMany};
use crate::cli::BackupWords;
use crate::dump::{command, database, every};
use crate::error::Result;
use crate::report::Report;
use crate::run::Run;
use crate::settings::{Backup, What};

pub async fn run(words: BackupWords, report: &Report, run: &Run) -> Result<()> {
    let Backup { what, writing } = Backup::read(words)?;
    let stored = match &what {
        What::Every { each, exclude } => {
            let mut every = every::back_up(each, exclude, &writing, run).await?;
            report.done(&StoredMany::of_databases(&mut every))?;
            return every.conclude();
        }
        What::Database(database) => database::back_up_one(database, &writing, run).await?,
        What::Stream { name, producer } => command::back_up(name, producer, &writing, run).await?,
    };
    report.done(&Stored::from(stored))
}
