//! A database takes another's place, and the other is kept; `restore --swap` ends with it.

use super::backup::ReadyBackup;
use super::outcome::Outcome;
use crate::archive::Preamble;
use crate::error::{Error, Result};
use crate::postgres::clients::{Clients, Search};
use crate::postgres::swap::{Found, Inheritance};
use crate::postgres::{ConnInfo, Naming, Swap, identifier};
use crate::proof::ProofBy;
use crate::run::Run;
use crate::text::shell_word;
use crate::units::count;
use indicatif::BinaryBytes;

/// A database whose name is to change hands.
#[derive(Debug)]
pub struct SwapOptions {
    /// The database that has the name.
    pub target: ConnInfo,
    /// Who gets the name; the one that was set aside last otherwise.
    pub with: Option<String>,
    /// Whether nobody has to be asked.
    pub yes: bool,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
}

/// A name that changed hands.
pub struct Swapped {
    /// The name.
    pub database: String,
    /// What the database that has it now was called before.
    pub was: String,
    /// What the database that had it is called now, if it is still there.
    pub kept_as: Option<String>,
}

/// Swaps two databases that are there.
pub async fn swap(options: SwapOptions, run: &Run) -> Result<Swapped> {
    let clients = run.or(Clients::find(&options.clients)).await?;
    let swap = run.or(open(&clients, &options.target)).await?;
    let (new, inherits) = match options.with {
        // A restore gave it the owner that it is to have.
        Some(name) if swap.ready().any(|ready| ready.name == name) => (name, Inheritance::AllButOwner),
        Some(name) => (name, Inheritance::Instead),
        None => (last_before(&swap)?, Inheritance::Nothing),
    };
    run.or(swap.check_candidate(&new)).await?;
    agree(&swap, &format!("give its name to {new}"), options.yes, run).await?;
    let swapped = exchange(&swap, &new, inherits, run).await?;
    say_undo(&swap, &swapped, &[], &options.target, run);
    Ok(swapped)
}

impl ReadyBackup {
    /// Restores next to a database, and gives the restored one its name.
    pub async fn restore_in_place_of(
        &mut self,
        target: &ConnInfo,
        yes: bool,
        keep_old: Option<usize>,
        run: &Run,
    ) -> Result<(Outcome, Option<Swapped>)> {
        let swap = run.or(open(&self.clients, target)).await?;
        let chosen = self.request.fitting.owner.is_some();
        if keep_old == Some(0) && (swap.live().is_some() || swap.set_aside().next().is_some()) {
            self.check_keeping_none()?;
        }
        if swap.live().is_none() {
            tracing::warn!(
                "there is no database {}: nothing is swapped; the restored database simply gets the name",
                identifier(swap.name())
            );
        } else {
            self.check_whole(&swap)?;
            if !chosen {
                swap.check_owner()?;
            }
        }
        agree(&swap, "put the restored one in its place", yes, run).await?;
        let naming = match swap.live() {
            Some(live) => Naming::ForSwap { owner: (!chosen).then(|| live.owner.clone()) },
            None => Naming::AtOnce,
        };
        let mut outcome = self.restore_named(&target.with_dbname(&swap.restoring()), naming, run).await?;
        if outcome.differs.is_some() {
            return Ok((outcome, None));
        }
        let mut swapped = finish(&swap, target, chosen, run).await?;
        let lost = self.lost(&outcome).join(", ");
        let keep_old = match keep_old {
            // Somebody has made it meanwhile.
            Some(0) if swap.live().is_none() => Some(1),
            Some(0) if !lost.is_empty() => {
                tracing::warn!(
                    "--keep-old 0 keeps the old database: only it is sure to have what did not come: {lost}"
                );
                Some(1)
            }
            keep_old => keep_old,
        };
        let dropped = match keep_old {
            Some(keep) => drop_old(&swap, keep, swapped.kept_as.as_deref(), run).await,
            None => Vec::new(),
        };
        swapped.kept_as = swapped.kept_as.filter(|kept| !dropped.contains(kept));
        say_undo(&swap, &swapped, &dropped, target, run);
        outcome.database = swap.name().to_owned();
        Ok((outcome, Some(swapped)))
    }

    /// What only the old database may have now.
    fn lost(&self, outcome: &Outcome) -> Vec<String> {
        let mut lost = self.request.left_out.clone();
        lost.extend_from_slice(&outcome.filled.plan.lost);
        let lacking = &self.reader.backup.manifest.left_out;
        lost.extend((!lacking.is_empty()).then(|| lacking.to_string()));
        let not_compared = outcome.proof.iter().flat_map(|proof| &proof.not_compared);
        lost.extend(not_compared.map(|what| format!("{what}, not compared")));
        lost
    }

    /// Refuses to keep no old database if nobody knows whether the new one is whole.
    fn check_keeping_none(&self) -> Result<()> {
        let place = self.reader.place();
        let why = if self.reader.backup.manifest.partial {
            format!(
                "--keep-old 0 would drop the only database that has what {place} lacks: it is a part of one"
            )
        } else if self.proof == ProofBy::Nothing {
            "--keep-old 0 would drop the old database, and --proof none compares nothing with it".to_owned()
        } else if self.held().is_none() {
            format!(
                "--keep-old 0 would drop the old database, and {place} has no inventory to be compared with"
            )
        } else {
            return Ok(());
        };
        Err(Error::usage(why).hint("keep it, with --keep-old 1 or without --keep-old"))
    }

