//! gRPC, as much as Google's client needs: looking at an object, listing and deleting.

use super::shelf::Seen;
use super::{About, BUCKET, Object, Refusal, Shared, may_go};
use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
});

// The messages of google.storage.v2, as far as they are used; unknown fields are passed over.

#[derive(Message)]
struct Named {
    #[prost(string, tag = "1")]
    bucket: String,
    #[prost(string, tag = "2")]
    object: String,
    /// Of a DeleteObjectRequest.
    #[prost(int64, tag = "4")]
    generation: i64,
    /// Of a DeleteObjectRequest.
    #[prost(int64, optional, tag = "5")]
    if_generation_match: Option<i64>,
}

#[derive(Message)]
struct ListRequest {
    #[prost(string, tag = "1")]
    parent: String,
    #[prost(int32, tag = "2")]
    page_size: i32,
    #[prost(string, tag = "3")]
    page_token: String,
    #[prost(string, tag = "6")]
    prefix: String,
    #[prost(bool, tag = "7")]
    versions: bool,
}

#[derive(Message)]
struct UpdateRequest {
    #[prost(message, optional, tag = "1")]
    object: Option<ObjectMessage>,
    #[prost(message, optional, tag = "7")]
    update_mask: Option<Mask>,
    #[prost(bool, tag = "11")]
    override_unlocked_retention: bool,
}

#[derive(Message)]
struct Mask {
    #[prost(string, repeated, tag = "1")]
    paths: Vec<String>,
}

#[derive(Message)]
struct ListResponse {
    #[prost(message, repeated, tag = "1")]
    objects: Vec<ObjectMessage>,
    #[prost(string, tag = "3")]
    next_page_token: String,
}

#[derive(Message)]
struct ObjectMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    bucket: String,
    #[prost(int64, tag = "3")]
    generation: i64,
    #[prost(string, tag = "5")]
    storage_class: String,
    #[prost(int64, tag = "6")]
    size: i64,
    #[prost(message, optional, tag = "12")]
    delete_time: Option<Time>,
    #[prost(message, optional, tag = "14")]
    create_time: Option<Time>,
    #[prost(message, optional, tag = "16")]
    checksums: Option<Checksums>,
    #[prost(string, tag = "18")]
    kms_key: String,
    #[prost(bool, tag = "20")]
    temporary_hold: bool,
    #[prost(message, optional, tag = "21")]
    retention_expire_time: Option<Time>,
    #[prost(map = "string, string", tag = "22")]
    metadata: HashMap<String, String>,
    #[prost(bool, optional, tag = "23")]
    event_based_hold: Option<bool>,
    #[prost(message, optional, tag = "30")]
    retention: Option<Retention>,
}

#[derive(Message)]
struct Retention {
    #[prost(int32, tag = "1")]
    mode: i32,
    #[prost(message, optional, tag = "2")]
    until: Option<Time>,
}

#[derive(Message)]
struct Checksums {
    #[prost(fixed32, optional, tag = "1")]
    crc32c: Option<u32>,
}

#[derive(Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Time {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Time { seconds: since.as_secs() as i64, nanos: since.subsec_nanos() as i32 }
    }
}

/// Serves one connection to its end.
pub fn serve(shared: Arc<Shared>, client: TcpStream) -> std::io::Result<()> {
    client.set_nonblocking(true)?;
    RUNTIME.block_on(async {
        let client = tokio::net::TcpStream::from_std(client)?;
        let mut connection = h2::server::handshake(client).await.map_err(std::io::Error::other)?;
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(answer(Arc::clone(&shared), request, respond));
        }
        Ok(())
    })
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let mut message = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        message.extend_from_slice(&chunk);
    }
    // One byte says whether it is compressed, four its length.
    let message = message.freeze().slice(5..);
    let token = head.headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let method = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    // Asking the shelf blocks.
    let called = tokio::task::spawn_blocking(move || shared.call(&method, token.as_deref(), message)).await;
    let said = match called.unwrap() {
        Called::Silence => std::future::pending().await,
        Called::Said(said) => said,
    };
    let head = Response::builder().header("content-type", "application/grpc");
    match said {
        Ok(said) => {
            let mut frame = BytesMut::new();
            frame.put_u8(0);
            frame.put_u32(said.len() as u32);
            frame.extend_from_slice(&said);
            let mut stream = respond.send_response(head.body(()).unwrap(), false)?;
            stream.send_data(frame.freeze(), false)?;
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            stream.send_trailers(trailers)
        }
        Err((code, message)) => {
            let head = head.header("grpc-status", code).header("grpc-message", message.as_str());
            respond.send_response(head.body(()).unwrap(), true).map(drop)
        }
    }
}

