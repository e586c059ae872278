//! All that pgstow prints; the only file that does.
//!
//! Data goes to stdout: what was asked for, or one JSON document. Everything said to people goes to
//! stderr: notes, warnings, progress, failures. What leaves of the tree want to say arrives as
//! `tracing` events.

use crate::error::{Detail, Error, Result};
use crate::progress::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::error::Error as _;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How often progress is said where there is no terminal to redraw.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// Bytes of warnings that are remembered, not to be said again as the cause of a failure.
const MOST_REMEMBERED: usize = 64 << 10;
const REDRAW_EVERY: Duration = Duration::from_millis(200);

/// Prints for one run.
#[derive(Debug, Clone)]
pub struct Report {
    json: bool,
    quiet: bool,
    live: MultiProgress,
    /// The warnings that were printed, as far as they are few.
    warned: Arc<Mutex<String>>,
}

impl Report {
    /// A report that follows `--json`, `--quiet` and `-v`; takes over `tracing` for the process.
    pub fn new(json: bool, quiet: bool, verbose: u8) -> Self {
        let on_terminal = io::stderr().is_terminal() && !quiet;
        let target = if on_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let live = MultiProgress::with_draw_target(target);
        let level = match (quiet, verbose) {
            (true, _) => "pgstow=warn",
            (false, 0) => "pgstow=info",
            (false, 1) => "pgstow=debug",
            (false, _) => "pgstow=trace,aws_config=debug,aws_smithy_runtime=debug,aws_sdk_s3=debug",
        };
        let warned = Arc::<Mutex<String>>::default();
        let pen = Remembering(Stderr(live.clone()), Arc::clone(&warned));
        // A second report in one process (tests) keeps the first one's subscriber.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(level))
            .event_format(Sentences)
            .with_writer(move || pen.clone())
            .try_init();
        Self { json, quiet, live, warned }
    }

    /// Whether stdout belongs to one JSON document.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Says something to people, unless they want quiet.
    pub fn say(&self, line: impl fmt::Display) {
        if !self.quiet {
            let _ = writeln!(Stderr(self.live.clone()), "{line}");
        }
    }

    /// Gives what was asked for: `document` as JSON with `--json`, else `text`, on stdout.
    pub fn answer(&self, text: impl fmt::Display, document: &impl Serialize) -> Result<()> {
        let written = if self.json {
            let json = serde_json::to_string_pretty(document)
                .map_err(|e| Error::unexpected("the answer cannot be written as JSON").because(e))?;
            writeln!(io::stdout(), "{json}")
        } else {
            let text = text.to_string();
            if text.is_empty() { Ok(()) } else { writeln!(io::stdout(), "{}", text.trim_end()) }
        };
        written
            .and_then(|()| io::stdout().flush())
            .map_err(|e| Error::local_file("the answer could not be written to stdout").because(e))
    }

    /// Tells what the run came to where nobody asked for data: like [`Report::answer`], but `text` is left
    /// out for those who want quiet.
    pub fn done(&self, text: impl fmt::Display, document: &impl Serialize) -> Result<()> {
        if self.quiet && !self.json { Ok(()) } else { self.answer(text, document) }
    }

    /// Asks somebody at the terminal whether to go on; `None` where there is nobody.
    pub async fn ask(&self, question: &str) -> Option<bool> {
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return None;
        }
        let _ = write!(Stderr(self.live.clone()), "{question} [y/N] ");
        let read = || {
            let mut answer = String::new();
            io::stdin().read_line(&mut answer).map(|_| answer)
        };
        let answer = tokio::task::spawn_blocking(read).await.ok()?.ok()?;
        Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Shows how far the run is until the returned guard is dropped.
    #[must_use]
    pub fn follow(&self, progress: &Progress) -> Following {
        let (progress, report, started) = (progress.clone(), self.clone(), Instant::now());
        if self.quiet {
            return Following { ticker: tokio::spawn(async {}), bar: ProgressBar::hidden() };
        }
        let bar = self.live.add(ProgressBar::new(1000));
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:16}] {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        let shown = bar.clone();
        let on_terminal = !self.live.is_hidden();
        let ticker = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(if on_terminal { REDRAW_EVERY } else { LINE_EVERY });
            ticks.tick().await;
            loop {
                ticks.tick().await;
                if on_terminal {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
                    shown.set_position((progress.share().unwrap_or_default() * 1000.0) as u64);
                    shown.set_message(progress.line(started.elapsed()));
                    shown.tick();
                } else {
                    report.say(progress.line(started.elapsed()));
                }
            }
        });
        Following { ticker, bar }
    }

    /// Says why the run failed: the message, the details, the causes, the hints.
    pub fn fail(&self, error: &Error) {
        let mut pen = Stderr(self.live.clone());
        let _ = writeln!(pen, "error: {error}");
        for Detail { label, text } in error.details() {
            // A text of several lines stands indented below its label.
            let _ = writeln!(pen, "  {label}: {}", text.trim_end().replace('\n', "\n    "));
        }
        let mut cause = error.source();
        let mut said = error.to_string();
        said.push_str(&self.warned.lock().unwrap_or_else(PoisonError::into_inner));
        while let Some(reason) = cause {
            let words = reason.to_string();
            // Causes often repeat each other's words; each thing is said once.
            if !said.contains(&words) {
                let _ = writeln!(pen, "  because: {words}");
                said.push_str(&words);
            }
            cause = reason.source();
        }
        for hint in error.hints() {
            let _ = writeln!(pen, "  hint: {hint}");
        }
    }
}

/// Prints text made before there was a report: help and version to stdout, refusals to stderr.
pub fn print_plain(text: &str, to_stdout: bool) {
    let _ = if to_stdout {
        io::stdout().write_all(text.as_bytes())
    } else {
        io::stderr().write_all(text.as_bytes())
    };
}

/// Shows progress while it lives.
#[derive(Debug)]
pub struct Following {
    ticker: JoinHandle<()>,
    bar: ProgressBar,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.ticker.abort();
        self.bar.finish_and_clear();
    }
}

/// stderr, with the progress bar taken out of the way while something is written.
#[derive(Debug, Clone)]
struct Stderr(MultiProgress);

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// stderr, and what was written there.
#[derive(Debug, Clone)]
struct Remembering(Stderr, Arc<Mutex<String>>);

impl Write for Remembering {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut warned = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < MOST_REMEMBERED {
            warned.push_str(&String::from_utf8_lossy(bytes));
        }
        drop(warned);
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Prints an event as a sentence: "warning: …".
struct Sentences;

impl<S, N> FormatEvent<S, N> for Sentences
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        to.write_str(match *event.metadata().level() {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            Level::INFO => "note: ",
            Level::DEBUG | Level::TRACE => "debug: ",
        })?;
        context.field_format().format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}
