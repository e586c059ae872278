//! What the user asks for: rules, names, time zones, trial runs, settings.

use super::scene::{DAY, HOUR, days, folder_and_bucket, prune, put, said_of, there};
use crate::scene::{Keys, Place};
use pgstow::error::Kind;
use tempfile::TempDir;

#[test]
fn backups_go_by_rule_and_nothing_of_them_is_left() {
    for (_, place) in Place::every("prune-rule") {
        let ids = days(&place, "app", 6);
        place.put("app/notes.txt", "not a backup");
        let run = prune(&place, &["--keep-daily", "4"]).succeeds();
        assert!(run.text().is_empty(), "{run}");
        let run = run.says(&format!("removed {} of app", ids[0]));
        run.says("removed 2 backups (").says("kept 4 backups");
        assert_eq!(there(&place, "app"), ids[2..]);
        assert!(!place.keys().iter().any(|key| key.contains(&ids[0])), "{:?}", place.keys());
        assert_eq!(place.get("app/notes.txt"), b"not a backup");
        // Once more there is nothing to do.
        prune(&place, &["--keep-daily", "4"]).succeeds().says("removed 0 backups");
        assert_eq!(there(&place, "app"), ids[2..]);
    }
}

#[test]
fn a_trial_says_everything_and_removes_nothing() {
    for place in folder_and_bucket("prune-dry") {
        let ids = days(&place, "app", 6);
        let before = place.keys();
        let words = ["--keep-last", "1", "--keep-within", "2d", "--min-keep", "4", "--dry-run"];
        let run = prune(&place, &words).succeeds().says("would remove 2 backups");
        let text = run.text();
        let line = |id: &str| text.lines().find(|line| line.contains(id)).unwrap().trim_end().to_owned();
        assert!(line(&ids[5]).ends_with("keep: within, last, newest"), "{text}");
        assert!(line(&ids[4]).ends_with("keep: within"), "{text}");
        assert!(line(&ids[2]).ends_with("keep: min-keep"), "{text}");
        assert!(line(&ids[0]).ends_with("remove"), "{text}");
        let document = prune(&place, &words).arg("--json").succeeds().json();
        assert_eq!(document["dry_run"], true);
        assert_eq!(said_of(&document, &ids[2]), ("keep".to_owned(), vec!["min-keep".to_owned()]));
        assert_eq!(said_of(&document, &ids[1]), ("remove".to_owned(), vec![]));
        assert_eq!(place.keys(), before);
    }
}

#[test]
fn names_are_kept_apart_and_chosen_by_patterns() {
    let place = Place::folder();
    let (app, shop, other) =
        (days(&place, "app", 5), days(&place, "portal/shop", 5), days(&place, "portal", 5));
    prune(&place, &["--name", "portal/*", "--keep-last", "3"]).succeeds();
    assert_eq!(there(&place, "portal/shop"), shop[2..]);
    assert_eq!((there(&place, "app"), there(&place, "portal")), (app.clone(), other.clone()));
    let typo = ["--name", "app", "--name", "ap", "--keep-last", "3"];
    prune(&place, &typo).fails(Kind::NotFound).says("removed 2 backups").says("holds no backup of ap");
    assert_eq!((there(&place, "app"), there(&place, "portal")), (app[2..].to_vec(), other.clone()));
    prune(&place, &["--keep-last", "4"]).succeeds();
    assert_eq!((there(&place, "app"), there(&place, "portal")), (app[2..].to_vec(), other[1..].to_vec()));
    prune(&place, &["--name", "a//b*", "--keep-last", "4"]).fails(Kind::NotFound).says("a name like a//b*");
    prune(&place, &["--name", "a//b", "--keep-last", "4"]).fails(Kind::Usage).says("cannot be a name");
}