enum Called {
    Said(Result<Vec<u8>, (u32, String)>),
    Silence,
}

impl Shared {
    fn call(&self, method: &str, token: Option<&str>, message: Bytes) -> Called {
        self.grpc_calls.lock().unwrap().push(method.to_owned());
        let mut faults = self.grpc_faults.lock().unwrap();
        if let Some(fault) = faults.iter_mut().find(|fault| fault.method == method && fault.times > 0) {
            fault.times -= 1;
            return match fault.code {
                Some(code) => Called::Said(Err((code, "Injected by the test.".to_owned()))),
                None => Called::Silence,
            };
        }
        drop(faults);
        let said = match method {
            "GetObject" => self.get_object(token, message),
            "ListObjects" => self.list_objects(token, message),
            "DeleteObject" => self.delete_object(token, message),
            "UpdateObject" => self.update_object(token, message),
            _ => return Called::Said(Err((12, "Not a method that pgstow calls.".to_owned()))),
        };
        Called::Said(said.map_err(|Refusal { status, message, .. }| {
            let code = match status {
                401 => 16,
                403 => 7,
                404 => 5,
                412 => 9,
                _ => 3,
            };
            (code, message)
        }))
    }

    fn get_object(&self, token: Option<&str>, message: Bytes) -> Result<Vec<u8>, Refusal> {
        let Named { bucket, object: key, .. } = decoded(message)?;
        self.admit(token, short(&bucket), "storage.objects.get")?;
        let seen = self.shelf.see(&key).ok_or_else(|| missing(&key))?;
        Ok(described(key, seen).encode_to_vec())
    }

    fn update_object(&self, token: Option<&str>, message: Bytes) -> Result<Vec<u8>, Refusal> {
        let UpdateRequest { object, update_mask, override_unlocked_retention } = decoded(message)?;
        let wanted = object.unwrap_or_default();
        let admit = |permission| self.admit(token, short(&wanted.bucket), permission);
        admit("storage.objects.update")?;
        let (key, _one_at_a_time) = (wanted.name.clone(), self.writing.lock().unwrap());
        let object = self.shelf.get(&key).ok_or_else(|| missing(&key))?;
        let mut about = object.about.clone();
        for path in update_mask.unwrap_or_default().paths {
            match path.as_str() {
                "temporary_hold" => about.held = wanted.temporary_hold,
                "event_based_hold" => about.event_held = wanted.event_based_hold == Some(true),
                "retention" if wanted.retention.is_none() => {
                    admit("storage.objects.setRetention")?;
                    let (is_locked, until) =
                        about.own.ok_or_else(|| Refusal::new(400, "invalid", "None."))?;
                    if is_locked && SystemTime::now() < until {
                        let why = "The retention of a locked object can be neither reduced nor removed.";
                        return Err(Refusal::new(403, "forbidden", why));
                    }
                    if !override_unlocked_retention {
                        return Err(Refusal::new(403, "forbidden", "It has to be overridden."));
                    }
                    admit("storage.objects.overrideUnlockedRetention")?;
                    about = About { own: None, ..about };
                }
                _ => return Err(Refusal::new(400, "invalid", "Not a change that pgstow makes.")),
            }
        }
        self.shelf.describe(&key, &about);
        Ok(described(key, Object { about, ..object }.into()).encode_to_vec())
    }

