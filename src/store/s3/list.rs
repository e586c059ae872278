//! Listings of objects and of unfinished uploads, page by page, with a limit.

use super::bucket::Bucket;
use crate::store::error::{Result, Situation, StoreError};
use crate::store::object::{Listed, Unfinished};
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::DateTime;
use std::collections::HashSet;
use std::hash::Hash;
use std::time::SystemTime;

/// The limits of one listing: an endless one would fill the memory.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    pages: usize,
    keys: usize,
    /// Bytes of all keys together.
    bytes: usize,
}

/// Enough for a million backups, on pages that may be much smaller than the usual 1,000 keys.
const BOUNDS: Bounds = Bounds { pages: 50_000, keys: 5_000_000, bytes: 512 << 20 };

impl Bucket {
    /// Lists all objects below a prefix.
    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let prefix = self.full_prefix(prefix);
        let (mut found, mut pages, mut token) = (Vec::new(), Pages::new(&prefix, BOUNDS), None::<String>);
        loop {
            let list = |client: Client| {
                let request = client.list_objects_v2().bucket(&self.url.bucket).prefix(&prefix);
                request.set_continuation_token(token.clone()).send()
            };
            let page = self.ask(0, list).await.map_err(|error| self.speaker.of_bucket(error))?;
            pages.take(page.contents().iter().filter_map(|object| object.key()))?;
            found.extend(page.contents().iter().filter_map(|object| {
                let key = self.short_key(object.key()?)?.to_owned();
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
        let prefix = self.full_prefix(prefix);
        let (mut found, mut pages) = (Vec::new(), Pages::new(&prefix, BOUNDS));
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
                let key = self.short_key(upload.key()?)?.to_owned();
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
        let (mut last, mut pages, mut after) = (None, Pages::new(full, BOUNDS), None::<String>);
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

/// What is left of the limits of one listing, and where its pages continued.
struct Pages<T> {
    prefix: String,
    left: Bounds,
    /// The continuation tokens of earlier pages.
    seen: HashSet<T>,
}

impl<T: Clone + Eq + Hash> Pages<T> {
    fn new(prefix: &str, bounds: Bounds) -> Self {
        Self { prefix: prefix.to_owned(), left: bounds, seen: HashSet::new() }
    }

    /// Counts a page with these keys.
    fn take<'k>(&mut self, keys: impl Iterator<Item = &'k str>) -> Result<()> {
        let (number, bytes) = keys.fold((0, 0), |(number, bytes), key| (number + 1, bytes + key.len()));
        let Bounds { pages, keys, bytes: room } = self.left;
        let left = pages.checked_sub(1).zip(keys.checked_sub(number)).zip(room.checked_sub(bytes));
        let Some(((pages, keys), bytes)) = left else {
            let message = format!("the store's listing of {:?} does not end", self.prefix);
            return Err(StoreError::new(Situation::Other, message)
                .hint("give pgstow a prefix of its own in the store's URL: s3://bucket/prefix"));
        };
        self.left = Bounds { pages, keys, bytes };
        Ok(())
    }

    /// The next continuation token, if it is a new one: otherwise the listing would never end.
    fn next(&mut self, next: Option<T>) -> Result<T> {
        let broken = |why: &str| {
            let message = format!("the store's listing of {:?} cannot be continued: {why}", self.prefix);
            StoreError::new(Situation::Other, message)
                .hint("this is a fault of the store: a newer version of it may help")
        };
        let Some(next) = next else { return Err(broken("it is truncated, but has no continuation token")) };
        if self.seen.contains(&next) {
            return Err(broken("a continuation token came twice"));
        }
        self.seen.insert(next.clone());
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(bounds: Bounds) -> Pages<&'static str> {
        Pages::new("app/", bounds)
    }

    #[test]
    fn a_listing_that_does_not_go_on_ends() {
        let mut pages = pages(BOUNDS);
        assert_eq!(pages.next(Some("a")).unwrap(), "a");
        assert_eq!(pages.next(Some("b")).unwrap(), "b");
        // Not only the last one: a store may go round in a circle.
        assert!(pages.next(Some("a")).unwrap_err().to_string().contains("came twice"));
        assert!(pages.next(None).unwrap_err().to_string().contains("no continuation token"));
    }

    #[test]
    fn a_listing_without_an_end_is_given_up() {
        let bounds = Bounds { pages: 3, keys: 4, bytes: 10 };
        for page in [&["a", "b"][..], &["aaaaaaaa"], &[]] {
            let mut pages = pages(bounds);
            let taken = (0..5).take_while(|_| pages.take(page.iter().copied()).is_ok()).count();
            assert!((1..4).contains(&taken), "{page:?}: {taken}");
            let error = pages.take(["one more", "a"].into_iter()).unwrap_err();
            assert!(error.to_string().contains("\"app/\""), "{error}");
        }
    }
}
