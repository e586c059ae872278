//! `status`: it is noticed if the newest whole backup of a name is missing, too old, or much smaller.

use super::scene::{DAY, HOUR, days, folder_and_bucket, put, put_changed, there};
use crate::harness::Run;
use crate::scene::Place;
use crate::servers::s3::wait;
use pgstow::error::Kind;
use pgstow::stored::format::manifest::Totals;
use pgstow::stored::format::names::{Id, Timestamp};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

fn one<'a>(document: &'a Value, name: &str) -> &'a Value {
    let all = document.as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name} is not in {document}"))
}

/// The line about a name.
fn line(run: &Run, name: &str) -> String {
    let text = run.text();
    text.lines()
        .find(|line| line.trim_start().starts_with(name))
        .unwrap_or_else(|| panic!("{run}"))
        .to_owned()
}

#[test]
fn every_name_has_its_line_and_is_well() {
    for place in folder_and_bucket("status-well") {
        let app = days(&place, "app", 3);
        let shop = days(&place, "shop", 1);
        let run = place.pgstow(&["status"]).succeeds();
        assert!(line(&run, "app").contains(&app[2]) && line(&run, "shop").contains(&shop[0]), "{run}");
        assert_eq!(run.text().lines().count(), 3, "{run}");
        let quiet = place.pgstow(&["status", "--quiet"]).succeeds();
        assert!(quiet.text().is_empty() && quiet.stderr.is_empty(), "{quiet}");
        let document = place.pgstow(&["status", "--json", "--name", "app"]).succeeds().json();
        assert_eq!(document.as_array().unwrap().len(), 1);
        assert_eq!(
            (&one(&document, "app")["status"], &one(&document, "app")["id"]),
            (&"ok".into(), &app[2].as_str().into())
        );
        let age = one(&document, "app")["age_s"].as_u64().unwrap();
        assert!((3600..86_400).contains(&age), "{age}");
    }
}

#[test]
fn a_backup_that_is_too_old_is_noticed() {
    for place in folder_and_bucket("status-old") {
        put(&place, "app", HOUR * 27);
        days(&place, "shop", 2);
        let run =
            place.pgstow(&["status"]).fails(Kind::Overdue).says("needed for 1 of 2 names: app (1day 3h old)");
        assert!(line(&run, "app").contains("too-old") && line(&run, "shop").contains("ok"), "{run}");
        place.pgstow(&["status", "--max-age", "28h"]).succeeds();
        // Its id says when it was begun, as for everything else; a manifest may say anything.
        put_changed(&place, "job", HOUR * 27, |manifest| {
            manifest.started_at = "9999-12-31T23:59:59Z".to_owned().try_into().unwrap();
        });
        place.pgstow(&["status", "--name", "job"]).fails(Kind::Overdue).says("job (1day 3h old)");
        place.pgstow(&["delete", "--force", "--yes", &there(&place, "job")[0]]).succeeds();
        place.pgstow(&["status", "--name", "shop"]).succeeds();
        place.pgstow(&["status"]).env("PGSTOW_MAX_AGE", "30m").fails(Kind::Overdue).says("2 of 2 names");
    }
}

/// As it is if another user made it.
#[test]
fn an_older_backup_that_cannot_be_read_hides_no_name() {
    let place = Place::folder();
    let app = days(&place, "app", 3);
    days(&place, "shop", 1);
    let Place::Folder(folder) = &place else { panic!("another kind") };
    let forbid = |id: &str| {
        let manifest = folder.path().join(format!("app/{id}/manifest.json"));
        std::fs::set_permissions(manifest, PermissionsExt::from_mode(0o000)).unwrap();
    };
    let status = || {
        let status = place.pgstow(&["status", "--max-age", "9d"]);
        status.under(["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"])
    };
    forbid(&app[0]);
    let run = status().succeeds().says(&format!("{} of app is not compared with newer ones: ", app[0]));
    assert!(line(&run, "app").contains("ok") && line(&run, "shop").contains("ok"), "{run}");
    // Nobody knows what the newest one is.
    forbid(&app[2]);
    status().fails(Kind::Store);
}

