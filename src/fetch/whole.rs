//! What is no archive is fetched as it is: a stream, a plain dump, the server's roles.

use super::fetched::Written;
use super::output::{Output, What};
use crate::error::{Error, Result};
use crate::run::Run;
use crate::stored::read::opened::OpenedBackup;
use crate::stored::read::reader::BackupReader;
use indicatif::BinaryBytes;
use tokio::io::AsyncWriteExt;

/// What is fetched, and how.
pub struct How {
    /// Whether the roles are wanted instead of the dump.
    pub globals: bool,
    /// Whether existing files are replaced.
    pub force: bool,
    /// Whether free space is checked first.
    pub check_space: bool,
}

/// Fetches the stream or plain dump, or instead of it the roles stored with it.
pub async fn fetch(reader: &BackupReader, output: Output, how: How, run: &Run) -> Result<Written> {
    let roles = if how.globals { Some(output.shown(run.or(roles(reader)).await?)) } else { None };
    let stored = reader.backup.manifest.globals().filter(|_| how.globals).map(|object| object.stored_bytes);
    let bytes = roles.as_ref().map_or(reader.dump.plain_bytes, |sql| sql.len() as u64);
    if how.check_space {
        output.enough_space(What::Dump, bytes)?;
    }
    let is_stdout = output == Output::Stdout;
    let following = run.follow(&reader.progress);
    let writing = output.begin(how.force)?;
    let written = async {
        let mut sink = writing.sink()?;
        let Some(sql) = &roles else {
            if is_stdout {
                reader.look_through().await?;
            }
            return reader.bytes(&mut sink).await;
        };
        let written = async {
            sink.write_all(sql).await?;
            sink.flush().await
        };
        written.await.map_err(|e| Error::local_file("write").because(e))
    };
    run.or(written).await.map_err(|e| writing.undelivered(e))?;
    writing.commit().await?;
    drop(following);

    let (of, place) = (if how.globals { "the roles of " } else { "" }, reader.place());
    run.say(format!(
        "fetched {of}{place} to {}: {}; all digests verified",
        output.name(),
        BinaryBytes(bytes)
    ));
    Ok(Written {
        output,
        output_bytes: Some(bytes),
        plain_bytes: bytes,
        stored_bytes: stored.unwrap_or(reader.dump.stored_bytes),
        fetched_bytes: stored.unwrap_or_else(|| reader.fetched_bytes()),
        held: None,
    })
}

/// The server's roles, as SQL.
async fn roles(backup: &OpenedBackup) -> Result<Vec<u8>> {
    backup.globals().await?.ok_or_else(|| {
        let why = backup.backup.manifest.globals;
        Error::not_found(format!("{} holds no roles: they {why}", backup.place()))
    })
}
