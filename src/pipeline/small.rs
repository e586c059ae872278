//! Small objects (an inventory, globals) packed and unpacked in memory, in the same format.

use super::encrypt::{Encrypt, cannot_pack};
use super::keys::{Identities, Recipients};
use super::threads::blocking;
use super::{compress, decode};
use crate::error::{Error, Result};
use bytes::Bytes;
use futures_util::stream;
use std::io::Write;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;

/// Compresses and encrypts `plain` in memory.
pub async fn seal(plain: Vec<u8>, level: i32, recipients: Option<Arc<Recipients>>) -> Result<Vec<u8>> {
    blocking(move || {
        let mut compressed = Vec::new();
        compress::compress(&plain, level, &mut compressed)?;
        let mut encrypt = Encrypt::new(recipients.as_deref(), Vec::new())?;
        encrypt.write_all(&compressed).map_err(cannot_pack)?;
        encrypt.finish().map_err(cannot_pack)
    })
    .await
}

/// Opens what [`seal`] made. More than `limit` bytes of plaintext are refused, whatever they would come to.
///
/// Fails like [`unpack`](super::unpack).
pub async fn open(stored: Bytes, identities: Option<Arc<Identities>>, limit: u64) -> Result<Vec<u8>> {
    blocking(move || {
        Handle::current().block_on(async {
            let stored = stream::iter([Ok(stored)]);
            let decoder = decode::decoder(stored, identities.as_deref()).await?;
            let mut plain = Vec::new();
            decoder.take(limit.saturating_add(1)).read_to_end(&mut plain).await.map_err(decode::damaged)?;
            if plain.len() as u64 > limit {
                return Err(Error::verify(format!("the object holds more than {limit} bytes")));
            }
            Ok(plain)
        })
    })
    .await
}