#[test]
fn a_backup_that_is_missing_is_noticed() {
    for place in folder_and_bucket("status-missing") {
        days(&place, "app", 2);
        let run = place.pgstow(&["status", "--name", "app", "--name", "shop", "--name", "x*", "--json"]);
        let document = run.fails(Kind::Overdue).says("shop (no whole backup), x* (no whole backup)").json();
        assert_eq!(
            (&one(&document, "shop")["status"], &one(&document, "app")["status"]),
            (&"missing".into(), &"ok".into())
        );
    }
    let place = Place::folder();
    days(&place, "app", 1);
    // A name that never had a backup, because its runs end before there is a manifest.
    place.put("shop/20260101T000000Z-000000/stream.zst.age", "x");
    let run =
        place.pgstow(&["status", "--json"]).fails(Kind::Overdue).says("1 of 2 names: shop (no whole backup)");
    assert_eq!(one(&run.json(), "shop")["status"], "missing");
    run.says("20260101T000000Z-000000 of shop: it has no manifest");
    let run = place.pgstow(&["status", "--name", "shop"]).fails(Kind::Overdue).says("1 of 1 name: shop");
    place.pgstow(&["status", "--name", "app"]).succeeds();
    // What the hint says ends it.
    let prune = ["prune", "--force", "--keep-last", "unlimited", "--name", "shop"];
    run.says(&format!("`pgstow {}`", prune.join(" ")));
    place.pgstow(&prune).args(["--leftovers", "0s"]).succeeds();
    place.pgstow(&["status"]).succeeds();
    let empty = Place::folder();
    empty.pgstow(&["status"]).fails(Kind::Overdue).says("holds no backup");
}

#[test]
fn a_name_with_only_half_an_upload_is_missing() {
    for place in folder_and_bucket("status-half") {
        days(&place, "app", 1);
        let begin = |key: String| match &place {
            Place::S3(s3) => {
                let request = s3.client().create_multipart_upload().bucket(&s3.bucket);
                let request = request.key(format!("{}/{key}", s3.prefix));
                wait(async move { request.send().await.unwrap() });
            }
            _ => place.put(&key.replace("/dump", "/.pgstow-abcdefgh-dump"), "x"),
        };
        // What may go on is not missing yet.
        begin(format!("new/{}/dump.zst.age", Id::new(Timestamp::now()).unwrap()));
        begin("app/20260101T000000Z-000000/dump.zst.age".to_owned());
        place.pgstow(&["status"]).succeeds();
        begin("shop/20260101T000000Z-000000/dump.zst.age".to_owned());
        let run = place.pgstow(&["status", "--json"]).fails(Kind::Overdue).says("1 of 2 names: shop");
        assert_eq!(one(&run.json(), "shop")["status"], "missing");
        place.pgstow(&["status", "--name", "app"]).succeeds();
        place.pgstow(&["status", "--name", "s*"]).fails(Kind::Overdue).says("1 of 1 name: shop");
        let prune = ["prune", "--force", "--keep-last", "unlimited", "--name", "shop", "--leftovers", "0s"];
        place.pgstow(&prune).succeeds();
        place.pgstow(&["status"]).succeeds();
    }
}

#[test]
fn partial_damaged_and_incomplete_backups_are_passed_over() {
    for place in folder_and_bucket("status-passed") {
        let old = put(&place, "app", DAY * 2 + HOUR);
        let part = put_changed(&place, "app", HOUR * 4, |manifest| manifest.partial = true);
        let lacking = put(&place, "app", HOUR * 3);
        place.delete(&format!("app/{lacking}/stream.zst.age"));
        let damaged = put(&place, "app", HOUR * 2);
        place.put(&format!("app/{damaged}/manifest.json"), "{}");
        let run = place.pgstow(&["status", "--json"]).fails(Kind::Overdue).says("app (2days 1h old)");
        let document = run.json();
        let app = one(&document, "app");
        assert_eq!((&app["status"], &app["id"]), (&"too-old".into(), &old.as_str().into()));
        let passed: Vec<&str> =
            app["passed_over"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(passed, [&damaged, &lacking, &part]);
        assert_eq!(run.stderr.matches(&format!("{damaged} of app")).count(), 1, "{run}");
        run.says("stream.zst.age is missing");
        let counted = place.pgstow(&["status", "--json", "--count-partial"]).succeeds().json();
        assert_eq!(one(&counted, "app")["id"], part.as_str());
    }
}

#[test]
fn a_backup_that_shrank_is_noticed() {
    for place in folder_and_bucket("status-shrank") {
        let rows = |hours: u32, rows: u64| {
            put_changed(&place, "app", HOUR * hours, |manifest| {
                manifest.totals = Some(Totals { tables: 2, rows });
            })
        };
        rows(40, 1000);
        rows(20, 799);
        let run = place.pgstow(&["status"]).fails(Kind::Overdue).says("app (799 rows instead of 1,000)");
        assert!(line(&run, "app").contains("shrank"), "{run}");
        place.pgstow(&["status", "--max-shrink", "25%"]).succeeds();
        rows(10, 700);
        place.pgstow(&["status"]).succeeds();
        // Two backups since somebody looked: neither lost a fifth alone. Compared is the largest that is young enough.
        rows(5, 600);
        place.pgstow(&["status"]).fails(Kind::Overdue).says("app (600 rows instead of 799)");
        place.pgstow(&["status", "--max-age", "12h"]).succeeds();
        // Of a stream only bytes are known.
        put(&place, "notes", HOUR * 4);
        put_changed(&place, "notes", HOUR, |manifest| manifest.objects[0].plain_bytes = 2);
        place.pgstow(&["status"]).fails(Kind::Overdue).says("notes (2 B instead of 10 B)");
    }
}
