//! What is no archive is fetched as it is: a stream, a plain dump, the server's roles.

use crate::stored::reader::BackupReader;
use crate::error::{Error, Result};
use super::output::Output;
use crate::run::Run;
use indicatif::BinaryBytes;
use serde_json::json;
use tokio::io::AsyncWriteExt;

/// Fetches the stream or plain dump, or instead of it the roles that lie beside it.
pub async fn fetch(
    source: &BackupReader,
    globals: bool,
    output: &Output,
    force: bool,
    check_space: bool,
    run: &Run,
) -> Result<()> {
    let roles = if globals { Some(run.or(roles(source)).await?) } else { None };
    let bytes = roles.as_ref().map_or(source.dump.plain_bytes, |sql| sql.len() as u64);
    if check_space {
        output.enough_space(bytes)?;
    }
    let following = run.follow(&source.progress);
    let writing = output.begin(force)?;
    let written = async {
        let mut sink = writing.sink()?;
        let Some(sql) = &roles else { return source.bytes(&mut sink).await };
        let written = async {
            sink.write_all(sql).await?;
            sink.flush().await
        };
        written.await.map_err(|e| Error::local_file("write").because(e))
    };
    run.or(written).await.map_err(|e| writing.undelivered(e))?;
    writing.commit().await?;
    drop(following);

    let (of, place) = (if globals { "the roles of " } else { "" }, source.place());
    run.say(format!(
        "fetched {of}{place} to {}: {}; every digest agrees",
        output.name(),
        BinaryBytes(bytes)
    ));
    if *output == Output::Stdout {
        return Ok(());
    }
    report.answer(
        "",
        &json!({
            "id": place.id, "name": place.name, "output": output.name(), "plain_bytes": bytes,
            "stored_bytes": source.dump.stored_bytes, "signature": source.backup.signature,
        }),
    )
}

/// The server's roles, as SQL.
async fn roles(source: &BackupReader) -> Result<Vec<u8>> {
    source.globals().await?.ok_or_else(|| {
        let why = source.backup.manifest.globals;
        Error::not_found(format!("{} holds no roles: they {why}", source.place()))
    })
}
