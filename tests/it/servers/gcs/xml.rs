//! The XML API: uploads in parts.

use super::shelf::{Part, hashed};
use super::wire::{Answer, Request};
use super::{About, Refusal, Shared};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::sync::atomic::Ordering;

/// How many uploads are on a page.
const PAGE: usize = 2;

/// Answers a request about a bucket or an object.
pub fn answer(shared: &Shared, request: &Request, bucket: &str, key: &str) -> Answer {
    let token = request.header("authorization");
    let admit = |permission: &str| shared.admit(token, bucket, permission);
    let (id, number) = (request.param("uploadId"), request.param("partNumber"));
    let method = request.method.as_str();
    let said = match (method, id, number, key) {
        _ if request.headers.keys().any(|name| name.starts_with("x-goog-if-")) => {
            Err(Refusal::new(400, "NotSupported", "Preconditions are not supported here."))
        }
        ("POST", None, None, key) if request.param("uploads").is_some() && !key.is_empty() => {
            admit("storage.multipartUploads.create").and_then(|()| begin(shared, request, key))
        }
        ("PUT", Some(id), Some(number), key) => admit("storage.multipartUploads.create")
            .and_then(|()| part(shared, request, key, id, number.parse().unwrap_or_default())),
        ("POST", Some(id), None, key) => {
            admit("storage.multipartUploads.create").and_then(|()| finish(shared, request, key, id))
        }
        ("GET", Some(id), None, key) => {
            admit("storage.multipartUploads.listParts").and_then(|()| parts(shared, request, key, id))
        }
        ("DELETE", Some(id), None, key) => admit("storage.multipartUploads.abort")
            .and_then(|()| shared.shelf.abort(key, id).map(|()| Answer::new(204))),
        ("GET", None, None, "") if request.param("uploads").is_some() => {
            admit("storage.multipartUploads.list").map(|()| uploads(shared, request))
        }
        _ => Err(Refusal::new(400, "InvalidArgument", "Not a request that pgstow makes.")),
    };
    said.unwrap_or_else(|Refusal { status, code, message }| {
        document(
            status,
            &format!(
                "<Error><Code>{code}</Code><Message>{code}.</Message><Details>{message}</Details></Error>"
            ),
        )
    })
}

fn document(status: u16, body: &str) -> Answer {
    Answer::new(status).body("application/xml", format!("<?xml version='1.0' encoding='UTF-8'?>{body}"))
}

fn begin(shared: &Shared, request: &Request, key: &str) -> Result<Answer, Refusal> {
    if !request.body.is_empty() || request.header("content-length") != Some("0") {
        return Err(Refusal::new(411, "MissingContentLength", "Say Content-Length: 0."));
    }
    let own = |(name, value): (&String, &String)| {
        Some((name.strip_prefix("x-goog-meta-")?.to_owned(), value.clone()))
    };
    let until = request.header("x-goog-object-lock-retain-until-date");
    let until = until.map(|text| humantime::parse_rfc3339(text).unwrap());
    let locked = request.header("x-goog-object-lock-mode").map(|mode| mode == "COMPLIANCE");
    let about = About {
        own: locked.zip(until).filter(|_| !shared.ignores.load(Ordering::Relaxed)),
        metadata: request.headers.iter().filter_map(own).collect(),
        class: request.header("x-goog-storage-class").map(str::to_owned),
        kms: request.header("x-goog-encryption-kms-key-name").map(str::to_owned),
        ..About::default()
    };
    let id = shared.shelf.begin(key, &shared.ruled(about));
    Ok(document(
        200,
        &format!(
            "<InitiateMultipartUploadResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>\
             <Bucket>b</Bucket><Key>{key}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        ),
    ))
}

fn part(shared: &Shared, request: &Request, key: &str, id: &str, number: i32) -> Result<Answer, Refusal> {
    if !(1..=10_000).contains(&number) {
        return Err(Refusal::new(400, "InvalidArgument", "Part number must be from 1 to 10000."));
    }
    let part = Part::new(request.body.clone());
    let right = format!("{},md5={}", hashed(part.crc32c), BASE64_STANDARD.encode(&part.md5));
    match request.header("x-goog-hash") {
        Some(hash) if hash == right => {}
        Some(_) => {
            return Err(Refusal::new(
                400,
                "BadDigest",
                "The hash you specified did not match what we received.",
            ));
        }
        None => return Err(Refusal::new(400, "InvalidDigest", "This server wants every part's hashes.")),
    }
    let etag = shared.shelf.part(key, id, number, part)?;
    Ok(Answer::new(200).with("ETag", etag).with("x-goog-hash", right))
}

fn finish(shared: &Shared, request: &Request, key: &str, id: &str) -> Result<Answer, Refusal> {
    let malformed = || Refusal::new(400, "MalformedCompleteMultipartUploadRequest", "Not a list of parts.");
    let text = std::str::from_utf8(&request.body).map_err(|_| malformed())?;
    let list = roxmltree::Document::parse(text).map_err(|_| malformed())?;
    let of = |node: roxmltree::Node<'_, '_>, name| {
        node.children().find(|child| child.has_tag_name(name))?.text().map(str::to_owned)
    };
    let part = |node| Some((of(node, "PartNumber")?.parse().ok()?, of(node, "ETag")?));
    let parts: Option<Vec<(i32, String)>> = list.root_element().children().map(part).collect();
    let parts = parts.filter(|parts| !parts.is_empty()).ok_or_else(malformed)?;
    if !parts.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(Refusal::new(400, "InvalidPartOrder", "Parts must be in ascending order."));
    }
    shared.shelf.finish(key, id, &parts)?;
    if shared.damages.swap(false, Ordering::Relaxed) {
        let object = shared.shelf.get(key).ok_or_else(malformed)?;
        let mut bytes = object.bytes.to_vec();
        bytes[0] ^= 1;
        shared.shelf.put(key, bytes.into(), &object.about);
    }
    let seen = shared.shelf.see(key).ok_or_else(malformed)?;
    let answer = document(
        200,
        "<CompleteMultipartUploadResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>\
         <ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>",
    );
    Ok(answer.with("x-goog-generation", seen.generation.to_string()).with("x-goog-hash", hashed(seen.crc32c)))
}

