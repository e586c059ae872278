//! Where the objects lie: in memory, or in a real S3 server.

use super::super::s3::{S3, wait};
use super::Refusal;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

/// No part but the last may be smaller, in bytes.
const SMALLEST: usize = 5 << 20;

/// What is stored with an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub metadata: HashMap<String, String>,
    pub class: Option<String>,
    pub kms: Option<String>,
    /// The object's own retention: whether it is locked, and until when.
    pub own: Option<(bool, SystemTime)>,
    /// Until when it may not be deleted.
    pub retained: Option<SystemTime>,
    /// Whether somebody holds it.
    pub held: bool,
    /// Whether the bucket holds it, as every new object, until something has happened.
    pub event_held: bool,
}

/// An object.
#[derive(Debug, Clone)]
pub struct Object {
    pub bytes: Bytes,
    pub generation: i64,
    pub created: SystemTime,
    pub about: About,
}

impl Object {
    /// What keeps it from being deleted or replaced now, in Google's words.
    pub fn kept_by(&self) -> Option<&'static str> {
        let About { own, retained, held, event_held, .. } = self.about;
        let until = retained.max(own.map(|(_, until)| until));
        match until.is_some_and(|until| SystemTime::now() < until) {
            _ if held => {
                Some("is under active Temporary hold and cannot be deleted, overwritten or archived")
            }
            _ if event_held => {
                Some("is under active Event-Based hold and cannot be deleted, overwritten or archived")
            }
            true => Some("is subject to bucket's retention policy or object retention and cannot be deleted"),
            false => None,
        }
    }

    pub fn crc32c(&self) -> u32 {
        crc32c(&self.bytes)
    }

    pub fn md5(&self) -> Bytes {
        Bytes::copy_from_slice(&Md5::digest(&self.bytes))
    }

    /// `crc32c=…`; an object of parts has no MD5.
    pub fn hashes(&self) -> String {
        hashed(self.crc32c())
    }
}

/// The CRC32C of bytes.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// A CRC32C in the words of a header.
pub fn hashed(sum: u32) -> String {
    format!("crc32c={}", BASE64_STANDARD.encode(sum.to_be_bytes()))
}

/// A part, and its digests, which take most of the imitation's time.
pub struct Part {
    pub bytes: Bytes,
    pub md5: Vec<u8>,
    pub crc32c: u32,
}

impl Part {
    pub fn new(bytes: Bytes) -> Part {
        Part { md5: Md5::digest(&bytes).to_vec(), crc32c: crc32c(&bytes), bytes }
    }
}

/// What is said of an object without its bytes.
pub struct Seen {
    pub bytes: u64,
    pub generation: i64,
    pub created: SystemTime,
    pub crc32c: u32,
    pub about: About,
}

impl From<Object> for Seen {
    fn from(object: Object) -> Seen {
        let (crc32c, bytes) = (object.crc32c(), object.bytes.len() as u64);
        let Object { generation, created, about, .. } = object;
        Seen { bytes, generation, created, crc32c, about }
    }
}

/// One object in a list.
pub struct Item {
    pub key: String,
    pub bytes: u64,
    pub generation: i64,
    pub created: SystemTime,
}

/// One upload in a list.
pub struct Begun {
    pub key: String,
    pub id: String,
    pub began: SystemTime,
}

/// A place for objects.
pub trait Shelf: Send + Sync {
    fn get(&self, key: &str) -> Option<Object>;
    /// The same without its bytes.
    fn see(&self, key: &str) -> Option<Seen> {
        self.get(key).map(Seen::from)
    }
    fn put(&self, key: &str, bytes: Bytes, about: &About);
    fn delete(&self, key: &str);
    /// Changes what is stored with an object.
    fn describe(&self, key: &str, about: &About);
    fn list(&self, prefix: &str) -> Vec<Item>;
    fn begin(&self, key: &str, about: &About) -> String;
    /// Keeps a part; its ETag.
    fn part(&self, key: &str, id: &str, number: i32, part: Part) -> Result<String, Refusal>;
    fn finish(&self, key: &str, id: &str, parts: &[(i32, String)]) -> Result<(), Refusal>;
    fn abort(&self, key: &str, id: &str) -> Result<(), Refusal>;
    fn uploads(&self, prefix: &str) -> Vec<Begun>;
    /// The numbers of an upload's parts, and when each arrived.
    fn parts(&self, key: &str, id: &str) -> Result<Vec<(i32, SystemTime)>, Refusal>;
}

