//! Another program's opinion of the rules: `restic forget`, on the same moments, in the same time zone.
//!
//! restic takes a second for each snapshot that it makes; so they are written into its repository from outside, as
//! the repository's format says, each history under a host of its own. One command then judges many of them.

use crate::servers::{fetched, run};
use aes::Aes256;
use aes::cipher::{Block, BlockEncrypt, KeyInit, KeyIvInit, StreamCipher};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use pgstow::retention::{Candidate, Policy, Rules, Series, Why, decide, time_zone};
use poly1305::Poly1305;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Zones with and without summer time, with half an hour of it, with midnights that do not exist.
const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
];
const POLICIES: usize = 6;
/// Histories for each zone and policy: 360 in total.
const HISTORIES: usize = 10;

/// Numbers that look random, and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Rules, and restic's words for them.
    fn rules(&mut self) -> (Rules, Vec<String>) {
        let mut count = || match self.below(3) {
            0 => 0,
            _ => self.below(9) as u32,
        };
        let [last, hourly, daily, weekly, monthly, yearly] = std::array::from_fn(|_| count());
        let mut words = Vec::new();
        for (word, count) in [
            ("last", last),
            ("hourly", hourly),
            ("daily", daily),
            ("weekly", weekly),
            ("monthly", monthly),
            ("yearly", yearly),
        ] {
            if count > 0 {
                words.push(format!("--keep-{word}={count}"));
            }
        }
        let mut within = None;
        if words.is_empty() || self.below(2) == 0 {
            let (years, months) = (self.below(2) as i64, self.below(14) as i64);
            let (days, hours) = (self.below(40) as i64, 1 + self.below(50) as i64);
            words.push(format!("--keep-within={years}y{months}m{days}d{hours}h"));
            within = Some(years.years().months(months).days(days).hours(hours));
        }
        (Rules { last, hourly, daily, weekly, monthly, yearly, within }, words)
    }

    /// Moments, oldest first.
    ///
    /// The newest is in the daytime: restic does not say what it makes of a span that leads to an hour that clocks
    /// pass over or repeat. The others are at any time, and often close to a change of clocks.
    fn history(&mut self, zone: &TimeZone) -> Vec<Timestamp> {
        let day = jiff::civil::date(2012, 1, 1).checked_add((self.below(5000) as i64).days()).unwrap();
        let (hour, minute) = (5 + self.below(18) as i8, self.below(60) as i8);
        let newest = day.at(hour, minute, 0, 0).to_zoned_datetime(zone.clone()).unwrap().timestamp();
        let newest = match (self.below(2), zone.preceding(newest).next()) {
            (0, Some(change)) => {
                let after = change.timestamp().to_zoned_datetime(zone.clone()).date();
                let after = after.checked_add((self.below(4) as i64).days()).unwrap();
                after.at(hour, minute, 0, 0).to_zoned_datetime(zone.clone()).unwrap().timestamp()
            }
            _ => newest,
        };
        let widest = [2, 20, 200, 5000][self.below(4) as usize] * 1800;
        let mut moments = vec![newest];
        for _ in 0..self.below(40) {
            let gap = Span::new().seconds(1 + self.below(widest) as i64);
            moments.push(moments.last().unwrap().checked_sub(gap).unwrap());
        }
        moments.reverse();
        moments
    }
}

/// A repository of restic's, and its key.
struct Repository {
    restic: PathBuf,
    folder: TempDir,
    encrypt: Vec<u8>,
    mac_k: Vec<u8>,
    mac_r: Vec<u8>,
}

impl Repository {
    fn new(restic: PathBuf) -> Repository {
        let folder = TempDir::new().unwrap();
        let mut repository = Repository { restic, folder, encrypt: vec![], mac_k: vec![], mac_r: vec![] };
        run(repository.command("UTC").arg("init"));
        let key: Value =
            serde_json::from_str(&run(repository.command("UTC").args(["cat", "masterkey"]))).unwrap();
        let bytes = |value: &Value| BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
        repository.encrypt = bytes(&key["encrypt"]);
        repository.mac_k = bytes(&key["mac"]["k"]);
        repository.mac_r = bytes(&key["mac"]["r"]);
        repository
    }

    fn command(&self, zone: &str) -> Command {
        let mut command = Command::new(&self.restic);
        command.args(["--no-cache", "--quiet"]).env("RESTIC_REPOSITORY", self.folder.path());
        command.env("RESTIC_PASSWORD", "x").env("TZ", zone).env("HOME", self.folder.path());
        command
    }

    /// Puts a snapshot into it: encrypted by AES-CTR, authenticated by Poly1305-AES, named by its digest.
    fn add(&self, host: &str, moment: &str) {
        let snapshot = json!({
            "time": moment, "tree": "0".repeat(64), "paths": ["/x"], "hostname": host, "username": "x",
        });
        let mut bytes = snapshot.to_string().into_bytes();
        let nonce: [u8; 16] = Sha256::digest(&bytes)[..16].try_into().unwrap();
        ctr::Ctr128BE::<Aes256>::new_from_slices(&self.encrypt, &nonce).unwrap().apply_keystream(&mut bytes);
        let mut pad = Block::<aes::Aes128>::from(nonce);
        aes::Aes128::new_from_slice(&self.mac_k).unwrap().encrypt_block(&mut pad);
        let key: [u8; 32] = [&self.mac_r[..], &pad[..]].concat().try_into().unwrap();
        let tag = Poly1305::new(&key.into()).compute_unpadded(&bytes);
        let file = [&nonce[..], &bytes, &tag[..]].concat();
        let name = hex::encode(Sha256::digest(&file));
        std::fs::write(self.folder.path().join("snapshots").join(name), file).unwrap();
    }

