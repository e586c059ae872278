//! OpenStack Swift with its S3 API: a real server of the old, limited kind. Knows no checksum headers,
//! refuses aws-chunked bodies and conditional writes, wants parts of 5 MiB, checks Content-MD5.

use super::s3::{S3, wait};
use super::{Launch, Server, folder, free_port};
use std::ffi::OsString;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::OnceLock;

const BUCKET: &str = "pgstow";
const ACCESS_KEY: &str = "pgstow:admin";
const SECRET_KEY: &str = "secretsecret";

/// A running Swift with one bucket.
pub struct Swift {
    port: u16,
    _server: Server,
}

impl Swift {
    /// The Swift that all tests of this process use.
    pub fn shared() -> &'static Swift {
        static SHARED: OnceLock<Swift> = OnceLock::new();
        SHARED.get_or_init(Swift::start)
    }

    fn start() -> Swift {
        let ports = [(); 5].map(|()| free_port());
        let folder = folder("swift");
        // The servers' user may not be able to look into the repository.
        let script = folder.path().join("swift.sh");
        std::fs::write(&script, include_str!("swift.sh")).unwrap();
        let mut args = vec![script.into()];
        args.extend(ports.map(|port| OsString::from(port.to_string())));
        let program = PathBuf::from("/bin/bash");
        let launch = Launch { folder, signal: "TERM", program, args, env: [].into() };
        let listens = || ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok());
        let swift = Swift { port: ports[0], _server: Server::start(launch, listens) };
        // Its four servers listen a while before they answer each other.
        let client = swift.place("").client();
        let created = || {
            let create = client.create_bucket().bucket(BUCKET);
            wait(async move { create.send().await.map_err(|error| format!("{error:?}")) })
        };
        let made = (0..60).map(|_| created()).find(|outcome| {
            if outcome.is_err() {
                std::thread::sleep(std::time::Duration::from_secs(1));
            }
            outcome.is_ok()
        });
        assert!(made.is_some(), "no bucket could be made: {:?}", created());
        swift
    }

    /// A place of one's own.
    pub fn place(&self, label: &str) -> S3 {
        S3 {
            endpoint: format!("http://127.0.0.1:{}", self.port),
            region: "us-east-1".into(),
            bucket: BUCKET.into(),
            prefix: S3::fresh_prefix(label),
            access_key: ACCESS_KEY.into(),
            secret_key: SECRET_KEY.into(),
            more: String::new(),
        }
    }
}

#[test]
fn stores_and_checks_keys() {
    let place = Swift::shared().place("smoke");
    super::s3::behaves(&place);
    assert!(!place.with_key(ACCESS_KEY, "wrongwrong").admits(), "a wrong secret was let in");
}