fn no_such_upload() -> Refusal {
    Refusal::new(404, "NoSuchUpload", "The requested upload was not found.")
}

struct Upload {
    key: String,
    about: About,
    began: SystemTime,
    parts: BTreeMap<i32, (String, Bytes)>,
    arrived: BTreeMap<i32, SystemTime>,
}

/// A place in memory.
#[derive(Default)]
pub struct Memory {
    objects: Mutex<BTreeMap<String, Object>>,
    uploads: Mutex<BTreeMap<String, Upload>>,
    count: AtomicI64,
}

impl Memory {
    fn next(&self) -> i64 {
        1_700_000_000_000_000 + self.count.fetch_add(1, Ordering::Relaxed)
    }

    fn with<T>(&self, key: &str, id: &str, act: impl FnOnce(&mut Upload) -> T) -> Result<T, Refusal> {
        let mut uploads = self.uploads.lock().unwrap();
        uploads.get_mut(id).filter(|upload| upload.key == key).map(act).ok_or_else(no_such_upload)
    }
}

impl Shelf for Memory {
    fn get(&self, key: &str) -> Option<Object> {
        self.objects.lock().unwrap().get(key).cloned()
    }

    fn put(&self, key: &str, bytes: Bytes, about: &About) {
        let object =
            Object { bytes, generation: self.next(), created: SystemTime::now(), about: about.clone() };
        self.objects.lock().unwrap().insert(key.to_owned(), object);
    }

    fn delete(&self, key: &str) {
        self.objects.lock().unwrap().remove(key);
    }

    fn describe(&self, key: &str, about: &About) {
        self.objects.lock().unwrap().get_mut(key).unwrap().about = about.clone();
    }

    fn list(&self, prefix: &str) -> Vec<Item> {
        let objects = self.objects.lock().unwrap();
        let below = objects.iter().filter(|(key, _)| key.starts_with(prefix));
        let item = |(key, object): (&String, &Object)| Item {
            key: key.clone(),
            bytes: object.bytes.len() as u64,
            generation: object.generation,
            created: object.created,
        };
        below.map(item).collect()
    }

    fn begin(&self, key: &str, about: &About) -> String {
        let id = format!("upload+{}", self.next());
        let (key, about, began) = (key.to_owned(), about.clone(), SystemTime::now());
        self.uploads.lock().unwrap().insert(
            id.clone(),
            Upload { key, about, began, parts: BTreeMap::new(), arrived: BTreeMap::new() },
        );
        id
    }

    fn part(&self, key: &str, id: &str, number: i32, part: Part) -> Result<String, Refusal> {
        let etag = format!("\"{}\"", hex::encode(part.md5));
        self.with(key, id, |upload| {
            upload.parts.insert(number, (etag.clone(), part.bytes));
            upload.arrived.insert(number, SystemTime::now());
        })?;
        Ok(etag)
    }

    fn finish(&self, key: &str, id: &str, parts: &[(i32, String)]) -> Result<(), Refusal> {
        let bytes = self.with(key, id, |upload| {
            let mut whole = Vec::new();
            for (index, (number, etag)) in parts.iter().enumerate() {
                let Some((_, bytes)) = upload.parts.get(number).filter(|(known, _)| known == etag) else {
                    return Err(Refusal::new(
                        400,
                        "InvalidPart",
                        "A part was not found, or has another ETag.",
                    ));
                };
                if bytes.len() < SMALLEST && index + 1 < parts.len() {
                    return Err(Refusal::new(400, "EntityTooSmall", "A part is too small."));
                }
                whole.extend_from_slice(bytes);
            }
            Ok(whole)
        })??;
        let upload = self.uploads.lock().unwrap().remove(id).ok_or_else(no_such_upload)?;
        self.put(key, bytes.into(), &upload.about);
        Ok(())
    }

    fn abort(&self, key: &str, id: &str) -> Result<(), Refusal> {
        self.with(key, id, |_| ())?;
        self.uploads.lock().unwrap().remove(id);
        Ok(())
    }

