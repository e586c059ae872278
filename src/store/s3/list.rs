//! Listings of objects and of unfinished uploads, page by page.

use super::bucket::Bucket;
use crate::store::error::{Result, Situation};
use crate::store::object::{Listed, Unfinished};
use crate::store::pages::Pages;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::DateTime;
use std::time::SystemTime;

impl Bucket {
    /// Lists all objects below a prefix.
    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let prefix = self.prefix.full(prefix);
        let (mut found, mut pages, mut token) = (Vec::new(), Pages::new(&prefix), None::<String>);
        loop {
            let list = |client: Client| {
                let request = client.list_objects_v2().bucket(&self.url.bucket).prefix(&prefix);
                request.set_continuation_token(token.clone()).send()
            };
            let page = self.ask(0, list).await.map_err(|error| self.speaker.of_bucket(error))?;
            pages.take(page.contents().iter().filter_map(|object| object.key()))?;
            found.extend(page.contents().iter().filter_map(|object| {
                let key = self.prefix.short(object.key()?)?.to_owned();
                let bytes = object.size().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
                Some(Listed { key, bytes, modified: moment(object.last_modified()) })
            }));
            if page.is_truncated() != Some(true) {
                break;
            }
            token = Some(pages.next(page.next_continuation_token().map(str::to_owned))?);
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// Lists the uploads below a prefix that have not ended.
    pub(super) async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        let prefix = self.prefix.full(prefix);
        let (mut found, mut pages) = (Vec::new(), Pages::new(&prefix));
        let mut after: Option<(String, String)> = None;
        loop {
            let list = |client: Client| {
                let (key, id) = after.clone().unzip();
                let request = client.list_multipart_uploads().bucket(&self.url.bucket).prefix(&prefix);
                request.set_key_marker(key).set_upload_id_marker(id).send()
            };
            let page = self.ask(0, list).await.map_err(|error| self.speaker.of_bucket(error))?;
            pages.take(
                page.uploads().iter().flat_map(|upload| [upload.key(), upload.upload_id()]).flatten(),
            )?;
            found.extend(page.uploads().iter().filter_map(|upload| {
                let key = self.prefix.short(upload.key()?)?.to_owned();
                let id = upload.upload_id()?.to_owned();
                Some(Unfinished { key, id, started: moment(upload.initiated()) })
            }));
            if page.is_truncated() != Some(true) {
                break;
            }
            let next = page.next_key_marker().zip(Some(page.next_upload_id_marker().unwrap_or_default()));
            after = Some(pages.next(next.map(|(key, id)| (key.to_owned(), id.to_owned())))?);
        }
        found.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        Ok(found)
    }

    /// When the last part of an upload arrived; `None` if it has none.
    pub(super) async fn last_part(&self, full: &str, id: &str) -> Result<Option<SystemTime>> {
        let (mut last, mut pages, mut after) = (None, Pages::new(full), None::<String>);
        loop {
            let list = |client: Client| {
                let request = client.list_parts().bucket(&self.url.bucket).key(full).upload_id(id);
                request.set_part_number_marker(after.clone()).send()
            };
            let page = match self.ask(0, list).await {
                // It has ended in the meantime.
                Err(error) if error.situation() == Situation::NotFound => return Ok(last),
                page => page?,
            };
            last = page.parts().iter().map(|part| moment(part.last_modified())).fold(last, Option::max);
            if page.is_truncated() != Some(true) {
                return Ok(last);
            }
            after = Some(pages.next(page.next_part_number_marker().map(str::to_owned))?);
        }
    }
}

fn moment(time: Option<&DateTime>) -> Option<SystemTime> {
    time.and_then(|time| SystemTime::try_from(*time).ok())
}