    fn clear(&self) {
        for entry in std::fs::read_dir(self.folder.path().join("snapshots")).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    /// For each host why each snapshot is kept, by its moment.
    fn forget(&self, zone: &str, words: &[String]) -> BTreeMap<String, BTreeMap<Timestamp, Vec<String>>> {
        let words = words.iter().map(String::as_str);
        let fixed = ["forget", "--dry-run", "--no-lock", "--json", "--group-by", "host"];
        let answer = run(self.command(zone).args(fixed).args(words));
        let groups: Value = serde_json::from_str(&answer).unwrap();
        let kept = |group: &Value| {
            let reasons = group["reasons"].as_array().unwrap().iter();
            let one = |reason: &Value| {
                let moment: Timestamp = reason["snapshot"]["time"].as_str().unwrap().parse().unwrap();
                let matches = reason["matches"].as_array().unwrap().iter();
                let words = matches.map(|text| text.as_str().unwrap().split(' ').collect::<Vec<_>>());
                // "daily snapshot", "oldest daily snapshot", "within 1y2m3d4h".
                let word = |words: Vec<&str>| match words[..] {
                    ["oldest", word, _] | [word, _] => word.to_owned(),
                    _ => panic!("{words:?}"),
                };
                (moment, words.map(word).collect())
            };
            reasons.map(one).collect()
        };
        let groups = groups.as_array().unwrap().iter();
        groups.map(|group| (group["host"].as_str().unwrap().to_owned(), kept(group))).collect()
    }

    /// Whether it keeps the oldest snapshot if there are fewer days than a rule keeps; it does since 0.16.
    fn keeps_the_oldest(&self) -> bool {
        let version = run(self.command("UTC").arg("version"));
        let minor = version.split(['.', ' ']).nth(2).and_then(|minor| minor.parse::<u32>().ok());
        minor.unwrap_or_else(|| panic!("{version}")) >= 16
    }
}

/// The newest restic that is here.
fn restic() -> Option<PathBuf> {
    let ours = fetched("restic/usr/bin/restic");
    let works = |program: &Path| Command::new(program).arg("version").output().is_ok();
    [ours, PathBuf::from("restic")].into_iter().find(|program| works(program))
}

/// What our rules keep, in restic's words.
fn ours(moments: &[Timestamp], policy: &Policy, with_oldest: bool) -> BTreeMap<Timestamp, Vec<String>> {
    let candidate =
        |moment: &Timestamp| Candidate { at: SystemTime::try_from(*moment).unwrap(), series: Series::Whole };
    let backups: Vec<Candidate> = moments.iter().map(candidate).collect();
    let decision = decide(&backups, policy, SystemTime::now());
    let words = |why: &Vec<Why>| -> Vec<String> {
        let word = |why: &Why| match why {
            Why::Rule(period) => Some(period.to_string()),
            Why::Oldest(period) => with_oldest.then(|| period.to_string()),
            Why::Within => Some("within".to_owned()),
            Why::Newest | Why::Proven | Why::PerhapsProven | Why::New | Why::MinKeep | Why::Stale => None,
        };
        why.iter().filter_map(word).collect()
    };
    let all = moments.iter().zip(&decision.reasons).map(|(moment, why)| (*moment, words(why)));
    all.filter(|(_, words)| !words.is_empty()).collect()
}

#[test]
fn restic_keeps_the_same_of_hundreds_of_histories() {
    let Some(restic) = restic() else { crate::skip!("restic is not installed") };
    let repository = Repository::new(restic);
    let with_oldest = repository.keeps_the_oldest();
    if !with_oldest {
        crate::harness::note_skipped("restic is older than 0.16: the rule about the oldest is not compared");
    }
    let (mut dice, mut compared, mut oldest) = (Dice(11), 0, 0);
    for name in ZONES {
        let zone = time_zone(name).unwrap();
        for _ in 0..POLICIES {
            let (rules, words) = dice.rules();
            let policy =
                Policy { rules, zone: zone.clone(), min_keep: 0, stale: Duration::MAX, force: false };
            repository.clear();
            let mut histories = BTreeMap::new();
            for number in 0..HISTORIES {
                let (host, moments) = (format!("h{number}"), dice.history(&zone));
                for moment in &moments {
                    let local = moment.to_zoned_datetime(zone.clone());
                    repository.add(&host, &local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
                }
                histories.insert(host, moments);
            }
            let theirs = repository.forget(name, &words);
            for (host, moments) in histories {
                let ours = ours(&moments, &policy, with_oldest);
                assert_eq!(ours, theirs[&host], "{name} {words:?} {moments:?}");
                oldest += usize::from(ours != self::ours(&moments, &policy, false));
                compared += 1;
            }
        }
    }
    assert_eq!(compared, ZONES.len() * POLICIES * HISTORIES);
    assert!(oldest > 20 || !with_oldest, "the rule about the oldest was hardly tried: {oldest}");
}
