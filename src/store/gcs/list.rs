//! Lists of objects and of unfinished uploads, page by page.

use super::access::Access;
use super::bucket::Bucket;
use super::xml::{Request, Xml, children, text_of};
use crate::store::contract::error::{Result, Situation};
use crate::store::contract::object::{Listed, Page, Unfinished};
use crate::store::listing::pages::Pages;
use crate::store::url::key::from_answer;
use bytes::Bytes;
use google_cloud_storage::model::Object;
use http::{HeaderMap, Method};
use roxmltree::Node;
use std::time::SystemTime;

/// One page of unfinished uploads.
struct PageOfUploads {
    /// Key, id, and the moment it began.
    uploads: Vec<(String, String, Option<String>)>,
    /// Where the next page begins, if this one is not the last.
    next: Option<Option<(String, String)>>,
}

impl Bucket {
    /// Lists some of the objects below a prefix.
    pub(super) async fn page(&self, prefix: &str, token: Option<&str>) -> Result<Page> {
        let (prefix, token) = (self.prefix.full(prefix), token.unwrap_or_default());
        let list = |access: Access, _: Xml, _: HeaderMap| {
            let request = access.control.list_objects().set_parent(self.name()).set_prefix(&prefix);
            let request = request.set_page_size(1000).set_page_token(token);
            async move { request.send().await.map_err(|error| self.speaker.google(&error)) }
        };
        let page = self.ask(0, list).await.map_err(|error| self.speaker.of_bucket(error))?;
        let came = page.objects.len();
        let object = |object: Object| {
            let key = self.prefix.short(&object.name)?.to_owned();
            let modified = object.create_time.and_then(|time| SystemTime::try_from(time).ok());
            Some(Listed { key, bytes: u64::try_from(object.size).unwrap_or_default(), modified })
        };
        let objects: Vec<_> = page.objects.into_iter().filter_map(object).collect();
        let next = Some(page.next_page_token).filter(|token| !token.is_empty());
        Ok(Page { ignored: came - objects.len(), objects, next })
    }

    /// Lists the uploads below a prefix that have not ended.
    pub(super) async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        let prefix = self.prefix.full(prefix);
        let (mut found, mut pages) = (Vec::new(), Pages::new(&prefix));
        let mut after: Option<(String, String)> = None;
        loop {
            let PageOfUploads { uploads, next } = self.page_of_uploads(&prefix, after.as_ref()).await?;
            pages.take(uploads.iter().flat_map(|(key, id, _)| [key.as_str(), id.as_str()]))?;
            found.extend(uploads.into_iter().filter_map(|(key, id, started)| {
                let key = self.prefix.short(&key)?.to_owned();
                Some(Unfinished { key, id, started: moment(started) })
            }));
            match next {
                Some(next) => after = Some(pages.next(next)?),
                None => break,
            }
        }
        found.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        Ok(found)
    }

    /// When the last part of an upload arrived; `None` if it has none.
    pub(super) async fn last_part(&self, full: &str, id: &str) -> Result<Option<SystemTime>> {
        let (mut last, mut pages, mut after) = (None, Pages::new(full), None::<String>);
        loop {
            let mut query = vec![("uploadId", id.to_owned())];
            query.extend(after.clone().map(|number| ("part-number-marker", number)));
            let page = match self.tell(Method::GET, full, &query, HeaderMap::new(), Bytes::new()).await {
                // It has ended in the meantime.
                Err(error) if error.situation() == Situation::NotFound => return Ok(last),
                page => page?,
            };
            let (latest, next) = page.read(&self.speaker, |root| {
                let moments = children(root, "Part").map(|part| moment(text_of(part, "LastModified")));
                (moments.fold(last, Option::max), next_of(root, "NextPartNumberMarker"))
            })?;
            last = latest;
            match next {
                Some(next) => after = Some(pages.next(next)?),
                None => return Ok(last),
            }
        }
    }

    async fn page_of_uploads(&self, prefix: &str, after: Option<&(String, String)>) -> Result<PageOfUploads> {
        let list = |_, xml: Xml, token| {
            let mut query = vec![("uploads", String::new()), ("prefix", prefix.to_owned())];
            query.push(("encoding-type", "url".to_owned()));
            if let Some((key, id)) = after {
                query.extend([("key-marker", key.clone()), ("upload-id-marker", id.clone())]);
            }
            let (headers, body) = (HeaderMap::new(), Bytes::new());
            let request = Request { method: Method::GET, key: None, query, headers, body };
            async move { xml.send(&self.speaker, token, request).await }
        };
        let answer = self.ask(0, list).await.map_err(|error| self.speaker.of_bucket(error))?;
        answer.read(&self.speaker, |root| {
            let is_encoded = text_of(root, "EncodingType").is_some_and(|kind| kind == "url");
            let key = |text: String| from_answer(&text, is_encoded);
            let upload = |node| {
                Some((key(text_of(node, "Key")?), text_of(node, "UploadId")?, text_of(node, "Initiated")))
            };
            let id = || text_of(root, "NextUploadIdMarker").unwrap_or_default();
            PageOfUploads {
                uploads: children(root, "Upload").filter_map(upload).collect(),
                next: next_of(root, "NextKeyMarker").map(|next| next.map(|next| (key(next), id()))),
            }
        })
    }
}

/// Where the next page begins, if this one is not the last; an answer may fail to say it.
fn next_of(root: Node<'_, '_>, marker: &str) -> Option<Option<String>> {
    let more = text_of(root, "IsTruncated").is_some_and(|text| text == "true");
    more.then(|| text_of(root, marker).filter(|text| !text.is_empty()))
}

fn moment(text: Option<String>) -> Option<SystemTime> {
    humantime::parse_rfc3339_weak(&text?).ok()
}
