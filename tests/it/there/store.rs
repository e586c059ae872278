//! The store refuses, stumbles, stands still, or answers what is not so.

use super::scene::{KEYS, PARTS, Place, Source, aftermath, backup, backup_of, is_whole, next_is_whole};
use crate::harness::{Run, pgstow};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major};
use crate::servers::s3::S3;
use pgstow::error::Kind;

/// A place in a bucket, seen directly and through a proxy that breaks.
struct Behind {
    proxy: FaultProxy,
    direct: Place,
    broken: Place,
}

impl Behind {
    fn new(label: &str) -> Behind {
        Behind::of(Garage::shared().place(label))
    }

    fn of(place: S3) -> Behind {
        let proxy = FaultProxy::start(&place.endpoint);
        let broken = Place::Bucket(place.through(&proxy.endpoint()));
        Behind { proxy, direct: Place::Bucket(place), broken }
    }

    /// A backup through the proxy with this fault for every such request.
    fn with(&self, operation: Operation, fault: Fault) -> Run {
        self.with_rule(Rule::new(operation, fault))
    }

    fn with_rule(&self, rule: Rule) -> Run {
        self.proxy.inject(rule);
        backup(Source::shared(), &self.broken).run()
    }

    /// Expects that the run succeeded, that its backup is whole and the only one, and that nothing else is left.
    #[track_caller]
    fn holds_only(&self, run: Run) -> Run {
        let run = run.assert_success();
        let id = run.text().trim().to_owned();
        assert_eq!(self.direct.listed(), [id.as_str()]);
        assert_eq!(self.direct.keys().len(), 4, "{:?}", self.direct.keys());
        assert!(self.direct.unfinished().is_empty());
        is_whole(Source::shared(), &self.direct, &id);
        run
    }

    #[track_caller]
    fn holds_nothing(&self, run: Run) -> Run {
        let run = run.assert_failure(Kind::Store);
        aftermath(Source::shared(), &self.direct);
        run
    }
}

#[test]
fn a_part_is_refused() {
    let bucket = Behind::new("part-refused");
    let run = bucket.with_rule(Rule::new(Operation::UploadPart, Fault::Answer(403, "AccessDenied")).part(2));
    bucket.holds_nothing(run).says("access to bucket pgstow is denied").says("hint:");
}

#[test]
fn the_connection_of_a_part_is_dropped() {
    let bucket = Behind::new("part-dropped");
    let run = bucket.with_rule(Rule::new(Operation::UploadPart, Fault::Reset(100_000)).part(2).times(1));
    bucket.holds_only(run).says("warning: part 2: ").says("it worked on attempt 2");
}

#[test]
fn the_answer_to_a_part_is_lost() {
    let bucket = Behind::new("part-unanswered");
    let run = bucket.with_rule(Rule::new(Operation::UploadPart, Fault::LoseAnswer).part(3).times(1));
    bucket.holds_only(run).says("warning: part 3: ").says("it worked on attempt 2");
}

#[test]
fn a_busy_store_gets_its_parts_at_last() {
    let bucket = Behind::new("part-busy");
    bucket.proxy.inject(Rule::new(Operation::UploadPart, Fault::Answer(503, "SlowDown")).part(1).times(2));
    bucket.proxy.inject(Rule::new(Operation::CreateUpload, Fault::Answer(500, "InternalError")).times(1));
    let run = bucket.with_rule(
        Rule::new(Operation::UploadPart, Fault::DoneButAnswer(500, "InternalError")).part(2).times(1),
    );
    let run = bucket.holds_only(run);
    run.says("part 1: the store answered 503 SlowDown; it worked on attempt 3")
        .says("part 2: the store answered 500 InternalError; it worked on attempt 2")
        .says("the store answered 500 InternalError; it worked on attempt 2");
}

#[test]
fn a_part_that_stands_still_is_noticed() {
    let bucket = Behind::new("part-stalled");
    // The last part is short, so its deadline is little more than --timeout.
    bucket.proxy.inject(Rule::new(Operation::UploadPart, Fault::Swallow).part(PARTS).times(1));
    let run = backup(Source::shared(), &bucket.broken).args(["--timeout", "2s"]).run();
    bucket.holds_only(run).says("did not answer within").says("it worked on attempt 2");
}

