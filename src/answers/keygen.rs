//! What `keygen` answers.

use super::Answer;
use serde::Serialize;
use std::path::PathBuf;

/// A key pair.
#[derive(Serialize)]
pub struct KeyPair {
    /// The public key of a signing key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_key: Option<String>,
    /// The public side of an identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The file with the secret, if it was written to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
    /// The file with the sheet to print, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paper: Option<PathBuf>,
    /// The secret of a signing key, if no file was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<String>,
    /// The secret of an identity, if no file was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

impl Answer for KeyPair {
    /// The secret, if it is nowhere else; otherwise the public side.
    fn text(&self) -> String {
        let all = [&self.signing_key, &self.identity, &self.verify_key, &self.recipient];
        all.into_iter().flatten().next().cloned().unwrap_or_default()
    }

    fn secrets(&self) -> Vec<String> {
        // A log is hidden by the line, and comments are no secrets.
        let is_secret = |line: &&str| !line.is_empty() && !line.contains([' ', '#']);
        let lines = |text: &String| text.lines().filter(is_secret).map(str::to_owned).collect::<Vec<_>>();
        self.signing_key.iter().chain(&self.identity).flat_map(lines).collect()
    }
}
