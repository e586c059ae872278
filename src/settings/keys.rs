//! Keys and passphrases: from files, variables or the terminal, never from the command line.

use super::environment::{blank_among, explain_empty, variable};
use super::file::{SettingsFile, Values};
use super::permissions::{check_public_key_file, check_secret_file};
use crate::cli::{IdentityWords, TrustWords, Verb, Words, WritingWords};
use crate::error::{Error, Result};
use crate::pipeline::keys::{
    Ask, ExposeSecret, Identities, Recipients, SecretString, Variables, is_for_plugins,
};
use crate::stored::format::signing::{SigningKey, VerifyKeys};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The variables that say for whom a backup is.
const FOR_WHOM: [&str; 6] = [
    "PGSTOW_NO_ENCRYPTION",
    "PGSTOW_RECIPIENTS",
    "PGSTOW_RECIPIENTS_FILE",
    "PGSTOW_PASSPHRASE",
    "PGSTOW_PASSPHRASE_FILE",
    "PGSTOW_ASK_PASSPHRASE",
];

/// Why something that was typed may be empty.
const UNSET: &str = "an unset variable looks like that";

/// The keys of a settings file that say who can read a backup.
const READERS: [&str; 5] =
    ["recipients", "recipients_file", "passphrase_file", "ask_passphrase", "no_encryption"];

/// Who can read a backup is one setting: if the command line or the environment says it, the settings file adds
/// nobody. Its values without that, and a warning; `None` if nothing is left out.
pub(super) fn only_typed_recipients(words: &Words, file: &SettingsFile) -> Option<(Values, String)> {
    let (readers, typed) = match words.verb {
        Verb::Backup(_) | Verb::Adopt(_) | Verb::Doctor(_) => {
            (&READERS[..], variable("PGSTOW_PASSPHRASE").is_some())
        }
        // Its passphrase opens what is there.
        Verb::Rekey(_) => (&READERS[..2], false),
        _ => return None,
    };
    let is_given = |key: &&str| words.given.contains(*key);
    let typed = typed || readers.iter().any(|key| *key != "no_encryption" && is_given(key));
    let left_out: Vec<&str> = readers
        .iter()
        .copied()
        .filter(|key| typed && file.values.contains_key(*key) && !is_given(key))
        .collect();
    if left_out.is_empty() {
        return None;
    }
    let values = file.values.iter().filter(|(key, _)| !left_out.contains(&key.as_str()));
    let warning = format!(
        "the backup is made only for whom the command line and the environment name; {} of {} does not count",
        left_out.join(" and "),
        file.path.display()
    );
    Some((values.map(|(key, values)| (key.clone(), values.clone())).collect(), warning))
}

/// Who can decrypt the backup; `None` if it is not encrypted because the user asked for that by name.
pub(super) fn recipients(words: &WritingWords) -> Result<Option<Arc<Recipients>>> {
    refuse_nobody(&words.recipients)?;
    let passphrase = match (&words.passphrase_file, words.passphrase) {
        _ if words.only_recipients => None,
        (None, true) => Some(ask_new_passphrase()?),
        (file, _) => passphrase(file.as_deref())?,
    };
    if let Some(passphrase) = &passphrase {
        refuse_several_lines(passphrase.expose_secret())?;
    }
    let named = typed(&words.recipients).next().is_some() || !words.recipients_file.is_empty();
    let asked_for = named || passphrase.is_some();
    match (words.no_encryption, asked_for) {
        (true, true) => return Err(contradiction()),
        (true, false) => return Ok(None),
        (false, false) => {
            let missing = Error::usage("no recipient was given, so nobody could read the backup").hint(
                "make a key with `pgstow keygen -o key.txt`, keep key.txt safe and away from here, and give the age1… it \
                 prints with --recipient; --no-encryption stores the backup readable for everyone who can read the store",
            );
            return Err(explain_empty(missing, &FOR_WHOM));
        }
        (false, true) => {}
    }
    let mut keys = public_recipients(&words.recipients, &words.recipients_file)?;
    if let Some(passphrase) = passphrase {
        keys.add_passphrase(passphrase)?;
    }
    Ok(Some(Arc::new(keys)))
}