/// What fails for good only after many attempts is tried side by side: most of it is waiting.
#[test]
fn a_store_that_stays_broken_is_given_up() {
    let cases: [(&str, Operation, Fault, &[&str], &str); 6] = [
        ("part", Operation::UploadPart, Fault::Answer(503, "SlowDown"), &[], "503 SlowDown; gave up after"),
        ("part", Operation::UploadPart, Fault::Reset(1000), &[], "gave up after"),
        ("begin", Operation::CreateUpload, Fault::Swallow, &["--timeout", "1s"], "gave up after"),
        ("complete", Operation::CompleteUpload, Fault::Answer(500, "InternalError"), &[], "gave up after"),
        ("complete", Operation::CompleteUpload, Fault::Answer(200, "InternalError"), &[], "gave up after"),
        ("complete", Operation::CompleteUpload, Fault::DoneButAnswer(503, "SlowDown"), &[], "gave up after"),
    ];
    std::thread::scope(|scope| {
        for (what, operation, fault, words, said) in cases {
            scope.spawn(move || {
                let bucket = Behind::new(&format!("{what}-forever"));
                bucket.proxy.inject(Rule::new(operation, fault));
                let run =
                    backup(Source::shared(), &bucket.broken).args(words).args(["--retry-for", "4s"]).run();
                bucket.holds_nothing(run).says(said);
            });
        }
    });
}

#[test]
fn the_completion_is_refused() {
    let bucket = Behind::new("complete-refused");
    let run = bucket.with(Operation::CompleteUpload, Fault::Answer(403, "AccessDenied"));
    bucket.holds_nothing(run).says("access to bucket pgstow is denied");
    let bucket = Behind::new("complete-refused");
    let run = bucket.with(Operation::CompleteUpload, Fault::Answer(400, "InvalidPart"));
    bucket.holds_nothing(run).says("400 InvalidPart");
}

#[test]
fn a_completion_that_answers_200_with_an_error_inside_is_asked_again() {
    let bucket = Behind::new("complete-200");
    let fault = Fault::Answer(200, "InternalError");
    let run = bucket.with_rule(Rule::new(Operation::CompleteUpload, fault).times(1));
    bucket.holds_only(run).says("complete the upload").says("it worked on attempt 2");
}

#[test]
fn a_completion_that_was_carried_out_counts_although_its_answer_is_lost() {
    let bucket = Behind::new("complete-lost");
    let run = bucket.with_rule(Rule::new(Operation::CompleteUpload, Fault::LoseAnswer).times(1));
    bucket.holds_only(run).says("it worked on attempt 2");
}

#[test]
fn an_answer_to_the_manifest_is_lost() {
    let bucket = Behind::new("manifest-lost");
    let rule = Rule::new(Operation::Put, Fault::LoseAnswer).key_end("/manifest.json").times(1);
    let run = bucket.with_rule(rule);
    bucket.holds_only(run).says("it worked on attempt 2");
}

/// Somebody else keeps the credentials' file fresh, as programs that assume a role do.
#[test]
fn credentials_that_expire_are_read_from_their_file_again() {
    let place = Garage::shared().place("rotated");
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("credentials");
    let write = |file: &std::path::Path, key: &S3| {
        let (id, secret) = (&key.access_key, &key.secret_key);
        let text = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
        std::fs::write(file, text).unwrap();
    };
    write(&file, &place);
    let bucket = Behind::of(place.clone());
    let (next, path, old) = (Garage::shared().write_only(&place), file.clone(), place.access_key.clone());
    bucket.proxy.inject(Rule::new(Operation::UploadPart, Fault::Answer(400, "ExpiredToken")).when(
        move |request| {
            let is_old = request.header("authorization").unwrap().contains(&old);
            // From now on the old key has expired, and the file has the next one.
            if is_old && request.part() >= Some(2) {
                write(&path, &next);
            }
            is_old && request.part() >= Some(2)
        },
    ));
    let source = Source::shared();
    let run = pgstow(["backup", &source.url(), "--store", &bucket.broken.url(), "--recipient", &KEYS.1])
        .env("AWS_SHARED_CREDENTIALS_FILE", &file)
        .run();
    bucket.holds_only(run).says("have expired: loading them again").says("not allowed to read");
}

#[test]
fn a_completion_that_is_not_found_is_the_stores_failure() {
    let bucket = Behind::new("complete-lost");
    let run = bucket.with(Operation::CompleteUpload, Fault::Answer(404, "NoSuchUpload"));
    bucket.holds_nothing(run).says("the store lost the upload of");
}

