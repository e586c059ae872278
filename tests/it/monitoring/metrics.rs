//! Metrics, read by Prometheus' own programs.

use super::{backup, clinic};
use crate::keep::scene::{DAY, HOUR, days, put};
use crate::scene::Place;
use crate::servers::pushgateway::{Pushgateway, samples};
use pgstow::error::Kind;
use std::path::Path;
use tempfile::TempDir;

const SUCCESS: &str = "pgstow_backup_last_success_timestamp_seconds{name=app}";
const ROWS: &str = "pgstow_backup_last_success_rows{name=app}";
const RUN: &str = "pgstow_backup_last_run_success{name=app}";
const CODE: &str = "pgstow_backup_last_run_exit_code{name=app}";

fn read(path: &Path) -> std::collections::BTreeMap<String, f64> {
    samples(&std::fs::read_to_string(path).unwrap())
}

#[test]
fn a_failure_keeps_the_last_success_in_the_file() {
    let (folder, place) = (TempDir::new().unwrap(), Place::folder());
    let file = folder.path().join("pgstow.prom");
    let begun = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    backup(&place).arg("--metrics-file").arg(&file).succeeds();
    let first = read(&file);
    assert!(first[SUCCESS] >= begun.floor() && first[SUCCESS] < begun + 600.0, "{first:?}");
    assert_eq!((first[ROWS], first[RUN], first[CODE]), (4321.0, 1.0, 0.0));
    let stored = place.opens(&["list", "--json"]).succeeds().json()[0]["stored_bytes"].as_f64();
    assert_eq!(Some(first["pgstow_backup_last_success_stored_bytes{name=app}"]), stored);

    backup(&place).args(["--table", "no_such_table", "--metrics-file"]).arg(&file).fails(Kind::Usage);
    let second = read(&file);
    assert_eq!((second[SUCCESS], second[ROWS]), (first[SUCCESS], first[ROWS]));
    assert_eq!((second[RUN], second[CODE]), (0.0, 2.0));

    // Another verb adds its own; how thoroughly it verified is a label.
    place.opens(&["verify", "latest", "--quick", "--metrics-file"]).arg(&file).succeeds();
    place.opens(&["verify", "latest", "--metrics-file"]).arg(&file).succeeds();
    let third = read(&file);
    assert!(
        third.contains_key("pgstow_verify_last_success_timestamp_seconds{mode=quick,name=app}"),
        "{third:?}"
    );
    assert_eq!(third["pgstow_verify_last_success_rows{mode=read,name=app}"], 4321.0);
    assert_eq!(third[ROWS], 4321.0);
}

#[test]
fn what_cannot_be_written_is_reported_and_fails_no_run() {
    let (folder, place) = (TempDir::new().unwrap(), Place::folder());
    let others = folder.path().join("node.prom");
    std::fs::write(&others, "node_load1 0.5\n").unwrap();
    backup(&place)
        .arg("--metrics-file")
        .arg(&others)
        .succeeds()
        .says("a line that pgstow did not write")
        .says("node_load1");
    assert_eq!(std::fs::read_to_string(&others).unwrap(), "node_load1 0.5\n");
    let nowhere = folder.path().join("no/such/folder.prom");
    backup(&place)
        .arg("--metrics-file")
        .arg(nowhere)
        .succeeds()
        .says("warning: the metrics were not written: ");
}

