//! The way to the store: proxies, authorities of one's own, redirects, and a limit for the rate.

use super::scene::{PART, SSE_C, keyed, opened, options};
use crate::harness::{Pgstow, pgstow};
use crate::scene::Place;
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::gcs::{Account, Google};
use crate::servers::inbox::{Inbox, Letter};
use crate::servers::proxy::WebProxy;
use crate::servers::s3::S3;
use crate::servers::tls::Tls;
use crate::stores::{noise, try_read};
use pgstow::error::Kind;
use pgstow::store::{Metadata, open};
use std::time::{Duration, Instant};

fn backup(place: &S3) -> Pgstow {
    let words = ["backup", "--name", "n", "--no-encryption", "--store", &place.url()];
    pgstow(words).envs(place.env())
}

/// What is sent to the store is signed, and may have a key: nobody else gets it, whatever the store answers.
#[tokio::test]
async fn a_redirect_takes_nothing_to_another_host() {
    let place = Garage::shared().place("redirected");
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Inbox::open();
        let moved = Inbox::redirecting(status, &elsewhere.url);
        let store = opened(&place.through(&moved.url), "", keyed(SSE_C[0])).await;
        let bytes = noise(9, 80);
        for error in [
            store.head("x").await.map(drop),
            try_read(&*store, "x", 0..9, None).await.map(drop),
            store.list("").await.map(drop),
            store.put_new("x", bytes.clone()).await.map(drop),
            store.begin("x", &Metadata::new(), PART as u64).await.map(drop),
            store.delete("x").await,
        ] {
            error.unwrap_err();
        }
        let methods: Vec<_> = moved.letters().into_iter().map(|letter| letter.method).collect();
        assert!(methods.len() >= 6 && methods.contains(&"HEAD".to_owned()), "{status}: {methods:?}");
        assert!(elsewhere.letters().is_empty(), "{status}: {:?}", elsewhere.letters());
    }
}

/// PUT and POST of an upload that has begun.
#[tokio::test]
async fn an_upload_that_is_redirected_stays() {
    let place = Garage::shared().place("redirected");
    let proxy = FaultProxy::start(&place.endpoint);
    let store = opened(&place.through(&proxy.endpoint()), "", options()).await;
    let upload = store.begin("x", &Metadata::new(), PART as u64).await.unwrap();
    let elsewhere = Inbox::open();
    for operation in [Operation::UploadPart, Operation::CompleteUpload] {
        proxy.inject(Rule::new(operation, Fault::Redirect(307, elsewhere.url.clone())).times(1));
    }
    upload.part(1, noise(9, 81)).await.unwrap_err();
    upload.part(1, noise(9, 81)).await.unwrap();
    upload.complete(9).await.unwrap_err();
    upload.complete(9).await.unwrap();
    assert!(elsewhere.letters().is_empty(), "{:?}", elsewhere.letters());
}

/// Google's client follows redirects of what it reads and writes, and leaves the token behind.
#[tokio::test]
async fn a_redirect_takes_no_token_to_another_host() {
    let google = Google::start();
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Inbox::open();
        let moved = Inbox::redirecting(status, &elsewhere.url);
        let url = google.url_through(&moved.url, "p", Account::Owner).parse().unwrap();
        let store = open(&url, options()).await.unwrap();
        try_read(&*store, "x", 0..9, None).await.unwrap_err();
        store.put_new("x", noise(9, 82)).await.unwrap_err();
        let signed = |letters: Vec<Letter>| {
            letters.iter().filter(|letter| letter.header("authorization").is_some()).count()
        };
        assert!(signed(moved.letters()) >= 2, "{status}: {:?}", moved.letters());
        assert_eq!(signed(elsewhere.letters()), 0, "{status}: {:?}", elsewhere.letters());
    }
}