#[test]
fn the_manifest_is_refused() {
    let bucket = Behind::new("manifest-refused");
    let rule = Rule::new(Operation::Put, Fault::Answer(403, "AccessDenied")).key_end("/manifest.json");
    let run = bucket.with_rule(rule);
    bucket.holds_nothing(run).says("access to bucket pgstow is denied");
    assert_eq!(bucket.proxy.count(Operation::CompleteUpload), 1);
}

#[test]
fn the_signature_is_refused() {
    let bucket = Behind::new("signature-refused");
    let key = pgstow(["keygen", "--signing"]).succeeds().text();
    let rule = Rule::new(Operation::Put, Fault::Answer(403, "AccessDenied")).key_end(".minisig");
    bucket.proxy.inject(rule);
    let run = backup(Source::shared(), &bucket.broken).env("PGSTOW_SIGNING_KEY", key).run();
    bucket.holds_nothing(run).says("access to bucket pgstow is denied");
    assert_eq!(bucket.proxy.count(Operation::CompleteUpload), 1);
    assert_eq!(
        bucket.proxy.count(Operation::Put),
        3,
        "after globals and inventory; the manifest must not follow"
    );
}

#[test]
fn the_inventory_is_refused() {
    let bucket = Behind::new("inventory-refused");
    let rule =
        Rule::new(Operation::Put, Fault::Answer(403, "AccessDenied")).key_end("/inventory.json.zst.age");
    let run = bucket.with_rule(rule);
    bucket.holds_nothing(run).says("access to bucket pgstow is denied");
    assert_eq!(bucket.proxy.count(Operation::Put), 2, "after the globals; the manifest must not follow");
    assert_eq!(bucket.proxy.count(Operation::CompleteUpload), 0);
}

/// On AWS, what was uploaded in parts is as old as the beginning of its upload. After a dump of more than a day, a prune would
/// take it for something that a killed run left, if nothing new lay next to it.
#[test]
fn what_lies_next_to_a_dump_is_there_before_it() {
    let bucket = Behind::new("beside-first");
    let run = backup(Source::shared(), &bucket.broken).run();
    bucket.holds_only(run);
    let log = bucket.proxy.log();
    let at = |operation, end: &str| {
        log.iter().position(|one| one.operation == operation && one.path.ends_with(end)).unwrap()
    };
    let dump = at(Operation::CompleteUpload, "/dump.zst.age");
    for beside in ["/globals.sql.zst.age", "/inventory.json.zst.age"] {
        assert!(at(Operation::Put, beside) < dump, "{beside}");
    }
    assert!(at(Operation::Put, "/manifest.json") > dump);
}

/// The answer to writing it was lost, and a repetition refused.
#[test]
fn a_manifest_that_may_be_there_is_not_called_missing() {
    let bucket = Behind::new("manifest-there");
    bucket.proxy.inject(Rule::new(Operation::Delete, Fault::Answer(403, "AccessDenied")));
    bucket.proxy.inject(Rule::new(Operation::Put, Fault::LoseAnswer).key_end("/manifest.json").times(1));
    let refused =
        |operation| Rule::new(operation, Fault::Answer(403, "AccessDenied")).key_end("/manifest.json");
    bucket.proxy.inject(refused(Operation::Head));
    let run = bucket.with_rule(refused(Operation::Put)).assert_failure(Kind::Store);
    let run = run.says("is not known; `pgstow list` shows it if it is, whole");
    assert!(!run.stderr.contains("they are not a backup"), "{run}");
    assert_eq!(bucket.direct.listed().len(), 1);
}