    fn list_objects(&self, token: Option<&str>, message: Bytes) -> Result<Vec<u8>, Refusal> {
        let ListRequest { parent, page_size, page_token, prefix, versions } = decoded(message)?;
        self.admit(token, short(&parent), "storage.objects.list")?;
        if versions {
            let old = self.rules.old.lock().unwrap().clone().into_iter();
            let old = old.map(|(key, object)| ObjectMessage {
                delete_time: Some(SystemTime::now().into()),
                ..described(key, object.into())
            });
            let live = self.shelf.list(&prefix).into_iter().map(|item| item.key);
            let live = live.filter_map(|key| Some(described(key.clone(), self.shelf.see(&key)?)));
            let objects = live.chain(old).filter(|object| object.name.starts_with(&prefix)).collect();
            return Ok(ListResponse { objects, next_page_token: String::new() }.encode_to_vec());
        }
        let mut rest = self.shelf.list(&prefix).into_iter().filter(|item| item.key > page_token).peekable();
        let page = rest.by_ref().take(page_size.max(1) as usize).map(|item| ObjectMessage {
            name: item.key,
            generation: item.generation,
            size: item.bytes as i64,
            create_time: Some(item.created.into()),
            ..ObjectMessage::default()
        });
        let objects: Vec<ObjectMessage> = page.collect();
        let last = objects.last().map(|object| object.name.clone());
        let next_page_token = rest.peek().and(last).unwrap_or_default();
        Ok(ListResponse { objects, next_page_token }.encode_to_vec())
    }

    fn delete_object(&self, token: Option<&str>, message: Bytes) -> Result<Vec<u8>, Refusal> {
        let Named { bucket, object: key, generation, if_generation_match } = decoded(message)?;
        self.admit(token, short(&bucket), "storage.objects.delete")?;
        let _one_at_a_time = self.writing.lock().unwrap();
        if generation != 0 {
            let mut old = self.rules.old.lock().unwrap();
            let is_it = |(name, old): &(String, Object)| *name == key && old.generation == generation;
            let at = old.iter().position(is_it).ok_or_else(|| missing(&key))?;
            may_go(&key, &old[at].1)?;
            old.remove(at);
            return Ok(Vec::new());
        }
        let object = self.shelf.get(&key).ok_or_else(|| missing(&key))?;
        if if_generation_match.is_some_and(|wanted| wanted != object.generation) {
            return Err(Refusal::new(412, "conditionNotMet", "A pre-condition did not hold."));
        }
        self.clear(&key, object).map(|()| Vec::new())
    }
}

fn described(name: String, seen: Seen) -> ObjectMessage {
    let Seen { bytes, generation, created, crc32c, about } = seen;
    ObjectMessage {
        name,
        bucket: format!("projects/_/buckets/{BUCKET}"),
        generation,
        storage_class: about.class.unwrap_or_else(|| "STANDARD".to_owned()),
        size: bytes as i64,
        delete_time: None,
        create_time: Some(created.into()),
        checksums: Some(Checksums { crc32c: Some(crc32c) }),
        kms_key: about.kms.map(|key| format!("{key}/cryptoKeyVersions/1")).unwrap_or_default(),
        temporary_hold: about.held,
        retention_expire_time: about.retained.map(Time::from),
        metadata: about.metadata,
        event_based_hold: Some(about.event_held),
        retention: about
            .own
            .map(|(locked, until)| Retention { mode: if locked { 2 } else { 1 }, until: Some(until.into()) }),
    }
}

fn decoded<M: Message + Default>(message: Bytes) -> Result<M, Refusal> {
    M::decode(message).map_err(|e| Refusal::new(400, "invalid", e.to_string()))
}

fn short(bucket: &str) -> &str {
    bucket.strip_prefix("projects/_/buckets/").unwrap_or_default()
}

fn missing(key: &str) -> Refusal {
    Refusal::new(404, "notFound", format!("No such object: {key}"))
}
