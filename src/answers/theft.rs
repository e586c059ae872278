//! What `doctor --thief` answers.

use super::Answer;
use crate::doctor::{Act, Deed, Theft};
use serde::Serialize;
use std::fmt::Write;

/// What somebody could do who has stolen the key.
#[derive(Debug, Serialize)]
pub struct Loot {
    deeds: Vec<Line>,
    /// The keys of what could not be removed.
    left: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Line {
    act: Act,
    /// `null` if it is not known.
    can: Option<bool>,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'static str>,
}

impl Loot {
    /// Of what was tried.
    pub fn new(theft: Theft) -> Self {
        let line = |deed: Deed| Line { act: deed.act, can: deed.can, detail: deed.detail, fix: deed.fix };
        Self { deeds: theft.deeds.into_iter().map(line).collect(), left: theft.left }
    }
}

impl Answer for Loot {
    fn text(&self) -> String {
        let mut text = String::new();
        for (can, title) in [
            (Some(true), "a thief with this key can:"),
            (Some(false), "a thief with this key cannot:"),
            (None, "not known:"),
        ] {
            let deeds: Vec<&Line> = self.deeds.iter().filter(|line| line.can == can).collect();
            if deeds.is_empty() {
                continue;
            }
            let _ = writeln!(text, "{title}");
            for Line { act, detail, fix, .. } in deeds {
                let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
                let _ = writeln!(text, "  {act}{detail}");
                if let Some(fix) = fix {
                    let _ = writeln!(text, "    → {fix}");
                }
            }
        }
        for key in &self.left {
            let _ = writeln!(text, "left in the store, because this key cannot remove it: {key}");
        }
        text
    }
}
