//! Tells others how a run went: a ping when it begins and when it ends, webhooks, metrics, a trace.
//!
//! Whoever does not answer is warned of, and never fails the run: a backup that was stored stays a success. Each has
//! a deadline, and is tried a few times.

mod courier;
mod metrics;
mod ping;
mod push;
mod textfile;
#[cfg(feature = "otlp")]
mod traces;
mod webhook;

pub use ping::parse as parse_ping;
pub use webhook::Notify;

use crate::error::Kind;
use crate::record::Record;
use crate::run::Events;
use crate::web::SecretUrl;
use courier::Courier;
use futures_util::future::{BoxFuture, join_all};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinHandle;
#[cfg(feature = "otlp")]
use traces::Trace;

/// How long all of it may take when a run has ended.
const AT_THE_END: Duration = Duration::from_secs(40);
/// The same after a signal: whoever sent it will not wait long.
const AFTER_A_SIGNAL: Duration = Duration::from_secs(10);

/// The same if no run could begin.
const WITHOUT_A_RUN: Duration = Duration::from_secs(5);

/// Who hears of a run, and when.
#[derive(Debug, Clone, Default)]
pub struct MonitoringOptions {
    /// What expects a ping from every run.
    pub ping: Option<SecretUrl>,
    /// Who gets a message.
    pub webhooks: Vec<SecretUrl>,
    /// After which runs a message is sent.
    pub notify: Notify,
    /// The file that Prometheus' node exporter reads.
    pub metrics_file: Option<PathBuf>,
    /// The Prometheus Pushgateway.
    pub push_gateway: Option<SecretUrl>,
    /// How long it may take to send a trace to where the standard variables of OpenTelemetry say, if it is to be sent.
    pub traces: Option<Duration>,
}

/// The monitoring of one run.
pub struct Monitoring {
    options: MonitoringOptions,
    courier: Option<Courier>,
    /// Joins the two pings of a run.
    run_id: String,
    start: Option<JoinHandle<()>>,
    /// How long all of it may take at the end.
    patience: Duration,
    #[cfg(feature = "otlp")]
    trace: Option<Trace>,
}

impl Monitoring {
    /// Begins: the ping that a run has begun is sent next to it, and not waited for.
    pub fn begin(options: MonitoringOptions, command: &'static str) -> Self {
        let this = Self::of_no_run(options, command);
        let run_id = this.run_id.clone();
        let start = this.courier.clone().zip(this.options.ping.clone()).map(|(courier, url)| {
            tokio::spawn(async move {
                let until = Instant::now() + AT_THE_END;
                ping::start(&courier, &url, &run_id, until).await;
            })
        });
        Self { start, patience: AT_THE_END, ..this }
    }

    /// Of a command that failed before a run could begin: there is only an end to hear of, and whoever typed the command
    /// waits for it.
    #[cfg_attr(not(feature = "otlp"), expect(unused_variables, reason = "only a trace needs the command"))]
    pub fn of_no_run(options: MonitoringOptions, command: &'static str) -> Self {
        let is_remote = options.ping.is_some()
            || !options.webhooks.is_empty()
            || options.push_gateway.is_some()
            || options.traces.is_some();
        let courier = is_remote.then(Courier::new).flatten();
        Self {
            #[cfg(feature = "otlp")]
            trace: options.traces.map(|within| Trace::begin(command, within)),
            options,
            courier,
            run_id: ping::run_id(),
            start: None,
            patience: WITHOUT_A_RUN,
        }
    }

    /// Those whom the run reports to, so that its steps are measured too, if they are to be.
    pub fn watch(&self, events: Arc<dyn Events>) -> Arc<dyn Events> {
        #[cfg(feature = "otlp")]
        if let Some(trace) = &self.trace {
            return Arc::new(trace.watch(events));
        }
        events
    }

    /// Tells everybody how it went; returns when all have heard it, or their time is up.
    pub async fn finish(self, record: &Record) {
        #[cfg(feature = "otlp")]
        let trace = self.trace;
        let Self { options, courier, run_id, start, patience, .. } = self;
        let until = Instant::now() + patience.min(longest(record));
        let writing = options.metrics_file.clone().map(|path| {
            let samples = metrics::samples(record, SystemTime::now());
            tokio::task::spawn_blocking(move || textfile::update(&path, samples))
        });
        let writing = async {
            let Some(writing) = writing else { return };
            // A folder on a network share may hang, and nobody else is to wait for it.
            match tokio::time::timeout_at(until.into(), writing).await {
                Err(_) => tracing::warn!("the metrics were not written: their folder does not answer"),
                Ok(Ok(Err(why))) => tracing::warn!("the metrics were not written: {why}"),
                Ok(_) => {}
            }
        };
        let Some(courier) = courier else { return writing.await };
        // The second ping must not overtake the first.
        if let Some(start) = start {
            let _ = tokio::time::timeout_at(until.into(), start).await;
        }
        let mut all: Vec<BoxFuture<'_, ()>> = vec![Box::pin(writing)];
        if let Some(url) = &options.ping {
            all.push(Box::pin(ping::end(&courier, url, &run_id, record, until)));
        }
        if options.notify.after(record) {
            for url in &options.webhooks {
                all.push(Box::pin(webhook::send(&courier, url, record, until)));
            }
        }
        if let Some(url) = &options.push_gateway {
            all.push(Box::pin(push::push(&courier, url, record, until)));
        }
        #[cfg(feature = "otlp")]
        if let Some(trace) = trace {
            all.push(Box::pin(trace.send(&courier, record, until)));
        }
        join_all(all).await;
    }
}

fn longest(record: &Record) -> Duration {
    let code = record.exit_code();
    let signal = Kind::ALL.into_iter().any(|kind| kind.is_signal() && kind.exit_code() == code);
    if signal { AFTER_A_SIGNAL } else { AT_THE_END }
}
