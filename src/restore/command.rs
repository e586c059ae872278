//! A backup into a command of the user's own, which does with it what it likes.
//!
//! It gets the last bytes, and the end of its input, only after every digest has been verified; if one is
//! wrong, it is ended before.

use crate::command::UserCommand;
use crate::error::Result;
use crate::postgres::Program;
use crate::run::Run;
use crate::stored::read::reader::BackupReader;
use crate::units::age;
use indicatif::BinaryBytes;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A command that took a backup.
pub struct Fed {
    /// The backup.
    pub reader: BackupReader,
    /// The command's name.
    pub command: String,
    /// Bytes at the end that it did not read.
    pub unread: u64,
    /// How long it took.
    pub took: Duration,
}

/// Feeds a backup to a command, whose stdout is ours unless `stdout_is_taken`.
pub async fn feed(
    reader: BackupReader,
    command: UserCommand,
    stdout_is_taken: bool,
    run: &Run,
) -> Result<Fed> {
    let started = Instant::now();
    let program =
        Program::new(command.program).args(command.arguments).envs(command.environment).of_the_user();
    let name = program.name();
    run.say(format!("feeding {} to {name}", reader.place()));

    run.or(reader.look_through()).await?;
    let stdout = if stdout_is_taken { Stdio::from(std::io::stderr()) } else { Stdio::inherit() };
    let mut command = program.write_into(stdout)?;
    let following = run.follow(&reader.progress);
    let feeding = async {
        reader.bytes(&mut command).await?;
        command.finish().await
    };
    let unread = run.step("feed", run.or(feeding)).await?;
    drop(following);
    if unread > 0 {
        tracing::warn!("{name} succeeded without reading the last {unread} bytes");
    }
    let took = started.elapsed();
    run.say(format!(
        "fed {} to {name}: {}, {}; all digests verified, and {name} succeeded",
        reader.place(),
        BinaryBytes(reader.dump.plain_bytes),
        age(took)
    ));
    Ok(Fed { reader, command: name, unread, took })
}