/// The recipients that are named, and those in the files.
pub(super) fn public_recipients(named: &[String], files: &[PathBuf]) -> Result<Recipients> {
    refuse_nobody(named)?;
    let mut keys = Recipients::with_plugins(of_plugins());
    typed(named).try_for_each(|recipient| keys.add(recipient))?;
    for file in files {
        check_public_key_file(file, "the recipients file")?;
        keys.add_file(file)?;
    }
    Ok(keys)
}

/// Recipients one by one, of lists with commas, line breaks or spaces.
fn typed(lists: &[String]) -> impl Iterator<Item = &str> {
    lists.iter().flat_map(|list| list.split([',', '\n'])).flat_map(apart)
}

/// No recipient of age's or of a plugin's is as short as this.
const SHORTEST: usize = 20;

/// Recipients that are separated by spaces. An SSH key has spaces within, and ends where another recipient begins.
fn apart(list: &str) -> Vec<&str> {
    // A comment may have "age1" in it, and no whole recipient.
    let begins = |word: &str| {
        matches!(word, "ssh-ed25519" | "ssh-rsa") || word.starts_with("age1") && word.len() > SHORTEST
    };
    let mut starts: Vec<usize> = Vec::new();
    let mut after_age = true;
    for word in list.split_whitespace() {
        let is_first = after_age || begins(word);
        if is_first {
            // Where the word lies within the list.
            starts.push(word.as_ptr().addr() - list.as_ptr().addr());
        }
        after_age = is_first && word.starts_with("age1");
    }
    let ends = starts.iter().skip(1).copied().chain([list.len()]);
    starts.iter().zip(ends).filter_map(|(start, end)| list.get(*start..end)).map(str::trim_end).collect()
}

/// Of several recipients, the one whose variable is not set must not be missed.
fn refuse_nobody(named: &[String]) -> Result<()> {
    match named.iter().any(|list| typed(std::slice::from_ref(list)).next().is_none()) {
        true => Err(Error::usage("a recipient is empty").hint(UNSET)),
        false => Ok(()),
    }
}

/// Half of it may have been said long ago, where nobody looks.
fn contradiction() -> Error {
    let said = Error::usage("--no-encryption and recipients, or a passphrase, contradict each other");
    let set: Vec<&str> = FOR_WHOM.into_iter().filter(|name| variable(name).is_some()).collect();
    match set[..] {
        [] => said.hint("leave one of them out, be it typed or in pgstow.toml"),
        _ => said.hint(format!("leave one of them out; the environment sets {}", set.join(" and "))),
    }
}

/// The key that signs; missing, it is an error if signatures are required.
pub(super) fn signing_key(file: Option<&Path>, is_required: bool) -> Result<Option<SigningKey>> {
    let text = match file {
        Some(file) => Some(secret_file(file, "the signing key")?),
        None => secret_variable("PGSTOW_SIGNING_KEY"),
    };
    warn_of_empty(text.is_none(), &["PGSTOW_SIGNING_KEY"], "nothing is signed");
    if text.is_none() && is_required {
        return Err(Error::usage("signatures are required, and there is no key to sign with")
            .hint("give it with --signing-key-file, or in PGSTOW_SIGNING_KEY; --require-signature or the settings file asks for it"));
    }
    let password = variable("PGSTOW_SIGNING_PASSWORD");
    text.map(|text| SigningKey::parse(text.expose_secret(), password)).transpose()
}

/// Refuses a signing key if the verification keys that are given with it would refuse what it signs.
pub(super) fn refuse_other_pair(signing: Option<&SigningKey>, trust: &TrustWords) -> Result<()> {
    // Who only writes need not give one.
    let Some(signing) = signing.filter(|_| !trust.verify_key.is_empty()) else { return Ok(()) };
    verify_keys(trust)?.map_or(Ok(()), |keys| signing.fits(&keys))
}

