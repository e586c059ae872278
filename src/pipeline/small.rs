//! Small objects (an inventory, roles), packed and unpacked in memory, in the same format.

use super::compress::Compressors;
use super::decode::decode;
use super::encrypt::{Encrypt, cannot_pack};
use super::keys::{Identities, Recipients};
use super::stored::{Key, Object};
use super::threads::blocking;
use super::window::Fetch;
use crate::error::{Error, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Compresses and encrypts `plain` in memory.
pub async fn seal(plain: Vec<u8>, level: i32, recipients: Option<Arc<Recipients>>) -> Result<Vec<u8>> {
    blocking(move || {
        let mut compressed = Vec::new();
        Compressors::new(level).compress(&plain, &mut compressed)?;
        let mut encrypt = Encrypt::new(recipients.as_deref(), Vec::new())?;
        encrypt.write_all(&compressed).map_err(cannot_pack)?;
        encrypt.finish().map_err(cannot_pack)
    })
    .await
}

/// Opens what [`seal`] made. Refuses more than `limit` bytes of plaintext.
///
/// Fails like [`unpack`](super::unpack).
pub async fn open(stored: Bytes, identities: Option<Arc<Identities>>, limit: u64) -> Result<Vec<u8>> {
    let len = stored.len() as u64;
    let fetch: Fetch = Arc::new(move |range: Range<u64>| {
        let [from, to] = [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        stream::iter([Ok(stored.slice(from.min(stored.len())..to.min(stored.len())))]).boxed()
    });
    let object = Object { fetch, len, key: Arc::new(Key::new(identities)), again: false };
    blocking(move || {
        let mut plain = Vec::new();
        decode(object, CancellationToken::new(), &mut |bytes| {
            plain.extend_from_slice(&bytes);
            if plain.len() as u64 > limit {
                return Err(Error::verify(format!("the object has more than {limit} bytes")));
            }
            Ok(true)
        })?;
        Ok(plain)
    })
    .await
}
