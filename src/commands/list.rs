//! `pgstow list`: what is there.

use crate::answers::list::Listing;
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
        let read = proven::read_all(&store, &found, trusted.as_ref()).await;
        if let (Some(history), Some(trusted)) = (&history, &trusted) {
            history.compare_all(&store, &found, &read, trusted).await?;
        }
        Ok(read)
    };
    let read: Vec<Result<MaybeProven>> = run.or(reading).await?;
    report.answer(&Listing::new(read.iter().filter_map(|backup| backup.as_ref().ok())))?;
    // A manifest that cannot be trusted is not listed, and not passed over in silence either.
    let mut failures = Failures::of(read.len());
    for error in read.into_iter().filter_map(Result::err) {
        failures.keep(error, str::to_owned)?;
    }
    failures.conclude(|failed, of| format!("{failed} of {of} backups could not be read"))
}
