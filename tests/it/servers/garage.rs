//! Garage: a real S3 server that checks keys, signatures and every kind of digest. Ignores conditions
//! on writes and object lock.

use super::s3::S3;
use super::{Launch, Server, as_server_user, fetched, folder, free_port, give, run};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::OnceLock;

const BUCKET: &str = "pgstow";
const ACCESS_KEY: &str = "GK0123456789abcdef01234567";
const SECRET_KEY: &str = "6b1f0c5d2a7e4938b0d4c1f2e3a495867788990aabbccddeeff0011223344556";

/// A running Garage with one bucket.
pub struct Garage {
    port: u16,
    server: Server,
    write_only: OnceLock<(String, String)>,
}

impl Garage {
    /// The Garage that all tests of this process use.
    pub fn shared() -> &'static Garage {
        static SHARED: OnceLock<Garage> = OnceLock::new();
        SHARED.get_or_init(Garage::start)
    }

    /// A Garage of one's own.
    pub fn start() -> Garage {
        let (port, rpc_port) = (free_port(), free_port());
        let folder = folder("garage");
        let config = folder.path().join("garage.toml");
        let text = format!(
            r#"
            metadata_dir = "{0}/meta"
            data_dir = "{0}/data"
            db_engine = "sqlite"
            metadata_fsync = false
            data_fsync = false
            replication_factor = 1
            rpc_bind_addr = "127.0.0.1:{rpc_port}"
            rpc_public_addr = "127.0.0.1:{rpc_port}"
            rpc_secret = "0f0e0d0c0b0a09080706050403020100f0e0d0c0b0a090807060504030201000"
            [s3_api]
            s3_region = "garage"
            api_bind_addr = "127.0.0.1:{port}"
            "#,
            folder.path().display()
        );
        std::fs::write(&config, text).unwrap();
        give(&config);
        // It refuses a configuration that others could read, for the secret in it.
        run(std::process::Command::new("chmod").arg("600").arg(&config));
        let key = [
            ("GARAGE_DEFAULT_ACCESS_KEY", ACCESS_KEY.into()),
            ("GARAGE_DEFAULT_SECRET_KEY", SECRET_KEY.into()),
            ("GARAGE_DEFAULT_BUCKET", BUCKET.into()),
        ];
        let args =
            ["-c".into(), config.into(), "server".into(), "--single-node".into(), "--default-bucket".into()];
        let launch =
            Launch { folder, signal: "KILL", program: program(), args: args.into(), env: key.into() };
        let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        let garage = Garage { port, server: Server::start(launch, listens), write_only: OnceLock::new() };
        // It listens a moment before its bucket is there.
        while !garage.place("").admits() {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        garage
    }

    /// A place of one's own, with the key that may do everything.
    pub fn place(&self, label: &str) -> S3 {
        S3 {
            endpoint: format!("http://127.0.0.1:{}", self.port),
            region: "garage".into(),
            bucket: BUCKET.into(),
            prefix: S3::fresh_prefix(label),
            access_key: ACCESS_KEY.into(),
            secret_key: SECRET_KEY.into(),
            more: "&profile=garage".into(),
        }
    }

    /// The same place for a key that may write, and neither read nor list. (Here it may delete, too.)
    pub fn write_only(&self, place: &S3) -> S3 {
        let (access, secret) = self.write_only.get_or_init(|| {
            let said = self.administer(&["key", "create", "writer"]);
            let field = |name: &str| {
                let line = said.lines().find(|line| line.starts_with(name));
                line.and_then(|line| line.split_whitespace().last())
                    .unwrap_or_else(|| panic!("{said}"))
                    .to_owned()
            };
            let (access, secret) = (field("Key ID"), field("Secret key"));
            self.administer(&["bucket", "allow", BUCKET, "--write", "--key", &access]);
            (access, secret)
        });
        place.with_key(access, secret)
    }

    /// Runs Garage's own command against this server.
    pub fn administer(&self, args: &[&str]) -> String {
        run(as_server_user(program()).arg("-c").arg(self.server.folder().join("garage.toml")).args(args))
    }
}

fn program() -> PathBuf {
    fetched("garage/bin/garage")
}

#[test]
fn stores_and_checks_keys() {
    let garage = Garage::shared();
    let place = garage.place("smoke");
    super::s3::behaves(&place);
    assert!(!place.with_key(ACCESS_KEY, &"0".repeat(64)).admits(), "a wrong secret was let in");

    let writer = garage.write_only(&place);
    writer.put("from-the-writer", "x");
    assert!(!writer.admits(), "the write-only key may list");
    assert_eq!(place.get("from-the-writer"), b"x");
}