#[test]
fn an_authority_of_ones_own_is_trusted_if_it_is_named() {
    let place = Garage::shared().place("authority");
    let tls = Tls::start(&place.endpoint);
    let place = place.through(&tls.endpoint());
    let hello = |run: Pgstow| run.args(["--", "echo", "hello"]);
    let refused = hello(backup(&place)).fails(Kind::Store);
    refused.says("no trusted TLS connection").says("--ca-file");
    hello(backup(&place).arg("--ca-file").arg(tls.authority())).succeeds();
    for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "PGSTOW_CA_FILE"] {
        pgstow(["list", "--store", &place.url()]).envs(place.env()).env(variable, tls.authority()).succeeds();
    }
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let run = hello(backup(&place).arg("--ca-file").arg(&empty)).fails(Kind::Settings);
    run.says("there is no certificate in the CA file");
}

/// There TLS and the checksum protect them.
#[test]
fn over_tls_the_bytes_of_a_part_are_not_signed_in_full_mode() {
    for (mode, signed) in [("compat", true), ("full", false)] {
        let mut place = Garage::shared().place("unsigned");
        place.more = format!("&checksum={mode}");
        let proxy = FaultProxy::start(&place.endpoint);
        let tls = Tls::start(&proxy.endpoint());
        let run = backup(&place.through(&tls.endpoint())).arg("--ca-file").arg(tls.authority());
        run.args(["--", "echo", "hello"]).succeeds();
        let log = proxy.log();
        let parts = log.iter().filter(|request| request.operation == Operation::UploadPart);
        let sums: Vec<&str> = parts.map(|part| part.header("x-amz-content-sha256").unwrap()).collect();
        assert!(!sums.is_empty());
        assert!(sums.iter().all(|sum| (*sum == "UNSIGNED-PAYLOAD") != signed), "{mode}: {sums:?}");
    }
}

/// Amazon's tools read it there, so its users have it there: for all services, or for S3 alone.
#[test]
fn an_endpoint_in_the_configuration_files_is_used_and_checked() {
    let place = Garage::shared().place("files");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let url = format!("s3://{}/{}?region={}", place.bucket, place.prefix, place.region);
    let run = |config: String, url: &str| {
        std::fs::write(&file, config).unwrap();
        pgstow(["backup", "--name", "n", "--no-encryption", "--store", url, "-v", "--", "echo", "hello"])
            .envs(place.env())
            .env("AWS_CONFIG_FILE", &file)
    };
    let endpoint = &place.endpoint;
    let elsewhere = "endpoint_url = http://192.0.2.1";
    let of_s3 =
        format!("[default]\nservices = s\n{elsewhere}\n[services s]\ns3 =\n  endpoint_url = {endpoint}\n");
    let named = format!("[default]\n{elsewhere}\n[profile of-backups]\nendpoint_url = {endpoint}\n");
    for (config, url) in [
        (format!("[default]\nendpoint_url = {endpoint}\n"), &url),
        (of_s3, &url),
        (named.clone(), &format!("{url}&aws_profile=of-backups")),
    ] {
        run(config, url).succeeds().says("profile compat");
    }
    assert_eq!(place.keys().iter().filter(|key| key.ends_with("manifest.json")).count(), 3);
    let refused = run(named, &url).fails(Kind::Store);
    refused
        .says("endpoint_url in the AWS configuration")
        .says("plain HTTP to another machine")
        .says("allow_http=true");
    // The variables come first; none of this counts if another variable says so.
    let wrong = || "[default]\nendpoint_url = http://127.0.0.1:1\n".to_owned();
    run(wrong(), &url).env("AWS_ENDPOINT_URL", endpoint).succeeds().says("profile compat");
    let amazon = run(wrong(), &url).env("AWS_ENDPOINT_URL", endpoint).env("PGSTOW_RETRY_FOR", "0s");
    // Through a proxy that is not there: Amazon hears nothing of it.
    let amazon =
        amazon.env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true").env("HTTPS_PROXY", "http://127.0.0.1:1");
    amazon.fails(Kind::Store).says("profile aws");
    // What such a store is known not to do is refused before anything is sent.
    let of_r2 = "[default]\nendpoint_url = https://of.nobody.r2.cloudflarestorage.com\n".to_owned();
    let refused = run(of_r2, &format!("{url}&tags=a%3Db")).fails(Kind::Store);
    refused.says("the service \"r2\" cannot do what tags asks for").says("--label");
}

