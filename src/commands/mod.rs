//! The verbs: each reads its settings, lets the engine do the work, and gives the answer.
//!
//! Nothing else sees both what was typed and what is printed; there is no work here.

mod adopt;
mod backup;
mod clone;
mod doctor;
mod fetch;
mod keygen;
mod list;
mod prune;
mod restore;
mod show;
mod status;
mod swap;
mod verify;

use crate::answers::version::Version;
use crate::cli::Verb;
use crate::error::Result;
use crate::report::Report;
use crate::run::Run;
use crate::settings::Remarks;

/// Does what was typed.
pub async fn run(verb: Verb, remarks: &Remarks, report: &Report, run: &Run) -> Result<()> {
    if !matches!(verb, Verb::Doctor(_)) {
        remarks.say();
    }
    match verb {
        Verb::Backup(words) => backup::run(*words, report, run).await,
        Verb::Adopt(words) => adopt::run(*words, report, run).await,
        Verb::List(words) => list::run(&words, report, run).await,
        Verb::Show(words) => show::run(words, report, run).await,
        Verb::Status(words) => status::run(words, report, run).await,
        Verb::Verify(words) => verify::run(words, report, run).await,
        Verb::Fetch(words) => fetch::run(*words, report, run).await,
        Verb::Restore(words) => restore::run(*words, report, run).await,
        Verb::Clone(words) => clone::run(words, report, run).await,
        Verb::Swap(words) => swap::run(words, report, run).await,
        Verb::Doctor(words) => doctor::run(*words, remarks, report, run).await,
        Verb::Prune(words) => prune::run(*words, report, run).await,
        Verb::Keygen(words) => keygen::run(words, report),
        Verb::Version => report.answer(&Version::OURS),
    }
}
