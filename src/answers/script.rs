//! Text for other programs than people's eyes: a completion script, a man page.

use super::Answer;
use serde::Serialize;

/// Such a text.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Script(pub String);

impl Answer for Script {
    fn text(&self) -> String {
        self.0.clone()
    }
}
