//! Ranged reads.

use super::bucket::Bucket;
use super::explain::is_beyond_the_end;
use crate::store::Chunks;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::multipart::protocol::about;
use aws_sdk_s3::Client;
use futures_util::{StreamExt, stream};
use std::ops::Range;

impl Bucket {
    /// Reads a range of an object; see [`Store::read`](crate::store::Store::read).
    pub(super) async fn read(&self, key: &str, range: Range<u64>, etag: Option<&str>) -> Result<Chunks> {
        let full = self.prefix.full_key(key)?;
        let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else {
            return Ok(stream::empty().boxed());
        };
        let replaced =
            || StoreError::new(Situation::Changed, format!("{full} was replaced while it was read"));
        let get = |client: Client| {
            let request = client
                .get_object()
                .bucket(&self.url.bucket)
                .key(&full)
                .range(format!("bytes={}-{last}", range.start))
                .set_if_match(etag.map(str::to_owned));
            async move {
                match request.send().await {
                    Err(error) if is_beyond_the_end(&error) => Ok(None),
                    answer => answer.map(Some),
                }
            }
        };
        let answer = match self.ask(0, get).await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Ok(stream::empty().boxed()),
            Err(error) if error.situation() == Situation::Exists => return Err(replaced()),
            Err(error) => return Err(about(error, &full)),
        };
        // Some services ignore the condition (Garage 2.5 does), but do send the ETag.
        if etag.zip(answer.e_tag()).is_some_and(|(pinned, now)| pinned != now) {
            return Err(replaced());
        }
        let length = answer.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        if answer.content_range().is_none() && (range.start > 0 || length > range.end) {
            return Err(StoreError::new(
                Situation::Unsupported,
                "the store sends whole objects instead of ranges",
            ));
        }
        let speaker = self.speaker.clone();
        let chunks = stream::try_unfold((answer.body, speaker), |(mut body, speaker)| async move {
            match body.next().await {
                Some(Ok(chunk)) => Ok(Some((chunk, (body, speaker)))),
                Some(Err(error)) => Err(speaker.broken(error)),
                None => Ok(None),
            }
        });
        Ok(chunks.boxed())
    }
}
