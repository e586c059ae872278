//! Ranged reads, pinned to a generation.

use super::access::Access;
use super::bucket::Bucket;
use crate::store::Chunks;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::multipart::protocol::about;
use futures_util::{StreamExt, stream};
use google_cloud_storage::model_ext::ReadRange;
use std::ops::Range;

impl Bucket {
    /// Reads a range of an object; see [`Store::read`](crate::store::Store::read).
    pub(super) async fn read(&self, key: &str, range: Range<u64>, etag: Option<&str>) -> Result<Chunks> {
        let full = self.prefix.full_key(key)?;
        let length = range.end.saturating_sub(range.start);
        if length == 0 {
            return Ok(stream::empty().boxed());
        }
        let replaced =
            || StoreError::new(Situation::Changed, format!("{full} was replaced while it was read"));
        let generation = match etag.map(str::parse::<i64>) {
            Some(Ok(generation)) => Some(generation),
            // Another store's version, or none of ours.
            Some(Err(_)) => return Err(replaced()),
            None => None,
        };
        let get = |access: Access, _, _| {
            let mut request = access
                .storage
                .read_object(self.name(), &full)
                .set_read_range(ReadRange::segment(range.start, length));
            if let Some(generation) = generation {
                request = request.set_if_generation_match(generation);
            }
            async move {
                match request.send().await {
                    Ok(reader) => Ok(Some(reader)),
                    // It begins after the object's end.
                    Err(error) if error.http_status_code() == Some(416) => Ok(None),
                    Err(error) => Err(self.speaker.google(&error)),
                }
            }
        };
        let reader = match self.ask(0, get).await {
            Ok(Some(reader)) => reader,
            Ok(None) => return Ok(stream::empty().boxed()),
            Err(error) if error.situation() == Situation::Exists => return Err(replaced()),
            Err(error) => return Err(about(error, &full)),
        };
        if generation.is_some_and(|pinned| pinned != reader.object().generation) {
            return Err(replaced());
        }
        let speaker = self.speaker.clone();
        let chunks = stream::try_unfold((reader, speaker), |(mut reader, speaker)| async move {
            match reader.next().await {
                Some(Ok(chunk)) => Ok(Some((chunk, (reader, speaker)))),
                Some(Err(error)) => Err(speaker.google(&error)),
                None => Ok(None),
            }
        });
        Ok(chunks.boxed())
    }
}
