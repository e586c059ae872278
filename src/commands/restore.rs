//! `pgstow restore`: a backup into a database made for it, or into a command.

use crate::answers::restore::{AppendedRows, FedCommand, Restored};
use crate::cli::RestoreWords;
use crate::error::Result;
use crate::report::Report;
use crate::restore::backup::ReadyBackup;
use crate::restore::command::feed;
use crate::restore::into::{append, create};
use crate::run::Run;
use crate::settings::{Feed, Goal, IntoDatabase, Restore};
use crate::stored::read::reader::BackupReader;

pub async fn run(words: RestoreWords, report: &Report, run: &Run) -> Result<()> {
    match Restore::read(words)? {
        Restore::Command(feed) => into_command(*feed, report, run).await,
        Restore::Tables(options) => {
            let into = if options.create {
                Box::pin(create(*options, run)).await
            } else {
                Box::pin(append(*options, run)).await
            };
            report.answer(&AppendedRows::from(into?))
        }
        Restore::Database(words) => Box::pin(into_database(*words, report, run)).await,
    }
}

async fn into_database(words: IntoDatabase, report: &Report, run: &Run) -> Result<()> {
    let IntoDatabase { options, goal } = words;
    let mut ready = ReadyBackup::find(options, run).await?;
    // Each on the heap: what they need together is more than a thread has on its stack.
    let (answer, outcome) = match goal {
        Goal::Database(target) => {
            let mut outcome = Box::pin(ready.restore_into(&target, run)).await?;
            (Restored::new(&ready.reader, &mut outcome), outcome)
        }
        Goal::Swap { target, yes, keep_old } => {
            let (mut outcome, swapped) =
                Box::pin(ready.restore_in_place_of(&target, yes, keep_old, run)).await?;
            (Restored::new(&ready.reader, &mut outcome).swapped(swapped), outcome)
        }
        Goal::Neon(branch) => {
            let (mut outcome, place) = Box::pin(ready.restore_into_branch(&branch, run)).await?;
            let answer = Restored::new(&ready.reader, &mut outcome);
            (answer.on_neon(place, branch.show_password), outcome)
        }
    };
    report.answer(&answer)?;
    outcome.conclude()
}

async fn into_command(Feed { selection, command }: Feed, report: &Report, run: &Run) -> Result<()> {
    let reader = run.or(BackupReader::find(selection)).await?;
    let fed = feed(reader, command, report.is_json(), run).await?;
    // Without --json, stdout is the command's: the answer has no text.
    report.answer(&FedCommand::from(fed))
}
