//! What GitHub Actions says of the step that pgstow runs in, by its variables.

use super::environment::variable;
use super::secrets::secrets;
use crate::actions::Actions;
use crate::cli::Words;
use crate::postgres::ConnInfo;
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
        let found = secrets(value);
        let connection = ConnInfo::parse(value, |_| None).ok();
        let host = match &connection {
            Some(connection) => connection.get("host").map(str::to_owned),
            None => Url::parse(value).ok().and_then(|url| url.host_str().map(str::to_owned)),
        };
        if !found.is_empty() {
            // A service container's name is no secret.
            let is_secret = |host: &&str| host.contains('.') && !host.starts_with("127.");
            all.extend(host.iter().flat_map(|hosts| hosts.split(',')).filter(is_secret).map(str::to_owned));
        }
        for (_, secret) in found {
            all.extend(percent_encoding::percent_decode_str(secret).decode_utf8().map(String::from));
            all.push(secret.to_owned());
        }
        all.extend(connection.iter().filter_map(ConnInfo::password).map(|secret| secret.reveal().to_owned()));
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
