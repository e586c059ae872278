//! `pgstow list`: what is there.

use crate::answers::list::{Listing, Row};
use crate::cli::ListWords;
use crate::error::Result;
use crate::failures::Failures;
use crate::report::Report;
use crate::run::Run;
use crate::settings::List;
use crate::stored::catalogue;

pub async fn run(words: &ListWords, report: &Report, run: &Run) -> Result<()> {
    let List { name, location, trusted } = List::read(words)?;
    let reading = async {
        let store = location.open().await?;
        let found = catalogue::search(&*store, name.as_ref()).await?;
        catalogue::warn_of_the_future(&found);
        if found.is_empty() {
            catalogue::expect_none(&*store, name.as_ref()).await?;
            run.say(format!("no backups yet in {}", store.display_url()));
        }
        Ok(catalogue::read_each(&store, &found, trusted.as_ref(), |backup| Row::of(&backup)).await)
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
