//! `backup --prune`: old backups go after the new one is whole, and only then.

use super::scene::{Template, days, folder_and_bucket, there};
use crate::harness::Pgstow;
use crate::scene::{Keys, Place};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major};
use crate::servers::pushgateway::samples;
use pgstow::error::Kind;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A backup of a stream with the rule to keep three.
fn backup(place: &Place, words: &[&str]) -> Pgstow {
    let backup = ["backup", "--name", "app", "--keep-last", "3", "--recipient", &Keys::shared().recipient];
    place.pgstow(&backup).args(words)
}

#[test]
fn old_backups_go_after_the_new_one_is_whole() {
    for place in folder_and_bucket("prune-after") {
        let ids = days(&place, "app", 4);
        let others = days(&place, "other", 5);
        let run = backup(&place, &["--prune", "--", "echo", "bytes"]).succeeds().says("removed 2 backups");
        let new = run.text().trim().to_owned();
        assert_eq!(there(&place, "app"), [ids[2].clone(), ids[3].clone(), new]);
        assert_eq!(there(&place, "other"), others, "only the name that has a new backup is pruned");
        // Rules alone, as a profile may have them for prune, remove nothing.
        backup(&place, &["--", "echo", "bytes"]).succeeds();
        assert_eq!(there(&place, "app").len(), 4);
    }
}

/// A machine whose clock is ahead has made one that is the newest of this day, and of all.
#[test]
fn the_new_backup_stays_although_another_one_looks_newer() {
    let place = Place::folder();
    days(&place, "app", 5);
    let ahead = SystemTime::now() + Duration::from_secs(120);
    let (ahead, objects) = Template::shared().begun("app", ahead, |_| {});
    objects.into_iter().for_each(|(key, bytes)| place.put(&key, bytes));
    let words = ["backup", "--name", "app", "--prune", "--keep-daily", "7", "-r", &Keys::shared().recipient];
    let new = place.pgstow(&words).args(["--", "echo", "bytes"]).succeeds().text();
    let left = there(&place, "app");
    assert!(left.contains(&ahead) && left.iter().any(|id| id == new.trim()), "{new} {left:?}");
}

#[test]
fn nothing_goes_if_the_backup_fails() {
    let place = Place::folder();
    let ids = days(&place, "app", 5);
    backup(&place, &["--prune", "--", "false"]).fails(Kind::Command);
    assert_eq!(there(&place, "app"), ids);
    let words =
        ["backup", "--name", "app", "--prune", "--recipient", &Keys::shared().recipient, "--", "echo"];
    place.pgstow(&words).fails(Kind::Usage).says("no rule says which backups are kept");
    assert_eq!(there(&place, "app"), ids);
}

#[test]
fn a_prune_that_fails_leaves_the_new_backup_and_has_its_own_exit_code() {
    let garage = Garage::shared();
    let bucket = garage.place("prune-writer");
    let writer = Place::S3(garage.write_only(&bucket));
    let place = Place::S3(bucket);
    let ids = days(&place, "app", 4);
    let folder = TempDir::new().unwrap();
    let metrics = folder.path().join("pgstow.prom");
    let run =
        backup(&writer, &["--prune", "--metrics-file", metrics.to_str().unwrap(), "--", "echo", "bytes"])
            .fails(Kind::Prune);
    let all = samples(&std::fs::read_to_string(metrics).unwrap());
    assert_eq!(all["pgstow_backup_last_run_success{name=app}"], 0.0, "{all:?}");
    assert_eq!(all["pgstow_backup_last_run_exit_code{name=app}"], 19.0, "{all:?}");
    assert!(all.contains_key("pgstow_backup_last_success_timestamp_seconds{name=app}"), "{all:?}");
    let new = run.text().trim().to_owned();
    let run = run.says("warning: old backups were not removed: access to bucket");
    run.says("error: the backup is stored, but old ones were not removed");
    assert_eq!(there(&place, "app"), [&ids[..], &[new]].concat());
}

#[test]
fn a_profile_prunes_after_every_backup_of_a_server() {
    let cluster = Cluster::start(Major::Distribution);
    cluster.psql("postgres", "CREATE DATABASE one");
    cluster.psql("postgres", "CREATE DATABASE two");
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let (one, two, three) = (days(&place, "one", 3), days(&place, "two", 3), days(&place, "three", 4));
    let settings = format!(
        "recipients = \"{}\"\n[profile.night]\nall_databases = true\nexclude = \"postgres\"\nprune = true\n\
         keep_last = 2\nmin_keep = 1\n",
        Keys::shared().recipient
    );
    std::fs::write(home.path().join("pgstow.toml"), settings).unwrap();
    let words = ["backup", "--config", "pgstow.toml", "--profile", "night", &cluster.url("postgres")];
    let run = place.pgstow(&words).in_folder(home.path()).succeeds();
    let new: Vec<String> = run.text().lines().map(str::to_owned).collect();
    assert_eq!(there(&place, "one"), [one[2].clone(), new[0].clone()]);
    assert_eq!(there(&place, "two"), [two[2].clone(), new[1].clone()]);
    assert_eq!(there(&place, "three"), three);
}
