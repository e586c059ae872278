//! On a machine that has nothing of ours: the workflows from their first step to the last, and the job of a cluster as
//! a user without a name, on a read-only root, with as much memory as its limit says.

use super::github::steps;
use super::release::Release;
use super::root::{Root, said};
use super::runner::{Expressions, Runner};
use crate::scene::{Keys, Place, add_bulk};
use crate::servers::postgres::{Cluster, Major};
use std::path::PathBuf;

/// What stands for the secrets of a workflow and for the lines that are the user's.
fn values(pairs: &[(&str, &str)]) -> Expressions {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The PostgreSQL project's packages are not on this machine's network: its script only notes that it was called, and
/// the distribution's client is what is installed then.
fn note_the_projects_packages(root: &Root) {
    root.sh("script=/usr/share/postgresql-common/pgdg/apt.postgresql.org.sh
         dpkg-divert --quiet --local --rename --add $script
         mkdir -p ${script%/*}
         printf '#!/bin/sh\\necho \"project: $*\" >>/called\\n' >$script
         chmod 755 $script");
}

#[test]
fn every_workflow_runs_on_a_machine_that_has_nothing() {
    let root = match Root::new() {
        Ok(root) => root,
        Err(why) => crate::skip!("{why}"),
    };
    note_the_projects_packages(&root);
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("bare");
    cluster.psql(&database, "CREATE TABLE patients AS SELECT generate_series(1, 7777) AS n");
    let (url, scratch) = (cluster.url(&database), cluster.url(""));
    let (place, keys) = (Place::garage("bare"), Keys::shared());
    let Place::S3(s3) = &place else { unreachable!() };
    let store = place.url();
    let [(_, key), (_, secret)] = s3.env();

    let runner = Runner::bare(root);
    Release::into(&runner.file("releases"));
    let releases = format!("file://{}", runner.inside("releases"));
    let values = values(&[
        ("inputs.version", super::release::VERSION),
        ("inputs.postgresql", &Major::Distribution.number().to_string()),
        ("inputs.releases", &releases),
        ("inputs.repository", "someone/pgstow"),
        ("github.run_id", "4711"),
        ("github.sha", "0123abcd"),
        ("secrets.DATABASE_URL", &url),
        ("secrets.B2_KEY_ID", key),
        ("secrets.B2_APPLICATION_KEY", secret),
        ("secrets.DRILL_KEY_ID", key),
        ("secrets.DRILL_APPLICATION_KEY", secret),
        ("secrets.PGSTOW_IDENTITY", &keys.identity),
    ]);
    let yours =
        [("PGSTOW_STORE", &*store), ("PGSTOW_RECIPIENTS", &*keys.recipient), ("PGSTOW_VERIFY_TO", &*scratch)];
    let play = |workflow: &str, job: &str| runner.play(&steps(workflow, job), &values, &yours);

    let nightly = play("nightly-backup", "backup").unwrap();
    assert_eq!(std::fs::read_to_string(runner.root().at("called")).unwrap(), "project: -y\n");
    assert!(nightly.contains(&format!("pgstow {}", super::release::VERSION)), "{nightly}");
    let summary = std::fs::read_to_string(runner.file("summary.md")).unwrap();
    assert!(summary.contains("| Stored | Dump |") && !summary.contains("7,777"), "{summary}");

    crate::servers::script(&runner.file("migrate"), "#!/bin/sh\necho migrated\n");
    let migrated = play("backup-before-migrate", "migrate").unwrap();
    assert!(migrated.contains("is there already") && migrated.ends_with("migrated\n"), "{migrated}");
    // Without a backup nothing migrates.
    let nowhere = [("PGSTOW_STORE", "file:///proc/nowhere"), ("PGSTOW_RECIPIENTS", &*keys.recipient)];
    let failed = runner.play(&steps("backup-before-migrate", "migrate"), &values, &nowhere).unwrap_err();
    assert!(failed.starts_with("Back up:") && !failed.contains("migrated"), "{failed}");

    play("restore-drill", "drill").unwrap();
    let result = std::fs::read(runner.file("result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_slice(&result).unwrap();
    assert_eq!((&result[0]["verified"], &result[0]["rows"]), (&true.into(), &7777.into()));

    // Those without a static key: the steps before have put the credentials into the job's environment.
    for (workflow, variables) in [("nightly-backup-aws", s3.env())] {
        let mut steps = steps(workflow, "backup");
        let backup = steps.last_mut().unwrap();
        for (name, value) in variables {
            backup["env"][name] = value.into();
        }
        runner.play(&steps, &values, &yours).unwrap();
    }
    let listed = place.opens(&["list", "--json"]).succeeds().json();
    assert_eq!(listed.as_array().unwrap().len(), 3, "{listed}");
}

/// The image's own commands, as its builder would run them. The server for trial restores is large, and only its name
/// matters here: a package without files stands for it.
#[test]
fn the_images_commands_run_on_a_machine_that_has_nothing() {
    let root = match Root::new() {
        Ok(root) => root,
        Err(why) => crate::skip!("{why}"),
    };
    note_the_projects_packages(&root);
    let major = Major::Distribution.number();
    root.sh(&format!(
        "mkdir -p /server/DEBIAN; cd /repository
         printf 'Package: postgresql-{major}\\nVersion: 1\\nArchitecture: all\\n' >/server/DEBIAN/control
         printf 'Maintainer: nobody <nobody@example.com>\\nDescription: stands for a server\\n' >>/server/DEBIAN/control
         dpkg-deb --build /server server.deb >/dev/null
         {{ echo; cat /server/DEBIAN/control; echo Filename: ./server.deb; echo Size: $(stat -c %s server.deb)
            echo SHA256: $(sha256sum server.deb | cut -d ' ' -f 1); }} >>Packages"
    ));
    let dockerfile = super::text("deploy/cronjob/Dockerfile").replace("\\\n", "");
    let commands: Vec<&str> =
        dockerfile.lines().filter_map(|line| line.strip_prefix("RUN set -eu;")).collect();
    assert_eq!(commands.len(), 2, "those of the clients and of the server");
    for command in commands {
        root.sh(&format!("PG_MAJORS={major}; {command}"));
    }
    assert_eq!(std::fs::read_to_string(root.at("called")).unwrap(), "project: -y\n");
    let there = root.sh(&format!(
        "/usr/lib/postgresql/{major}/bin/pg_dump --version; id pgstow; dpkg -l postgresql-{major}"
    ));
    assert!(
        there.contains("pg_dump (PostgreSQL)") && there.contains("uid=65532(pgstow) gid=65532(pgstow)"),
        "{there}"
    );
    let cluster = std::fs::read_to_string(root.at("etc/postgresql-common/createcluster.conf")).unwrap();
    assert_eq!(cluster, "create_main_cluster = false\n");
    assert_eq!(std::fs::read_dir(root.at("var/lib/apt/lists")).unwrap().count(), 0, "no lists in the image");
}

/// A control group with a limit on memory, for the program that joins it and all that it starts.
struct MemoryLimit {
    group: PathBuf,
}

impl MemoryLimit {
    fn new(bytes: u64) -> std::io::Result<MemoryLimit> {
        let old = PathBuf::from("/sys/fs/cgroup/memory");
        let (parent, file) = match old.is_dir() {
            true => (old, "memory.limit_in_bytes"),
            false => (PathBuf::from("/sys/fs/cgroup"), "memory.max"),
        };
        let group = parent.join(format!("pgstow-test-{}", std::process::id()));
        std::fs::create_dir(&group)?;
        let limit = MemoryLimit { group };
        std::fs::write(limit.group.join(file), bytes.to_string())?;
        Ok(limit)
    }

    /// The words that start a program in it.
    fn words(&self) -> Vec<String> {
        let join = format!("echo $$ >{}/cgroup.procs && exec \"$@\"", self.group.display());
        ["sh", "-euc", &join, "sh"].map(str::to_owned).to_vec()
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.group);
    }
}

/// As the base's job runs: root and memory as there, and the worst user that a cluster may choose.
#[test]
fn a_job_needs_no_name_no_home_no_disk_and_little_memory() {
    let root = match Root::new() {
        Ok(root) => root,
        Err(why) => crate::skip!("{why}"),
    };
    let job = super::yaml("deploy/cronjob/base/cronjob.yaml");
    let container = super::get(&job, "spec/jobTemplate/spec/template/spec/containers/0");
    let limit = super::get(container, "resources/limits/memory");
    let mebibytes: u64 = limit.as_str().unwrap().strip_suffix("Mi").unwrap().parse().unwrap();
    let memory = match MemoryLimit::new(mebibytes << 20) {
        Ok(memory) => memory,
        Err(why) => crate::skip!("this machine gives no control group: {why}"),
    };
    let release = Release::new();
    root.bring(&release.deb(), "pgstow.deb");
    root.sh("apt-get update -qq; apt-get install -y -qq ./pgstow.deb >/dev/null");
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("limited");
    add_bulk(cluster, &database, 48 * 1024);
    let (place, keys) = (Place::garage("limited"), Keys::shared());
    let Place::S3(s3) = &place else { unreachable!() };

    let run = |words: &[&str]| {
        let entered = root.as_anybody_on_a_read_only_root(words);
        let joined = memory.words();
        let mut command = std::process::Command::new(&joined[0]);
        command.args(&joined[1..]).arg(entered.get_program()).args(entered.get_args()).env_clear();
        command.envs(entered.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir("/");
        command.env("DATABASE_URL", cluster.url(&database)).env("PGSTOW_STORE", place.url()).envs(s3.env());
        command.env("PGSTOW_RECIPIENTS", &keys.recipient).env("PGSTOW_IDENTITY", &keys.identity);
        command.env("TMPDIR", "/scratch").output().unwrap()
    };
    let touched = run(&["touch", "/anything"]);
    assert!(!touched.status.success(), "the root can be written to");
    said("backup", &run(&["pgstow", "backup", "--name", "app"]));
    let copy = crate::scene::fresh("limited_copy");
    said("restore", &run(&["pgstow", "restore", "latest", "--to", &cluster.url(&copy), "--jobs", "2"]));
    assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM bulk"), (48 * 1024).to_string());
    cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
}
