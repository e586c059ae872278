//! `pgstow list`: what is there.

use crate::answers::list::{Listing, Row};
use crate::cli::ListWords;
use crate::error::{Error, Result};
use crate::failures::Failures;
use crate::report::Report;
use crate::run::Run;
use crate::settings::List;
use crate::stored::find::catalogue::{self, Found, Unsigned};
use crate::stored::find::proven;
use crate::stored::format::names::Timestamp;
use crate::units::{age, count};

/// At most this number of backups is named that are not signed.
const MOST_NAMED: usize = 5;

pub async fn run(words: &ListWords, report: &Report, run: &Run) -> Result<()> {
    let List { name, newer_than, location, trusted, history } = List::read(words)?;
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
        Ok((read, found))
    };
    let (read, found) = run.or(reading).await?;
    let (mut rows, mut errors) = (Vec::with_capacity(read.len()), Vec::new());
    let (now, there) = (Timestamp::now(), found.len());
    let is_wanted =
        |found: &Found| newer_than.is_none_or(|most| found.age(now).is_none_or(|age| age <= most));
    let read: Vec<_> = read.into_iter().zip(found).filter(|(_, found)| is_wanted(found)).collect();
    let all = read.len();
    if let (0, 1.., Some(most)) = (all, there, newer_than) {
        run.say(format!("no backup is newer than {}", age(most)));
    }
    let (mut failures, mut unsigned) = (Failures::of(all), Vec::new());
    for (read, found) in read {
        match read {
            Ok((row, proven)) => rows.push(row.proven(proven)),
            Err(error) if error.situation::<Unsigned>().is_some() => unsigned.push(found.place.to_string()),
            Err(error) => errors.push(error),
        }
    }
    report.answer(&Listing::of(rows))?;
    // A manifest that cannot be trusted is not listed, and not passed over in silence either.
    for error in errors {
        failures.keep(error, str::to_owned)?;
    }
    failures.conclude(|failed, of| format!("{failed} of {of} backups could not be read"))?;
    all_signed(&unsigned, all)
}

/// Fails if some of the backups are not signed, which were not listed for that.
fn all_signed(unsigned: &[String], all: usize) -> Result<()> {
    let (named, more) = unsigned.split_at(unsigned.len().min(MOST_NAMED));
    if named.is_empty() {
        return Ok(());
    }
    let more = if more.is_empty() { String::new() } else { format!(", and {} more", more.len()) };
    let is = if unsigned.len() == 1 { "is" } else { "are" };
    let message = format!("{} of {} {is} not signed: ", unsigned.len(), count(all, "backup"));
    Err(Error::verify(format!("{message}{}{more}", named.join(", ")))
        .hint("without --verify-key they are listed too, whoever wrote them"))
}
