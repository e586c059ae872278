//! Where backups lie, and how to talk to the store.

use super::environment::{blank_among, explain_empty, has_line_end, path, variable};
use super::keys;
use crate::cli::{self, OptionalStoreWords, StoreWords, WritingWords};
use crate::error::{Error, Result};
use crate::pipeline::keys::{ExposeSecret, SecretString};
use crate::store::{
    Authorities, Credentials, CustomerKey, LockMode, LockWish, OpenOptions, Rates, Retry, StoreUrl,
    refuse_impossible,
};
use crate::stored::read::opened::Location;
use crate::stored::write::destinations::Destination;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// How long a verb that only looks retries, if nothing else is said: somebody waits for it.
const LOOKING: Duration = Duration::from_secs(30);
/// Amazon's variables for a key.
const KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/// Checks the words about the store for a verb that only looks.
pub(super) fn location_to_look_at(words: &StoreWords) -> Result<Location> {
    let mut location = location(words)?;
    let retry = Retry::lasting(words.retry_for.unwrap_or(LOOKING));
    location.options.retry = retry.with_pauses(Duration::from_millis(500), Duration::from_secs(5));
    Ok(location)
}

/// The store that is read from: the first one.
pub(super) fn location(words: &StoreWords) -> Result<Location> {
    let all = urls(&words.store)?;
    let Some(first) = all.first() else {
        let missing = Error::usage("no store was given").hint(
            "say where backups lie with --store or PGSTOW_STORE: file:///folder, s3://bucket/prefix, b2://bucket/prefix?region=…, gs://bucket/prefix; or choose a profile of pgstow.toml with --profile",
        );
        return Err(explain_empty(missing, &["PGSTOW_STORE"]));
    };
    if all.len() > 1 {
        tracing::info!("reading from the first of {} stores", all.len());
    }
    one(first, words)
}

/// The one store that is given, for a verb that changes what is there: half of its work must not look like all of it.
pub(super) fn only_location(words: &StoreWords) -> Result<Location> {
    match urls(&words.store)?.len() {
        0 | 1 => location(words),
        many => Err(Error::usage(format!("{many} stores were given, and only one is changed at a time"))
            .hint("name one with --store; how to go on with the other is in docs/keys.md, \"Two stores\"")),
    }
}

/// The stores that are written to, those that may fail last.
pub(super) fn destinations(words: &StoreWords, optional: &OptionalStoreWords) -> Result<Vec<Destination>> {
    let needed = urls(&words.store)?;
    if needed.is_empty() {
        location(words)?;
    }
    let optional = urls(&optional.store_optional)?.into_iter().map(|url| (url, true));
    let mut all: Vec<Destination> = Vec::new();
    for (url, is_optional) in needed.into_iter().map(|url| (url, false)).chain(optional) {
        let mut location = one(&url, words)?;
        // The limit is one for the run, which sends the same bytes to all of them.
        if let Some(first) = all.first() {
            location.options.rates = first.location.options.rates.clone();
        }
        if all.iter().any(|other| other.location.url == location.url) {
            return Err(Error::usage(format!("the store {} is given twice", location.url)));
        }
        all.push(Destination { location, is_optional });
    }
    Ok(all)
}

/// The URLs among the words: several in one, as in a variable, are separated by spaces.
///
/// A space within a folder's name stays: only what begins like a URL begins another one.
///
/// # Errors
/// If one is empty: of two stores, the one whose variable is not set must not be missed.
fn urls(words: &[String]) -> Result<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    for word in words {
        if word.trim().is_empty() {
            StoreUrl::from_str(word)?;
        }
        let mut begins = true;
        for piece in word.trim().split(char::is_whitespace) {
            match all.last_mut().filter(|_| !begins && !piece.contains("://")) {
                Some(last) if !piece.is_empty() => last.push_str(&format!(" {piece}")),
                Some(_) => {}
                None => all.push(piece.to_owned()),
            }
            begins = false;
        }
    }
    Ok(all)
}

