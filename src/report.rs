//! All that pgstow prints; the only file that does.
//!
//! Data goes to stdout: what was asked for, or one JSON document. Everything said to people goes to
//! stderr: notes, warnings, progress, failures. What other rooms want to say arrives as
//! `tracing` events.

use crate::answers::Answer;
use crate::error::{Detail, Error, Result};
use crate::progress::Progress;
use crate::run::{Events, Following};
use crate::text::{self, harmless, sentence};
use futures_util::future::BoxFuture;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::error::Error as _;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tracing::dispatcher::DefaultGuard;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// Events with this target, or one below it, are said once in a run, however often they come. Those below have a
/// name, by which the user may accept them.
const ONCE: &str = "pgstow::once";
/// How often progress is said where there is no terminal to redraw.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// Bytes of warnings that are remembered, not to be said again as the cause of a failure.
const MOST_REMEMBERED: usize = 64 << 10;
const REDRAW_EVERY: Duration = Duration::from_millis(200);

/// Prints for one run; clones print for the same run.
#[derive(Debug, Clone)]
pub struct Report {
    json: bool,
    quiet: bool,
    live: MultiProgress,
    /// The warnings that were printed, as far as they are few.
    warned: Arc<Mutex<String>>,
    /// Hears what leaves of the tree say, for this run only.
    heard: Dispatch,
}

thread_local! {
    /// Keeps a thread of a run's runtime listening for that run, as long as the thread lives.
    static LISTENING: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

impl Report {
    /// A report that follows `--json`, `--quiet` and `-v`, and leaves out warnings of the names in `accepted`.
    pub fn new(json: bool, quiet: bool, verbose: u8, accepted: &[String]) -> Self {
        let on_terminal = io::stderr().is_terminal() && !quiet;
        let target = if on_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let live = MultiProgress::with_draw_target(target);
        let level = match (quiet, verbose) {
            (true, _) => "pgstow=warn",
            (false, 0) => "pgstow=info",
            (false, 1) => "pgstow=debug",
            (false, _) => "pgstow=trace,aws_config=debug,aws_smithy_runtime=debug,aws_sdk_s3=debug",
        };
        let off = accepted.iter().map(|name| format!(",{ONCE}::{name}=off"));
        let filter = EnvFilter::new(level.to_owned() + &off.collect::<String>());
        let warned = Arc::<Mutex<String>>::default();
        let pens = Pens { stderr: Stderr(live.clone()), warned: Arc::clone(&warned), said: Arc::default() };
        let heard = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .event_format(Sentences)
            .with_writer(pens)
            .finish();
        Self { json, quiet, live, warned, heard: heard.into() }
    }

    /// Hears this thread until the guard is dropped.
    #[must_use]
    pub fn listen(&self) -> DefaultGuard {
        tracing::dispatcher::set_default(&self.heard)
    }

    /// Hears this thread for the rest of its life.
    pub fn listen_on_this_thread(&self) {
        LISTENING.set(Some(self.listen()));
    }

    /// Whether stdout belongs to one JSON document.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Says something to people, unless they want quiet.
    pub fn say(&self, line: impl fmt::Display) {
        if !self.quiet {
            let _ = writeln!(Stderr(self.live.clone()), "{}", sentence(&line.to_string()));
        }
    }

    /// Gives what was asked for on stdout: as a JSON document with `--json`, else as text.
    pub fn answer(&self, answer: &impl Answer) -> Result<()> {
        let written = if self.json {
            let json = serde_json::to_string_pretty(answer)
                .map_err(|e| Error::unexpected("the answer cannot be written as JSON").because(e))?;
            writeln!(io::stdout(), "{}", text::json(&json))
        } else {
            let text = match columns() {
                Some(columns) => answer.text_within(columns),
                None => answer.text(),
            };
            if text.is_empty() { Ok(()) } else { writeln!(io::stdout(), "{}", harmless(text.trim_end())) }
        };
        written
            .and_then(|()| io::stdout().flush())
            .map_err(|e| Error::local_file("the answer could not be written to stdout").because(e))
    }

    /// Says what the run came to if nobody asked for data: like [`Report::answer`], but the text is left out
    /// with `--quiet`.
    pub fn done(&self, answer: &impl Answer) -> Result<()> {
        if self.quiet && !self.json { Ok(()) } else { self.answer(answer) }
    }

    /// Says why the run failed: the message, the details, the causes, the hints.
    pub fn fail(&self, error: &Error) {
        let mut pen = Stderr(self.live.clone());
        let _ = writeln!(pen, "error: {}", sentence(error.message()));
        for Detail { label, text } in error.details() {
            let _ = writeln!(pen, "  {label}: {}", sentence(text));
        }
        let mut cause = error.source();
        let mut said = error.to_string();
        said.push_str(&lock(&self.warned));
        while let Some(reason) = cause {
            let words = reason.to_string();
            // Causes often repeat each other's words; each thing is said once.
            if !said.contains(&words) {
                let _ = writeln!(pen, "  because: {}", sentence(&words));
                said.push_str(&words);
            }
            cause = reason.source();
        }
        for hint in error.hints() {
            let _ = writeln!(pen, "  hint: {}", sentence(hint));
        }
    }
}

impl Events for Report {
    fn note(&self, sentence: &str) {
        self.say(sentence);
    }

    fn ask(&self, question: &str) -> BoxFuture<'static, Option<bool>> {
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Box::pin(async { None });
        }
        let _ = write!(Stderr(self.live.clone()), "{} [y/N] ", sentence(question));
        let read = || {
            let mut answer = String::new();
            io::stdin().read_line(&mut answer).map(|_| answer)
        };
        Box::pin(async move {
            let answer = tokio::task::spawn_blocking(read).await.ok()?.ok()?;
            Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
        })
    }

    fn follow(&self, progress: &Progress) -> Following {
        let (progress, report, started) = (progress.clone(), self.clone(), Instant::now());
        if self.quiet {
            return Box::new(());
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
                    shown.set_message(sentence(&progress.line(started.elapsed())));
                    shown.tick();
                } else {
                    report.say(progress.line(started.elapsed()));
                }
            }
        });
        Box::new(Ticking { ticker, bar })
    }
}

