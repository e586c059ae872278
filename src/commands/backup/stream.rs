//! A stream: the output of a command that exits with 0, or what comes on stdin. It needs no PostgreSQL.

use super::shipment::{Beside, Content, Delivered, Shipment};
use crate::error::{Error, Result};
use crate::layout::FrameSpan;
use crate::manifest;
use crate::names::{Name, Timestamp};
use crate::postgres::Program;
use crate::report::Report;
use crate::settings::{Producer, Shipping};
use crate::signal::Stop;
use std::io::IsTerminal;
use std::sync::atomic::Ordering;

/// Backs a stream up.
pub async fn back_up(
    name: &Name,
    producer: &Producer,
    shipping: &Shipping,
    report: &Report,
    stop: &Stop,
) -> Result<Delivered> {
    let store = stop.or(super::super::open(&shipping.store)).await?;
    let started_at = Timestamp::now();
    let content = Content { kind: manifest::Kind::Stream, postgres: None, expected: None, started_at };
    let shipment = Shipment::prepare(shipping, store, name.clone(), content)?;
    let came = || shipment.progress.plain.load(Ordering::Relaxed);

    match producer {
        Producer::Command(command) => {
            let program = Program::new(&command.program).args(&command.arguments).of_the_user();
            let called = program.name();
            report.say(format!("backing up the output of {called} as {}", shipment.place));
            let judge = async |(), _: &[FrameSpan]| {
                // It exited with 0, or its reader would have failed.
                if came() == 0 {
                    tracing::warn!("{called} printed nothing: the backup is empty");
                }
                Ok(Beside::default())
            };
            shipment.deliver(program.read()?, (), judge, report, stop).await
        }
        Producer::Stdin if std::io::stdin().is_terminal() => {
            Err(Error::usage("there is nobody on stdin but a terminal").hint("pipe a stream into pgstow"))
        }
        Producer::Stdin => {
            report.say(format!("backing up stdin as {}", shipment.place));
            let judge = async |(), _: &[FrameSpan]| {
                if came() == 0 {
                    return Err(Error::verify("nothing came on stdin")
                        .hint("did its producer fail? `pgstow backup … -- COMMAND` would know"));
                }
                tracing::warn!(
                    "whether the producer of stdin ended well cannot be known; `-- COMMAND` instead of --stdin tells"
                );
                Ok(Beside::default())
            };
            shipment.deliver(tokio::io::stdin(), (), judge, report, stop).await
        }
    }
}
