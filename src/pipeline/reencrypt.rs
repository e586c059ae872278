//! From stored bytes to parts that are encrypted for others: the compressed bytes stay as they are.

use super::encrypt::{Encrypt, cannot_pack};
use super::keys::{Identities, Recipients};
use super::parts::Parts;
use super::stored::{Key, Object, Stored};
use super::tally::{Tally, TallyWriter};
use super::threads::blocking;
use super::watch::Counter;
use super::window::Fetch;
use crate::error::Result;
use bytes::Bytes;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Compressed bytes that pass at once.
const PIECE: u64 = 256 << 10;

/// Options for encrypting again.
#[derive(Debug, Clone)]
pub struct Reencrypt {
    /// The identities that decrypt the bytes; `None` if they were never encrypted.
    pub identities: Option<Arc<Identities>>,
    /// The recipients to encrypt to.
    pub recipients: Arc<Recipients>,
    /// The size of every part but the last, in bytes.
    pub part_size: usize,
    /// Counts the compressed bytes that passed.
    pub progress: Counter,
}

/// What was encrypted again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reencrypted {
    /// The stored bytes that were read.
    pub before: Tally,
    /// The bytes in the parts.
    pub stored: Tally,
}

/// Decrypts the object of `stored_len` bytes that `fetch` reads, and sends it, encrypted for others, as `parts`.
///
/// Like [`pack`](super::pack()): only `Ok` means that the stream was complete, and the first failure is returned.
/// Whether the digest is the right one is for the caller to know, before the upload is completed.
pub async fn reencrypt(
    fetch: Fetch,
    stored_len: u64,
    how: Reencrypt,
    parts: mpsc::Sender<Bytes>,
) -> Result<Reencrypted> {
    let stop = CancellationToken::new();
    let _stops_when_dropped = stop.clone().drop_guard();
    // What has passed was sent: damaged bytes cannot be fetched again.
    let object = Object { fetch, len: stored_len, key: Arc::new(Key::new(how.identities)), again: false };
    let passed = blocking(move || {
        let parts = Parts::new(how.part_size, parts, stop.clone());
        let mut encrypt = Encrypt::new(Some(&how.recipients), TallyWriter::new(parts))?;
        let mut compressed = Stored::open(object, true, stop)?;
        loop {
            let bytes = compressed.read(PIECE)?;
            if bytes.is_empty() {
                break;
            }
            encrypt.write_all(&bytes).map_err(cannot_pack)?;
            how.progress.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        let (stored, parts) = encrypt.finish().map_err(cannot_pack)?.finish();
        parts.finish().map_err(cannot_pack)?;
        Ok(Reencrypted { before: compressed.tally(), stored })
    });
    passed.await
}

#[cfg(test)]
mod tests {
    use super::super::tests::{how, key_pair, packed, runtime, stored_as, text};
    use super::*;
    use crate::error::Kind;
    use crate::pipeline::{Unpack, unpack};

    type Keys = (Arc<Identities>, Arc<Recipients>);

    /// Encrypts these bytes again; the new ones.
    async fn again(stored: &[u8], old: Option<&Keys>, new: &Keys) -> Result<(Reencrypted, Vec<u8>)> {
        let (fetch, len) = stored_as(stored, 777);
        let how = Reencrypt {
            identities: old.map(|(identities, _)| Arc::clone(identities)),
            recipients: Arc::clone(&new.1),
            part_size: 10_000,
            progress: Counter::default(),
        };
        let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
        let receive = async {
            let mut parts = Vec::new();
            while let Some(part) = receiver.recv().await {
                parts.extend_from_slice(&part);
            }
            parts
        };
        let (done, parts) = tokio::join!(reencrypt(fetch, len, how, sender), receive);
        Ok((done?, parts))
    }

    #[test]
    fn others_open_what_was_encrypted_again() {
        let (old, new) = (key_pair(), key_pair());
        runtime().block_on(async {
            for (length, keys) in [(0, Some(&old)), (1, None), (200_000, Some(&old)), (200_000, None)] {
                let plain = text(length);
                let recipients = keys.map(|(_, recipients)| Arc::clone(recipients));
                let (before, parts) = packed(&plain, 5000, &mut (), how(recipients)).await;
                let (done, stored) = again(&parts.concat(), keys, &new).await.unwrap();
                assert_eq!(done.before, before.stored);
                assert_eq!(done.stored, Tally::of(&stored));
                let opening = |keys: &Keys| Unpack {
                    identities: Some(Arc::clone(&keys.0)),
                    expected: None,
                    digest: false,
                    progress: Counter::default(),
                };
                let mut sink = Vec::new();
                let (fetch, len) = stored_as(&stored, 1000);
                unpack(fetch, len, opening(&new), &mut (), &mut sink, |_| Ok(())).await.unwrap();
                assert!(sink == plain);
                let (fetch, len) = stored_as(&stored, 1000);
                let refused = unpack(fetch, len, opening(&old), &mut (), &mut sink, |_| Ok(())).await;
                assert_eq!(refused.unwrap_err().kind(), Kind::Settings);
            }
        });
    }

    #[test]
    fn damage_is_not_passed_on() {
        let (old, new) = (key_pair(), key_pair());
        runtime().block_on(async {
            let (_, parts) = packed(&text(200_000), 5000, &mut (), how(Some(Arc::clone(&old.1)))).await;
            let stored = parts.concat();
            for (at, kind) in [(stored.len() / 2, Kind::Verify), (stored.len() - 1, Kind::Verify)] {
                let mut damaged = stored.clone();
                damaged[at] ^= 1;
                assert_eq!(again(&damaged, Some(&old), &new).await.unwrap_err().kind(), kind, "byte {at}");
                assert_eq!(
                    again(&stored[..at], Some(&old), &new).await.unwrap_err().kind(),
                    kind,
                    "cut at {at}"
                );
            }
            assert_eq!(again(&stored, Some(&new), &new).await.unwrap_err().kind(), Kind::Settings);
        });
    }
}
