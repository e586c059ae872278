//! The JSON API's resumable uploads, in which other programs send what comes from a pipe: for `make bench`.

use super::json::{described, refuse};
use super::shelf::Part;
use super::wire::{Answer, Request};
use super::{About, Refusal, Shared};

/// An upload that was begun.
pub struct Session {
    key: String,
    /// How many bytes have come.
    bytes: u64,
    parts: Vec<(i32, String)>,
}

/// Begins an upload, or takes the next piece of one.
pub fn answer(shared: &Shared, request: &Request, bucket: &str) -> Answer {
    let admitted = shared.admit(request.header("authorization"), bucket, "storage.objects.create");
    let said = admitted.and_then(|()| match request.param("upload_id") {
        None => begin(shared, request, bucket),
        Some(id) => piece(shared, request, bucket, id),
    });
    said.unwrap_or_else(refuse)
}

fn invalid(why: &str) -> Refusal {
    Refusal::new(400, "invalid", why)
}

fn begin(shared: &Shared, request: &Request, bucket: &str) -> Result<Answer, Refusal> {
    let about: serde_json::Value = serde_json::from_slice(&request.body).map_err(|_| invalid("Not JSON."))?;
    let key = request.param("name").or(about["name"].as_str()).ok_or_else(|| invalid("No name."))?;
    let own = about["metadata"].as_object().into_iter().flatten();
    let metadata = own.map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned())).collect();
    let id = shared.shelf.begin(key, &shared.ruled(About { metadata, ..About::default() }));
    let session = Session { key: key.to_owned(), bytes: 0, parts: Vec::new() };
    shared.sessions.lock().unwrap().insert(id.clone(), session);
    let host = request.header("host").ok_or_else(|| invalid("No host."))?;
    let id = percent_encoding::utf8_percent_encode(&id, percent_encoding::NON_ALPHANUMERIC);
    let query = format!("uploadType=resumable&upload_id={id}");
    Ok(Answer::new(200).with("location", format!("http://{host}/upload/storage/v1/b/{bucket}/o?{query}")))
}

fn piece(shared: &Shared, request: &Request, bucket: &str, id: &str) -> Result<Answer, Refusal> {
    let range =
        request.header("content-range").and_then(|range| range.strip_prefix("bytes ")?.split_once('/'));
    let (span, total) = range.ok_or_else(|| invalid("No Content-Range."))?;
    let gone = || Refusal::new(404, "notFound", "No such upload.");
    let (key, bytes, mut parts) = {
        let sessions = shared.sessions.lock().unwrap();
        let Session { key, bytes, parts } = sessions.get(id).ok_or_else(gone)?;
        (key.clone(), *bytes, parts.clone())
    };
    let new = request.body.len() as u64;
    let end = bytes + new;
    let right = if new == 0 { "*".to_owned() } else { format!("{bytes}-{}", end - 1) };
    if span != right || (total != "*" && total != end.to_string()) {
        return Err(invalid("The range does not follow what has come."));
    }
    if new > 0 {
        let number = parts.len() as i32 + 1;
        parts.push((number, shared.shelf.part(&key, id, number, Part::new(request.body.clone()))?));
    }
    if total == "*" {
        shared.sessions.lock().unwrap().insert(id.to_owned(), Session { key, bytes: end, parts });
        // Whoever cannot read 308 says so.
        let status = if request.header("x-guploader-no-308") == Some("yes") { 200 } else { 308 };
        let answer = Answer::new(status).with("x-http-status-code-override", "308");
        return Ok(answer.with("range", format!("bytes=0-{}", end.saturating_sub(1))));
    }
    shared.sessions.lock().unwrap().remove(id);
    shared.shelf.finish(&key, id, &parts)?;
    let seen = shared.shelf.see(&key).ok_or_else(gone)?;
    Ok(Answer::new(200).body("application/json", described(bucket, &key, seen).to_string()))
}
