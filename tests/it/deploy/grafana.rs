//! The dashboard is one by Grafana's schema, and asks for metrics that pgstow writes, with labels that they have.

use super::{at, text};
use crate::scene::{Keys, Sample};
use crate::servers::{fetched, run};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Reads metrics as Prometheus does; prints the labels of each.
const METRICS: &str = r#"
import json, sys
from prometheus_client.parser import text_string_to_metric_families as families
found = {}
for family in families(open(sys.argv[1]).read()):
    for sample in family.samples:
        found.setdefault(sample.name, set()).update(sample.labels)
json.dump({name: sorted(labels) for name, labels in found.items()}, sys.stdout)
"#;

/// Reads a dashboard by Grafana's schema, and prints what of it the schema does not know.
const SCHEMA: &str = r#"
import json, sys
sys.path.insert(0, sys.argv[1])
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
register_default_plugins()
written = json.load(open(sys.argv[2]))
read = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(written)))

def compare(written, read, path):
    if isinstance(written, dict) and isinstance(read, dict):
        for key in written:
            compare(written[key], read.get(key), path + "/" + key)
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for number, (one, other) in enumerate(zip(written, read)):
            compare(one, other, path + "/" + str(number))
    elif written != read:
        print(path)

compare(written, read, "")
"#;

#[test]
fn the_dashboard_is_one_by_grafanas_schema() {
    let mut python = Command::new(fetched("prometheus-client/bin/python"));
    let unknown =
        python.args(["-c", SCHEMA]).arg(fetched("grafana-sdk")).arg(at("deploy/grafana/pgstow.json"));
    // What Grafana itself writes next to a variable's query.
    assert_eq!(run(unknown), "/templating/list/1/definition\n");
}

/// What a backup, a verification and a pruning write.
fn written() -> BTreeMap<String, BTreeSet<String>> {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("pgstow.prom");
    let sample = Sample::shared();
    let place = sample.place.copy();
    let url = sample.cluster.url(&sample.database);
    let backup = ["backup", "--name", "app", "--recipient", &Keys::shared().recipient, &url];
    for words in [&backup[..], &["verify", "latest", "--name", "app"], &["prune", "--keep-last", "9"]] {
        place.opens(words).env("PGSTOW_METRICS_FILE", &file).succeeds();
    }
    let mut python = Command::new(fetched("prometheus-client/bin/python"));
    serde_json::from_str(&run(python.args(["-c", METRICS]).arg(&file))).unwrap()
}

#[test]
fn the_dashboard_shows_what_there_is() {
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/pgstow.json")).unwrap();
    let metrics = written();
    let mut asked = 0;
    let mut places = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let place = ["x", "y"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(places.insert(place), "{}: two panels in one place", panel["title"]);
        for target in panel["targets"].as_array().unwrap() {
            let (query, legend) =
                (target["expr"].as_str().unwrap(), target["legendFormat"].as_str().unwrap());
            for (at, _) in query.match_indices("pgstow_") {
                let end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
                let (name, rest) = query[at..].split_at(query[at..].find(end).unwrap_or(query.len() - at));
                // A pattern of names: one of them has to fit.
                if name == "pgstow_" {
                    assert!(query.contains("\"pgstow_.*_last_run_success\""), "{query}");
                    continue;
                }
                let labels = metrics
                    .get(name)
                    .unwrap_or_else(|| panic!("{name} is not written: {:?}", metrics.keys()));
                let braces = rest
                    .strip_prefix('{')
                    .and_then(|rest| rest.split_once('}'))
                    .map_or("", |(in_it, _)| in_it);
                let used = braces.split(',').filter_map(|part| part.split_once('=')).map(|(label, _)| label);
                let shown = legend.split("{{").skip(1).map(|part| part.split_once("}}").unwrap().0);
                for label in used.chain(shown) {
                    assert!(labels.contains(label), "{name} has no label {label}");
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 8, "{asked}");
    assert!(at("deploy/grafana/pgstow.json").is_file());
}
