//! A real Django project on a real PostgreSQL: every app's fixture out and in, and equal.

use crate::harness::{Pgstow, repository};
use crate::scene::{Keys, Place};
use crate::servers::postgres::{Cluster, Major, PASSWORD, USER};
use crate::servers::{fetched, run};
use pgstow::error::Kind;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

const APPS: [&str; 2] = ["people", "shop"];

/// The project, on a database of its own.
struct Project {
    cluster: &'static Cluster,
    database: String,
}

impl Project {
    /// With its tables, and nothing in them.
    fn new() -> Project {
        let cluster = Cluster::shared(Major::Distribution);
        let project = Project { cluster, database: cluster.create_database("django") };
        project.manage(&["migrate", "--run-syncdb", "-v", "0"]);
        project
    }

    fn python() -> PathBuf {
        fetched("django/bin/python")
    }

    fn env(&self) -> [(&'static str, String); 6] {
        [
            ("PGHOST", "127.0.0.1".into()),
            ("PGPORT", self.cluster.port.to_string()),
            ("PGUSER", USER.into()),
            ("PGPASSWORD", PASSWORD.into()),
            ("PGDATABASE", self.database.clone()),
            ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ]
    }

    /// Runs `manage.py`; what it prints.
    fn manage(&self, words: &[&str]) -> String {
        let mut command = Command::new(Self::python());
        run(command
            .arg("manage.py")
            .args(words)
            .current_dir(repository("tests/data/django"))
            .envs(self.env()))
    }

    /// `pgstow … -- manage.py …`, in the project's folder.
    fn through(&self, pgstow: Pgstow, words: &[&str]) -> Pgstow {
        let command = pgstow.in_folder(repository("tests/data/django")).arg("--").arg(Self::python());
        let command = command.arg("manage.py").args(words);
        self.env().iter().fold(command, |command, (name, value)| command.env(name, value))
    }

    fn backup(&self, place: &Place, app: &str) -> Pgstow {
        let name = format!("portal/{app}");
        let words = ["backup", "--name", &name, "--recipient", &Keys::shared().recipient];
        self.through(place.pgstow(&words), &["dumpdata", app])
    }

    fn restore(&self, place: &Place, app: &str) -> Pgstow {
        let name = format!("portal/{app}");
        let pgstow = place.opens(&["restore", "latest", "--name", &name]);
        self.through(pgstow, &["loaddata", "--format=json", "-"])
    }
}

#[test]
fn every_apps_fixture_goes_out_and_comes_in_equal() {
    let (source, target, place) = (Project::new(), Project::new(), Place::garage("django"));
    source.manage(&["shell", "-c", "import people.fill"]);
    for app in APPS {
        source.backup(&place, app).succeeds();
    }
    for app in APPS {
        let run = target.restore(&place, app).succeeds();
        assert!(run.text().starts_with("Installed "), "{run}");
    }
    for app in APPS {
        let fixture = source.manage(&["dumpdata", app]);
        assert!(fixture.len() > 10_000);
        assert_eq!(in_order(&target.manage(&["dumpdata", app])), in_order(&fixture), "{app}");
        let name = format!("portal/{app}");
        let fetched = place.opens(&["fetch", "latest", "--name", &name, "-o", "-"]).succeeds().text();
        assert_eq!(in_order(&fetched), in_order(&fixture));
    }
}

/// A fixture, with the links of each object sorted: Django asks for them in no order.
fn in_order(fixture: &str) -> Vec<Value> {
    let mut objects: Vec<Value> = serde_json::from_str(fixture).unwrap();
    for field in objects.iter_mut().flat_map(|object| object["fields"].as_object_mut().unwrap().values_mut())
    {
        if let Value::Array(links) = field {
            links.sort_by_key(Value::as_u64);
        }
    }
    objects
}

#[test]
fn an_app_that_cannot_be_dumped_or_loaded_is_a_failure() {
    let (source, place) = (Project::new(), Place::folder());
    source.backup(&place, "nosuchapp").fails(Kind::Command).says("No installed app with label 'nosuchapp'");
    assert_eq!(place.keys(), Vec::<String>::new());

    source.manage(&["shell", "-c", "import people.fill"]);
    APPS.into_iter().for_each(|app| drop(source.backup(&place, app).succeeds()));
    // Its buyers are not there: the transaction of loaddata ends with nothing.
    let target = Project::new();
    let run = target.restore(&place, "shop").fails(Kind::Command);
    run.says("IntegrityError").says("python failed (exit status 1)");
    assert_eq!(target.cluster.psql(&target.database, "SELECT count(*) FROM shop_item"), "0");
}
