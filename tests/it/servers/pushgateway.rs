//! Prometheus' own Pushgateway, and Prometheus' own reader of metrics.

use super::{Launch, Server, fetched, folder, free_port};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// A running gateway.
pub struct Pushgateway {
    pub port: u16,
    _server: Server,
}

impl Pushgateway {
    pub fn start() -> Pushgateway {
        let port = free_port();
        let launch = Launch {
            folder: folder("pushgateway"),
            signal: "TERM",
            program: "/usr/bin/prometheus-pushgateway".into(),
            args: vec![format!("--web.listen-address=127.0.0.1:{port}").into()],
            env: BTreeMap::new(),
        };
        let server = Server::start(launch, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Pushgateway { port, _server: server }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What Prometheus would collect.
    pub fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }
}

/// The samples of pgstow's in a text, as Prometheus' own library for Python reads them: `metric{label=value}`.
pub fn samples(text: &str) -> BTreeMap<String, f64> {
    const READ: &str = "
import json, sys
from prometheus_client.parser import text_string_to_metric_families as families
print(json.dumps([[s.name, s.labels, s.value] for f in families(sys.stdin.read()) for s in f.samples]))";
    let mut python = Command::new(fetched("prometheus-client/bin/python"))
        .args(["-c", READ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "Prometheus cannot read:\n{text}");
    let read: Vec<(String, BTreeMap<String, String>, Value)> =
        serde_json::from_slice(&output.stdout).unwrap();
    let ours = read.into_iter().filter(|(name, _, _)| name.starts_with("pgstow_"));
    let sample = |(name, mut labels, value): (String, BTreeMap<String, String>, Value)| {
        // The gateway's own.
        labels.retain(|label, _| label != "job" && label != "instance");
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        (format!("{name}{{{}}}", labels.join(",")), value.as_f64().unwrap())
    };
    ours.map(sample).collect()
}
