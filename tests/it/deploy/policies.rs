//! The policies are enforced in front of a real server: what each party needs is allowed, and nothing beyond.

use super::{at, text};
use crate::harness::{Pgstow, pgstow};
use crate::servers::fault::{Fault, FaultProxy, Operation, Request, Rule};
use crate::servers::garage::Garage;
use crate::servers::s3::S3;
use percent_encoding::percent_decode_str;
use pgstow::error::Kind;
use serde_json::Value;

/// The action that Amazon asks the policies for, and whether it is about the bucket.
fn action(operation: Operation) -> (&'static str, bool) {
    match operation {
        Operation::CreateUpload | Operation::UploadPart | Operation::CompleteUpload | Operation::Put => {
            ("s3:PutObject", false)
        }
        Operation::AbortUpload => ("s3:AbortMultipartUpload", false),
        Operation::ListParts => ("s3:ListMultipartUploadParts", false),
        Operation::ListUploads => ("s3:ListBucketMultipartUploads", true),
        Operation::Get | Operation::Head => ("s3:GetObject", false),
        Operation::Delete => ("s3:DeleteObject", false),
        Operation::List => ("s3:ListBucket", true),
        Operation::Other => ("none", true),
    }
}

const ALL: [Operation; 12] = [
    Operation::CreateUpload,
    Operation::UploadPart,
    Operation::CompleteUpload,
    Operation::AbortUpload,
    Operation::ListParts,
    Operation::ListUploads,
    Operation::Put,
    Operation::Get,
    Operation::Head,
    Operation::Delete,
    Operation::List,
    Operation::Other,
];

/// One string, or a list of them.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(all) => all.iter().map(|one| one.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == text, |beginning| text.starts_with(beginning))
}

fn allows(policy: &Value, request: &Request) -> bool {
    let (action, of_bucket) = action(request.operation);
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let path = decoded(request.path.trim_matches('/'));
    let resource = format!("arn:aws:s3:::{path}");
    // AWS knows it for lists of objects only: with a condition on it, a list of uploads is refused.
    let prefix = request.query.iter().find(|(name, _)| name == "prefix" && action == "s3:ListBucket");
    let prefix = prefix.map(|(_, value)| decoded(value));
    policy["Statement"].as_array().unwrap().iter().any(|statement| {
        assert_eq!(statement["Effect"], "Allow");
        let condition = &statement["Condition"]["StringLike"]["s3:prefix"];
        strings(&statement["Action"]).contains(&action)
            && strings(&statement["Resource"]).iter().any(|pattern| fits(pattern, &resource))
            && (condition.is_null()
                || of_bucket && fits(condition.as_str().unwrap(), prefix.as_deref().unwrap_or_default()))
    })
}

/// The place with the rights of a policy file.
fn guarded(place: &S3, file: &str) -> (S3, FaultProxy) {
    let own = text(file).replace("my-backups", &place.bucket).replace("prod", &place.prefix);
    let policy: Value = serde_json::from_str(&own).unwrap();
    let proxy = FaultProxy::start(&place.endpoint);
    for operation in ALL {
        let policy = policy.clone();
        let rule = Rule::new(operation, Fault::Answer(403, "AccessDenied"));
        proxy.inject(rule.when(move |request| !allows(&policy, request)));
    }
    (place.through(&proxy.endpoint()), proxy)
}

fn run(place: &S3, words: &[&str]) -> Pgstow {
    pgstow(words).args(["--store", &place.url()]).envs(place.env())
}

fn backup(place: &S3) -> Pgstow {
    run(place, &["backup", "--name", "n", "--no-encryption"]).args(["--", "echo", "hello"])
}

#[test]
fn each_policy_is_enough_for_its_party_and_for_nothing_else() {
    let place = Garage::shared().place("policy");
    let (job, _job) = guarded(&place, "deploy/policies/aws-backup.json");
    let (reader, _reader) = guarded(&place, "deploy/policies/aws-restore.json");
    let (pruner, pruned) = guarded(&place, "deploy/policies/aws-prune.json");

    backup(&job).succeeds().says("not allowed to read");
    backup(&job).succeeds();
    run(&job, &["list"]).fails(Kind::Store);
    run(&job, &["fetch", "latest", "-o", "-"]).fails(Kind::Store);

    assert_eq!(run(&reader, &["list", "--json"]).succeeds().json().as_array().unwrap().len(), 2);
    assert_eq!(run(&reader, &["fetch", "latest", "-o", "-"]).succeeds().stdout, b"hello\n");
    run(&reader, &["verify", "latest"]).succeeds();
    backup(&reader).fails(Kind::Store);
    let prune = ["prune", "--keep-last", "1", "--min-keep", "1"];
    assert!(!run(&reader, &prune).run().status.success());
    assert_eq!(run(&reader, &["list", "--json"]).succeeds().json().as_array().unwrap().len(), 2);

    run(&pruner, &prune).succeeds();
    assert_eq!(run(&pruner, &["list", "--json"]).succeeds().json().as_array().unwrap().len(), 1);
    assert!(pruned.count(Operation::Delete) > 0);
    backup(&pruner).fails(Kind::Store);

    // Without the right to list uploads, backups are removed all the same.
    backup(&job).succeeds();
    pruned.inject(Rule::new(Operation::ListUploads, Fault::Answer(403, "AccessDenied")));
    run(&pruner, &prune).succeeds().says("warning: whether there are unfinished uploads is not known");
    assert_eq!(run(&reader, &["list", "--json"]).succeeds().json().as_array().unwrap().len(), 1);
}

#[test]
fn every_policy_is_json_and_mentioned() {
    let pages = ["docs/providers/aws.md", "docs/providers/garage.md", "docs/google.md"].map(text).concat();
    for entry in std::fs::read_dir(at("deploy/policies")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        serde_json::from_str::<Value>(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(pages.contains(&name), "{name}");
    }
}
