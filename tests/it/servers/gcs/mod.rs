//! A strict imitation of Google Cloud Storage: the XML API of uploads in parts, the JSON and gRPC that Google's client
//! needs, and the services that give out tokens. It keeps its objects in memory, or in a real S3 server.
//!
//! Strict means: a part without both hashes or with a wrong one is refused, a finished upload is gone, a condition that
//! the real service does not know in an upload is an error, a token ends when it said, and an account may do what its
//! role says.

mod emulator;
mod grpc;
mod json;
mod resumable;
mod shelf;
mod tokens;
mod wire;
mod xml;

use super::at_once;
use super::garage::Garage;
use super::s3::S3;
pub use emulator::Emulator;
pub use shelf::{About, Memory, Object};
use shelf::{Behind, Shelf};
use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokens::Tokens;
pub use tokens::{Account, KEY_ID};
use wire::{Answer, Request};

/// The one bucket.
pub const BUCKET: &str = "pgstow";

/// Why a request is refused, for each API to say in its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into() }
    }
}

/// What happens to calls of a gRPC method instead of what should.
pub struct GrpcFault {
    pub method: &'static str,
    /// gRPC's number of a failure; none if the call is never answered.
    pub code: Option<u32>,
    pub times: usize,
}

struct Shared {
    port: u16,
    shelf: Box<dyn Shelf>,
    tokens: Tokens,
    /// Held while a write with a condition looks and writes.
    writing: Mutex<()>,
    grpc_faults: Mutex<Vec<GrpcFault>>,
    grpc_calls: Mutex<Vec<String>>,
    /// Resumable uploads that were begun, by their ids.
    sessions: Mutex<HashMap<String, resumable::Session>>,
    /// Whether the next upload that is finished is kept wrong.
    damages: AtomicBool,
    /// Whether locks that are asked for are not set.
    ignores: AtomicBool,
    rules: Rules,
    closed: AtomicBool,
}

/// What the bucket does by itself.
#[derive(Default)]
struct Rules {
    /// Whether what is replaced or deleted stays as an old version.
    versions: AtomicBool,
    /// The old versions, with their keys.
    old: Mutex<Vec<(String, Object)>>,
    /// How long a new object may not be deleted.
    retention: Mutex<Duration>,
    /// Whether new objects are held.
    holds: AtomicBool,
}

/// A running imitation; ends on drop.
pub struct Google {
    shared: Arc<Shared>,
    folder: TempDir,
}

impl Google {
    /// One that keeps everything in memory.
    pub fn start() -> Google {
        Google::over(Box::new(Memory::default()))
    }

    /// One in front of Garage: a real server that checks every digest, and keeps the bytes.
    pub fn in_front_of_garage() -> Google {
        Google::in_front_of(Garage::shared().place("behind-google"))
    }

    /// One in front of any S3 server.
    pub fn in_front_of(place: S3) -> Google {
        Google::over(Box::new(Behind::new(place)))
    }

