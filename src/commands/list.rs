//! `pgstow list`: what is there.

use crate::answers::list::{Listing, Row};
use crate::cli::ListWords;
use crate::error::Result;
use crate::failures::Failures;
use crate::report::Report;
use crate::run::Run;
use crate::settings::List;
use crate::stored::catalogue;
use crate::stored::proven;

pub async fn run(words: &ListWords, report: &Report, run: &Run) -> Result<()> {
    let List { name, location, trusted, history } = List::read(words)?;
    let reading = async {
        let store = location.open().await?;
        let (found, read) =
            proven::search_and_read(&store, name.as_ref(), trusted.as_ref(), |backup| Row::of(&backup))
                .await?;
        catalogue::warn_of_the_future(&found);
        if found.is_empty() {
            catalogue::expect_none(&*store, name.as_ref()).await?;
            run.say(format!("no backups yet in {}", store.display_url()));
        }
        if let (Some(history), Some(trusted)) = (&history, &trusted) {
            let is_read: Vec<bool> = read.iter().map(Result::is_ok).collect();
            history.compare_all(&store, &found, &is_read, trusted).await?;
        }
        Ok(read)
    };
    let read = run.or(reading).await?;
    let (mut rows, mut errors) = (Vec::with_capacity(read.len()), Vec::new());
    let mut failures = Failures::of(read.len());
    for row in read {
        match row {
            Ok((row, proven)) => rows.push(row.proven(proven)),
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
