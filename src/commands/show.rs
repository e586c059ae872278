//! `pgstow show`: everything the manifest says of one backup; its tables, from the inventory.

use crate::answers::show::Shown;
use crate::cli::ShowWords;
use crate::error::Result;
use crate::report::Report;
use crate::run::Run;
use crate::settings::Show;
use crate::stored::find::proven::MaybeProven;
use crate::stored::read::excerpt;
use crate::stored::read::opened::{BackupSelection, OpenStore, Select};

pub async fn run(words: ShowWords, report: &Report, run: &Run) -> Result<()> {
    let Show { selection, tables, diff } = Show::read(words)?;
    let reading = async {
        let BackupSelection { select, reading } = selection;
        let store = OpenStore::open(reading).await?;
        let found = store.locate(&select).await?;
        let backup = store.take(&found).await?;
        let proven = store.proven(&found, &backup).await?;
        let now = match tables || diff.is_some() {
            true => Some(excerpt::inventory(&backup).await?),
            false => None,
        };
        let earlier = match diff.as_deref() {
            Some("previous") => Some(store.before(&backup.backup).await?),
            Some(id) => {
                let name = Some(backup.place().name.clone());
                Some(store.find(&Select { id: id.to_owned(), name, before: None }).await?)
            }
            None => None,
        };
        let earlier = match &earlier {
            Some(earlier) => Some(excerpt::inventory(earlier).await?),
            None => None,
        };
        let shown = MaybeProven { backup: backup.backup, proven };
        Ok(Shown::new(store.store().display_url(), shown, now.as_ref(), earlier.as_ref()))
    };
    report.answer(&run.or(reading).await?)
}