    fn over(shelf: Box<dyn Shelf>) -> Google {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            port,
            shelf,
            tokens: Tokens::default(),
            writing: Mutex::default(),
            grpc_faults: Mutex::default(),
            grpc_calls: Mutex::default(),
            sessions: Mutex::default(),
            damages: AtomicBool::new(false),
            ignores: AtomicBool::new(false),
            rules: Rules::default(),
            closed: AtomicBool::new(false),
        });
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if ours.closed.load(Ordering::Relaxed) {
                    break;
                }
                let shared = Arc::clone(&ours);
                // A client that goes away is no concern of a server.
                std::thread::spawn(move || client.and_then(at_once).and_then(|client| serve(shared, client)));
            }
        });
        Google { shared, folder: tempfile::tempdir().unwrap() }
    }

    /// Where to send requests.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.shared.port)
    }

    /// The store URL for pgstow; its credentials are in the environment.
    pub fn plain_url(&self, prefix: &str) -> String {
        format!("gs://{BUCKET}/{prefix}?endpoint={}", self.endpoint())
    }

    /// The store URL for pgstow, with this account's federated identity.
    pub fn url(&self, prefix: &str, account: Account) -> String {
        self.url_through(&self.endpoint(), prefix, account)
    }

    /// The same through another endpoint: a fault proxy.
    pub fn url_through(&self, endpoint: &str, prefix: &str, account: Account) -> String {
        let file = self.federated(account);
        format!("gs://{BUCKET}/{prefix}?credentials={}&endpoint={endpoint}", file.display())
    }

    /// The configuration of an identity that another provider vouches for, as GitHub's OIDC or GKE's.
    pub fn federated(&self, account: Account) -> PathBuf {
        let subject = self.write(&format!("{account:?}.jwt"), &format!("subject-{account:?}"));
        let config = serde_json::json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/github",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/sts", self.endpoint()),
            "credential_source": { "file": subject },
        });
        self.write(&format!("{account:?}.json"), &config.to_string())
    }

    /// The same, for an identity that becomes a service account.
    pub fn impersonating(&self, account: Account) -> PathBuf {
        let config = std::fs::read(self.federated(Account::Nobody)).unwrap();
        let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        let url = format!("{}/impersonate/{account:?}:generateAccessToken", self.endpoint());
        config["service_account_impersonation_url"] = url.into();
        self.write(&format!("{account:?}-impersonated.json"), &config.to_string())
    }

    /// A service account's key file; the account is the owner.
    pub fn key_file(&self) -> PathBuf {
        let key = self.folder.path().join("rsa.pem");
        if !key.exists() {
            let mut openssl = std::process::Command::new("openssl");
            super::run(openssl.args(["genpkey", "-quiet", "-algorithm", "RSA", "-out"]).arg(&key));
        }
        let config = serde_json::json!({
            "type": "service_account",
            "project_id": "project",
            "private_key_id": KEY_ID,
            "private_key": std::fs::read_to_string(&key).unwrap(),
            "client_email": Account::Owner.email(),
            "client_id": "1",
            "token_uri": format!("{}/token", self.endpoint()),
        });
        self.write("key.json", &config.to_string())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path: &Path = self.folder.path();
        let path = path.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The tokens given out from now on live this long.
    pub fn tokens_live(&self, lifetime: Duration) {
        self.shared.tokens.live(lifetime);
    }

    /// A token of this account.
    pub fn token(&self, account: Account) -> String {
        self.shared.tokens.give(account).0
    }

    /// The tokens given out so far are worth nothing from now on.
    pub fn revoke_tokens(&self) {
        self.shared.tokens.revoke();
    }

    /// The accounts for which tokens were given out so far, in order.
    pub fn tokens_given(&self) -> Vec<Account> {
        self.shared.tokens.given()
    }

    /// Whether tokens are asked for in vain, without an answer.
    pub fn stall_tokens(&self, stall: bool) {
        self.shared.tokens.stall(stall);
    }

    /// The next upload that is finished is kept wrong by one bit.
    pub fn damage_next_finish(&self) {
        self.shared.damages.store(true, Ordering::Relaxed);
    }

    /// Locks that are asked for are not set from now on.
    pub fn ignore_locks(&self) {
        self.shared.ignores.store(true, Ordering::Relaxed);
    }

    /// Old versions are kept from now on.
    pub fn keep_versions(&self) {
        self.shared.rules.versions.store(true, Ordering::Relaxed);
    }

    /// The keys of old versions.
    pub fn old_versions(&self) -> Vec<String> {
        self.shared.rules.old.lock().unwrap().iter().map(|(key, _)| key.clone()).collect()
    }

    /// Sets the bucket's retention policy.
    pub fn retain(&self, time: Duration) {
        *self.shared.rules.retention.lock().unwrap() = time;
    }

    /// Whether the bucket holds new objects.
    pub fn hold_new_objects(&self, hold: bool) {
        self.shared.rules.holds.store(hold, Ordering::Relaxed);
    }

    /// Adds a fault for calls of gRPC.
    pub fn inject(&self, method: &'static str, code: Option<u32>, times: usize) {
        self.shared.grpc_faults.lock().unwrap().push(GrpcFault { method, code, times });
    }

    /// Forgets all faults.
    pub fn heal(&self) {
        self.shared.grpc_faults.lock().unwrap().clear();
    }

    /// The gRPC methods called so far.
    pub fn grpc_calls(&self) -> Vec<String> {
        self.shared.grpc_calls.lock().unwrap().clone()
    }

    /// An object, without asking the imitation.
    pub fn object(&self, key: &str) -> Option<Object> {
        self.shared.shelf.get(key)
    }

    /// The keys below a prefix.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.shared.shelf.list(prefix).into_iter().map(|item| item.key).collect()
    }

    /// Deletes an object, without asking the imitation.
    pub fn delete(&self, key: &str) {
        self.shared.shelf.delete(key);
    }

    /// Puts an object there, whatever there was, without asking the imitation.
    pub fn put(&self, key: &str, bytes: impl Into<bytes::Bytes>) {
        self.shared.shelf.put(key, bytes.into(), &About::default());
    }

    /// Puts an object there that may not be deleted.
    pub fn put_locked(&self, key: &str, about: &About) {
        self.shared.shelf.put(key, bytes::Bytes::from_static(b"locked"), about);
    }

    /// Begins an upload, without asking the imitation.
    pub fn begin(&self, key: &str) {
        self.shared.shelf.begin(key, &About::default());
    }

    /// The keys of uploads that were begun and have not ended.
    pub fn unfinished(&self) -> Vec<String> {
        self.shared.shelf.uploads("").into_iter().map(|upload| upload.key).collect()
    }
}

