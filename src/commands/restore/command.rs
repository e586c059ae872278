//! A backup into a command of the user's own, which does with it what it likes.
//!
//! It gets the last bytes, and the end of its input, only when every digest has agreed; where they do not,
//! it is ended before.

use super::super::source::Source;
use crate::error::Result;
use crate::postgres::Program;
use crate::report::Report;
use crate::settings;
use crate::signal::Stop;
use crate::units::age;
use indicatif::BinaryBytes;
use serde_json::json;
use std::process::Stdio;
use std::time::Instant;

/// Runs `pgstow restore … -- COMMAND`.
pub async fn feed(settings: settings::Feed, report: &Report, stop: &Stop) -> Result<()> {
    let started = Instant::now();
    let source = stop.or(Source::find(settings.source)).await?;
    let settings::Command { program, arguments } = settings.command;
    let program = Program::new(program).args(arguments).of_the_user();
    let name = program.name();
    report.say(format!("feeding {} to {name}", source.place()));

    // With --json stdout is ours.
    let stdout = if report.is_json() { Stdio::from(std::io::stderr()) } else { Stdio::inherit() };
    let mut command = program.write_into(stdout)?;
    let following = report.follow(&source.progress);
    let feeding = async {
        source.bytes(&mut command).await?;
        command.finish().await
    };
    let unread = stop.or(feeding).await?;
    drop(following);
    if unread > 0 {
        tracing::warn!("{name} ended well without reading the last {unread} bytes");
    }
    let took = started.elapsed();
    let bytes = source.dump.plain_bytes;
    report.say(format!(
        "fed {} to {name}: {}, {}; every digest agrees, and {name} ended well",
        source.place(),
        BinaryBytes(bytes),
        age(took)
    ));
    let document = json!({
        "id": source.place().id, "name": source.place().name, "command": name, "plain_bytes": bytes,
        "unread_bytes": unread, "duration_s": took.as_secs_f64(), "signature": source.backup.signature,
    });
    if report.is_json() { report.answer("", &document) } else { Ok(()) }
}
