//! pgstow ships PostgreSQL databases into cloud storage, encrypted, and brings them back.
//!
//! ```text
//! backup:   pg_dump ─▶ archive reader ─▶ frames ─▶ zstd ─▶ age ─▶ parts ═▶ store ─▶ manifest
//! restore:  pg_restore ◀─ last bytes held back ◀─ digests ◀─ zstd ◀─ age ◀═ ranged reads ◀─ store
//! ```
//!
//! [`cli`] holds the words a user may type, [`settings`] what they mean; a verb in [`commands`] does
//! the work with six rooms that know nothing of each other: [`archive`], [`script`], [`neon`], [`pipeline`],
//! [`postgres`] and [`store`]. [`sql`] is what the first two share. [`report`] prints, [`error`] decides the exit code.
//!
//! The library exists for the program and its tests; only the command line is kept stable.

pub mod archive;
pub mod catalogue;
pub mod cli;
pub mod commands;
pub mod download;
pub mod error;
pub mod inventory;
pub mod manifest;
pub mod names;
pub mod neon;
pub mod numbers;
pub mod pipeline;
pub mod postgres;
pub mod progress;
pub mod report;
pub mod script;
pub mod settings;
pub mod signal;
pub mod signing;
pub mod sql;
pub mod store;
pub mod upload;

use cli::{Parsed, Verb, Words};
use error::{Error, Kind, Result};
use report::Report;
use signal::Stop;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program and returns its exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words = match settings::words(args.into_iter().collect()) {
        Ok(Parsed::Words(words)) => words,
        Ok(Parsed::Help(text)) => {
            report::print_plain(&text, true);
            return ExitCode::SUCCESS;
        }
        Ok(Parsed::Refused(text)) => {
            report::print_plain(&text, false);
            return ExitCode::from(Kind::Usage.exit_code());
        }
        Err(error) => {
            Report::new(false, false, 0).fail(&error);
            return ExitCode::from(error.kind().exit_code());
        }
    };
    let report = Report::new(words.common.json, words.common.quiet, words.common.verbose);
    match run(*words, &report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report.fail(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn run(words: Words, report: &Report) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::unexpected("the runtime cannot be started").because(e))?;
    let done = runtime.block_on(async {
        let stop = Stop::on_signals()?;
        match words.verb {
            Verb::Backup(words) => {
                commands::backup::run(settings::Backup::read(*words)?, report, &stop).await
            }
            Verb::Adopt(words) => commands::adopt::run(settings::Adopt::read(*words)?, report, &stop).await,
            Verb::List(words) => commands::list::run(settings::List::read(&words)?, report, &stop).await,
            Verb::Show(words) => commands::show::run(settings::Show::read(words)?, report, &stop).await,
            Verb::Verify(words) => commands::verify::run(settings::Verify::read(words)?, report, &stop).await,
            Verb::Fetch(words) => commands::fetch::run(settings::Fetch::read(*words)?, report, &stop).await,
            Verb::Restore(words) if !words.command.is_empty() => {
                commands::restore::feed(settings::Feed::read(*words)?, report, &stop).await
            }
            Verb::Restore(words) => {
                commands::restore::run(settings::Restore::read(*words)?, report, &stop).await
            }
            Verb::Clone(words) => commands::clone::run(settings::Clone::read(words)?, report, &stop).await,
            Verb::Swap(words) => commands::swap::run(settings::Swap::read(words)?, report, &stop).await,
            Verb::Version => {
                let version = env!("CARGO_PKG_VERSION");
                report.answer(format!("pgstow {version}"), &serde_json::json!({ "version": version }))
            }
            Verb::Keygen(words) => commands::keygen::run(&settings::Keygen::read(words), report),
        }
    });
    runtime.block_on(postgres::child::all_buried());
    // A blocking read of a store or disk that hangs must not keep the process.
    runtime.shutdown_background();
    done
}