impl Drop for Google {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.shared.tokens.stall(false);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.shared.port));
    }
}

/// Serves one connection: HTTP/2 is gRPC's, HTTP/1.1 everything else's.
fn serve(shared: Arc<Shared>, client: TcpStream) -> std::io::Result<()> {
    let mut first = [0; 3];
    while client.peek(&mut first)? < 3 {
        if client.peek(&mut first)? == 0 {
            return Ok(());
        }
        std::thread::yield_now();
    }
    if &first == b"PRI" {
        return grpc::serve(shared, client);
    }
    wire::serve(client, |request| shared.answer(request))
}

/// Refuses to remove what is locked.
fn may_go(key: &str, object: &Object) -> Result<(), Refusal> {
    match object.kept_by() {
        Some(why) => {
            Err(Refusal::new(403, "forbidden", format!("Object '{BUCKET}/{key}' {why} until later.")))
        }
        None => Ok(()),
    }
}

impl Shared {
    fn answer(&self, request: &Request) -> Answer {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        match path[..] {
            ["sts"] | ["impersonate", _] | ["computeMetadata", ..] => self.tokens.answer(request),
            ["storage", "v1", "b", bucket, "o", ref key @ ..] => {
                json::read(self, request, bucket, &key.join("/"))
            }
            ["upload", "storage", "v1", "b", bucket, "o"]
                if request.param("uploadType") == Some("resumable") =>
            {
                resumable::answer(self, request, bucket)
            }
            ["upload", "storage", "v1", "b", bucket, "o"] => json::insert(self, request, bucket),
            [bucket, ref key @ ..] => xml::answer(self, request, bucket, &key.join("/")),
            [] => Answer::new(404),
        }
    }

    /// What is stored with a new object, by the rules of the bucket.
    fn ruled(&self, about: About) -> About {
        let retention = *self.rules.retention.lock().unwrap();
        let retained = (!retention.is_zero()).then(|| SystemTime::now() + retention);
        About { retained, event_held: self.rules.holds.load(Ordering::Relaxed), ..about }
    }

    /// Makes room for an object: what was there is removed, or stays as an old version.
    fn clear(&self, key: &str, object: Object) -> Result<(), Refusal> {
        may_go(key, &object)?;
        self.shelf.delete(key);
        if self.rules.versions.load(Ordering::Relaxed) {
            self.rules.old.lock().unwrap().push((key.to_owned(), object));
        }
        Ok(())
    }

    /// Whether whoever asks may do this in this bucket.
    fn admit(&self, token: Option<&str>, bucket: &str, permission: &str) -> Result<(), Refusal> {
        let account = self.tokens.account(token)?;
        if !account.may(permission) {
            let message = format!(
                "{} does not have {permission} access to the Google Cloud Storage object.",
                account.email()
            );
            return Err(Refusal::new(403, "AccessDenied", message));
        }
        if bucket != BUCKET {
            return Err(Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist."));
        }
        Ok(())
    }
}
