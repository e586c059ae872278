//! The wrong key, and stores and servers that are not there or do not let one in.

use crate::harness::pgstow;
use crate::scene::{Keys, Place, Sample, fresh};
use crate::servers::free_port;
use crate::servers::garage::Garage;
use pgstow::error::Kind;

#[test]
fn the_wrong_key_and_no_key_open_nothing() {
    let sample = Sample::shared();
    let (made_for, other) = (&Keys::shared().recipient, Keys::make());
    let words = ["fetch", "latest", "-o", "-"];
    let wrong = sample.place.pgstow(&words).env("PGSTOW_IDENTITY", &other.identity).fails(Kind::Verify);
    assert!(wrong.stdout.is_empty());
    wrong
        .says("none of the identities can decrypt this backup")
        .says(&format!("it was encrypted to {made_for}"))
        .says(&format!("here is {}", other.recipient))
        .says(&sample.id);
    let none = sample.place.pgstow(&words).fails(Kind::Settings);
    none.says("no key was given that can decrypt it").says(made_for).says("--identity-file");
    sample
        .place
        .pgstow(&words)
        .args(["--identity-file", "/no/such/key"])
        .fails(Kind::Settings)
        .says("/no/such/key");
    // The public side by mistake.
    sample
        .place
        .pgstow(&words)
        .env("PGSTOW_IDENTITY", made_for)
        .fails(Kind::Settings)
        .says("public recipient");

    let copy = fresh("never");
    let restore = sample.place.pgstow(&["restore", "latest", "--to", &sample.cluster.url(&copy)]);
    restore.env("PGSTOW_IDENTITY", &other.identity).fails(Kind::Verify).says(made_for);
    assert!(!sample.cluster.has_database(&copy));
    sample.still_restores();
}

#[test]
fn a_store_that_is_not_there_or_refuses_is_said() {
    let words = ["fetch", "latest", "-o", "-"];
    let with_url = |url: &str| {
        let command = pgstow(words).env("PGSTOW_STORE", url).env("PGSTOW_IDENTITY", &Keys::shared().identity);
        command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "sesame-secret-key")
    };
    let nobody = format!("s3://b/p?endpoint=http://127.0.0.1:{}&region=x", free_port());
    let garage = Garage::shared().place("refuses");
    let mut wrong_bucket = garage.clone();
    wrong_bucket.bucket = "nowhere".into();
    std::thread::scope(|scope| {
        scope.spawn(|| with_url(&nobody).fails(Kind::Store).says("refuses connections"));
        scope.spawn(|| with_url("file:///no/such/folder").fails(Kind::Store).says("/no/such/folder"));
        scope.spawn(|| {
            let refused = with_url(&garage.url()).fails(Kind::Store);
            assert!(!refused.stderr.contains("sesame"), "{refused}");
        });
        scope.spawn(|| {
            let run = Place::S3(wrong_bucket.clone()).opens(&words).fails(Kind::Store);
            assert!(run.stderr.contains("nowhere"), "{run}");
        });
        scope.spawn(|| {
            let writer = Garage::shared().write_only(&garage);
            Place::S3(writer).opens(&words).fails(Kind::Store);
        });
    });
    with_url("ftp://x/y").fails(Kind::Usage);
}

#[test]
fn a_server_that_is_not_there_or_refuses_is_said() {
    let sample = Sample::shared();
    let cluster = sample.cluster;
    let restore = |to: &str| sample.place.opens(&["restore", "latest", "--to", to]);
    let nobody = format!("postgres://postgres@127.0.0.1:{}/x", free_port());
    restore(&nobody).fails(Kind::Postgres).says("Connection refused").says("nothing listens there");
    let wrong = cluster.url("x").replace("sesame", "barley");
    let refused = restore(&wrong).fails(Kind::Postgres).says("password authentication failed");
    assert!(!refused.stderr.contains("barley"), "{refused}");

    // A role that may not create databases, and one that may not create schemas.
    let role = fresh("guest");
    cluster.psql("postgres", &format!("CREATE ROLE {role} LOGIN PASSWORD 'guest-word'"));
    let to = format!("postgres://{role}:guest-word@127.0.0.1:{}/{}", cluster.port, fresh("guest"));
    restore(&to).fails(Kind::Postgres).says("is not a member of roles").says("--no-owner with --no-acl");
    restore(&to).args(["--no-owner"]).fails(Kind::Postgres).says("whose default privileges").says("--no-acl");
    let refused = restore(&to).args(["--no-owner", "--no-acl"]).fails(Kind::Postgres);
    refused.says("permission denied to create database").says("CREATEDB");
    sample.still_restores();
}