/// Prints text made before there was a report: help and version to stdout, refusals to stderr.
pub fn print_plain(text: &str, to_stdout: bool) {
    let text = harmless(text);
    let _ = if to_stdout {
        io::stdout().write_all(text.as_bytes())
    } else {
        io::stderr().write_all(text.as_bytes())
    };
}

/// Shows progress while it lives.
#[derive(Debug)]
struct Ticking {
    ticker: JoinHandle<()>,
    bar: ProgressBar,
}

impl Drop for Ticking {
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

/// What events are written with: a pen for each.
#[derive(Debug, Clone)]
struct Pens {
    stderr: Stderr,
    warned: Arc<Mutex<String>>,
    /// What is to be said only once in a run, and was.
    said: Arc<Mutex<BTreeSet<String>>>,
}

impl<'a> MakeWriter<'a> for Pens {
    type Writer = Pen;

    fn make_writer(&'a self) -> Pen {
        Pen { pens: self.clone(), once: false }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Pen {
        Pen { pens: self.clone(), once: about.target().starts_with(ONCE) }
    }
}

/// Writes one event to stderr, and remembers it.
struct Pen {
    pens: Pens,
    once: bool,
}

impl Write for Pen {
    /// Gets a whole event at a time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let is_news = || lock(&self.pens.said).insert(text.to_string());
        if self.once && !is_news() {
            return Ok(bytes.len());
        }
        let mut warned = lock(&self.pens.warned);
        if warned.len() < MOST_REMEMBERED {
            warned.push_str(&text);
        }
        drop(warned);
        writeln!(self.pens.stderr, "{}", sentence(&text))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pens.stderr.flush()
    }
}

/// The width of the terminal that stdout is, if it is one.
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
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
