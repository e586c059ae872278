//! All that pgstow prints; the only room that does.
//!
//! Data goes to stdout: what was asked for, or one JSON document. Everything said to people goes to
//! stderr: notes, warnings, progress, failures. What other rooms want to say arrives as
//! `tracing` events.

mod voice;

use crate::actions::{self, Actions};
use crate::answers::Answer;
use crate::error::{Detail, Error, Result};
use crate::progress::Progress;
use crate::record::{Entry, Record, Tail};
use crate::run::{Events, Following};
use crate::text::{self, harmless, sentence};
use futures_util::future::BoxFuture;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::RefCell;
use std::error::Error as _;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tracing::Dispatch;
use tracing::dispatcher::DefaultGuard;
use tracing_subscriber::EnvFilter;
use voice::{HARMLESS, HIDDEN, Kept, Pens, Sentences, Voice, lock};

/// How often progress is said where there is no terminal to redraw.
const LINE_EVERY: Duration = Duration::from_secs(30);
const REDRAW_EVERY: Duration = Duration::from_millis(200);
/// Bytes of what was said last that are kept for those who were not there.
const MOST_KEPT: usize = 16 << 10;

/// Prints for one run; clones print for the same run.
#[derive(Debug, Clone)]
pub struct Report {
    json: bool,
    quiet: bool,
    voice: Voice,
    /// What the answers said of each backup or database.
    entries: Arc<Mutex<Vec<Entry>>>,
    /// The warnings that were printed, as far as they are few.
    warned: Arc<Mutex<String>>,
    kept: Kept,
    /// Hears what leaves of the tree say, for this run only.
    heard: Dispatch,
}