    fn uploads(&self, prefix: &str) -> Vec<Begun> {
        let uploads = self.uploads.lock().unwrap();
        let below = uploads.iter().filter(|(_, upload)| upload.key.starts_with(prefix));
        let mut all: Vec<Begun> = below
            .map(|(id, upload)| Begun { key: upload.key.clone(), id: id.clone(), began: upload.began })
            .collect();
        all.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        all
    }

    fn parts(&self, key: &str, id: &str) -> Result<Vec<(i32, SystemTime)>, Refusal> {
        self.with(key, id, |upload| upload.arrived.iter().map(|(number, at)| (*number, *at)).collect())
    }
}

/// A place in a real S3 server: Google's words are exchanged for Amazon's, the token for a signature.
pub struct Behind {
    place: S3,
    client: aws_sdk_s3::Client,
    /// The CRC32C and the length of every part of an upload.
    parts: Mutex<HashMap<(String, i32), (u32, u64)>>,
    /// The ETag and the CRC32C of every object that was uploaded in parts, as to read it again takes time.
    whole: Mutex<HashMap<String, (String, u32)>>,
}

impl Behind {
    pub fn new(place: S3) -> Behind {
        Behind { client: place.client(), place, parts: Mutex::default(), whole: Mutex::default() }
    }

    fn generation(etag: &str, modified: SystemTime) -> i64 {
        let hash = Md5::digest(format!("{etag}{modified:?}"));
        i64::from_be_bytes(hash[..8].try_into().unwrap()) & i64::MAX | 1
    }

    fn full(&self, key: &str) -> String {
        format!("{}/{key}", self.place.prefix)
    }
}

/// The refusal that another server's is.
fn refusal<E>(error: SdkError<E, HttpResponse>) -> Refusal {
    match error.raw_response().map(|response| response.status().as_u16()) {
        Some(404) => no_such_upload(),
        Some(400) => Refusal::new(400, "BadDigest", "The real server refuses the bytes."),
        status => Refusal::new(500, "InternalError", format!("the real server answered {status:?}")),
    }
}

impl Shelf for Behind {
    fn get(&self, key: &str) -> Option<Object> {
        let request = self.client.get_object().bucket(&self.place.bucket).key(self.full(key));
        let said = wait(async move { request.send().await }).ok()?;
        let metadata = said.metadata().cloned().unwrap_or_default();
        let created = SystemTime::try_from(*said.last_modified()?).ok()?;
        let generation = Behind::generation(said.e_tag()?, created);
        let bytes = wait(async move { said.body.collect().await.unwrap().into_bytes() });
        Some(Object { bytes, generation, created, about: About { metadata, ..About::default() } })
    }

    fn see(&self, key: &str) -> Option<Seen> {
        let request = self.client.head_object().bucket(&self.place.bucket).key(self.full(key));
        let said = wait(async move { request.send().await }).ok()?;
        let crc32c = match self.whole.lock().unwrap().get(key) {
            Some((etag, sum)) if said.e_tag() == Some(etag) => *sum,
            _ => self.get(key)?.crc32c(),
        };
        let created = SystemTime::try_from(*said.last_modified()?).ok()?;
        let metadata = said.metadata().cloned().unwrap_or_default();
        Some(Seen {
            bytes: said.content_length()?.unsigned_abs(),
            generation: Behind::generation(said.e_tag()?, created),
            created,
            crc32c,
            about: About { metadata, ..About::default() },
        })
    }

    fn put(&self, key: &str, bytes: Bytes, about: &About) {
        let md5 = BASE64_STANDARD.encode(Md5::digest(&bytes));
        let request = self.client.put_object().bucket(&self.place.bucket).key(self.full(key));
        let request = request.set_metadata(Some(about.metadata.clone())).content_md5(md5);
        wait(async move { request.body(ByteStream::from(bytes)).send().await.unwrap() });
    }

    fn delete(&self, key: &str) {
        self.place.delete(key);
    }

    fn describe(&self, _key: &str, _about: &About) {
        panic!("here only objects in memory are held");
    }

