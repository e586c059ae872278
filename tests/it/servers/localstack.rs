//! LocalStack: imitates Amazon's semantics, conditional completion, object lock, versions and both kinds
//! of checksums. Lets every key in.

use super::s3::{S3, wait};
use super::{Launch, Server, fetched, folder, free_port};
use std::net::{TcpListener, TcpStream};
use std::sync::OnceLock;

const BUCKET: &str = "pgstow";

/// A running LocalStack with one bucket.
pub struct LocalStack {
    port: u16,
    _server: Server,
}

impl LocalStack {
    /// The LocalStack that all tests of this process use, or why there is none on this machine.
    pub fn shared() -> Result<&'static LocalStack, &'static str> {
        static SHARED: OnceLock<LocalStack> = OnceLock::new();
        if !fetched("localstack/.version").exists() {
            return Err("LocalStack needs a Python from 3.9 to 3.12");
        }
        // Bound to an IPv4 address, it would listen on every network there is.
        if TcpListener::bind("[::1]:0").is_err() {
            return Err("LocalStack needs an IPv6 loopback");
        }
        Ok(SHARED.get_or_init(LocalStack::start))
    }

    fn start() -> LocalStack {
        let port = free_port();
        let folder = folder("localstack");
        let env = [
            ("SERVICES", "s3".into()),
            ("EAGER_SERVICE_LOADING", "1".into()),
            ("STRICT_SERVICE_LOADING", "1".into()),
            ("DNS_ADDRESS", "0".into()),
            ("DISABLE_EVENTS", "1".into()),
            ("SKIP_SSL_CERT_DOWNLOAD", "1".into()),
            ("GATEWAY_LISTEN", format!("[::1]:{port}").into()),
            ("FILESYSTEM_ROOT", folder.path().join("root").into()),
        ];
        let program = fetched("localstack/bin/python");
        let args = ["-m".into(), "localstack.runtime.main".into()].into();
        let launch = Launch { folder, signal: "KILL", program, args, env: env.into() };
        let listens = || TcpStream::connect(("::1", port)).is_ok();
        let localstack = LocalStack { port, _server: Server::start(launch, listens) };
        let place = localstack.place("");
        while !wait(async { place.client().create_bucket().bucket(BUCKET).send().await.is_ok() }) {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        localstack
    }

    /// A place of one's own.
    pub fn place(&self, label: &str) -> S3 {
        S3 {
            endpoint: format!("http://[::1]:{}", self.port),
            region: "us-east-1".into(),
            bucket: BUCKET.into(),
            prefix: S3::fresh_prefix(label),
            access_key: "test".into(),
            secret_key: "test".into(),
            more: "&profile=aws".into(),
        }
    }
}

#[test]
fn stores() {
    match LocalStack::shared() {
        Ok(localstack) => super::s3::behaves(&localstack.place("smoke")),
        Err(why) => crate::skip!("{why}"),
    }
}
