//! A stream: the output of a command that exits with 0, or what comes on stdin. It needs no PostgreSQL.

use super::request::{Producer, StreamRequest};
use super::{announce, checks};
use crate::error::{Error, Result};
use crate::layout::FrameSpan;
use crate::postgres::Program;
use crate::run::Run;
use crate::stored::format::manifest;
use crate::stored::format::names::Timestamp;
use crate::stored::write::compare::Before;
use crate::stored::write::destinations::Destinations;
use crate::stored::write::writer::{BackupWriter, Content, SideObjects, StoredBackup, WriteOptions};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Backs a stream up.
pub async fn back_up(request: &StreamRequest, writing: &WriteOptions, run: &Run) -> Result<StoredBackup> {
    let stores = Arc::new(run.or(Destinations::open(&writing.destinations)).await?);
    let StreamRequest { name, producer, shrink } = request;
    let (others, before) =
        run.or(checks::before(*shrink, &stores, name, (false, writing.signing.as_ref()))).await?;
    checks::clock(&others);
    let content = Content {
        kind: manifest::BackupKind::Stream,
        postgres: None,
        expected: None,
        started_at: Timestamp::now(),
        others,
    };
    let writer = run.or(BackupWriter::prepare(writing, stores, name.clone(), content)).await?;
    let came = || writer.progress.plain.load(Ordering::Relaxed);
    let compared = || checks::compare_with_last(before.as_ref(), *shrink, None, came());

    let stored = match producer {
        Producer::Command(command) => {
            let program = Program::new(&command.program).args(&command.arguments);
            let program = program.envs(command.environment.clone()).of_the_user();
            let called = program.name();
            run.say(format!("backing up the output of {called} as {}", writer.place));
            let judge = async |(), _: &[FrameSpan]| {
                // It exited with 0, or its reader would have failed.
                if came() == 0 {
                    tracing::warn!("{called} printed nothing: the backup is empty");
                }
                compared().map(|()| SideObjects::default())
            };
            writer.deliver(program.read()?, (), judge, run).await
        }
        Producer::Stdin if std::io::stdin().is_terminal() => {
            Err(Error::usage("stdin is a terminal, not a stream").hint("pipe a stream into pgstow"))
        }
        Producer::Stdin => {
            run.say(format!("backing up stdin as {}", writer.place));
            let judge = async |(), _: &[FrameSpan]| {
                if came() == 0 {
                    return Err(Error::verify("stdin was empty").hint(
                        "did the program that writes to it fail? `pgstow backup … -- COMMAND` notices that",
                    ));
                }
                tracing::warn!(
                    "pgstow cannot know whether the program that wrote to stdin succeeded; `-- COMMAND` instead of --stdin checks its exit code"
                );
                compared().map(|()| SideObjects::default())
            };
            writer.deliver(tokio::io::stdin(), (), judge, run).await
        }
    };
    let mut stored = stored?;
    stored.before = before.as_ref().map(Before::held);
    announce(&stored, run);
    Ok(stored)
}
