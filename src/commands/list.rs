//! `pgstow list`: what is there.

use crate::answers::list::{Listing, Row};
use crate::cli::ListWords;
use crate::error::Result;
use crate::failures::Failures;
use crate::report::Report;
use crate::run::Run;
use crate::settings::List;
use crate::stored::catalogue;
use crate::stored::proven::{self, MaybeProven};

pub async fn run(words: &ListWords, report: &Report, run: &Run) -> Result<()> {
    let List { name, location, trusted, history } = List::read(words)?;
    let reading = async {
        let store = location.open().await?;
        let found = catalogue::search(&*store, name.as_ref()).await?;
        catalogue::warn_of_the_future(&found);
        if found.is_empty() {
            catalogue::expect_none(&*store, name.as_ref()).await?;
            run.say(format!("no backups yet in {}", store.display_url()));
        }
        let row = |one: MaybeProven| Row::of(&one);
        let (Some(history), Some(trusted)) = (&history, &trusted) else {
            // Of each only its row is kept: there may be a hundred thousand.
            return Ok(proven::read_each(&store, &found, trusted.as_ref(), row).await);
        };
        let read = proven::read_all(&store, &found, Some(trusted)).await;
        history.compare_all(&store, &found, &read, trusted).await?;
        Ok(read.into_iter().map(|one| one.map(row)).collect())
    };
    let read: Vec<Result<Row>> = run.or(reading).await?;
    let (mut rows, mut errors) = (Vec::with_capacity(read.len()), Vec::new());
    let mut failures = Failures::of(read.len());
    for row in read {
        match row {
            Ok(row) => rows.push(row),
            Err(error) => errors.push(error),
        }
    }
    report.answer(&Listing::of(rows))?;
    // A manifest that cannot be trusted is not listed, and not passed over in silence either.
    for error in errors {
        failures.keep(error, str::to_owned)?;
    }
    failures.conclude(|failed, of| format!("{failed} of {of} backups could not be read"))
}
