//! What one check has found out, and the list of all of them.
//!
//! A failure of one check is a finding like any other: only a signal ends the examination.

use crate::error::{Error, Kind, Result};
use crate::run::Run;
use serde::Serialize;
use std::future::Future;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Fine,
    /// A backup or a restore works, but somebody should look at it.
    Warning,
    /// A backup or a restore would fail.
    Failed,
    /// It was not looked at.
    NotChecked,
}

/// What one check has found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it stands.
    pub state: State,
    /// What was looked at, in a word or two.
    pub what: &'static str,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    pub fix: Vec<String>,
    /// The kind of the failure, if it is one: how a backup would end.
    pub kind: Option<Kind>,
}

/// The findings, in the order of the checks.
pub struct Findings<'a> {
    run: &'a Run,
    all: Vec<Finding>,
    /// Which of several databases or stores is looked at.
    about: Option<String>,
}

impl<'a> Findings<'a> {
    /// None yet. From now on warnings of this run are findings, instead of being printed.
    pub fn of(run: &'a Run) -> Self {
        run.take_warnings();
        Self { run, all: Vec::new(), about: None }
    }

    /// The run.
    pub fn run(&self) -> &'a Run {
        self.run
    }

    /// All of them.
    pub fn all(self) -> Vec<Finding> {
        self.all
    }

    /// Says which of several databases or stores the next findings are of; `None` for all of them.
    pub fn about(&mut self, which: Option<&str>) {
        self.about = which.map(str::to_owned);
    }

    /// How many there are.
    pub fn number(&self) -> usize {
        self.all.len()
    }

    /// Makes warnings of the failures since there were so few: no backup fails by them.
    pub fn soften(&mut self, since: usize) {
        for finding in self.all.iter_mut().skip(since).filter(|finding| finding.state == State::Failed) {
            (finding.state, finding.kind) = (State::Warning, None);
        }
    }

    /// It is as it should be.
    pub fn fine(&mut self, what: &'static str, detail: impl Into<String>) {
        self.add(State::Fine, what, detail.into(), Vec::new(), None);
    }

    /// Somebody should look at it; what to do is empty if the detail says it.
    pub fn warning(&mut self, what: &'static str, detail: impl Into<String>, fix: &str) {
        let fix = Some(fix.to_owned()).filter(|fix| !fix.is_empty());
        self.add(State::Warning, what, detail.into(), fix.into_iter().collect(), None);
    }

    /// It was not looked at, for this reason.
    pub fn not_checked(&mut self, what: &'static str, why: impl Into<String>) {
        self.add(State::NotChecked, what, why.into(), Vec::new(), None);
    }

    /// A backup or a restore would fail with this.
    ///
    /// # Errors
    /// The failure itself, if it is a signal.
    pub fn failed(&mut self, what: &'static str, error: Error) -> Result<()> {
        let state = State::Failed;
        self.failure(state, what, error)
    }

    /// This failure is none of a backup's.
    ///
    /// # Errors
    /// The failure itself, if it is a signal.
    pub fn failed_mildly(&mut self, what: &'static str, error: Error) -> Result<()> {
        self.failure(State::Warning, what, error)
    }

    /// Does one check: what it returns is fine, its failure is one, and what it warned of is a finding each.
    ///
    /// # Errors
    /// A signal alone; a check that failed has no value.
    pub async fn check<T>(
        &mut self,
        what: &'static str,
        check: impl Future<Output = Result<T>>,
        say: impl FnOnce(&T) -> String,
    ) -> Result<Option<T>> {
        let outcome = self.run.or(check).await;
        let value = match outcome {
            Ok(value) => {
                let said = say(&value);
                if !said.is_empty() {
                    self.fine(what, said);
                }
                Some(value)
            }
            Err(error) => {
                self.failed(what, error)?;
                None
            }
        };
        self.warned(what);
        Ok(value)
    }

    /// Makes findings of what was warned of since the last time.
    pub fn warned(&mut self, what: &'static str) {
        for warning in self.run.take_warnings() {
            self.warning(what, warning, "");
        }
    }

    fn failure(&mut self, state: State, what: &'static str, error: Error) -> Result<()> {
        if error.kind().is_signal() {
            return Err(error);
        }
        let kind = (state == State::Failed).then(|| error.kind());
        self.add(state, what, error.message().to_owned(), error.hints().to_vec(), kind);
        Ok(())
    }

    fn add(
        &mut self,
        state: State,
        what: &'static str,
        detail: String,
        fix: Vec<String>,
        kind: Option<Kind>,
    ) {
        let detail = match &self.about {
            Some(about) => format!("{about}: {detail}"),
            None => detail,
        };
        self.all.push(Finding { state, what, detail, fix, kind });
    }
}
