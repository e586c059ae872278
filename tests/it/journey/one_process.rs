//! Several runs in one process, as a scheduler makes them: no run uses up what the next one needs.

use crate::scene::{Keys, fresh, motley};
use crate::servers::postgres::{Cluster, Major};
use std::ffi::OsString;
use std::process::ExitCode;
use tempfile::TempDir;

fn run(words: &[&str]) -> ExitCode {
    pgstow::main(std::iter::once("pgstow").chain(words.iter().copied()).map(OsString::from))
}

#[test]
fn two_backups_and_a_restore() {
    let cluster = Cluster::shared(Major::Distribution);
    let (database, target) = (motley(cluster, "one_process"), fresh("one_process_back"));
    let (folder, keys) = (TempDir::new().unwrap(), Keys::shared());
    let store = format!("file://{}", folder.path().join("store").display());
    let key = keys.file(folder.path());
    let (source, target_url, key) = (cluster.url(&database), cluster.url(&target), key.display().to_string());

    let backup = ["backup", &source, "--name", "app", "--store", &store, "--recipient", &keys.recipient];
    let good = format!("{:?}", ExitCode::SUCCESS);
    assert_eq!(format!("{:?}", run(&backup)), good);
    cluster.psql(&database, "CREATE TABLE between_the_runs AS SELECT 42 AS answer");
    assert_eq!(format!("{:?}", run(&backup)), good);
    let restore = [
        "restore",
        "latest",
        "--name",
        "app",
        "--store",
        &store,
        "--identity-file",
        &key,
        "--to",
        &target_url,
    ];
    assert_eq!(format!("{:?}", run(&restore)), good);
    assert_eq!(cluster.psql(&target, "SELECT answer FROM between_the_runs"), "42");
    // Failures are told apart as well.
    assert_eq!(format!("{:?}", run(&restore)), format!("{:?}", ExitCode::from(15)));
}
