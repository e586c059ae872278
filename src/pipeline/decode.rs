//! Opens stored bytes: age, then zstd. Says what is damaged and which keys were tried.

use super::compress::decompress;
use super::keys::Identities;
use super::threads::blocking;
use crate::error::{Error, Kind, Result};
use age::{DecryptError, Decryptor};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, BufReader};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use tokio_util::io::StreamReader;

/// Pieces in a channel between threads.
pub const QUEUE: usize = 8;

/// Bytes in a piece: enough to make waking the other thread worth it.
pub const PIECE: usize = 128 << 10;

/// No age header is longer: hundreds of recipients fit. age itself would read on, and keep it all.
pub const LONGEST_HEADER: usize = 512 << 10;

/// Opens `stored` into `plain` on a thread of its own.
///
/// The chain waits for channels only. On a thread of its own it keeps no worker of the runtime from the
/// network while it computes, while scrypt takes its second, or while a plugin waits for a finger.
pub fn in_background(
    mut stored: mpsc::Receiver<Bytes>,
    identities: Option<Arc<Identities>>,
    plain: mpsc::Sender<Bytes>,
) -> impl Future<Output = Result<()>> {
    blocking(move || {
        Handle::current().block_on(async move {
            let stored = stream::poll_fn(move |context| stored.poll_recv(context).map(|bytes| bytes.map(Ok)));
            let mut decoder = decoder(stored, identities.as_deref()).await?;
            loop {
                let mut piece = BytesMut::with_capacity(PIECE);
                while piece.len() < PIECE && decoder.read_buf(&mut piece).await.map_err(damaged)? > 0 {}
                // Where nobody listens any more, they know why.
                if piece.is_empty() || plain.send(piece.freeze()).await.is_err() {
                    return Ok(());
                }
            }
        })
    })
}

/// Decrypts and decompresses `stored`. Reading to the end proves both formats' ends.
pub async fn decoder(
    stored: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    identities: Option<&Identities>,
) -> Result<impl AsyncRead + Unpin> {
    let in_header = Arc::new(AtomicBool::new(identities.is_some()));
    let stored = StreamReader::new(guard_header(stored, Arc::clone(&in_header)));
    let compressed: Box<dyn AsyncBufRead + Send + Unpin> = match identities {
        None => Box::new(stored),
        Some(identities) => {
            let age =
                Decryptor::new_async_buffered(stored.compat()).await.map_err(|e| refused(e, identities))?;
            passphrase_at_hand(age.is_scrypt(), identities)?;
            in_header.store(false, Ordering::Relaxed);
            let plain = age.decrypt_async(identities.iter()).map_err(|e| refused(e, identities))?;
            Box::new(BufReader::with_capacity(PIECE, plain.compat()))
        }
    };
    let mut plain = decompress(compressed);
    plain.multiple_members(true);
    Ok(plain)
}

/// Passes bytes on, but refuses to when a header does not end.
fn guard_header(
    stored: impl Stream<Item = io::Result<Bytes>>,
    in_header: Arc<AtomicBool>,
) -> impl Stream<Item = io::Result<Bytes>> {
    let mut passed = 0;
    stored.map(move |bytes| {
        if passed > LONGEST_HEADER && in_header.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its encryption header does not end"));
        }
        let bytes = bytes?;
        passed = bytes.len().saturating_add(passed);
        Ok(bytes)
    })
}

/// Refuses to try keys on what only a passphrase opens.
pub fn passphrase_at_hand(wanted: bool, identities: &Identities) -> Result<()> {
    if !wanted || identities.has_passphrase() {
        return Ok(());
    }
    Err(Error::settings("the backup is encrypted with a passphrase, and none was given")
        .hint("give it in a file with --passphrase-file, or in PGSTOW_PASSPHRASE"))
}

/// Tells damage from keys that do not fit.
pub fn refused(error: DecryptError, identities: &Identities) -> Error {
    match error {
        DecryptError::NoMatchingKeys => Error::settings("none of the identities opens this backup")
            .hint(format!("tried: {}", identities.fingerprints().join(", "))),
        DecryptError::DecryptionFailed => {
            Error::settings("the passphrase or the key does not open this backup")
        }
        DecryptError::ExcessiveWork { .. } => {
            Error::settings("the backup's passphrase was made too expensive to check on purpose")
        }
        DecryptError::Plugin(_) | DecryptError::PluginResolve(_) | DecryptError::KeyDecryptionFailed => {
            Error::settings("the identity could not be used").because(error)
        }
        DecryptError::Io(e) => damaged(e),
        other => Error::verify("the backup's encryption header is damaged").because(other),
    }
}

/// What a failure to read decoded bytes means.
pub fn damaged(error: io::Error) -> Error {
    Error::from_io(error, Kind::Verify, "the backup is damaged or incomplete")
}
