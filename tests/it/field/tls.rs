//! Servers that are asked for their certificate, and that ask for one: whatever does not fit is explained.

use crate::harness::{Pgstow, Run};
use crate::scene::{Place, fresh};
use crate::servers::postgres::{Cluster, Major, PASSWORD, USER};
use crate::servers::{folder, give, run};
use pgstow::error::Kind;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use tempfile::TempDir;

/// Certificates that openssl made.
struct Certificates {
    folder: TempDir,
}

impl Certificates {
    fn new() -> Certificates {
        Certificates { folder: folder("tls") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, words: &str) {
        run(Command::new("openssl").args(words.split(' ')).current_dir(self.folder.path()));
    }

    /// An authority of its own.
    fn authority(&self, name: &str) {
        self.openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.crt -subj /CN={name} -days 30"
        ));
    }

    /// A certificate for somebody, signed by an authority, and its key.
    fn sign(&self, name: &str, subject: &str, authority: &str, days: &str) {
        self.openssl(&format!(
            "req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={subject}"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {authority}.crt -CAkey {authority}.key -CAcreateserial -days {days} -out {name}.crt"
        ));
    }
}

/// A server with TLS, and a database in it.
struct Scene {
    certificates: Rc<Certificates>,
    cluster: Cluster,
    database: String,
}

impl Scene {
    /// One of the distribution's major, and one of 18. The server's certificate is for `localhost`.
    fn of_each_major(days: &str) -> [Scene; 2] {
        let certificates = Certificates::new();
        certificates.authority("trusted");
        certificates.authority("other");
        certificates.sign("server", "localhost", "trusted", days);
        // A server's key is its user's, a client's the client's.
        for file in ["server.key", "server.crt"] {
            give(&certificates.file(file));
        }
        let of = |setting: &str, file: &str| format!("{setting}={}", certificates.file(file).display());
        let rules = certificates.file("rules");
        std::fs::write(&rules, "hostssl all certified all cert\nhost all all all scram-sha-256\n").unwrap();
        let settings = [
            "ssl=on".to_owned(),
            of("ssl_cert_file", "server.crt"),
            of("ssl_key_file", "server.key"),
            of("ssl_ca_file", "trusted.crt"),
            of("hba_file", "rules"),
        ];
        let certificates = Rc::new(certificates);
        [Major::Distribution, Major::V18].map(|major| {
            let cluster = Cluster::start_with_tls(major, &settings.each_ref().map(String::as_str));
            cluster.psql("postgres", "CREATE ROLE certified LOGIN SUPERUSER");
            let database = cluster.create_database("tls");
            cluster.psql(&database, "CREATE TABLE t AS SELECT generate_series(1, 10) AS n");
            Scene { certificates: Rc::clone(&certificates), cluster, database }
        })
    }

    /// With clients of this major that speak TLS: the other ones of 18 do not.
    fn with_tls(&self, command: Pgstow) -> Pgstow {
        command.arg("--pg-bin").arg(self.cluster.major.tls_bin())
    }

    /// The database by the server's name, with what is said of TLS; `@` stands for the folder of the certificates.
    fn url(&self, host: &str, database: &str, tls: &str) -> String {
        let tls = tls.replace('@', &format!("{}/", self.certificates.folder.path().display()));
        format!("postgres://{USER}:{PASSWORD}@{host}:{}/{database}?{tls}", self.cluster.port)
    }

    /// A backup and a restore, which both fail before anything is there.
    #[track_caller]
    fn fail(&self, host: &str, tls: &str) -> [Run; 2] {
        let place = Place::folder();
        let backup = place.pgstow(&["backup", "--no-encryption", &self.url(host, &self.database, tls)]);
        let backup = self.with_tls(backup).fails(Kind::Postgres);
        assert_eq!(place.keys(), Vec::<String>::new());
        let copy = fresh("tls");
        place.backup(&self.cluster.url(&self.database), &["--name", "app"]);
        let restore = place.opens(&["restore", "latest", "--to", &self.url(host, &copy, tls)]);
        let restore = self.with_tls(restore).fails(Kind::Postgres);
        assert!(!self.cluster.has_database(&copy));
        [backup, restore]
    }
}

