//! The imitation as a server of its own, in front of any S3 server: for `make bench`.

use crate::servers::gcs::{Account, Google};
use crate::servers::s3::S3;
use std::io::Read;

/// Prints the URL of a store, where it is served, and a token; and serves it until the input ends.
#[test]
#[ignore = "it serves `make bench`"]
fn the_imitation_serves_whoever_starts_it() {
    let Ok(endpoint) = std::env::var("PGSTOW_BENCH_S3") else {
        crate::skip!("only `make bench` has a server for it");
    };
    let set = |name: &str| std::env::var(name).unwrap();
    let google = Google::in_front_of(S3 {
        endpoint,
        region: set("AWS_DEFAULT_REGION"),
        bucket: "bench".to_owned(),
        prefix: "google".to_owned(),
        access_key: set("AWS_ACCESS_KEY_ID"),
        secret_key: set("AWS_SECRET_ACCESS_KEY"),
        more: String::new(),
    });
    println!(
        "{} {} {}",
        google.url("bench", Account::Owner),
        google.endpoint(),
        google.token(Account::Owner)
    );
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
