//! `pgstow swap`: a database takes another's place, and the other is kept; `restore --swap` ends with it.

use crate::error::{Error, Kind, Result};
use crate::names::Timestamp;
use crate::postgres::clients::Clients;
use crate::postgres::swap::Found;
use crate::postgres::{ConnInfo, Swap, Target, identifier, shell_word};
use crate::report::Report;
use crate::settings;
use crate::signal::Stop;
use indicatif::BinaryBytes;
use serde_json::{Value, json};

/// Runs `pgstow swap`.
pub async fn run(settings: settings::Swap, report: &Report, stop: &Stop) -> Result<()> {
    let clients = stop.or(Clients::find(&settings.clients)).await?;
    let swap = stop.or(open(&clients, &settings.target)).await?;
    let (new, inherit) = match settings.with {
        Some(name) => {
            stop.or(has_content(&clients, &settings.target, &name)).await?;
            (name, true)
        }
        None => (last_before(&swap)?, false),
    };
    agree(&swap, &format!("give its name to {new}"), settings.yes, report, stop).await?;
    let document = exchange(&swap, &new, inherit, &settings.target, report).await?;
    report.answer("", &document)
}

/// Looks at the database that is to be replaced, and says what earlier runs left.
pub async fn open(clients: &Clients, target: &ConnInfo) -> Result<Swap> {
    let swap = Swap::open(clients.newest()?, target, &stamp()).await?;
    for left in swap.unfinished() {
        let (name, finish) = (&left.name, finish(&left.name, target));
        tracing::warn!(
            "{name} is left from a run that was ended; {finish}; or throw it away: DROP DATABASE {};",
            identifier(name)
        );
    }
    Ok(swap)
}

/// `20261121_054500`: needs no quotes in SQL, and sorts by time.
fn stamp() -> String {
    let moment = Timestamp::now().to_string();
    moment.replace(['-', ':', 'Z'], "").replace('T', "_")
}

fn last_before(swap: &Swap) -> Result<String> {
    let last = swap.last_before().map(|found| found.name.clone());
    last.ok_or_else(|| {
        Error::not_found(format!("no database was set aside for {}: there is no {0}_before_…", swap.name()))
            .hint("--with names the database that is to take its place")
    })
}

/// Refuses to swap in what a restore that was killed has left empty.
async fn has_content(clients: &Clients, target: &ConnInfo, name: &str) -> Result<()> {
    match Target::open(clients.newest()?, &target.with_dbname(name)).await {
        Err(error) if error.kind() == Kind::TargetExists => Ok(()),
        Err(error) => Err(error),
        Ok(target) if target.exists() => {
            Err(Error::verify(format!("{name} is empty"))
                .hint("a restore into it did not finish; restore again"))
        }
        Ok(_) => Err(Error::not_found(format!("there is no database {name}"))),
    }
}

/// Asks whether the database in use may be set aside; where nobody can be asked, `--yes` has to say it.
pub async fn agree(swap: &Swap, what: &str, yes: bool, report: &Report, stop: &Stop) -> Result<()> {
    let Some(live) = swap.live().filter(|_| !yes) else { return Ok(()) };
    let Found { name, size_bytes, sessions, .. } = live;
    let size = size_bytes.map(|bytes| format!(" ({})", BinaryBytes(bytes))).unwrap_or_default();
    let question = format!("Set {name}{size} aside, end its {sessions} sessions, and {what}?");
    match stop.or(async { Ok(report.ask(&question).await) }).await? {
        Some(true) => Ok(()),
        Some(false) => Err(Error::usage(format!("{name} is left as it is"))),
        None => Err(Error::usage(format!("{name} would be set aside, and there is nobody here to ask"))
            .hint("--yes says that it may")),
    }
}

/// Gives the name to `new`, and says how to undo it; not to be interrupted, and never half done.
pub async fn exchange(
    swap: &Swap,
    new: &str,
    inherit: bool,
    target: &ConnInfo,
    report: &Report,
) -> Result<Value> {
    let name = swap.name();
    report.say(format!("swapping: {new} becomes {name}"));
    let kept = swap.exchange(new, inherit).await?;
    match &kept {
        None => report.say(format!("{new} is now {name}")),
        Some(kept) => {
            report.say(format!("{new} is now {name}; what was {name} is kept as {kept}"));
            report.say(format!("  undo:  pgstow swap --back --to {}", target.as_shell_word()));
            report.say(format!("  when all is well:  DROP DATABASE {};", identifier(kept)));
        }
    }
    Ok(json!({ "database": name, "was": new, "kept_as": kept }))
}

/// The failure of a swap after a restore, with the command that does what the swap has not done.
pub fn by_hand(error: Error, new: &str, target: &ConnInfo) -> Error {
    let finish = format!("{new} is whole, and kept; {}", finish(new, target));
    let advice = error.advice().map_or(finish.clone(), |advice| format!("{advice}; {finish}"));
    error.hint(advice)
}

fn finish(new: &str, target: &ConnInfo) -> String {
    format!("this finishes it: pgstow swap --with {} --to {}", shell_word(new), target.as_shell_word())
}
