//! Lists of objects and of unfinished uploads, page by page.

use super::bucket::Bucket;
use crate::store::error::{Result, Situation, StoreError};
use crate::store::object::{Listed, Unfinished};
use aws_sdk_s3::primitives::DateTime;
use std::time::SystemTime;

impl Bucket {
    /// Lists all objects below a prefix.
    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let s3 = self;
        let prefix = s3.full_prefix(prefix);
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let request = s3
                .client
                .list_objects_v2()
                .bucket(&s3.url.bucket)
                .prefix(&prefix)
                .set_continuation_token(token.clone());
            let page = s3.ask(0, request.send()).await.map_err(|error| s3.speaker.of_bucket(error))?;
            found.extend(page.contents().iter().filter_map(|object| {
                let key = s3.short_key(object.key()?)?.to_owned();
                let bytes = object.size().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
                Some(Listed { key, bytes, modified: moment(object.last_modified()) })
            }));
            if page.is_truncated() != Some(true) {
                break;
            }
            token = Some(next_page(token.as_ref(), page.next_continuation_token().map(str::to_owned))?);
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// Lists the uploads below a prefix that have not ended.
    pub(super) async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        let s3 = self;
        let prefix = s3.full_prefix(prefix);
        let mut found = Vec::new();
        let mut after: Option<(String, String)> = None;
        loop {
            let (key, id) = after.clone().unzip();
            let request = s3
                .client
                .list_multipart_uploads()
                .bucket(&s3.url.bucket)
                .prefix(&prefix)
                .set_key_marker(key)
                .set_upload_id_marker(id);
            let page = s3.ask(0, request.send()).await.map_err(|error| s3.speaker.of_bucket(error))?;
            found.extend(page.uploads().iter().filter_map(|upload| {
                let key = s3.short_key(upload.key()?)?.to_owned();
                Some(Unfinished {
                    key,
                    id: upload.upload_id()?.to_owned(),
                    started: moment(upload.initiated()),
                })
            }));
            if page.is_truncated() != Some(true) {
                break;
            }
            let next = page.next_key_marker().zip(Some(page.next_upload_id_marker().unwrap_or_default()));
            let next = next.map(|(key, id)| (key.to_owned(), id.to_owned()));
            after = Some(next_page(after.as_ref(), next)?);
        }
        found.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        Ok(found)
    }
}

fn moment(time: Option<&DateTime>) -> Option<SystemTime> {
    time.and_then(|time| SystemTime::try_from(*time).ok())
}

/// Where a list goes on; a store that says the same place again would be asked forever.
fn next_page<T: PartialEq>(last: Option<&T>, next: Option<T>) -> Result<T> {
    next.filter(|next| Some(next) != last).ok_or_else(|| {
        StoreError::new(Situation::Other, "the store's list does not go on although it says it is cut")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_does_not_go_on_ends() {
        assert_eq!(next_page(None, Some("a")).unwrap(), "a");
        assert!(next_page(Some(&"a"), Some("a")).is_err());
        assert!(next_page::<&str>(None, None).is_err());
    }
}
