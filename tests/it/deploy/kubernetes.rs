//! The files for Kubernetes and OpenShift: rendered by kustomize's own library, checked by Kubernetes' published
//! schemas, and their commands run with the variables that a pod would have.

use super::{at, get, must_parse, pgstow_variables, store_url, text, yaml};
use crate::harness::pgstow;
use crate::scene::{Keys, fresh};
use crate::servers::postgres::{Cluster, Major, PASSWORD, USER};
use crate::servers::{fetched, folder, run};
use serde_yaml_ng::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Renders a folder, or reads a file, and checks every document in it by the schemas of two versions.
const RENDER: &str = r#"
import ctypes, json, pathlib, sys
import kubernetes_validate, yaml
path = sys.argv[1]
if pathlib.Path(path).is_dir():
    kustomize = ctypes.CDLL(sys.argv[2])
    kustomize.pykustomize_last_error.restype = ctypes.c_char_p
    rendered = ctypes.c_char_p()
    if kustomize.pykustomize_build(path.encode(), b"{}", ctypes.byref(rendered)):
        sys.exit(kustomize.pykustomize_last_error().decode())
    text = rendered.value.decode()
else:
    text = pathlib.Path(path).read_text()
documents = [document for document in yaml.safe_load_all(text) if document]
for document in documents:
    for version in ("1.30", "1.37"):
        kubernetes_validate.validate(document, version, strict=True)
json.dump(documents, sys.stdout)
"#;

/// A folder's documents as kustomize renders them, or a file's; each is what Kubernetes takes.
pub fn rendered(path: &str) -> Vec<Value> {
    let mut python = Command::new(fetched("kustomize/bin/python"));
    let library = fetched("kustomize/pykustomize/_lib/linux-amd64/libpykustomize.so");
    serde_yaml_ng::from_str(&run(python.args(["-c", RENDER]).arg(at(path)).arg(library))).unwrap()
}

/// Leaves the test if kustomize's library is not for this machine.
macro_rules! needs_kustomize {
    () => {
        if !cfg!(target_arch = "x86_64") {
            crate::skip!("kustomize's library is for x86-64 only");
        }
    };
}

