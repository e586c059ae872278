//! What GitHub Actions says of the step that pgstow runs in, by its variables.

use super::environment::variable;
use crate::actions::Actions;
use crate::cli::Words;
use std::path::PathBuf;
use url::Url;

/// No secret is shorter: a mask of fewer characters would make every log unreadable.
const SHORTEST: usize = 6;

/// The step; `None` outside of GitHub Actions.
pub fn actions(words: &Words) -> Option<Actions> {
    if variable("GITHUB_ACTIONS").as_deref() != Some("true") {
        return None;
    }
    let summary = variable("GITHUB_STEP_SUMMARY").map(PathBuf::from);
    Some(Actions { summary, details: words.common.actions_details || is_private() })
}

/// Whether the event's file says that the repository is private; what it does not say is taken as public.
fn is_private() -> bool {
    let event = variable("GITHUB_EVENT_PATH").and_then(|path| std::fs::read(path).ok());
    let event = event.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    event.is_some_and(|event| event["repository"]["private"] == serde_json::Value::Bool(true))
}

/// What the runner is to hide in its log: passwords and hosts of databases, and addresses that are secrets.
///
/// The runner knows the repository's secrets as a whole, and not the password in one that is an address.
pub fn masks(words: &Words) -> Vec<String> {
    let mut all = vec![];
    for value in &words.values {
        let Ok(url) = Url::parse(value) else { continue };
        if let Some(password) = url.password() {
            all.push(password.to_owned());
            // A service container's name is no secret.
            let host = url.host_str().filter(|host| host.contains('.') && !host.starts_with("127."));
            all.extend(host.map(str::to_owned));
            all.extend(percent_encoding::percent_decode_str(password).decode_utf8().map(String::from));
        }
    }
    if let Some(monitoring) = words.verb.monitoring() {
        all.extend(monitoring.ping_url.iter().chain(&monitoring.webhooks).cloned());
    }
    all.extend(["PGPASSWORD", "PGSTOW_PASSPHRASE"].into_iter().filter_map(variable));
    all.retain(|secret| secret.chars().count() >= SHORTEST);
    all.sort_unstable();
    all.dedup();
    all
}
