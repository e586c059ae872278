//! Traces, as a collector of OpenTelemetry gets them.

use super::{backup, clinic};
use crate::harness::Pgstow;
use crate::scene::{Keys, Place, fresh};
use crate::servers::inbox::{Inbox, Letter};
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use pgstow::error::Kind;
use prost::Message;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;

/// What nobody may print.
const SECRET: &str = "5ec7e7-a1a4";

/// A trace that came in.
struct Trace {
    /// Whose it is.
    resource: BTreeMap<String, String>,
    /// The span of the run.
    run: Span,
    /// The spans of its steps.
    steps: Vec<Span>,
}

impl Trace {
    /// Reads the only trace that came in, and checks that its spans belong together.
    fn only(inbox: &Inbox) -> Trace {
        let letters = inbox.letters();
        let [letter] = &letters[..] else { panic!("{letters:?}") };
        assert_eq!((letter.method.as_str(), letter.target.as_str()), ("POST", "/v1/traces"));
        assert_eq!(letter.header("content-type"), Some("application/x-protobuf"));
        let mut request = ExportTraceServiceRequest::decode(&bytes(letter)[..]).unwrap();
        let mut resource = request.resource_spans.remove(0);
        assert!(request.resource_spans.is_empty());
        let spans = resource.scope_spans.remove(0).spans;
        let (run, steps): (Vec<Span>, Vec<Span>) =
            spans.into_iter().partition(|span| span.parent_span_id.is_empty());
        let [run] = <[Span; 1]>::try_from(run).unwrap();
        for step in &steps {
            assert_eq!((&step.trace_id, &step.parent_span_id), (&run.trace_id, &run.span_id), "{step:?}");
            let times = [
                run.start_time_unix_nano,
                step.start_time_unix_nano,
                step.end_time_unix_nano,
                run.end_time_unix_nano,
            ];
            assert!(times.is_sorted(), "{step:?} in {run:?}");
        }
        Trace { resource: texts(&resource.resource.unwrap().attributes), run, steps }
    }

    /// The steps in the order in which they began.
    fn names(&self) -> Vec<&str> {
        let mut steps: Vec<&Span> = self.steps.iter().collect();
        steps.sort_by_key(|step| step.start_time_unix_nano);
        steps.into_iter().map(|step| step.name.as_str()).collect()
    }

    /// What a step, or the run, says of its failure.
    fn failure(&self, name: &str) -> Option<&str> {
        let span = self.steps.iter().chain([&self.run]).find(|span| span.name == name).unwrap();
        let status = span.status.as_ref()?;
        (status.code == StatusCode::Error as i32).then_some(status.message.as_str())
    }
}

fn bytes(letter: &Letter) -> Vec<u8> {
    if letter.header("content-encoding") != Some("gzip") {
        return letter.bytes.clone();
    }
    let mut bytes = Vec::new();
    GzDecoder::new(&letter.bytes[..]).read_to_end(&mut bytes).unwrap();
    bytes
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    };
    attributes.iter().filter_map(|one| Some((one.key.clone(), text(one)?))).collect()
}

fn traced(command: Pgstow, inbox: &Inbox) -> Pgstow {
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &inbox.url)
}