/// With two stores, the variables are another store's: `aws --profile` does the same.
#[test]
fn the_profile_in_the_url_wins_over_the_environment() {
    let place = Garage::shared().place("profiles");
    let folder = tempfile::tempdir().unwrap();
    let (config, keys) = (folder.path().join("config"), folder.path().join("credentials"));
    let [(_, id), (_, secret)] = place.env();
    std::fs::write(&config, "[profile nothing]\nregion = x\n").unwrap();
    let pair =
        |name, id: &str| format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    std::fs::write(&keys, pair("new", id) + &pair("old", "GK000000000000000000000000")).unwrap();
    let list = |profile: &str| {
        let run = pgstow(["list", "--store", &format!("{}&aws_profile={profile}", place.url())]);
        run.env("AWS_CONFIG_FILE", &config).env("AWS_SHARED_CREDENTIALS_FILE", &keys)
    };
    let others = |run: Pgstow| run.env("AWS_ACCESS_KEY_ID", "GK0").env("AWS_SECRET_ACCESS_KEY", "x");
    others(list("new")).succeeds();
    let wrong = list("old").envs(place.env()).fails(Kind::Store);
    wrong.says("the credentials came from the profile old in ").says("/credentials");
    // One that gives no credentials is there for something else.
    list("nothing").envs(place.env()).succeeds();
    others(list("nothing")).fails(Kind::Store).says("came from the environment (AWS_ACCESS_KEY_ID)");
    let none = list("nope").envs(place.env()).fails(Kind::Store);
    let none = none.says("there is no AWS profile nope, which the store's URL names");
    none.says("/credentials were read, and they have new, nothing, old");
}

/// A Kubernetes secret made with `echo` ends with one; Amazon's library takes it as a part of the key.
#[test]
fn a_line_break_at_the_end_of_a_key_is_no_part_of_it() {
    let place = Garage::shared().place("line-ends");
    let [(id, key), (secret, hidden)] = place.env();
    let list = || pgstow(["list", "--store", &place.url()]).env(id, key.to_owned() + "\r\n");
    list().env(secret, hidden.to_owned() + "\n").succeeds();
    let wrong = list().env(secret, "x\n").fails(Kind::Store);
    wrong.says("the credentials came from the environment (AWS_ACCESS_KEY_ID)");
}

/// As in an image in which nobody has installed any.
#[test]
fn a_machine_without_certificates_is_told_what_it_needs() {
    let bare = |run: Pgstow| run.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", "/nowhere");
    let run = bare(pgstow(["list", "--store", "gs://bucket/prefix"])).fails(Kind::Store);
    run.says("the HTTP client could not be started").says("needs the package ca-certificates");
    // Amazon's client asserts in a debug build that there are some, so another store is asked here.
    let empty = Place::folder();
    let run = bare(empty.pgstow(&["prune", "--keep-last", "1", "--ping-url", "https://localhost:1"]));
    run.succeeds().says("warning: nobody will hear how the run goes: ").says("certificates");
}

#[test]
fn the_proxy_of_the_environment_is_used_for_everything() {
    let place = Garage::shared().place("proxied");
    let tls = Tls::start(&place.endpoint);
    let secure = place.through(&tls.endpoint());
    let (proxy, pings) = (WebProxy::start(), Inbox::open());
    let run = backup(&secure).arg("--ca-file").arg(tls.authority()).args(["--ping-url", &pings.url]);
    let run = run.env("HTTPS_PROXY", &proxy.url).env("HTTP_PROXY", &proxy.url);
    run.args(["--", "echo", "hello"]).succeeds();
    let asked = proxy.asked();
    let host = tls.endpoint().replace("https://", "");
    assert!(asked.contains(&format!("CONNECT {host}")), "{asked:?}");
    assert!(asked.iter().any(|line| line.starts_with(&format!("POST {}", pings.url))), "{asked:?}");
    assert!(!pings.letters().is_empty());

    let proxy = WebProxy::start();
    let list = || pgstow(["list", "--store", &place.url()]).envs(place.env()).env("HTTP_PROXY", &proxy.url);
    list().env("NO_PROXY", "127.0.0.1").succeeds();
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
    list().succeeds();
    assert_eq!(proxy.asked().len(), 1);

    // One that is not there is named, and not the store or who would hear of it.
    let run = backup(&place).env("HTTP_PROXY", "http://u:s3cret@127.0.0.1:1").args(["--retry-for", "0s"]);
    let run = run.args(["--ping-url", &pings.url, "--", "echo", "hello"]).fails(Kind::Store);
    let run =
        run.says("the web proxy 127.0.0.1:1 cannot be reached").says("through the web proxy 127.0.0.1:1: ");
    assert!(!run.stderr.contains("s3cret"), "{run}");
}

