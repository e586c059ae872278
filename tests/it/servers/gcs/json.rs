//! The JSON API: reads, and writes in one request.

use super::shelf::{Seen, crc32c};
use super::wire::{Answer, Request};
use super::{About, Object, Refusal, Shared};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

/// Reads an object, or a range of it.
pub fn read(shared: &Shared, request: &Request, bucket: &str, key: &str) -> Answer {
    try_read(shared, request, bucket, key).unwrap_or_else(refuse)
}

/// Writes an object.
pub fn insert(shared: &Shared, request: &Request, bucket: &str) -> Answer {
    try_insert(shared, request, bucket).unwrap_or_else(refuse)
}

pub fn refuse(refusal: Refusal) -> Answer {
    let Refusal { status, code, message } = refusal;
    let body = json!({"error": {"code": status, "message": message, "errors": [{"reason": code}]}});
    Answer::new(status).body("application/json", body.to_string())
}

fn not_met() -> Refusal {
    Refusal::new(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
}

fn try_read(shared: &Shared, request: &Request, bucket: &str, key: &str) -> Result<Answer, Refusal> {
    shared.admit(request.header("authorization"), bucket, "storage.objects.get")?;
    if request.method != "GET" || request.param("alt") != Some("media") {
        return Err(Refusal::new(400, "invalid", "Not a request that pgstow makes."));
    }
    let old = request.param("generation").map(|generation| {
        let old = shared.rules.old.lock().unwrap();
        let is_it = |(name, old): &&(String, Object)| name == key && old.generation.to_string() == generation;
        old.iter().find(is_it).map(|(_, object)| object.clone())
    });
    let object = old.unwrap_or_else(|| shared.shelf.get(key));
    let object =
        object.ok_or_else(|| Refusal::new(404, "notFound", format!("No such object: {bucket}/{key}")))?;
    if request.param("ifGenerationMatch").is_some_and(|wanted| wanted != object.generation.to_string()) {
        return Err(not_met());
    }
    let length = object.bytes.len();
    let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let answer = |status| {
        Answer::new(status)
            .with("x-goog-generation", object.generation.to_string())
            .with("x-goog-metageneration", "1")
            .with("x-goog-stored-content-length", length.to_string())
            .with("x-goog-stored-content-encoding", "identity")
            .with("x-goog-storage-class", "STANDARD")
            .with("x-goog-hash", object.hashes())
    };
    let Some((first, last)) = range else {
        return Ok(answer(200).body("application/octet-stream", object.bytes.clone()));
    };
    let first: usize = first.parse().unwrap_or(0);
    let end = last.parse::<usize>().map_or(length, |last| (last + 1).min(length));
    if first >= length {
        return Err(Refusal::new(416, "requestedRangeNotSatisfiable", "Request range not satisfiable"));
    }
    let range = format!("bytes {first}-{}/{length}", end - 1);
    let answer = answer(206).with("content-range", range);
    Ok(answer.body("application/octet-stream", object.bytes.slice(first..end)))
}

fn try_insert(shared: &Shared, request: &Request, bucket: &str) -> Result<Answer, Refusal> {
    shared.admit(request.header("authorization"), bucket, "storage.objects.create")?;
    let invalid = |why: &str| Refusal::new(400, "invalid", why);
    if request.method != "POST" || request.param("uploadType") != Some("multipart") {
        return Err(invalid("This server wants writes in one request."));
    }
    let boundary = request.header("content-type").and_then(|kind| kind.split_once("boundary="));
    let (_, boundary) = boundary.ok_or_else(|| invalid("No boundary."))?;
    let [about, bytes] = parts(&request.body, boundary).ok_or_else(|| invalid("Not two parts."))?;
    let about: Value = serde_json::from_slice(&about).map_err(|_| invalid("Not JSON."))?;
    let key = request.param("name").ok_or_else(|| invalid("No name."))?;

    let text = |name: &str| about[name].as_str().map(str::to_owned);
    let own = about["metadata"].as_object().into_iter().flatten();
    let retention = &about["retention"];
    let until = retention["retainUntilTime"].as_str();
    let until = until.map(|text| humantime::parse_rfc3339_weak(text).unwrap());
    let locked = retention["mode"].as_str().map(|mode| mode.eq_ignore_ascii_case("locked"));
    let kept = About {
        own: locked.zip(until).filter(|_| !shared.ignores.load(std::sync::atomic::Ordering::Relaxed)),
        metadata: own.map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned())).collect(),
        class: text("storageClass"),
        kms: request.param("kmsKeyName").map(str::to_owned).or_else(|| text("kmsKeyName")),
        ..About::default()
    };
    let sum = crc32c(&bytes);
    if text("crc32c") != Some(BASE64_STANDARD.encode(sum.to_be_bytes())) {
        return Err(invalid("Provided CRC32C \"x\" doesn't match calculated CRC32C \"y\"."));
    }
    let _one_at_a_time = shared.writing.lock().unwrap();
    let only_creates = request.param("ifGenerationMatch") == Some("0");
    if !only_creates && !key.contains("/pgstow-doctor-") {
        return Err(invalid("This server wants writes that only create."));
    }
    if let Some(there) = shared.shelf.get(key) {
        if only_creates {
            return Err(not_met());
        }
        shared.admit(request.header("authorization"), bucket, "storage.objects.delete")?;
        shared.clear(key, there)?;
    }
    shared.shelf.put(key, bytes, &shared.ruled(kept));
    let object = shared.shelf.get(key).ok_or_else(|| invalid("It is not there."))?;
    let md5 = BASE64_STANDARD.encode(object.md5());
    let mut said = described(bucket, key, object.into());
    said["md5Hash"] = md5.into();
    Ok(Answer::new(200).body("application/json", said.to_string()))
}

/// What is said of an object; one of parts has no MD5.
pub fn described(bucket: &str, key: &str, seen: Seen) -> Value {
    json!({
        "kind": "storage#object",
        "name": key,
        "bucket": bucket,
        "generation": seen.generation.to_string(),
        "metageneration": "1",
        "size": seen.bytes.to_string(),
        "crc32c": BASE64_STANDARD.encode(seen.crc32c.to_be_bytes()),
        "timeCreated": humantime::format_rfc3339_millis(seen.created).to_string(),
        "updated": humantime::format_rfc3339_millis(seen.created).to_string(),
        "metadata": seen.about.metadata,
    })
}

/// The two parts of a multipart body, without their headers.
fn parts(body: &Bytes, boundary: &str) -> Option<[Bytes; 2]> {
    let mark = format!("--{}", boundary.trim_matches('"'));
    let starts: Vec<usize> = memchr::memmem::find_iter(body, mark.as_bytes()).collect();
    let part = |from: usize, to: usize| {
        let whole = body.slice(from + mark.len()..to);
        let head = memchr::memmem::find(&whole, b"\r\n\r\n")?;
        Some(whole.slice(head + 4..whole.len().checked_sub(2)?))
    };
    match starts[..] {
        [first, second, end] => Some([part(first, second)?, part(second, end)?]),
        _ => None,
    }
}