#[test]
fn a_run_is_a_trace_with_a_span_for_each_step() {
    let (cluster, _) = clinic();
    let (inbox, place) = (Inbox::open(), Place::folder());
    let run = traced(backup(&place), &inbox)
        .env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{SECRET}"))
        .env("OTEL_SERVICE_NAME", "nightly")
        .succeeds();
    let trace = Trace::only(&inbox);
    assert_eq!(
        (trace.run.name.as_str(), trace.names()),
        ("pgstow backup", vec!["prepare", "upload", "publish"])
    );
    assert_eq!((trace.failure("pgstow backup"), trace.failure("upload")), (None, None));
    assert_eq!(trace.resource["service.name"], "nightly");
    assert_eq!(trace.resource["service.version"], env!("CARGO_PKG_VERSION"));
    let said = texts(&trace.run.attributes);
    assert_eq!((said["pgstow.name"].as_str(), said["pgstow.exit_code"].as_str()), ("app", "0"));
    assert!(said["pgstow.stored_bytes"].parse::<u64>().unwrap() > 100, "{said:?}");
    let letter = &inbox.letters()[0];
    assert_eq!(letter.header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    for hidden in ["patients", "4321", "postgres://", SECRET] {
        assert!(!letter.body.contains(hidden) && !run.stderr.contains(SECRET), "{hidden}: {run}");
    }

    let inbox = Inbox::open();
    let restored = fresh("clinic_traced");
    let restore = place.opens(&["restore", "latest", "--to", &cluster.url(&restored)]);
    traced(restore, &inbox)
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .env("OTEL_RESOURCE_ATTRIBUTES", "service.name=drill,deployment.environment.name=test")
        .succeeds();
    let trace = Trace::only(&inbox);
    assert_eq!(trace.names(), ["fill", "prove", "finish"]);
    assert_eq!(trace.resource["service.name"], "drill");
    cluster.psql("postgres", &format!("DROP DATABASE {restored}"));

    let inbox = Inbox::open();
    let drill = ["verify", "latest", "--restore", "--to", &cluster.url("")];
    traced(place.opens(&drill), &inbox).succeeds();
    let trace = Trace::only(&inbox);
    assert_eq!((trace.names(), trace.resource["service.name"].as_str()), (vec!["fill", "prove"], "pgstow"));
    assert_eq!(texts(&trace.run.attributes)["pgstow.mode"], "restore");
}

#[test]
fn a_failed_run_says_in_which_step_and_names_no_table() {
    let (inbox, place) = (Inbox::open(), Place::folder());
    traced(backup(&place).args(["--table", "no_such_table"]), &inbox).fails(Kind::Usage);
    let trace = Trace::only(&inbox);
    assert_eq!(trace.failure("prepare"), Some(Kind::Usage.meaning()));
    assert_eq!(trace.failure("pgstow backup"), Some(Kind::Usage.meaning()));
    assert_eq!(texts(&trace.run.attributes)["pgstow.exit_code"], Kind::Usage.exit_code().to_string());
    assert!(!inbox.letters()[0].body.contains("no_such_table"));

    let (inbox, pings) = (Inbox::open(), Inbox::open());
    let words = ["backup", "--name", "app", "-r", &Keys::shared().recipient, "--", "sleep", "600"];
    let running = traced(place.pgstow(&words), &inbox).env("PGSTOW_PING_URL", &pings.url).spawn();
    pings.wait_for(1);
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated);
    assert_eq!(Trace::only(&inbox).failure("pgstow backup"), Some(Kind::Terminated.meaning()));
}

#[test]
fn a_collector_that_is_away_fails_no_run() {
    let place = Place::folder();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/{SECRET}", silent.local_addr().unwrap());
    let broken = Inbox::answering(500, "oh");
    for (endpoint, timeout, why) in [
        (silent.as_str(), "1000", "no answer in time"),
        ("http://127.0.0.1:1/5ec7e7-a1a4", "9000", "was not sent to http://127.0.0.1:1/…: "),
        (&format!("{}/{SECRET}", broken.url), "9000", "it answered 500: oh"),
        ("5ec7e7-a1a4 is no address", "9000", "has a value that cannot be used"),
    ] {
        let run = backup(&place)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", timeout)
            .succeeds()
            .says("warning: the trace was not sent")
            .says(why);
        assert!(!run.stderr.contains(SECRET), "{run}");
    }
    assert!(!broken.letters().is_empty());
}

#[test]
fn traces_are_sent_only_if_the_variables_ask_for_them() {
    let place = Place::folder();
    let inbox = Inbox::open();
    for (name, value) in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
    ] {
        traced(backup(&place), &inbox).env(name, value).succeeds();
    }
    assert!(inbox.letters().is_empty(), "{:?}", inbox.letters());
    let run = traced(backup(&place), &inbox).env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").succeeds();
    run.says("OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not supported");
    assert_eq!(Trace::only(&inbox).names(), ["prepare", "upload", "publish"]);
}