fn overlays() -> Vec<String> {
    let entries = std::fs::read_dir(at("deploy/cronjob/overlays")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut paths: Vec<String> = names.map(|name| format!("deploy/cronjob/overlays/{name}")).collect();
    paths.push("deploy/cronjob/base".to_owned());
    paths.sort();
    paths
}

/// The pod of the one job among these documents.
pub fn pod(documents: &[Value]) -> Value {
    let job =
        documents.iter().find(|document| document["kind"] == "CronJob" || document["kind"] == "Job").unwrap();
    match job["kind"] == "Job" {
        true => get(job, "spec/template/spec").clone(),
        false => get(job, "spec/jobTemplate/spec/template/spec").clone(),
    }
}

/// The words that a container gives to pgstow.
pub fn args(container: &Value) -> Vec<String> {
    container["args"].as_sequence().unwrap().iter().map(|arg| arg.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_overlay_renders_to_what_kubernetes_takes() {
    needs_kustomize!();
    let paths = overlays();
    assert_eq!(paths.len(), 11, "{paths:?}");
    for path in paths.iter().map(String::as_str).chain(["deploy/cronjob/restore-job.yaml"]) {
        let documents = rendered(path);
        for job in documents.iter().filter(|document| document["kind"] == "CronJob") {
            assert_eq!(get(job, "spec/concurrencyPolicy"), "Forbid", "{path}");
        }
        let pod = pod(&documents);
        assert_eq!(get(&pod, "automountServiceAccountToken"), &Value::Bool(false), "{path}");
        let security = &pod["securityContext"];
        assert_eq!(security["runAsNonRoot"], Value::Bool(true), "{path}");
        let fixed = ["runAsUser", "runAsGroup", "fsGroup"].map(|field| !security[field].is_null());
        assert_eq!(fixed, [!path.ends_with("openshift"); 3], "{path}");
        let container = &pod["containers"][0];
        for (field, value) in [("readOnlyRootFilesystem", true), ("allowPrivilegeEscalation", false)] {
            assert_eq!(container["securityContext"][field], Value::Bool(value), "{path}");
        }
        assert_eq!(get(container, "securityContext/capabilities/drop/0"), "ALL", "{path}");
        assert!(get(container, "resources/limits/memory").is_string(), "{path}");

        let mut words = args(container);
        if words[0] == "restore" {
            // The secret's PGSTOW_TO.
            words.extend(["--to", "postgres://admin@db/app_restored"].map(str::to_owned));
        }
        must_parse(std::iter::once("pgstow".to_owned()).chain(words).collect());
        let env = container["env"].as_sequence().unwrap();
        let names: Vec<&str> = env.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len(), "{path}: {names:?}");
        pgstow_variables(names.iter().copied());
        let store = env.iter().find(|entry| entry["name"] == "PGSTOW_STORE").unwrap();
        store_url(store["value"].as_str().unwrap());
    }
}

#[test]
fn the_secrets_template_is_what_the_job_reads() {
    let (secret, job) = (yaml("deploy/cronjob/secret.yaml"), yaml("deploy/cronjob/base/cronjob.yaml"));
    let container = get(&job, "spec/jobTemplate/spec/template/spec/containers/0").clone();
    assert_eq!(get(&container, "envFrom/0/secretRef/name"), get(&secret, "metadata/name"));
    let kustomization = yaml("deploy/cronjob/base/kustomization.yaml");
    assert_eq!(get(&kustomization, "images/0/name"), get(&container, "image"));
    let resources = kustomization["resources"].as_sequence().unwrap();
    assert!(resources.iter().all(|file| file != "secret.yaml"), "nobody applies a template");
}

/// The variables of a container, as the kubelet would set them; `secrets` has the values by secret and key.
fn environment(container: &Value, secrets: &BTreeMap<(String, String), String>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in container["env"].as_sequence().unwrap() {
        let reference = get(entry, "valueFrom/secretKeyRef");
        let value = match entry["value"].as_str() {
            Some(value) => all.iter().fold(value.to_owned(), |value, (name, of): (&String, &String)| {
                value.replace(&format!("$({name})"), of)
            }),
            None => {
                let text = |field: &str| reference[field].as_str().unwrap().to_owned();
                let key = (text("name"), text("key"));
                secrets.get(&key).unwrap_or_else(|| panic!("the secret has no {key:?}")).clone()
            }
        };
        all.insert(entry["name"].as_str().unwrap().to_owned(), value);
    }
    all
}

/// As any user that a project on OpenShift may have: no name, no HOME, a folder that only its group 0 may write.
#[test]
fn databases_of_operators_are_backed_up_with_their_own_secrets_by_any_user() {
    needs_kustomize!();
    if !rustix::process::geteuid().is_root() {
        crate::skip!("only root may become another user");
    }
    let cluster = Cluster::shared(Major::Distribution);
    let database = fresh("operators");
    cluster.psql("postgres", &format!("CREATE DATABASE {database}"));
    cluster.psql(&database, "CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, 5)");
    let uri = cluster.url(&database);
    let zalando = "app.acid-app-db.credentials.postgresql.acid.zalan.do";
    let secrets: BTreeMap<(String, String), String> = [
        ("postgresql", "database-user", USER),
        ("postgresql", "database-password", PASSWORD),
        ("postgresql", "database-name", &database),
        ("app-db-app", "uri", &uri),
        ("app-db-pguser-app", "uri", &uri),
        (zalando, "username", USER),
        (zalando, "password", PASSWORD),
    ]
    .map(|(secret, key, value)| ((secret.to_owned(), key.to_owned()), value.to_owned()))
    .into();
    for overlay in ["openshift", "cloudnative-pg", "crunchy", "zalando"] {
        let documents = rendered(&format!("deploy/cronjob/overlays/{overlay}"));
        let container = pod(&documents)["containers"][0].clone();
        let store = folder("store");
        std::os::unix::fs::chown(store.path(), Some(0), Some(0)).unwrap();
        std::fs::set_permissions(store.path(), std::os::unix::fs::PermissionsExt::from_mode(0o770)).unwrap();
        let anyone =
            ["env", "-u", "HOME", "setpriv", "--reuid=1000660000", "--regid=0", "--clear-groups", "--"];
        let mut run =
            pgstow(args(&container)).under(anyone).in_folder("/").env("PGPORT", cluster.port.to_string());
        for (name, value) in environment(&container, &secrets) {
            run = run.env(&name, value);
        }
        // What differs here: the names of hosts are not known, and this server has no certificate.
        if overlay == "zalando" {
            run = run.env("PGDATABASE", &database).env("PGSSLMODE", "prefer");
        }
        let run = run
            .env("PGHOSTADDR", "127.0.0.1")
            .env("PGSTOW_STORE", format!("file://{}", store.path().display()))
            .env("PGSTOW_RECIPIENTS", &Keys::shared().recipient);
        run.succeeds().says("5 rows");
    }
}

#[test]
fn the_image_runs_without_rights_and_its_scripts_are_bash() {
    let dockerfile = text("deploy/cronjob/Dockerfile");
    let joined = dockerfile.replace("\\\n", "");
    let mut users = joined.lines().filter_map(|line| line.strip_prefix("USER "));
    assert_eq!(users.next_back(), Some("65532:65532"));
    let scripts: Vec<&str> = joined.lines().filter_map(|line| line.strip_prefix("RUN ")).collect();
    assert_eq!(scripts.len(), 3);
    for script in scripts {
        run(Command::new("sh").args(["-n", "-c", script]));
    }
    assert!(joined.lines().any(|line| line == "ARG PG_MAJORS=\"13 14 15 16 17 18\""));
}
