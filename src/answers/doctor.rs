//! What `doctor` answers.

use super::Answer;
use crate::doctor::{Examination, Finding, State};
use crate::error::Kind;
use serde::Serialize;
use std::fmt::Write;

/// What was found out, in the order of the checks.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Diagnosis(Vec<Line>);

/// What one check has found out.
#[derive(Debug, Serialize)]
struct Line {
    state: State,
    check: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fix: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
}

impl Diagnosis {
    /// Of these findings.
    pub fn new(examination: &Examination) -> Self {
        Self(examination.findings.iter().map(Line::new).collect())
    }

    /// Only what somebody should look at.
    #[must_use]
    pub fn without_the_rest(mut self) -> Self {
        self.0.retain(|line| matches!(line.state, State::Warning | State::Failed));
        self
    }
}

impl Line {
    fn new(finding: &Finding) -> Self {
        Self {
            state: finding.state,
            check: finding.what,
            detail: finding.detail.clone(),
            fix: finding.fix.clone(),
            exit_code: finding.kind.map(Kind::exit_code),
        }
    }

    fn mark(&self) -> char {
        match self.state {
            State::Fine => '✓',
            State::Warning => '!',
            State::Failed => '✗',
            State::NotChecked => '–',
        }
    }
}

impl Answer for Diagnosis {
    fn text(&self) -> String {
        let width = self.0.iter().map(|line| line.check.len()).max().unwrap_or_default();
        let indent = format!("\n{}", " ".repeat(width + 4));
        let mut text = String::new();
        for line in &self.0 {
            let why = if line.state == State::NotChecked { "not checked: " } else { "" };
            let detail = line.detail.replace('\n', &indent);
            let _ = writeln!(text, "{} {:width$}  {why}{detail}", line.mark(), line.check);
            for fix in &line.fix {
                let _ = writeln!(text, "{}→ {}", &indent[1..], fix.replace('\n', &indent));
            }
        }
        text
    }
}