#[test]
fn a_certificate_that_cannot_be_trusted_is_explained() {
    for scene in Scene::of_each_major("30") {
        for (host, tls, said, hint) in [
            (
                "localhost",
                "sslmode=verify-full",
                "/.postgresql/root.crt\" does not exist",
                "sslmode=verify-full and verify-ca need the certificate of the server's CA",
            ),
            (
                "localhost",
                "sslmode=verify-ca&sslrootcert=@server.key",
                "could not read root certificate file",
                "sslmode=verify-full and verify-ca need the certificate",
            ),
            (
                "localhost",
                "sslmode=verify-full&sslrootcert=@other.crt",
                "certificate verify failed",
                "or the CA in sslrootcert did not sign it",
            ),
            (
                "127.0.0.1",
                "sslmode=verify-full&sslrootcert=@trusted.crt",
                "server certificate for \"localhost\" does not match host name \"127.0.0.1\"",
                "connect by a name that is in the server's certificate",
            ),
        ] {
            for run in scene.fail(host, tls) {
                run.says(said).says(hint);
            }
        }
        // A name is needed only if it is checked, and the right certificate is enough.
        for (host, mode) in [("localhost", "verify-full"), ("127.0.0.1", "verify-ca")] {
            let tls = format!("sslmode={mode}&sslrootcert=@trusted.crt");
            let (place, copy) = (Place::folder(), fresh("tls"));
            let backup = ["backup", "--no-encryption", &scene.url(host, &scene.database, &tls)];
            scene.with_tls(place.pgstow(&backup)).succeeds();
            let restore = ["restore", "latest", "--to", &scene.url(host, &copy, &tls)];
            scene.with_tls(place.opens(&restore)).succeeds().says("proven: 10 rows");
        }
    }
}

#[test]
fn a_certificate_that_has_expired_is_explained() {
    for scene in Scene::of_each_major("-1") {
        for run in scene.fail("localhost", "sslmode=verify-full&sslrootcert=@trusted.crt") {
            run.says("certificate verify failed").says("hint: the server's certificate has expired, or");
        }
    }
}

#[test]
fn a_client_s_certificate_that_is_missing_or_refused_is_explained() {
    for scene in Scene::of_each_major("30") {
        scene.certificates.sign("certified", "certified", "trusted", "30");
        scene.certificates.sign("stranger", "certified", "other", "30");
        scene.certificates.sign("somebody", "somebody", "trusted", "30");
        let place = Place::folder();
        let backup = |tls: &str| {
            let url = scene.url("localhost", &scene.database, &format!("sslmode=require&{tls}"));
            let url = url.replace(&format!("{USER}:{PASSWORD}"), "certified");
            scene.with_tls(place.pgstow(&["backup", "--no-encryption", &url]))
        };
        let hint = "hint: the server wants a certificate that its CA signed for this user";
        for (tls, said) in [
            ("sslcert=@no.crt", "connection requires a valid client certificate"),
            ("sslcert=@certified.crt", "certificate present, but not private key file"),
            ("sslcert=@certified.crt&sslkey=@other.key", "could not load private key file"),
            ("sslcert=@stranger.crt&sslkey=@stranger.key", "alert unknown ca"),
            (
                "sslcert=@somebody.crt&sslkey=@somebody.key",
                "certificate authentication failed for user \"certified\"",
            ),
        ] {
            backup(tls).fails(Kind::Postgres).says(said).says(hint);
        }
        backup("sslcert=@certified.crt&sslkey=@certified.key").succeeds();
    }
}

#[test]
fn a_client_without_tls_is_named() {
    let bin = Major::V18.bin();
    let words = ["backup", "--no-encryption", "--pg-bin", bin.to_str().unwrap()];
    let url = Cluster::shared(Major::V18).url("postgres");
    let place = Place::folder();
    let run = place.pgstow(&words).arg(format!("{url}?sslmode=verify-full")).fails(Kind::Postgres);
    run.says("SSL support is not compiled in").says("hint: this PostgreSQL client was built without TLS");
}