/// Checks the stores' URLs, and nothing that needs more than them.
pub(super) fn check_urls(words: &[String]) -> Result<()> {
    let check = |url: &String| refuse_impossible(&url.parse()?, &OpenOptions::default());
    urls(words)?.iter().try_for_each(check)
}

/// One store, by its URL.
pub(super) fn one(text: &str, words: &StoreWords) -> Result<Location> {
    let url: StoreUrl = text.parse()?;
    refuse_empty_keys(text)?;
    let options = OpenOptions {
        request_timeout: words.timeout,
        retry: Retry::lasting(words.retry_for.unwrap_or(Retry::USUAL)),
        credentials: credentials(text),
        aws_files: aws_files(),
        endpoint: configured_endpoint(),
        customer_key: customer_key(words)?,
        rates: Rates::new(words.limit_rate),
        authorities: authorities(words, &url)?,
        ..OpenOptions::default()
    };
    refuse_impossible(&url, &options)?;
    Ok(Location { url, options })
}

/// The files that Amazon's tools read, in words.
fn aws_files() -> String {
    let file = |name, usual: &str| variable(name).unwrap_or_else(|| usual.to_owned());
    let config = file("AWS_CONFIG_FILE", "~/.aws/config");
    format!("{config} and {}", file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
}

/// The endpoint in Amazon's variables, unless another one of them says that it does not count.
fn configured_endpoint() -> Option<String> {
    let ignored = variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if ignored.is_some_and(|word| word.eq_ignore_ascii_case("true")) {
        return None;
    }
    variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"))
}

/// The lock for each new object of a backup.
pub(super) fn lock(words: &WritingWords) -> Result<Option<LockWish>> {
    let Some(span) = words.lock_until else {
        return match words.lock_mode {
            Some(_) => Err(Error::usage("--lock-mode without --lock-until locks nothing")
                .hint("say for how long: --lock-until 30d")),
            None => Ok(None),
        };
    };
    let mode = match words.lock_mode {
        Some(cli::LockMode::Compliance) => LockMode::Compliance,
        Some(cli::LockMode::Governance) | None => LockMode::Governance,
    };
    let until = Timestamp::now().to_zoned_datetime(TimeZone::UTC).checked_add(span);
    let until = until.and_then(|until| SystemTime::try_from(until.timestamp()));
    let until = until.map_err(|e| Error::usage("--lock-until is too long").because(e))?;
    Ok(Some(LockWish::new(mode, until)))
}

fn customer_key(words: &StoreWords) -> Result<Option<CustomerKey>> {
    let text = match &words.sse_c_key_file {
        Some(file) => Some(keys::secret_file(file, "the file with the key for SSE-C")?),
        None => variable("PGSTOW_SSE_C_KEY").map(SecretString::from),
    };
    text.map(|text| CustomerKey::parse(text.expose_secret())).transpose()
}

/// The authorities to trust besides the machine's; Amazon's variable is for Amazon's protocol.
fn authorities(words: &StoreWords, url: &StoreUrl) -> Result<Option<Authorities>> {
    let by_variable =
        || variable("AWS_CA_BUNDLE").filter(|_| matches!(url, StoreUrl::S3(_))).map(PathBuf::from);
    let Some(file) = words.ca_file.clone().or_else(by_variable) else { return Ok(None) };
    let pem = std::fs::read(&file)
        .map_err(|e| Error::settings(format!("the CA file {} cannot be read", file.display())).because(e))?;
    Authorities::parse(&pem).map(Some).map_err(|error| error.context(file.display()))
}

/// Refuses keys to a cloud that are set, but empty, if nothing else is there to be used.
///
/// Amazon's libraries treat them as unset and finally ask the machine's metadata service: on most machines a long wait,
/// and an error that does not mention them.
fn refuse_empty_keys(url: &str) -> Result<()> {
    const OTHER_WAYS: [&str; 5] = [
        "AWS_PROFILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    const OF_B2: [&str; 2] = ["B2_APPLICATION_KEY_ID", "B2_APPLICATION_KEY"];
    let is_b2 = url.starts_with("b2://");
    // Then the variables are not asked; whether there is such a profile is checked when the store is opened.
    if url.contains("aws_profile=") {
        return Ok(());
    }
    if !is_b2 && !url.starts_with("s3://") {
        return Ok(());
    }
    let has_other_way = OTHER_WAYS.iter().any(|name| variable(name).is_some())
        || path("HOME").is_some_and(|home| home.join(".aws/credentials").exists())
        || (is_b2 && OF_B2.iter().all(|name| variable(name).is_some()));
    let of_b2: &[&str] = if is_b2 { &OF_B2 } else { &[] };
    match blank_among(&[&KEYS, of_b2].concat()) {
        Some(blank) if !has_other_way => Err(Error::settings(format!("the store needs a key, and {blank}"))
            .hint(
                "in CI, a secret that does not exist looks like that; unset them if the machine has a role",
            )),
        _ => Ok(()),
    }
}

/// The credentials that the library for S3 would not find, or not read as they are meant.
fn credentials(url: &str) -> Option<Credentials> {
    // With two stores Amazon's variables are another store's.
    let of_b2 = || of_variables("B2_APPLICATION_KEY_ID", "B2_APPLICATION_KEY", None);
    of_b2().filter(|_| url.starts_with("b2://")).or_else(|| amazons(url))
}

/// Amazon's variables if one of them ends with a line break, as a Kubernetes secret from `echo` does: the library takes
/// it as a part of the key.
fn amazons(url: &str) -> Option<Credentials> {
    const TOKEN: &str = "AWS_SESSION_TOKEN";
    let is_asked = (url.starts_with("s3://") || url.starts_with("b2://")) && !url.contains("aws_profile=");
    let is_broken = [KEYS[0], KEYS[1], TOKEN].iter().any(|name| has_line_end(name));
    if is_asked && is_broken { of_variables(KEYS[0], KEYS[1], Some(TOKEN)) } else { None }
}

fn of_variables(id: &'static str, secret: &str, token: Option<&str>) -> Option<Credentials> {
    Some(Credentials {
        access_key_id: variable(id)?,
        secret_access_key: variable(secret)?,
        session_token: token.and_then(variable),
        variable: id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_separated_by_spaces_and_a_folder_may_have_one_in_its_name() {
        let all = |words: &[&str]| {
            urls(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap_or_default()
        };
        assert_eq!(all(&["s3://a/b  gs://c\nfile:///d"]), ["s3://a/b", "gs://c", "file:///d"]);
        assert_eq!(
            all(&["file:///my backups/x file:///y", "s3://a"]),
            ["file:///my backups/x", "file:///y", "s3://a"]
        );
        assert_eq!(all(&["/folder"]), ["/folder"], "its mistake is explained later");
        assert!(all(&["", " "]).is_empty());
        // An unset variable in quotes.
        assert_eq!(all(&["file:///a", ""]), [""; 0]);
    }

    #[test]
    fn the_same_store_twice_is_a_mistake() {
        let words = |store: &[&str]| StoreWords {
            store: store.iter().map(|url| (*url).to_owned()).collect(),
            timeout: Duration::from_secs(1),
            retry_for: None,
            limit_rate: None,
            sse_c_key_file: None,
            ca_file: None,
        };
        let optional = |store: &[&str]| OptionalStoreWords { store_optional: words(store).store };
        let all = destinations(&words(&["file:///a"]), &optional(&["file:///b"])).unwrap();
        assert_eq!(all.iter().map(|one| one.is_optional).collect::<Vec<_>>(), [false, true]);
        let twice = destinations(&words(&["file:///a"]), &optional(&["file:///a"])).unwrap_err();
        assert_eq!(twice.message(), "the store file:///a is given twice");
        let none = destinations(&words(&[]), &optional(&["file:///a"])).unwrap_err();
        assert_eq!(none.message(), "no store was given");
    }
}
