//! How events of all rooms reach people: a voice on stderr, and a pen that writes each event as a sentence.

use crate::actions::{self, Actions};
use crate::record::Tail;
use crate::text::{harmless, sentence};
use indicatif::MultiProgress;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// Events whose target has this segment are said once in a run, however often they come.
const ONCE: &str = "once";
/// Those of them that say nothing of a database's content, whatever room they come from. Those below this target have a name,
/// by which the user may accept them.
pub(super) const HARMLESS: &str = "pgstow::once";
/// Bytes of warnings that are remembered, not to be said again as the cause of a failure.
const MOST_REMEMBERED: usize = 64 << 10;
/// How a warning begins.
const WARNING: &str = "warning: ";
/// What is printed instead of a warning that may say something of a database's content.
pub(super) const HIDDEN: &str = "is not shown, because this repository is public; --actions-details shows it";
/// The rooms whose warnings say nothing of a database's content.
const IN_PUBLIC: [&str; 8] = ["settings", "store", "pipeline", "neon", "branch", "prune", "monitoring", ONCE];

/// Warnings that are kept instead of being printed, if that was asked for.
pub(super) type Kept = Arc<Mutex<Option<Vec<String>>>>;

/// Speaks to people, on stderr; clones are the same voice.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    /// The progress bar, which is taken out of the way while something is written.
    pub live: MultiProgress,
    pub tail: Arc<Mutex<Tail>>,
    /// The step of GitHub Actions that it speaks in.
    pub step: Option<Arc<Actions>>,
}

impl Voice {
    /// Keeps the text for those who are not there, and prints it if it is to be printed.
    pub fn speak(&self, text: &str, printed: bool) {
        lock(&self.tail).add(text);
        if printed {
            let text = if self.step.is_some() { actions::inert(text) } else { text.to_owned() };
            self.live.suspend(|| writeln!(io::stderr(), "{text}")).ok();
        }
    }

    /// Whether everyone can read what is printed, and nothing may be said of a database's content.
    pub fn is_discreet(&self) -> bool {
        self.step.as_ref().is_some_and(|step| !step.details)
    }
}

/// What events are written with: a pen for each.
#[derive(Debug, Clone)]
pub(super) struct Pens {
    pub voice: Voice,
    pub warned: Arc<Mutex<String>>,
    pub kept: Kept,
    /// What is to be said only once in a run, and was.
    pub said: Arc<Mutex<BTreeSet<String>>>,
}

impl<'a> MakeWriter<'a> for Pens {
    type Writer = Pen;

    fn make_writer(&'a self) -> Pen {
        Pen { pens: self.clone(), once: false, printed: true, is_warning: false }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Pen {
        let room = about.target().split("::").nth(1).unwrap_or_default();
        Pen {
            pens: self.clone(),
            once: about.target().split("::").any(|segment| segment == ONCE),
            printed: !self.voice.is_discreet() || IN_PUBLIC.contains(&room),
            is_warning: *about.level() == Level::WARN,
        }
    }
}

/// Writes one event to stderr, and remembers it.
pub(super) struct Pen {
    pens: Pens,
    once: bool,
    /// Whether it is printed, and not only kept.
    printed: bool,
    is_warning: bool,
}

impl Pen {
    fn is_news(&self, text: &str) -> bool {
        lock(&self.pens.said).insert(text.to_owned())
    }
}

impl Write for Pen {
    /// Gets a whole event at a time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        if self.once && !self.is_news(&text) {
            return Ok(bytes.len());
        }
        if let (true, Some(kept)) = (self.is_warning, lock(&self.pens.kept).as_mut()) {
            kept.push(text.strip_prefix(WARNING).unwrap_or(&text).trim_end().to_owned());
            return Ok(bytes.len());
        }
        let mut warned = lock(&self.pens.warned);
        if warned.len() < MOST_REMEMBERED {
            warned.push_str(&text);
        }
        drop(warned);
        let voice = &self.pens.voice;
        voice.speak(&sentence(&text), self.printed);
        let hidden = format!("warning: a warning {HIDDEN}");
        let shown = match self.printed {
            true => text.as_ref(),
            // One says it for all.
            false if self.is_warning && self.is_news(&hidden) => {
                voice.speak(&hidden, true);
                &hidden
            }
            false => return Ok(bytes.len()),
        };
        if self.is_warning && voice.step.is_some() {
            let shown = shown.trim_start_matches("warning: ").trim_end();
            writeln!(io::stderr(), "{}", actions::command("warning", Some("pgstow"), &harmless(shown)))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints an event as a sentence: "warning: …".
pub(super) struct Sentences;

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
            Level::WARN => WARNING,
            Level::INFO => "note: ",
            Level::DEBUG | Level::TRACE => "debug: ",
        })?;
        context.field_format().format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}