/// Where nothing can be taken back, the dump stays, and is no backup all the same.
#[test]
fn a_dump_without_its_manifest_is_no_backup() {
    let bucket = Behind::new("manifest-missing");
    bucket.proxy.inject(Rule::new(Operation::Delete, Fault::Answer(403, "AccessDenied")));
    let rule = Rule::new(Operation::Put, Fault::Answer(403, "AccessDenied")).key_end("/manifest.json");
    let run = bucket.with_rule(rule).assert_failure(Kind::Store);
    run.says("without a manifest they are not a backup");
    let keys = bucket.direct.keys();
    let [left, _globals, _inventory] = &keys[..] else { panic!("{keys:?}") };
    let [_name, id, "dump.zst.age"] = left.split('/').collect::<Vec<_>>()[..] else { panic!("{left}") };
    assert!(bucket.direct.listed().is_empty());
    for id in [id, "latest"] {
        let words = [id, "--store", &bucket.direct.url()];
        let Place::Bucket(place) = &bucket.direct else { panic!() };
        pgstow(["show"]).args(words).envs(place.env()).fails(Kind::NotFound);
        let fetch = pgstow(["fetch"]).args(words).args(["-o", "x"]).envs(place.env());
        fetch.env("PGSTOW_IDENTITY", &KEYS.0).fails(Kind::NotFound);
    }
    next_is_whole(Source::shared(), &bucket.direct);
}

/// The first failure decides the exit code; what stays and how it goes is reported too.
#[test]
fn an_upload_that_cannot_be_aborted_is_said() {
    let bucket = Behind::new("abort-refused");
    bucket.proxy.inject(Rule::new(Operation::AbortUpload, Fault::Answer(403, "AccessDenied")));
    let run = bucket.with_rule(Rule::new(Operation::UploadPart, Fault::Answer(400, "EntityTooSmall")));
    let run = run.assert_failure(Kind::Store);
    run.says("error: the store rejects the request (400 EntityTooSmall)")
        .says("warning: abort the upload of");
    assert!(bucket.direct.listed().is_empty());
    assert_eq!(bucket.direct.unfinished().len(), 1);
    next_is_whole(Source::shared(), &bucket.direct);
}

#[test]
fn a_key_that_may_only_write_is_enough() {
    let place = Garage::shared().place("write-only");
    let writer = Place::Bucket(Garage::shared().write_only(&place));
    let run = backup(Source::shared(), &writer).succeeds().says("not allowed to read");
    let direct = Place::Bucket(place);
    let id = run.text().trim().to_owned();
    assert_eq!(direct.listed(), [id.as_str()]);
    is_whole(Source::shared(), &direct, &id);
}

/// Nobody can tell whether it is there: it is no backup then, and it is taken back.
#[test]
fn a_lost_completion_is_not_trusted_where_the_key_may_not_look() {
    let place = Garage::shared().place("write-only-lost");
    let direct = Place::Bucket(place.clone());
    let bucket = Behind::of(Garage::shared().write_only(&place));
    let run = bucket.with_rule(Rule::new(Operation::CompleteUpload, Fault::LoseAnswer).times(1));
    run.assert_failure(Kind::Store).says("was completed: the answer was lost");
    aftermath(Source::shared(), &direct);
}

/// Foreign data are in the dump, and not in the size of the database by which parts are chosen.
#[test]
fn a_dump_outgrows_the_parts_there_may_be() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("outgrown");
    cluster.psql(
        &database,
        "CREATE EXTENSION file_fdw;
         CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
         CREATE FOREIGN TABLE big (line text) SERVER files
             OPTIONS (program 'head -c 15000000 /dev/urandom | base64');",
    );
    let mut place = Garage::shared().place("outgrown");
    place.more.push_str("&max_parts=2");
    let place = Place::Bucket(place);
    let foreign = "--pg-dump-arg=--include-foreign-data=files";
    let run = backup_of(&cluster.url(&database), &place).args([foreign]).fails(Kind::Store);
    run.says("the upload needs more than 2 parts, the store's limit")
        .says("hint: choose larger parts, as --part-size 20MiB");
    assert!(place.listed().is_empty() && place.keys().is_empty() && place.unfinished().is_empty());
    let larger = ["--part-size", "20MiB", foreign];
    let id = pgstow(["backup", &cluster.url(&database), "--store", &place.url(), "--recipient", &KEYS.1])
        .args(larger)
        .envs(place.env())
        .succeeds()
        .text();
    assert_eq!(place.listed(), [id.trim()]);
}

#[test]
fn a_size_of_parts_that_cannot_work_is_refused_at_once() {
    let mut place = Garage::shared().place("parts-refused");
    place.more.push_str("&max_parts=2");
    let bucket = Behind::of(place);
    let run = backup(Source::shared(), &bucket.broken).fails(Kind::Usage);
    run.says("2 of them, the most the store takes, do not hold").says("hint: --part-size");
    assert!(bucket.proxy.log().is_empty(), "the store was asked something");
}