/// Whose signatures are believed; nobody given is an error if signatures are required.
pub(super) fn verify_keys(words: &TrustWords) -> Result<Option<VerifyKeys>> {
    let given: Vec<&str> = words.verify_key.iter().flat_map(|text| named_keys(text)).collect();
    // Nothing would be checked by somebody who asked for it.
    if given.is_empty() && !words.verify_key.is_empty() {
        return Err(Error::usage("--verify-key (PGSTOW_VERIFY_KEY) names no key").hint(UNSET));
    }
    if given.is_empty() {
        let is_missing = !words.require_signature;
        warn_of_empty(is_missing, &["PGSTOW_VERIFY_KEY"], "no signature is checked");
        return match words.require_signature {
            false => Ok(None),
            true => Err(explain_empty(
                Error::usage("signatures are required, and there is no key to check them with")
                    .hint("give it with --verify-key; --require-signature or the settings file asks for it"),
                &["PGSTOW_VERIFY_KEY"],
            )),
        };
    }
    let mut lines = String::new();
    for text in given {
        let path = Path::new(text);
        if path.is_file() {
            check_public_key_file(path, "the verification key")?;
            lines.push_str(whole_file(path, "the verification key")?.expose_secret());
        } else if path.extension().is_some_and(|end| end == "pub") || is_surely_a_name(path) {
            return Err(located(Error::settings(format!("the verification key {text} is not there")), path)
                .hint("a verification key is a file, or the line that begins with RW"));
        } else {
            lines.push_str(text);
        }
        lines.push('\n');
    }
    VerifyKeys::parse(&lines).map(Some)
}

/// Checks keys that are given themselves; a file with some may be on another machine.
pub(super) fn check_verify_keys(given: &[String]) -> Result<()> {
    let is_file = |text: &str| is_surely_a_name(Path::new(text)) || text.ends_with(".pub");
    let mut keys = given.iter().flat_map(|text| named_keys(text)).filter(|text| !is_file(text));
    keys.try_for_each(|key| VerifyKeys::parse(key).map(drop))
}

/// The keys, or files with keys, that one value names.
fn named_keys(text: &str) -> Vec<&str> {
    if Path::new(text).is_file() {
        return vec![text];
    }
    text.split([',', '\n']).map(str::trim).filter(|text| !text.is_empty()).collect()
}

/// The passphrase in a file, or in its variable.
fn passphrase(file: Option<&Path>) -> Result<Option<SecretString>> {
    let Some(file) = file else { return Ok(secret_variable("PGSTOW_PASSPHRASE")) };
    let passphrase = secret_file(file, "the passphrase file")?;
    match passphrase.expose_secret().trim().is_empty() {
        true => Err(Error::settings(format!("the passphrase file {} is empty", file.display()))),
        false => Ok(Some(passphrase)),
    }
}

/// Refuses for a new backup what is hardly a passphrase: nobody would guess that all of a file is one.
fn refuse_several_lines(passphrase: &str) -> Result<()> {
    match passphrase.contains('\n') {
        true => Err(Error::settings("the passphrase has several lines")
            .hint("a passphrase is one line; the public key of an identity file (age1…) is for --recipient")),
        false => Ok(()),
    }
}

pub(super) fn identities(words: &IdentityWords) -> Result<Identities> {
    let passphrase = passphrase(words.passphrase_file.as_deref())?;
    // The passphrase that was given opens protected identities too; only without one is anybody asked.
    let given = passphrase.clone();
    let asking = Ask::new(move |what| given.clone().or_else(|| ask(what)));
    let mut identities = Identities::with_plugins(of_plugins());
    for file in &words.identity_file {
        // As for age.
        let file = if file == Path::new("-") { Path::new("/dev/stdin") } else { file };
        check_secret_file(file, "the identity file")?;
        identities.add_file(file, &asking).map_err(|error| located(error, file))?;
    }
    if let Some(text) = variable("PGSTOW_IDENTITY").map(SecretString::from) {
        identities.add_text(&text, "PGSTOW_IDENTITY", &asking)?;
    }
    if let Some(passphrase) = passphrase {
        identities.add_passphrase(passphrase);
    }
    let keys = ["PGSTOW_IDENTITY", "PGSTOW_PASSPHRASE"];
    warn_of_empty(identities.is_empty(), &keys, "there is no key to open backups with");
    Ok(identities)
}

/// Adds where a file was looked for, if nothing is there and nothing better is known.
fn located(error: Error, path: &Path) -> Error {
    match std::env::current_dir() {
        Ok(folder) if path.is_relative() && !path.exists() && error.hints().is_empty() => {
            error.hint(format!("it was looked for in {}", folder.display()))
        }
        _ => error,
    }
}

/// Warns if something is missing that was to come from one of these variables, which are set, but empty.
fn warn_of_empty(is_missing: bool, names: &[&str], so: &str) {
    if let Some(blank) = blank_among(names).filter(|_| is_missing) {
        tracing::warn!("{blank}: {so}");
    }
}