/// With a name that is misspelt in a job, nothing would ever be removed.
#[test]
fn a_name_without_backups_is_a_failure_and_an_empty_store_is_none() {
    let [place, other] = [Place::folder(), Place::folder()];
    let rule = ["--keep-last", "3"];
    prune(&place, &rule).succeeds().says("removed 0 backups");
    prune(&place, &rule).args(["--name", "app"]).fails(Kind::NotFound);
    // The first night of a job that prunes after it has backed up.
    let backup = ["backup", "--name", "app", "--prune", "--keep-last", "3", "--", "echo", "bytes"];
    place.pgstow(&backup).env("PGSTOW_RECIPIENTS", &Keys::shared().recipient).succeeds();
    let run = prune(&place, &rule).args(["--name", "ap", "--dry-run"]).fails(Kind::NotFound);
    run.says("there are backups of app");
    // Of two stores one is enough.
    let both = ["--store", &other.url(), "--store", &place.url()];
    prune(&place, &rule).args(both).args(["--name", "app"]).succeeds();
    let run = prune(&place, &rule).args(both).args(["--name", "ap"]).fails(Kind::NotFound);
    run.says("the other stores have none either");
}

#[test]
fn days_begin_at_midnight_of_the_time_zone() {
    let place = Place::folder();
    // The latest 10:30 and 11:30 in UTC, with a midnight between them in Auckland all year.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let since_half_past_eleven = std::time::Duration::from_secs((now.as_secs() + 86_400 - 41_400) % 86_400);
    let (early, late) =
        (put(&place, "app", since_half_past_eleven + HOUR), put(&place, "app", since_half_past_eleven));
    let daily = |zone: &str| {
        let words = ["--keep-daily", "2", "--min-keep", "0", "--dry-run", "--json", "--timezone", zone];
        prune(&place, &words).succeeds().json()
    };
    assert_eq!(said_of(&daily("UTC"), &early), ("keep".to_owned(), vec!["oldest daily".to_owned()]));
    assert_eq!(said_of(&daily("Pacific/Auckland"), &late).1, ["daily", "newest"]);
    // From September to April midnight is at 11:00 UTC, else at 12:00.
    let in_kiritimati = daily("Etc/GMT-13");
    assert_eq!(said_of(&in_kiritimati, &early), ("keep".to_owned(), vec!["daily".to_owned()]));
    let words = ["--keep-daily", "2", "--timezone", "Mars/Olympus"];
    prune(&place, &words).fails(Kind::Usage).says("no time zone \"Mars/Olympus\"").says("Europe/Berlin");
}

#[test]
fn rules_come_from_the_settings_file_and_from_variables() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let ids = days(&place, "app", 8);
    std::fs::write(
        home.path().join("pgstow.toml"),
        "keep_daily = 6\n[profile.short]\nkeep_daily = 4\nkeep_within = \"1d\"\n",
    )
    .unwrap();
    prune(&place, &[]).in_folder(home.path()).succeeds();
    assert_eq!(there(&place, "app"), ids[2..]);
    prune(&place, &["--profile", "short"]).in_folder(home.path()).env("PGSTOW_MIN_KEEP", "5").succeeds();
    assert_eq!(there(&place, "app"), ids[3..]);
    prune(&place, &[]).env("PGSTOW_KEEP_LAST", "4").succeeds();
    assert_eq!(there(&place, "app"), ids[4..]);
}

#[test]
fn no_rule_and_wrong_rules_remove_nothing() {
    let place = Place::folder();
    let ids = days(&place, "app", 6);
    prune(&place, &[]).fails(Kind::Usage).says("no rule says which backups are kept").says("--keep-daily");
    prune(&place, &["--keep-last", "0"]).fails(Kind::Usage).says("no rule says which backups are kept");
    // restic's six months would be six minutes here.
    prune(&place, &["--keep-within", "6m"]).fails(Kind::Usage).says("months (mo)");
    prune(&place, &["--keep-last", "-1"]).fails(Kind::Usage);
    prune(&place, &["--keep-last", "unlimited"]).succeeds().says("removed 0 backups");
    assert_eq!(there(&place, "app"), ids);
    let old = put(&place, "app", DAY * 400);
    prune(&place, &["--keep-within", "1y6mo"]).succeeds();
    assert!(there(&place, "app").contains(&old));
}