thread_local! {
    /// Keeps a thread of a run's runtime listening for that run, as long as the thread lives.
    static LISTENING: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// Whether the runner of GitHub Actions reads stderr: a pipe, and the one that those have whose scripts this is run by.
/// What goes into a file, or through `tee` into one, would be kept there with the secrets.
fn is_read_by_runner() -> bool {
    let Ok(ours) = rustix::fs::fstat(io::stderr()) else { return false };
    let is_pipe = rustix::fs::FileType::from_raw_mode(ours.st_mode) == rustix::fs::FileType::Fifo;
    // Some systems do not show what another process has, nor do containers.
    let stderr_of = |process: u32| {
        std::fs::metadata(format!("/proc/{process}/fd/2")).ok().map(|found| (found.dev(), found.ino()))
    };
    let ours = stderr_of(std::process::id());
    let mut process = std::os::unix::process::parent_id();
    while is_script(process) {
        if stderr_of(process).is_some_and(|theirs| ours.is_some_and(|ours| ours != theirs)) {
            return false;
        }
        process = parent(process).unwrap_or_default();
    }
    is_pipe
}

/// Whether a process runs a script, or a command for one.
fn is_script(process: u32) -> bool {
    let program = std::fs::read_link(format!("/proc/{process}/exe")).unwrap_or_default();
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ["sh", "bash", "dash", "zsh", "busybox", "make", "env", "timeout", "sudo"].contains(&name)
}

/// The parent of a process.
fn parent(process: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

impl Report {
    /// A report that follows `--json`, `--quiet` and `-v`, and leaves out warnings of the names in `accepted`; in a
    /// step of GitHub Actions it also speaks to the runner.
    pub fn new(json: bool, quiet: bool, verbose: u8, accepted: &[String], step: Option<Actions>) -> Self {
        let on_terminal = io::stderr().is_terminal() && !quiet;
        let target = if on_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let live = MultiProgress::with_draw_target(target);
        let level = match (quiet, verbose) {
            (true, _) => "pgstow=warn",
            (false, 0) => "pgstow=info",
            (false, 1) => "pgstow=debug",
            (false, _) => "pgstow=trace,aws_config=debug,aws_smithy_runtime=debug,aws_sdk_s3=debug",
        };
        let off = accepted.iter().map(|name| format!(",{HARMLESS}::{name}=off"));
        let filter = EnvFilter::new(level.to_owned() + &off.collect::<String>());
        let warned = Arc::<Mutex<String>>::default();
        let kept = Kept::default();
        let tail = Arc::new(Mutex::new(Tail::new(MOST_KEPT)));
        let voice = Voice { live, tail, step: step.map(Arc::new) };
        let pens = Pens {
            voice: voice.clone(),
            warned: Arc::clone(&warned),
            kept: Arc::clone(&kept),
            said: Arc::default(),
        };
        let heard = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .event_format(Sentences)
            .with_writer(pens)
            .finish();
        Self { json, quiet, voice, entries: Arc::default(), warned, kept, heard: heard.into() }
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

    /// Folds what is said from now on in the log of GitHub Actions.
    pub fn fold(&self, verb: &str) {
        self.command(actions::command("group", None, &format!("pgstow {verb}")));
    }

    /// Ends the fold.
    pub fn unfold(&self) {
        self.command(actions::command("endgroup", None, ""));
    }

    /// Lets the runner of GitHub Actions hide these in all that it shows.
    pub fn hide(&self, secrets: impl IntoIterator<Item = String>) {
        if self.voice.step.is_some() && is_read_by_runner() {
            for secret in secrets {
                self.command(actions::command("add-mask", None, &secret));
            }
        }
    }

    fn command(&self, command: String) {
        if self.voice.step.is_some() {
            let _ = writeln!(io::stderr(), "{command}");
        }
    }

    /// What the answers said of each backup or database, and the last lines that were said to people.
    pub fn told(&self) -> (Vec<Entry>, String) {
        (lock(&self.entries).clone(), lock(&self.voice.tail).text().to_owned())
    }

    /// In GitHub Actions: writes the step's summary, and says how it went if nothing else may be said.
    pub fn conclude(&self, record: &Record) {
        let Some(step) = &self.voice.step else { return };
        if !step.details && record.failed.is_none() && !self.quiet {
            self.voice.speak(&record.headline(false), true);
        }
        if let Err(error) = step.summarize(record) {
            tracing::warn!(target: "pgstow::monitoring", "the summary of the step cannot be written: {error}");
        }
    }

    /// Whether stdout belongs to one JSON document.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether people want to read only what is wrong; a JSON document is whole all the same.
    pub fn is_quiet(&self) -> bool {
        self.quiet && !self.json
    }

    /// Says something to people, unless they want quiet.
    pub fn say(&self, line: impl fmt::Display) {
        self.voice.speak(&sentence(&line.to_string()), !self.quiet);
    }

    /// Gives what was asked for on stdout: as a JSON document with `--json`, else as text.
    pub fn answer(&self, answer: &impl Answer) -> Result<()> {
        lock(&self.entries).extend(answer.entries());
        self.hide(answer.secrets());
        self.print(answer)
    }

    /// Gives a text that is for another program on stdout; it cannot be a JSON document.
    pub fn script(&self, script: &impl Answer) -> Result<()> {
        if self.json {
            return Err(Error::usage("this is no JSON document").hint("leave --json out, or PGSTOW_JSON"));
        }
        self.print(script)
    }

    fn print(&self, answer: &impl Answer) -> Result<()> {
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
        let written = written.and_then(|()| io::stdout().flush());
        // A person has read enough, as with `| head`. A program that reads JSON has not, nor whoever should keep a key.
        let enough = !self.json && answer.secrets().is_empty();
        if enough && written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return Ok(());
        }
        written.map_err(|e| Error::local_file("the answer could not be written to stdout").because(e))
    }

    /// Says what the run came to if nobody asked for data: like [`Report::answer`], but the text is left out
    /// with `--quiet`.
    pub fn done(&self, answer: &impl Answer) -> Result<()> {
        if self.is_quiet() {
            lock(&self.entries).extend(answer.entries());
            return Ok(());
        }
        self.answer(answer)
    }

    /// Says why the run failed: the message, the details, the causes, the hints. `in_public` says whether everyone may
    /// read them.
    pub fn fail(&self, error: &Error, in_public: bool) {
        let printed = in_public || !self.voice.is_discreet();
        let say = |line: String| self.voice.speak(&line, printed);
        say(format!("error: {}", sentence(error.message())));
        for Detail { label, text } in error.details() {
            say(format!("  {label}: {}", sentence(text)));
        }
        let mut cause = error.source();
        let mut said = error.to_string();
        said.push_str(&lock(&self.warned));
        while let Some(reason) = cause {
            let words = reason.to_string();
            // Causes often repeat each other's words; each thing is said once.
            if !said.contains(&words) {
                say(format!("  because: {}", sentence(&words)));
                said.push_str(&words);
            }
            cause = reason.source();
        }
        for hint in error.hints() {
            say(format!("  hint: {}", sentence(hint)));
        }
        let meaning = format!("{} (exit code {})", error.kind().meaning(), error.kind().exit_code());
        if !printed {
            self.voice.speak(&format!("error: {meaning}\n  hint: the message {HIDDEN}"), true);
        }
        let shown = if printed { error.with_hints() } else { format!("{meaning}; the message {HIDDEN}") };
        self.command(actions::command("error", Some("pgstow"), &harmless(&shown)));
    }
}

impl Events for Report {
    fn note(&self, note: &str) {
        self.voice.speak(&sentence(note), !self.quiet && !self.voice.is_discreet());
    }

    fn ask(&self, question: &str) -> BoxFuture<'static, Option<bool>> {
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Box::pin(async { None });
        }
        let question = format!("{} [y/N] ", sentence(question));
        self.voice.live.suspend(|| io::stderr().write_all(question.as_bytes())).ok();
        let read = || {
            let mut answer = String::new();
            io::stdin().read_line(&mut answer).map(|_| answer)
        };
        Box::pin(async move {
            let answer = tokio::task::spawn_blocking(read).await.ok()?.ok()?;
            Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
        })
    }

    fn take_warnings(&self) -> Vec<String> {
        lock(&self.kept).replace(Vec::new()).unwrap_or_default()
    }

    fn follow(&self, progress: &Progress) -> Following {
        let (progress, report, started) = (progress.clone(), self.clone(), Instant::now());
        // It names the table that is passing.
        if self.quiet || self.voice.is_discreet() {
            return Box::new(());
        }
        let bar = self.voice.live.add(ProgressBar::new(1000));
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:16}] {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        let shown = bar.clone();
        let on_terminal = !self.voice.live.is_hidden();
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

/// The width of the terminal that stdout is, if it is one.
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