    /// Refuses a backup after which rows would be nowhere; reports one that is a part of its database.
    fn check_whole(&self, swap: &Swap) -> Result<()> {
        let (place, name) = (self.reader.place(), identifier(swap.name()));
        if self.rows_left_out {
            return Err(Error::usage(format!(
                "--exclude-table or --exclude-table-data leaves out all rows of {place}, so it takes no database's place"
            ))
            .hint("restore it into a database of its own: leave --swap out"));
        }
        let inventory = self.reader.excerpt().or(self.inventory.as_ref());
        if let Some(inventory) = inventory.filter(|inventory| inventory.blocks.is_empty())
            && Preamble::read(&inventory.archive.preamble)?.toc.has_tables_for_rows()
        {
            return Err(Error::usage(format!("{place} has no rows, so it takes no database's place"))
                .hint("restore it into a database of its own: leave --swap out"));
        }
        if self.reader.backup.manifest.partial {
            tracing::warn!("{place} is a part of a database: {name} will have nothing else");
        }
        Ok(())
    }
}

/// Looks at the database that is to be replaced, and says what earlier runs left.
async fn open(clients: &Clients, target: &ConnInfo) -> Result<Swap> {
    let swap = Swap::open(clients.newest()?, target).await?;
    for left in swap.unfinished().map(|left| &left.name) {
        tracing::warn!("{left} is left from a run that was killed: DROP DATABASE {};", identifier(left));
    }
    for left in swap.ready().map(|left| &left.name) {
        tracing::warn!("{}", ready(left, target));
    }
    Ok(swap)
}

fn last_before(swap: &Swap) -> Result<String> {
    let last = swap.last_before().map(|found| found.name.clone());
    last.ok_or_else(|| {
        Error::not_found(format!("no database was set aside for {}: there is no {0}_before_…", swap.name()))
            .hint("--with names the database that is to take its place")
    })
}

/// Asks whether the database in use may be set aside; if nobody can be asked, `--yes` has to say it.
async fn agree(swap: &Swap, what: &str, yes: bool, run: &Run) -> Result<()> {
    let Some(live) = swap.live().filter(|_| !yes) else { return Ok(()) };
    let Found { name, size_bytes, sessions, .. } = live;
    let size = size_bytes.map(|bytes| format!(" ({})", BinaryBytes(bytes))).unwrap_or_default();
    let end = match sessions {
        0 => String::new(),
        _ => format!(" end its {},", count(*sessions, "session")),
    };
    let question = format!("Set {name}{size} aside,{end} and {what}?");
    match run.or(async { Ok(run.ask(&question).await) }).await? {
        Some(true) => Ok(()),
        Some(false) => Err(Error::usage(format!("{name} is left as it is"))),
        None => Err(Error::usage(format!("{name} would be set aside, and there is no terminal to ask on"))
            .hint("--yes answers yes")),
    }
}

/// Gives the name to `new`; not to be interrupted, and never half done.
async fn exchange(swap: &Swap, new: &str, inherits: Inheritance, run: &Run) -> Result<Swapped> {
    let name = swap.name();
    run.say(format!("swapping: {new} becomes {name}"));
    let kept_as = swap.exchange(new, inherits).await?;
    match &kept_as {
        None => run.say(format!("{new} is now {name}")),
        Some(kept) => run.say(format!("{new} is now {name}; what was {name} is kept as {kept}")),
    }
    Ok(Swapped { database: name.to_owned(), was: new.to_owned(), kept_as })
}

/// Says how to undo an exchange, if what had the name is still there after these were dropped.
fn say_undo(swap: &Swap, swapped: &Swapped, dropped: &[String], target: &ConnInfo, run: &Run) {
    let Some(kept) = &swapped.kept_as else { return };
    // The clock of another machine may have been ahead, and --back takes the newest.
    let is_newer =
        |found: &Found| found.name > *kept && found.name != swapped.was && !dropped.contains(&found.name);
    let which = match swap.set_aside().any(is_newer) {
        true => format!("--with {}", shell_word(kept)),
        false => "--back".to_owned(),
    };
    run.say(format!("  undo:  pgstow swap {which} --to {}", target.as_shell_word()));
    run.say(format!("  when you no longer need it:  DROP DATABASE {};", identifier(kept)));
}

/// Swaps in what was restored and proven; a failure comes with the command that does what is left.
async fn finish(swap: &Swap, target: &ConnInfo, chosen: bool, run: &Run) -> Result<Swapped> {
    let new = swap.settle().await?;
    let inherits = if chosen { Inheritance::AllButOwner } else { Inheritance::All };
    let swapped = exchange(swap, &new, inherits, run).await;
    swapped.map_err(|error| error.hint(ready(&new, target)))
}

/// Drops what swaps set aside but for the newest, and returns the names; that one cannot be dropped is no failure of the
/// restore.
async fn drop_old(swap: &Swap, keep: usize, just: Option<&str>, run: &Run) -> Vec<String> {
    let mut dropped = Vec::new();
    match swap.too_old(keep, just).await {
        Err(error) => tracing::warn!("what was set aside before is kept: {error}"),
        Ok(old) => {
            for old in old {
                match swap.drop_aside(&old).await {
                    Ok(()) => {
                        run.say(format!("dropped {}, as --keep-old {keep} asks for", old.name));
                        dropped.push(old.name);
                    }
                    Err(error) => tracing::warn!("{} is kept: {}", old.name, error.with_hints()),
                }
            }
        }
    }
    dropped
}

fn ready(new: &str, target: &ConnInfo) -> String {
    let (with, to) = (shell_word(new), target.as_shell_word());
    format!("{new} is complete, but was not swapped in; to do it: pgstow swap --with {with} --to {to}")
}