fn uploads(shared: &Shared, request: &Request) -> Answer {
    let after = (request.param("key-marker").unwrap_or(""), request.param("upload-id-marker").unwrap_or(""));
    let all = shared.shelf.uploads(request.param("prefix").unwrap_or(""));
    let mut rest = all.iter().filter(|one| (one.key.as_str(), one.id.as_str()) > after).peekable();
    let page: Vec<_> = rest.by_ref().take(PAGE).collect();
    let mut body = String::from("<ListMultipartUploadsResult>");
    // Without it, a key that XML cannot hold spoils the document, as it does at the real service.
    let is_encoded = request.param("encoding-type") == Some("url");
    let said = |key: &str| match is_encoded {
        true => percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string(),
        false => key.to_owned(),
    };
    if is_encoded {
        body += "<EncodingType>url</EncodingType>";
    }
    for one in &page {
        let began = humantime::format_rfc3339_millis(one.began);
        body += &format!(
            "<Upload><Key>{}</Key><UploadId>{}</UploadId><Initiated>{began}</Initiated></Upload>",
            said(&one.key),
            one.id
        );
    }
    if let (Some(_), Some(last)) = (rest.peek(), page.last()) {
        body += &format!(
            "<IsTruncated>true</IsTruncated><NextKeyMarker>{}</NextKeyMarker>\
             <NextUploadIdMarker>{}</NextUploadIdMarker>",
            said(&last.key),
            last.id
        );
    }
    document(200, &(body + "</ListMultipartUploadsResult>"))
}

fn parts(shared: &Shared, request: &Request, key: &str, id: &str) -> Result<Answer, Refusal> {
    let after = request.param("part-number-marker").and_then(|text| text.parse().ok()).unwrap_or(0);
    let all = shared.shelf.parts(key, id)?;
    let mut rest = all.into_iter().filter(|(number, _)| *number > after).peekable();
    let mut body = String::from("<ListPartsResult>");
    let mut last = 0;
    for (number, arrived) in rest.by_ref().take(PAGE) {
        let arrived = humantime::format_rfc3339_millis(arrived);
        body +=
            &format!("<Part><PartNumber>{number}</PartNumber><LastModified>{arrived}</LastModified></Part>");
        last = number;
    }
    if rest.peek().is_some() {
        body +=
            &format!("<IsTruncated>true</IsTruncated><NextPartNumberMarker>{last}</NextPartNumberMarker>");
    }
    Ok(document(200, &(body + "</ListPartsResult>")))
}
