//! The settings of `pgstow clone`.

use super::{after, fitting, lines, server, sessions};
use crate::cli::CloneWords;
use crate::error::Result;
use crate::postgres::DumpOptions;
use crate::restore::Narrowing;
use crate::restore::copy::CopyOptions;

/// Checks the words of `pgstow clone`.
pub fn clone(words: CloneWords) -> Result<CopyOptions> {
    let (source, clients) = server(Some(&words.source), &words.server)?;
    let beside = !words.target.contains(['=', '/']);
    let target = if beside {
        source.with_dbname(&words.target)
    } else {
        server(Some(&words.target), &words.server)?.0
    };
    target.target_name()?;
    Ok(CopyOptions {
        source,
        target,
        dump: DumpOptions { lock_wait_timeout: words.lock_wait_timeout, ..DumpOptions::default() },
        jobs: words.jobs,
        sessions: sessions(&words.readers, &words.server)?,
        narrowing: Narrowing { without_extensions: lines(&words.exclude_extensions), ..Narrowing::default() },
        fitting: fitting(words.fitting)?,
        after: after(words.after)?,
        clients,
        keep_failed: words.keep_failed,
        allow_pooled: words.server.allow_pooled,
    })
}