    fn list(&self, prefix: &str) -> Vec<Item> {
        let below = self.full("");
        let request = self.client.list_objects_v2().bucket(&self.place.bucket).prefix(self.full(prefix));
        let pages = wait(async move {
            let mut pages = request.into_paginator().send();
            let mut all = Vec::new();
            while let Some(page) = pages.next().await {
                all.extend(page.unwrap().contents.unwrap_or_default());
            }
            all
        });
        let item = |object: aws_sdk_s3::types::Object| {
            let created = SystemTime::try_from(*object.last_modified()?).ok()?;
            Some(Item {
                key: object.key()?.strip_prefix(&below)?.to_owned(),
                bytes: object.size()?.unsigned_abs(),
                generation: Behind::generation(object.e_tag()?, created),
                created,
            })
        };
        pages.into_iter().filter_map(item).collect()
    }

    fn begin(&self, key: &str, about: &About) -> String {
        let request = self.client.create_multipart_upload().bucket(&self.place.bucket).key(self.full(key));
        let request = request.set_metadata(Some(about.metadata.clone()));
        wait(async move { request.send().await.unwrap() }).upload_id.unwrap()
    }

    fn part(&self, key: &str, id: &str, number: i32, part: Part) -> Result<String, Refusal> {
        let Part { bytes, md5, crc32c } = part;
        let md5 = BASE64_STANDARD.encode(md5);
        self.parts.lock().unwrap().insert((id.to_owned(), number), (crc32c, bytes.len() as u64));
        let request = self.client.upload_part().bucket(&self.place.bucket).key(self.full(key)).upload_id(id);
        let request = request.part_number(number).content_md5(md5).body(ByteStream::from(bytes));
        wait(async move { request.send().await }).map(|said| said.e_tag.unwrap()).map_err(refusal)
    }

    fn finish(&self, key: &str, id: &str, parts: &[(i32, String)]) -> Result<(), Refusal> {
        let part = |(number, etag): &(i32, String)| {
            CompletedPart::builder().part_number(*number).e_tag(etag).build()
        };
        let sums = self.parts.lock().unwrap();
        let sum = parts.iter().try_fold(0, |sum, (number, _)| {
            let (part, bytes) = sums.get(&(id.to_owned(), *number))?;
            Some(crc_fast::checksum_combine(CrcAlgorithm::Crc32Iscsi, sum, (*part).into(), *bytes))
        });
        drop(sums);
        let parts = parts.iter().map(part).collect();
        let list = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client.complete_multipart_upload().bucket(&self.place.bucket).key(self.full(key));
        let request = request.upload_id(id).multipart_upload(list);
        let said = wait(async move { request.send().await }).map_err(refusal)?;
        if let (Some(sum), Some(etag)) = (sum, said.e_tag()) {
            self.whole.lock().unwrap().insert(key.to_owned(), (etag.to_owned(), sum as u32));
        }
        Ok(())
    }

    fn abort(&self, key: &str, id: &str) -> Result<(), Refusal> {
        let request = self.client.abort_multipart_upload().bucket(&self.place.bucket).key(self.full(key));
        let request = request.upload_id(id);
        wait(async move { request.send().await }).map(drop).map_err(refusal)
    }

    fn uploads(&self, prefix: &str) -> Vec<Begun> {
        let below = self.full("");
        let request =
            self.client.list_multipart_uploads().bucket(&self.place.bucket).prefix(self.full(prefix));
        let said = wait(async move { request.send().await.unwrap() });
        let begun = |upload: &aws_sdk_s3::types::MultipartUpload| {
            let began = SystemTime::try_from(*upload.initiated()?).ok()?;
            let key = upload.key()?.strip_prefix(&below)?.to_owned();
            Some(Begun { key, id: upload.upload_id()?.to_owned(), began })
        };
        said.uploads().iter().filter_map(begun).collect()
    }

    fn parts(&self, key: &str, id: &str) -> Result<Vec<(i32, SystemTime)>, Refusal> {
        let request = self.client.list_parts().bucket(&self.place.bucket).key(self.full(key)).upload_id(id);
        let said = wait(async move { request.send().await }).map_err(refusal)?;
        let part = |part: &aws_sdk_s3::types::Part| {
            Some((part.part_number()?, SystemTime::try_from(*part.last_modified()?).ok()?))
        };
        Ok(said.parts().iter().filter_map(part).collect())
    }
}
