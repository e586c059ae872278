//! Listings of objects and of unfinished uploads, page by page.

use super::bucket::Bucket;
use crate::store::contract::error::{Result, Situation};
use crate::store::contract::object::{Listed, Page, Unfinished};
use crate::store::listing::pages::Pages;
use crate::store::url::key::from_answer;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{EncodingType, Object};
use std::time::SystemTime;

impl Bucket {
    /// Lists some of the objects below a prefix.
    pub(super) async fn page(&self, prefix: &str, token: Option<&str>) -> Result<Page> {
        let prefix = self.prefix.full(prefix);
        let list = |client: Client| {
            let request = client.list_objects_v2().bucket(&self.url.bucket).prefix(&prefix);
            let request = request.encoding_type(EncodingType::Url);
            request.set_continuation_token(token.map(str::to_owned)).send()
        };
        let page = self.ask(0, list).await.map_err(|error| self.speaker.of_bucket(error))?;
        let is_encoded = page.encoding_type() == Some(&EncodingType::Url);
        let object = |object: &Object| {
            let key = self.prefix.short(&from_answer(object.key()?, is_encoded))?.to_owned();
            let bytes = object.size().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
            Some(Listed { key, bytes, modified: moment(object.last_modified()) })
        };
        let more = page.is_truncated() == Some(true);
        let token = || page.next_continuation_token().unwrap_or_default().to_owned();
        let objects: Vec<_> = page.contents().iter().filter_map(object).collect();
        Ok(Page { ignored: page.contents().len() - objects.len(), objects, next: more.then(token) })
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
                let request = request.encoding_type(EncodingType::Url);
                request.set_key_marker(key).set_upload_id_marker(id).send()
            };
            let page = self.ask(0, list).await.map_err(|error| self.speaker.of_bucket(error))?;
            pages.take(
                page.uploads().iter().flat_map(|upload| [upload.key(), upload.upload_id()]).flatten(),
            )?;
            let is_encoded = page.encoding_type() == Some(&EncodingType::Url);
            found.extend(page.uploads().iter().filter_map(|upload| {
                let key = self.prefix.short(&from_answer(upload.key()?, is_encoded))?.to_owned();
                let id = upload.upload_id()?.to_owned();
                Some(Unfinished { key, id, started: moment(upload.initiated()) })
            }));
            if page.is_truncated() != Some(true) {
                break;
            }
            let next = page.next_key_marker().zip(Some(page.next_upload_id_marker().unwrap_or_default()));
            after = Some(pages.next(next.map(|(key, id)| (from_answer(key, is_encoded), id.to_owned())))?);
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
