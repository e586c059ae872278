//! A document as an example: ids, times, sizes, digests, keys and places are replaced, all else stays as it is
//! printed, in its order.

use std::collections::BTreeMap;

/// What stands for the ids in some documents.
pub struct Ids(BTreeMap<String, String>);

impl Ids {
    /// Finds the ids in what was printed; the first gets the earliest example.
    pub fn of(printed: &str) -> Ids {
        let mut examples = BTreeMap::new();
        for id in words(printed).filter(|word| is_id(word)) {
            let number = examples.len();
            let example = || format!("202611{}T030000Z-7f3k9{}", 20 + number % 10, number % 10);
            examples.entry(id.to_owned()).or_insert_with(example);
        }
        Ids(examples)
    }
}

/// The document with examples in it.
pub fn example(document: &str, ids: &Ids) -> String {
    let mut list = String::new();
    let lines = document.trim_end().lines().map(|line| {
        let plain = line.trim_start().trim_end_matches(',');
        let (key, value) = plain.split_once(": ").unwrap_or((&list, plain));
        let key = key.trim_matches('"').to_owned();
        let new =
            fixed(&key).filter(|_| is_scalar(value)).map_or_else(|| text(&key, value, ids), str::to_owned);
        if value == "[" {
            list = key;
        }
        line.replacen(value, &new, 1)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// One field of a document alone, with all that is in it.
pub fn field(document: &str, key: &str) -> String {
    let begin = format!("  \"{key}\": ");
    let from = document.lines().skip_while(|line| !line.starts_with(&begin));
    let mut lines: Vec<&str> = Vec::new();
    for line in from {
        lines.push(line);
        if line.starts_with("  ]") || line.starts_with("  }") {
            break;
        }
    }
    format!("{{\n{}\n}}", lines.join("\n").trim_end_matches(','))
}

fn is_scalar(value: &str) -> bool {
    !matches!(value, "[" | "{" | "[]" | "{}" | "]" | "}" | "null")
}

/// What stands for the value of a key; it differs from run to run, or is longer than a page wants it.
fn fixed(key: &str) -> Option<&'static str> {
    Some(match key {
        "duration_s" => "1.482",
        "restore_s" => "1.1",
        "forced_checkpoints" => "0",
        "stored_bytes" | "fetched_bytes" => "48120",
        "plain_bytes" | "output_bytes" => "151034",
        "database_bytes" => "8126655",
        "age_s" | "ageSeconds" => "11520",
        "seconds" => "1.1",
        "verifiedAt" => r#""2026-11-20T06:12:00.104Z""#,
        "manifest_sha256" => r#""3f0e7f0c2d9a6b8e1d4c7fa90b3e6d2c5f8a1b4e7d0c3f6a9b2e5d860c1b4f5a""#,
        "last_written" => r#""2026-11-19T03:00:00.104Z""#,
        "oldest" | "newest" => r#""2026-11-20T03:00:00.104Z""#,
        "new_id" => r#""20261121T030000Z-w7c1mz""#,
        "started_at" | "startedAt" => r#""2026-11-20T03:00:00.104Z""#,
        "made_at" | "at" => r#""2026-11-20T03:10:00Z""#,
        "finished_at" => r#""2026-11-20T03:00:01.586Z""#,
        "expires_at" => r#""2026-11-23T03:00:00Z""#,
        "stored_sha256" => r#""60c1b4f5a3f0e7f0c2d9a6b8e1d4c7fa90b3e6d2c5f8a1b4e7d0c3f6a9b2e5d8""#,
        "plain_sha256" => r#""9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08""#,
        "recipients" | "recipient" | "opened_by" | "tried" => r#""age1ypx…""#,
        "identity" => r##""# created: …\n# public key: age1ypx…\nAGE-SECRET-KEY-1…\n""##,
        "verify_key" => r#""RWQ…""#,
        "signing_key" => r#""untrusted comment: pgstow signing key: keep it secret\nRWQ…\n""#,
        "store" => r#""file:///backups""#,
        "branch" => r#""restore-app-20261120-030000""#,
        "branch_id" => r#""br-cool-sun-123456""#,
        "host" => r#""ep-cool-sun-123456.eu-central-1.aws.neon.tech""#,
        "port" => r#""5432""#,
        "system_identifier" => r#""7301234567890123456""#,
        "direct" => r#""postgresql://app_owner:***@ep-cool-sun-123456.eu-central-1.aws.neon.tech/app""#,
        "pooled" => {
            r#""postgresql://app_owner:***@ep-cool-sun-123456-pooler.eu-central-1.aws.neon.tech/app""#
        }
        _ => return None,
    })
}

/// A value with the ids, moments and folders in it replaced.
fn text(key: &str, value: &str, ids: &Ids) -> String {
    let mut new = value.to_owned();
    for (id, example) in &ids.0 {
        new = new.replace(id.as_str(), example);
    }
    for moment in words(value).filter(|word| ends_with_moment(word)) {
        let (before, _) = moment.split_at(moment.len() - MOMENT.len());
        new = new.replace(moment, &format!("{before}{MOMENT}"));
    }
    if let ("from" | "to", true) = (key, value.starts_with("\"file://")) {
        let folder = if key == "from" { "backups" } else { "second" };
        new = format!("\"file:///{folder}\"");
    }
    if let ("output" | "list_file" | "paper", Some((_, name))) = (key, value.rsplit_once('/')) {
        new = format!("\"{name}");
    }
    new
}

const MOMENT: &str = "20261120_030000";

/// The words of a text that ids and moments could be.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
}

/// `20261120T030000Z-7f3k9q`.
fn is_id(word: &str) -> bool {
    word.len() == 23 && word.as_bytes()[8] == b'T' && word.as_bytes()[15] == b'Z'
}

/// `app_before_20261120_030000`.
fn ends_with_moment(word: &str) -> bool {
    let end = word.len().checked_sub(MOMENT.len()).and_then(|at| word.get(at..)).unwrap_or_default();
    end.bytes().filter(u8::is_ascii_digit).count() == 14 && end.as_bytes()[8] == b'_'
}
