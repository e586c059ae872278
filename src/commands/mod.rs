//! The verbs: each reads its settings, lets the engine do the work, and gives the answer.
//!
//! Nothing else sees both what was typed and what is printed; there is no work here.

mod adopt;
mod backup;
mod clone;
mod completions;
mod config;
mod copy;
mod delete;
mod doctor;
mod fetch;
mod keygen;
mod keys;
mod list;
mod man;
mod prune;
mod receipts;
mod rekey;
mod report;
mod restore;
mod schedule;
mod show;
mod status;
mod swap;
mod verify;

use crate::answers::version::Version;
use crate::cli::{Verb, Words};
use crate::error::Result;
use crate::report::Report;
use crate::run::Run;
use crate::settings::Remarks;
use std::pin::Pin;

/// Does what was typed.
pub async fn run(words: Words, remarks: &Remarks, report: &Report, run: &Run) -> Result<()> {
    let Words { verb, common, .. } = words;
    if !matches!(verb, Verb::Doctor(_)) {
        remarks.say();
    }
    match verb {
        Verb::Backup(words) => apart(move || backup::run(*words, report, run)).await,
        Verb::Adopt(words) => apart(move || adopt::run(*words, report, run)).await,
        Verb::List(words) => apart(|| list::run(&words, report, run)).await,
        Verb::Show(words) => apart(move || show::run(words, report, run)).await,
        Verb::Status(words) => apart(move || status::run(words, report, run)).await,
        Verb::Report(words) => apart(move || report::run(*words, report, run)).await,
        Verb::Keys(words) => apart(|| keys::run(&words, report, run)).await,
        Verb::Verify(words) => apart(move || verify::run(*words, report, run)).await,
        Verb::Fetch(words) => apart(move || fetch::run(*words, report, run)).await,
        Verb::Restore(words) => apart(move || restore::run(*words, report, run)).await,
        Verb::Clone(words) => apart(move || clone::run(words, report, run)).await,
        Verb::Swap(words) => apart(move || swap::run(words, report, run)).await,
        Verb::Copy(words) => apart(move || copy::run(words, report, run)).await,
        Verb::Prune(words) => apart(move || prune::run(*words, report, run)).await,
        Verb::Delete(words) => apart(|| delete::run(&words, report, run)).await,
        Verb::Schedule(words) => apart(|| schedule::run(words, &common, run)).await,
        Verb::Rekey(words) => apart(move || rekey::run(*words, report, run)).await,
        Verb::Doctor(words) => apart(move || doctor::run(*words, remarks, report, run)).await,
        Verb::Keygen(words) => keygen::run(words, report),
        Verb::Receipts(words) => apart(move || receipts::run(words, report, run)).await,
        Verb::Config(words) => config::run(&words, &common, report),
        Verb::Completions(words) => completions::run(&words, report),
        Verb::Man(words) => man::run(words, report),
        Verb::Version => report.answer(&Version::OURS),
    }
}

/// Begins a verb's work on the heap: a frame with room for the work of every verb would not fit on a thread's stack.
fn apart<W: Future<Output = Result<()>>>(begin: impl FnOnce() -> W) -> Pin<Box<W>> {
    Box::pin(begin())
}
