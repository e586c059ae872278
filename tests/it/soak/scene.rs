//! The servers and the database of a soak, and places in them: reached through a proxy, and looked at directly.

use crate::harness::{Pgstow, pgstow};
use crate::scene::{Keys, add_bulk};
use crate::servers::garage::Garage;
use crate::servers::gcs::{Account, Google};
use crate::servers::localstack::LocalStack;
use crate::servers::postgres::{Cluster, Major};
use crate::servers::s3::S3;
use crate::servers::swift::Swift;
use crate::servers::{Launch, Server, folder, free_port, give, run};
use pgstow::archive::Reader;
use std::net::TcpStream;
use std::process::Command;
use std::sync::OnceLock;

/// What all workers share.
pub struct Scene {
    pub cluster: &'static Cluster,
    pub database: String,
    /// What the rows of the database come to.
    pub digest: String,
    /// Its dump after the header, which has the time in it.
    pub archive: Vec<u8>,
    stores: Vec<Store>,
    _untrusted: Server,
    /// Where a server has a certificate that nobody trusts.
    pub untrusted: String,
}

/// A store, and a backup in it to be restored.
pub struct Store {
    pub name: &'static str,
    pub at: At,
}

pub enum At {
    S3(S3),
    Google(Google),
}

/// A prefix of a store.
pub struct Spot<'s> {
    pub store: &'s Store,
    pub prefix: String,
}

/// One worker's stores: Google's faults are for all who use it, so each has one of its own.
pub struct Worker {
    pub scene: &'static Scene,
    google: Store,
}

/// The prefix of the backup to be restored.
pub const GOOD: &str = "good";

impl Scene {
    pub fn shared() -> &'static Scene {
        static SHARED: OnceLock<Scene> = OnceLock::new();
        SHARED.get_or_init(Scene::new)
    }

    fn new() -> Scene {
        let cluster = Cluster::shared(Major::Distribution);
        let database = cluster.create_database("soak");
        add_bulk(cluster, &database, 6 << 10);
        let dump = cluster.client("pg_dump").args(["-Fc", "-Z0", &database]).output().unwrap().stdout;
        let s3 = |name, place: S3| {
            let prefix = S3::fresh_prefix("soak");
            Store { name, at: At::S3(S3 { prefix, ..place }) }
        };
        let mut stores =
            vec![s3("garage", Garage::shared().place("soak")), s3("swift", Swift::shared().place("soak"))];
        match LocalStack::shared() {
            Ok(localstack) => stores.push(s3("localstack", localstack.place("soak"))),
            Err(why) => crate::harness::note_skipped(why),
        }
        let (untrusted, port) = untrusted();
        let scene = Scene {
            digest: digest(cluster, &database),
            archive: after_header(dump),
            cluster,
            database,
            stores,
            _untrusted: untrusted,
            untrusted: format!("https://127.0.0.1:{port}"),
        };
        for store in &scene.stores {
            scene.fill(store);
        }
        scene
    }

    /// Makes the backup to be restored.
    fn fill(&self, store: &Store) {
        let spot = Spot { store, prefix: GOOD.to_owned() };
        spot.backup(self, None).succeeds();
    }
}

/// What the rows of a database come to.
pub fn digest(cluster: &Cluster, database: &str) -> String {
    cluster.psql(database, "SELECT count(*), md5(string_agg(md5(bytes), '' ORDER BY n)) FROM bulk")
}

/// A dump without its header.
pub fn after_header(mut dump: Vec<u8>) -> Vec<u8> {
    let mut reader = Reader::new();
    reader.feed(&dump).unwrap();
    dump.split_off(reader.finish().unwrap().header.raw().len())
}

/// A TLS server with a certificate of its own.
fn untrusted() -> (Server, u16) {
    let (folder, port) = (folder("untrusted"), free_port());
    let path = |name: &str| folder.path().join(name);
    let make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"];
    run(Command::new("openssl")
        .args(make)
        .arg("-keyout")
        .arg(path("key"))
        .arg("-out")
        .arg(path("certificate")));
    let args = vec![
        "s_server".into(),
        "-quiet".into(),
        "-www".into(),
        "-accept".into(),
        port.to_string().into(),
        "-key".into(),
        path("key").into(),
        "-cert".into(),
        path("certificate").into(),
    ];
    give(&path("key"));
    give(&path("certificate"));
    let launch = Launch { program: "/usr/bin/openssl".into(), signal: "KILL", args, env: [].into(), folder };
    (Server::start(launch, || TcpStream::connect(("127.0.0.1", port)).is_ok()), port)
}

impl Worker {
    pub fn new(scene: &'static Scene) -> Worker {
        let at = At::Google(Google::in_front_of_garage());
        let google = Store { name: "google", at };
        scene.fill(&google);
        Worker { scene, google }
    }

    /// All stores.
    pub fn stores(&self) -> Vec<&Store> {
        self.scene.stores.iter().chain([&self.google]).collect()
    }
}

impl Store {
    /// Where it answers.
    pub fn endpoint(&self) -> String {
        match &self.at {
            At::S3(s3) => s3.endpoint.clone(),
            At::Google(google) => google.endpoint(),
        }
    }
}

impl Spot<'_> {
    fn s3(&self, s3: &S3) -> S3 {
        S3 { prefix: format!("{}/{}", s3.prefix, self.prefix), ..s3.clone() }
    }

    /// A command on this spot, through a proxy or directly.
    pub fn pgstow(&self, words: &[&str], through: Option<&str>) -> Pgstow {
        let command = pgstow(words).env("PGSTOW_IDENTITY", &Keys::shared().identity);
        let endpoint = through.map_or_else(|| self.store.endpoint(), str::to_owned);
        match &self.store.at {
            At::S3(s3) => {
                let place = self.s3(s3).through(&endpoint);
                command.env("PGSTOW_STORE", place.url()).envs(place.env())
            }
            At::Google(google) => {
                command.env("PGSTOW_STORE", google.url_through(&endpoint, &self.prefix, Account::Owner))
            }
        }
    }

    /// A backup of the database.
    pub fn backup(&self, scene: &Scene, through: Option<&str>) -> Pgstow {
        let (url, recipient) = (scene.cluster.url(&scene.database), &Keys::shared().recipient);
        let words = ["backup", &url, "--name", "soak", "--part-size", "5MiB"];
        self.pgstow(&words, through).args(["--recipient", recipient])
    }

    /// Every key, and every upload that has not ended.
    pub fn content(&self) -> (Vec<String>, Vec<String>) {
        match &self.store.at {
            At::S3(s3) => (self.s3(s3).keys(), self.s3(s3).unfinished_uploads()),
            At::Google(google) => {
                let below = format!("{}/", self.prefix);
                let mut unfinished = google.unfinished();
                unfinished.retain(|key| key.starts_with(&below));
                (google.keys(&below), unfinished)
            }
        }
    }
}