/// gRPC is sent through no proxy, so nothing is: silence would be the only answer where a proxy is the only way out.
#[test]
fn a_proxy_for_google_is_refused_and_not_ignored() {
    let (google, proxy) = (Google::start(), WebProxy::start());
    google.put("p/x", "x");
    let list = || {
        let list = pgstow(["list", "--store", &google.url("p", Account::Owner)]);
        list.env("HTTP_PROXY", &proxy.url)
    };
    let run = list().fails(Kind::Store);
    run.says("gs:// cannot use a web proxy").says("NO_PROXY=127.0.0.1").says("s3://pgstow?endpoint=");
    list().env("NO_PROXY", "127.0.0.1").succeeds();
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
}

/// The XML, the JSON and the gRPC of Google: each has its own way to find whom to trust.
#[test]
fn an_authority_for_google_is_trusted_if_it_replaces_the_machines() {
    let google = Google::start();
    let tls = Tls::start(&google.endpoint());
    let store = google.url_through(&tls.endpoint(), "p", Account::Owner);
    let run = |words: &[&str]| {
        let command = pgstow(words).args(["--store", &store, "--timeout", "10s", "--retry-for", "1s"]);
        command.env("PGSTOW_ALLOW_UNENCRYPTED", "1")
    };
    let hello = |run: Pgstow| run.args(["--name", "n", "--no-encryption", "--", "echo", "hello"]);
    let trusted = |run: Pgstow| run.env("SSL_CERT_FILE", tls.authority()).succeeds();
    hello(run(&["backup"])).fails(Kind::Store).says("set SSL_CERT_FILE to its certificate");
    let refused = hello(run(&["backup"]).arg("--ca-file").arg(tls.authority())).fails(Kind::Usage);
    refused.says("--ca-file does not work for gs://");
    trusted(hello(run(&["backup"])));
    let fetched = trusted(run(&["fetch", "latest", "-o", "-"]));
    assert_eq!(fetched.text(), "hello\n");
    trusted(run(&["verify", "latest"]));
    assert!(google.grpc_calls().len() > 2, "{:?}", google.grpc_calls());
}

/// Only the lower bound: on a busy machine it takes longer.
#[test]
fn a_limited_rate_is_kept_up_and_down() {
    let place = Garage::shared().place("limited");
    let limit = ["--limit-rate", "1MiB/s"];
    let took = |run: Pgstow| {
        let start = Instant::now();
        run.succeeds();
        start.elapsed()
    };
    // What is random cannot be compressed.
    let took_backup = took(backup(&place).args(limit).args(["--", "head", "-c", "2097152", "/dev/urandom"]));
    let reading =
        |verb: &[&str]| took(pgstow(verb).args(["--store", &place.url()]).envs(place.env()).args(limit));
    let two = Duration::from_secs(2);
    assert!(took_backup >= two, "{took_backup:?}");
    // Two stores share it.
    let folder = Place::folder();
    let both = backup(&place).args(limit).args(["--store", &folder.url()]);
    let took_both = took(both.args(["--", "head", "-c", "2097152", "/dev/urandom"]));
    assert!(took_both >= two * 2, "{took_both:?}");
    assert!(reading(&["fetch", "latest", "-o", "x"]) >= two);
    assert!(reading(&["verify", "latest"]) >= two);
}
