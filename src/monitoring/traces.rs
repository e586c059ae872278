//! A run as a trace of OpenTelemetry: a span for the run, and one for each of its steps, sent when it has ended.
//!
//! The standard variables say where to and how; OpenTelemetry's own crates read them. A trace says nothing of the
//! content: no tables, no rows, and of a failure only its kind.

use super::courier::Courier;
use crate::error::Kind;
use crate::progress::Progress;
use crate::record::Record;
use crate::run::{Events, Following, Step};
use crate::web::SecretUrl;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::Full;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor,
};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What OpenTelemetry's crates call a service without a name.
const UNNAMED: &str = "unknown_service";

/// The trace of one run.
pub struct Trace {
    tracer: SdkTracer,
    /// Holds the span of the run.
    root: Context,
    kept: Kept,
    resource: Resource,
    within: Duration,
}

impl Trace {
    /// Begins; `within` is how long it may take to send it.
    pub fn begin(command: &'static str, within: Duration) -> Self {
        let kept = Kept::default();
        let resource = resource();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(kept.clone())
            .with_resource(resource.clone())
            .build();
        let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
        let span = SpanBuilder::from_name(format!("pgstow {command}"))
            .with_kind(SpanKind::Internal)
            .with_attributes([KeyValue::new("pgstow.command", command)]);
        let root = Context::new().with_span(tracer.build_with_context(span, &Context::new()));
        Self { tracer, root, kept, resource, within }
    }

    /// Passes on what a run reports, and measures its steps.
    pub fn watch(&self, events: Arc<dyn Events>) -> Measured {
        Measured { events, tracer: self.tracer.clone(), root: self.root.clone() }
    }

    /// Ends the trace and sends it before `until`; warns if it was not accepted.
    pub async fn send(self, courier: &Courier, record: &Record, until: Instant) {
        let span = self.root.span();
        span.set_attributes(attributes(record));
        if let Some(failed) = &record.failed {
            span.set_status(Status::error(meaning(failed.exit_code)));
        }
        span.end();
        let spans = self.kept.take();
        // By the standard variables a sampler may leave the run out.
        if spans.is_empty() {
            return;
        }
        let until = until.min(Instant::now() + self.within);
        let post = Post { courier: courier.clone(), until };
        // The courier tries again; this would block the thread meanwhile.
        let once = RetryPolicy::recommended().with_max_retries(0);
        let exporter =
            SpanExporter::builder().with_http().with_http_client(post).with_retry_policy(once).build();
        match exporter {
            Ok(mut exporter) => {
                exporter.set_resource(&self.resource);
                // It ends in time, and says what went wrong: a deadline around it could come first, and say nothing.
                let _ = exporter.export(spans).await;
            }
            // The error repeats the address, which may be a secret.
            Err(_) => tracing::warn!(
                "the trace was not sent: a variable OTEL_EXPORTER_OTLP_… has a value that cannot be used"
            ),
        }
    }
}

/// Who is traced: by the standard variables, or `pgstow`.
fn resource() -> Resource {
    let builder =
        || Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let resource = builder().build();
    let name = resource.get(&Key::from_static_str("service.name"));
    match name.is_some_and(|name| !name.as_str().starts_with(UNNAMED)) {
        true => resource,
        false => builder().with_service_name(env!("CARGO_PKG_NAME")).build(),
    }
}

/// What the span of a run says of it.
fn attributes(record: &Record) -> Vec<KeyValue> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut all = vec![KeyValue::new("pgstow.exit_code", i64::from(record.exit_code()))];
    let [entry] = &record.entries[..] else {
        all.push(KeyValue::new("pgstow.backups", number(record.entries.len() as u64)));
        return all;
    };
    all.extend((!entry.name.is_empty()).then(|| KeyValue::new("pgstow.name", entry.name.clone())));
    all.extend(entry.id.clone().map(|id| KeyValue::new("pgstow.id", id)));
    all.extend(entry.mode.map(|mode| KeyValue::new("pgstow.mode", mode)));
    all.extend(entry.stored_bytes.map(|bytes| KeyValue::new("pgstow.stored_bytes", number(bytes))));
    all.extend(entry.plain_bytes.map(|bytes| KeyValue::new("pgstow.dump_bytes", number(bytes))));
    all
}

fn meaning(exit_code: u8) -> &'static str {
    Kind::ALL.into_iter().find(|kind| kind.exit_code() == exit_code).unwrap_or(Kind::Unexpected).meaning()
}

/// Keeps spans that have ended until the run has.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl Kept {
    fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SpanProcessor for Kept {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Sends what the exporter has made, as all messages are sent.
struct Post {
    courier: Courier,
    until: Instant,
}

#[async_trait]
impl HttpClient for Post {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let to = SecretUrl::parse(&request.uri().to_string());
        let answer = self.courier.deliver(&request.map(Full::new), self.until).await;
        // The exporter reports no reason.
        answer.map(Response::new).map_err(|why| {
            let to = to.map_or_else(|_| "the endpoint".to_owned(), |to| to.to_string());
            tracing::warn!("the trace was not sent to {to}: {why}");
            why.into()
        })
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

/// Whom a run reports to, with a span for each of its steps.
#[derive(Debug)]
pub struct Measured {
    events: Arc<dyn Events>,
    tracer: SdkTracer,
    root: Context,
}

impl Events for Measured {
    fn note(&self, sentence: &str) {
        self.events.note(sentence);
    }

    fn follow(&self, progress: &Progress) -> Following {
        self.events.follow(progress)
    }

    fn ask(&self, question: &str) -> BoxFuture<'static, Option<bool>> {
        self.events.ask(question)
    }

    fn take_warnings(&self) -> Vec<String> {
        self.events.take_warnings()
    }

    fn step(&self, name: &'static str) -> Step {
        let mut open = Open(self.tracer.start_with_context(name, &self.root));
        Box::new(move |failed| open.end(failed))
    }
}

/// The span of a step; dropped before its end it says that the step was cancelled.
struct Open(Span);

impl Open {
    fn end(&mut self, failed: Option<Kind>) {
        if let Some(kind) = failed {
            self.0.set_status(Status::error(kind.meaning()));
        }
        self.0.end();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // After the end this changes nothing.
        self.end(Some(Kind::Interrupted));
    }
}
