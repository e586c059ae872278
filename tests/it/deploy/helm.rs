//! The Helm chart: rendered by Helm's own library, checked by Kubernetes' published schemas, and the same job as the
//! overlay of the same name.

use super::kubernetes::{args, pod};
use super::{at, get, must_parse, pgstow_variables, store_url};
use crate::servers::{fetched, run};
use serde_yaml_ng::Value;
use std::process::Command;

/// Renders the chart with each file of values, and checks every document; prints what came of each.
const RENDER: &str = r#"
import json, os, sys
import kubernetes_validate, yaml
from helm_python.chart import Chart, lint
chart, answers = sys.argv[1], []
for path in sys.argv[2:]:
    values = yaml.safe_load(open(path))
    try:
        with Chart.load(chart) as loaded:
            loaded.validate_schema(loaded.merge_values(values))
            files = loaded.render(values=values, name="pgstow", namespace="backups")
    except Exception as refused:
        answers.append({"refused": str(refused)})
        continue
    found = lint(chart, values, strict=True)
    assert not found["errors"], found
    texts = [text for name, text in sorted(files.items()) if name.endswith(".yaml")]
    documents = [document for text in texts for document in yaml.safe_load_all(text) if document]
    for document in documents:
        for version in ("1.30", "1.37"):
            kubernetes_validate.validate(document, version, strict=True)
    answers.append({"documents": documents})
json.dump(answers, sys.stdout)
"#;

fn render(paths: &[std::path::PathBuf]) -> Vec<Value> {
    let mut python = Command::new(fetched("kustomize/bin/python"));
    python.env("PYTHONPATH", fetched("helm")).args(["-c", RENDER]).arg(at("deploy/helm/pgstow")).args(paths);
    serde_yaml_ng::from_str(&run(&mut python)).unwrap()
}

/// The parts of a job that have to be the same, however it was written; the order of words and variables aside.
fn essence(pod: &Value) -> Vec<Value> {
    let container = &pod["containers"][0];
    let mut words = args(container);
    words.sort();
    let mut env = container["env"].as_sequence().unwrap().clone();
    env.sort_by_key(|entry| entry["name"].as_str().unwrap().to_owned());
    // The base's Secret comes first in an overlay that has another one too.
    let secrets = container["envFrom"].as_sequence().unwrap();
    let own = ["securityContext", "resources", "volumeMounts"].map(|field| container[field].clone());
    let pods =
        ["securityContext", "serviceAccountName", "volumes", "automountServiceAccountToken", "restartPolicy"];
    let words = words.into_iter().map(Value::from).collect();
    let mut all = vec![Value::Sequence(words), Value::Sequence(env), secrets.last().unwrap().clone()];
    all.extend(own);
    all.extend(pods.map(|field| pod[field].clone()));
    all
}

#[test]
fn the_chart_makes_the_same_jobs_as_the_overlays() {
    if !cfg!(target_arch = "x86_64") {
        crate::skip!("Helm's library is for x86-64 only");
    }
    let mut names: Vec<String> = std::fs::read_dir(at("deploy/cronjob/overlays"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let files: Vec<_> = names.iter().map(|name| at(&format!("deploy/helm/examples/{name}.yaml"))).collect();
    for (name, answer) in names.iter().zip(render(&files)) {
        assert!(answer["refused"].is_null(), "{name}: {:?}", answer["refused"]);
        let documents = answer["documents"].as_sequence().unwrap();
        let overlay = super::kubernetes::rendered(&format!("deploy/cronjob/overlays/{name}"));
        let kind = |documents: &[Value], kind: &str, end: &str| {
            let is = |document: &&Value| {
                document["kind"] == kind && document["metadata"]["name"].as_str().unwrap().ends_with(end)
            };
            documents.iter().find(is).unwrap_or_else(|| panic!("{name}: no {kind} {end}")).clone()
        };
        let end = match name.as_str() {
            "prune" => "-prune",
            "restore-drill" => "-drill",
            _ => "-backup",
        };
        let (ours, theirs) = (kind(documents, "CronJob", end), kind(&overlay, "CronJob", ""));
        for field in ["schedule", "timeZone", "concurrencyPolicy", "startingDeadlineSeconds"] {
            assert_eq!(ours["spec"][field], theirs["spec"][field], "{name}: {field}");
        }
        assert_eq!(
            essence(&pod(std::slice::from_ref(&ours))),
            essence(&pod(std::slice::from_ref(&theirs))),
            "{name}"
        );
        let egress = |documents: &[Value]| {
            let mut rules =
                kind(documents, "NetworkPolicy", "")["spec"]["egress"].as_sequence().unwrap().clone();
            let ports = rules[0]["ports"].as_sequence_mut().unwrap();
            ports.sort_by_key(|rule| (rule["port"].as_u64(), rule["protocol"].as_str().map(str::to_owned)));
            rules
        };
        assert_eq!(egress(documents), egress(&overlay), "{name}");

        for job in documents.iter().filter(|document| document["kind"] == "CronJob") {
            let container = pod(std::slice::from_ref(job))["containers"][0].clone();
            must_parse(std::iter::once("pgstow".to_owned()).chain(args(&container)).collect());
            let env = container["env"].as_sequence().unwrap();
            pgstow_variables(env.iter().map(|entry| entry["name"].as_str().unwrap()));
            store_url(get(&env[0], "value").as_str().unwrap());
        }
    }
}

#[test]
fn the_chart_refuses_values_that_make_no_backup() {
    if !cfg!(target_arch = "x86_64") {
        crate::skip!("Helm's library is for x86-64 only");
    }
    let folder = tempfile::TempDir::new().unwrap();
    let good = "store: s3://b/p\nrecipients: [age1x]\n";
    let bad = [
        ("recipients: [age1x]\n", "store"),
        ("store: s3://b/p\n", "recipients"),
        ("store: bucket\nrecipients: [age1x]\n", "store"),
        ("store: s3://b/p\nrecipients: [AGE-SECRET-KEY-1]\n", "recipients"),
        (&format!("{good}backup: {{shedule: daily}}\n"), "shedule"),
        (&format!("{good}backup: {{schedule: daily}}\n"), "schedule"),
        (&format!("{good}securityContext: {{runAsUser: 0}}\n"), "runAsUser"),
    ];
    let file = |(n, text): (usize, &str)| {
        let path = folder.path().join(format!("{n}.yaml"));
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut files: Vec<_> = bad.iter().map(|(text, _)| *text).enumerate().map(file).collect();
    files.push(file((bad.len(), good)));
    let answers = render(&files);
    for (answer, (text, word)) in answers.iter().zip(&bad) {
        assert!(answer["refused"].as_str().is_some_and(|why| why.contains(word)), "{text}: {answer:?}");
    }
    assert!(answers.last().unwrap()["refused"].is_null(), "{answers:?}");
}