#[test]
fn the_gateway_keeps_the_last_success_of_every_name() {
    let (gateway, place) = (Pushgateway::start(), Place::folder());
    let (cluster, database) = clinic();
    let push = |run: crate::harness::Pgstow| run.env("PGSTOW_PUSH_GATEWAY", gateway.url());
    push(backup(&place)).succeeds();
    let other = place.pgstow(&["backup", "--name", "other/name", "--no-encryption", &cluster.url(database)]);
    push(other).succeeds();
    push(backup(&place).args(["--table", "no_such_table"])).fails(Kind::Usage);
    push(place.opens(&["verify", "--newest-per-name", "--quick", "--allow-unencrypted"])).succeeds();
    let all = samples(&gateway.metrics());
    assert!(all[SUCCESS] > 1e9, "{all:?}");
    assert_eq!((all[ROWS], all[RUN], all[CODE]), (4321.0, 0.0, 2.0));
    assert_eq!(all["pgstow_backup_last_run_success{name=other/name}"], 1.0);
    assert_eq!(all["pgstow_backup_last_success_rows{name=other/name}"], 4321.0);
    assert_eq!(all["pgstow_verify_last_run_success{mode=quick,name=app}"], 1.0);

    // A failure before the name is known is over when its command comes as far as that again.
    const UNNAMED: [&str; 2] = ["backup", "status"];
    let unnamed = || {
        let all = samples(&gateway.metrics());
        UNNAMED.map(|of| all.get(&format!("pgstow_{of}_last_run_success{{command={of},name=}}")).copied())
    };
    let away = "postgres://u@127.0.0.1:1/postgres";
    push(place.pgstow(&["backup", "--no-encryption", "--all-databases", away])).fails(Kind::Postgres);
    push(place.pgstow(&["status", "--store", "file:///no/such/folder"])).fails(Kind::Store);
    assert_eq!(unnamed(), [Some(0.0), Some(0.0)]);
    push(backup(&place)).succeeds();
    assert_eq!(unnamed(), [None, Some(0.0)]);

    let gone = backup(&place).env("PGSTOW_PUSH_GATEWAY", "http://user:passw0rd@127.0.0.1:1/x-secret");
    let run = gone.succeeds().says("the Pushgateway at http://127.0.0.1:1/… was not reached: ");
    assert!(!run.stderr.contains("passw0rd") && !run.stderr.contains("x-secret"), "{run}");
}

#[test]
fn status_and_prune_have_metrics_of_every_name() {
    let (folder, place) = (TempDir::new().unwrap(), Place::folder());
    let file = folder.path().join("pgstow.prom");
    days(&place, "app", 5);
    put(&place, "old/one", DAY * 9);
    let run = |words: &[&str]| place.pgstow(words).arg("--metrics-file").arg(&file);
    run(&["status"]).fails(Kind::Overdue);
    run(&["prune", "--keep-last", "3"]).fails(Kind::Prune);
    let all = read(&file);
    for (verb, code) in [("status", 20.0), ("prune", 19.0)] {
        let of = |metric: &str, name: &str| {
            all.get(&format!("pgstow_{verb}_last_{metric}{{name={name}}}")).copied()
        };
        assert_eq!(
            (of("run_exit_code", "app"), of("run_exit_code", "old/one")),
            (Some(0.0), Some(code)),
            "{all:?}"
        );
        assert!(of("success_timestamp_seconds", "app").is_some(), "{all:?}");
        assert!(of("success_timestamp_seconds", "old/one").is_none(), "{all:?}");
    }
    assert!(!all.keys().any(|key| key.contains("name=}")), "{all:?}");
    // A store that is gone leaves the last success of a name, and says that the last run failed.
    let gone = place.pgstow(&["status", "--name", "app", "--store", "file:///no/such/folder"]);
    gone.arg("--metrics-file").arg(&file).fails(Kind::Store);
    let after = read(&file);
    assert_eq!(after["pgstow_status_last_run_success{name=app}"], 0.0);
    let success = "pgstow_status_last_success_timestamp_seconds{name=app}";
    assert_eq!(after[success], all[success]);
    put(&place, "old/one", HOUR);
    run(&["status"]).succeeds();
    assert_eq!(read(&file)["pgstow_status_last_run_success{name=old/one}"], 1.0);
    // What fails as a whole has failed for every name.
    let stores = ["--store", &place.url(), "--store", "file:///no/such/folder"];
    let prune = run(&["prune", "--keep-last", "3"]).args(stores);
    prune.fails(Kind::Store).says("nothing was removed in file:///no/such/folder");
    let after = read(&file);
    assert_eq!(after["pgstow_prune_last_run_exit_code{name=app}"], 12.0, "{after:?}");
    let success = "pgstow_prune_last_success_timestamp_seconds{name=app}";
    assert_eq!(after[success], all[success]);
}