/// The variables that age's plugins get.
fn of_plugins() -> Variables {
    std::env::vars_os().filter(|(name, _)| is_for_plugins(name)).collect()
}

/// Reads a file with a secret.
pub(super) fn secret_file(path: &Path, what: &str) -> Result<SecretString> {
    check_secret_file(path, what)?;
    whole_file(path, what)
}

/// Reads a small file whole; the newline that ends it is not part of what it holds.
fn whole_file(path: &Path, what: &str) -> Result<SecretString> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        let error = match is_surely_a_name(path) {
            true => Error::settings(format!("{what} {} cannot be read", path.display())),
            false => Error::settings(format!("{what} cannot be read")).hint(
                "give the name of a file that holds it; what was given is not shown, because it may be the secret itself",
            ),
        };
        error.because(e)
    })?;
    // Some editors begin a text with a mark.
    Ok(without_line_end(text.strip_prefix('\u{feff}').unwrap_or(&text)).into())
}

/// A secret in a variable.
fn secret_variable(name: &str) -> Option<SecretString> {
    variable(name).map(SecretString::from)
}

/// Text without the line breaks that end it, as in a variable.
fn without_line_end(text: &str) -> &str {
    text.trim_end_matches(['\n', '\r'])
}

/// Whether this names a file: it is there, or a folder for it is. Anything else may be a secret in the wrong place.
fn is_surely_a_name(path: &Path) -> bool {
    // What base64 begins with a slash for is in the root folder, and a single word is in this one.
    let folder = path.parent().filter(|folder| folder.parent().is_some());
    path.symlink_metadata().is_ok() || folder.is_some_and(Path::is_dir)
}

fn ask_new_passphrase() -> Result<SecretString> {
    let nobody = || {
        Error::settings("there is no terminal to ask for a passphrase on")
            .hint("give it in PGSTOW_PASSPHRASE or with --passphrase-file")
    };
    let first = ask("Passphrase for the backup").ok_or_else(nobody)?;
    let second = ask("The same again").ok_or_else(nobody)?;
    if first.expose_secret() != second.expose_secret() {
        return Err(Error::settings("the two passphrases differ"));
    }
    Ok(first)
}

/// Asks on the terminal, which need not be stdin; `None` where there is none.
pub(super) fn ask(for_what: &str) -> Option<SecretString> {
    rpassword::prompt_password(format!("{for_what}: ")).ok().map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_not_set_neither_drops_a_recipient_nor_a_key() {
        let key = "age1ypxmz84h3jmdcqqm3xghgpqnz2z2zntl0y73ax7j65kk6yuyee9qtu2vjr".to_owned();
        for empty in ["", " ", ","] {
            let named = [key.clone(), empty.to_owned()];
            let error = public_recipients(&named, &[]).err().unwrap();
            assert_eq!(error.message(), "a recipient is empty", "{empty:?}");
            let words =
                TrustWords { verify_key: vec![empty.to_owned()], require_signature: false, no_state: false };
            let error = verify_keys(&words).err().unwrap();
            assert!(error.message().contains("names no key"), "{empty:?}");
        }
        assert_eq!(typed(&["a,,b,".to_owned()]).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn recipients_may_be_separated_by_spaces_and_an_ssh_key_has_some_within() {
        let all = |list: &str| typed(&[list.to_owned()]).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(all(" age1a  age1b "), ["age1a", "age1b"]);
        assert_eq!(all("age1a ssh-ed25519 AAAA me@here"), ["age1a", "ssh-ed25519 AAAA me@here"]);
        assert_eq!(all("ssh-rsa AAAA age1 of mine,age1b"), ["ssh-rsa AAAA age1 of mine", "age1b"]);
        let key = "age1ypxmz84h3jmdcqqm3xghgpqnz2z2zntl0y73ax7j65kk6yuyee9qtu2vjr";
        assert_eq!(all(&format!("ssh-rsa AAAA mine {key}")), ["ssh-rsa AAAA mine", key]);
        assert_eq!(all("ssh-rsa AAAA ssh-ed25519 BBBB"), ["ssh-rsa AAAA", "ssh-ed25519 BBBB"]);
    }
}
