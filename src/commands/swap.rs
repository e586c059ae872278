//! `pgstow swap`: a database takes another's place, and the other is kept; `restore --swap` ends with it.

use crate::error::{Error, Result};
use crate::names::Timestamp;
use crate::numbers::count;
use crate::postgres::clients::Clients;
use crate::postgres::swap::Found;
use crate::postgres::{ConnInfo, Swap, identifier, shell_word};
use crate::report::Report;
use crate::settings;
use crate::signal::Stop;
use indicatif::BinaryBytes;
use serde_json::{Value, json};
use std::time::Duration;

/// Runs `pgstow swap`.
pub async fn run(settings: settings::Swap, report: &Report, stop: &Stop) -> Result<()> {
    let clients = stop.or(Clients::find(&settings.clients)).await?;
    let swap = stop.or(open(&clients, &settings.target)).await?;
    let (new, inherit) = match settings.with {
        Some(name) => (name, true),
        None => (last_before(&swap)?, false),
    };
    stop.or(swap.check_candidate(&new)).await?;
    agree(&swap, &format!("give its name to {new}"), settings.yes, report, stop).await?;
    let document = exchange(&swap, &new, inherit, &settings.target, report).await?;
    report.answer("", &document)
}

/// Looks at the database that is to be replaced, and says what earlier runs left.
pub async fn open(clients: &Clients, target: &ConnInfo) -> Result<Swap> {
    let mut swap = Swap::open(clients.newest()?, target, &stamp()).await?;
    // The names tell the second, and another run may have begun or ended in the same.
    while swap.is_taken() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        swap = Swap::open(clients.newest()?, target, &stamp()).await?;
    }
    for left in swap.unfinished().map(|left| &left.name) {
        tracing::warn!("{left} is left from a run that was ended: DROP DATABASE {};", identifier(left));
    }
    for left in swap.ready().map(|left| &left.name) {
        tracing::warn!("{}", ready(left, target));
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

/// Asks whether the database in use may be set aside; where nobody can be asked, `--yes` has to say it.
pub async fn agree(swap: &Swap, what: &str, yes: bool, report: &Report, stop: &Stop) -> Result<()> {
    let Some(live) = swap.live().filter(|_| !yes) else { return Ok(()) };
    let Found { name, size_bytes, sessions, .. } = live;
    let size = size_bytes.map(|bytes| format!(" ({})", BinaryBytes(bytes))).unwrap_or_default();
    let end = match sessions {
        0 => String::new(),
        _ => format!(" end its {},", count(*sessions, "session")),
    };
    let question = format!("Set {name}{size} aside,{end} and {what}?");
    match stop.or(async { Ok(report.ask(&question).await) }).await? {
        Some(true) => Ok(()),
        Some(false) => Err(Error::usage(format!("{name} is left as it is"))),
        None => Err(Error::usage(format!("{name} would be set aside, and there is nobody here to ask"))
            .hint("--yes says that it may")),
    }
}

/// Gives the name to `new`, and says how to undo it; not to be interrupted, and never half done.
async fn exchange(
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

/// Swaps in what was restored and proven; a failure comes with the command that does what is left.
pub async fn finish(swap: &Swap, target: &ConnInfo, report: &Report) -> Result<Value> {
    let new = swap.settle().await?;
    let swapped = exchange(swap, &new, true, target, report).await;
    swapped.map_err(|error| error.hint(ready(&new, target)))
}

fn ready(new: &str, target: &ConnInfo) -> String {
    let (with, to) = (shell_word(new), target.as_shell_word());
    format!("{new} is whole, and not swapped in; this does it: pgstow swap --with {with} --to {to}")
}
