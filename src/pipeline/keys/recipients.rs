//! Recipients: the public keys to encrypt to.

use super::ask::Ask;
use super::files::{lines, looks_secret, read_file};
use super::fingerprints::{PASSPHRASE, ssh_fingerprint};
use super::plugin::{Plugin, Variables};
use crate::error::{Error, Result};
use crate::pipeline::threads::blocking;
use crate::pipeline::window::LONGEST_HEADER;
use age::plugin;
use age::secrecy::{ExposeSecret, SecretString};
use age::ssh::{self, ParseRecipientKeyError};
use age::{EncryptError, Encryptor, scrypt, tag, tagpq, x25519};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// scrypt's work factor, as a power of two: 256 MiB and about a second, as in `age -p`.
const WORK_FACTOR: u8 = if cfg!(test) { 10 } else { 18 };

type Recipient = Box<dyn age::Recipient + Send + Sync>;

/// The keys that will be able to decrypt.
#[derive(Default)]
pub struct Recipients {
    keys: Vec<(String, Recipient)>,
    /// What plugins get.
    variables: Variables,
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recipients").field(&self.fingerprints()).finish()
    }
}

impl Recipients {
    /// Parses recipients: `age1…`, `ssh-ed25519 …`, `ssh-rsa …`, or of a plugin.
    pub fn parse<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> Result<Self> {
        let mut recipients = Self::default();
        for word in words {
            recipients.add(word.as_ref())?;
        }
        Ok(recipients)
    }

    /// None yet; their plugins will get these variables.
    pub fn with_plugins(variables: Variables) -> Self {
        Self { variables, ..Self::default() }
    }

    /// Adds a recipient, unless it was added before.
    pub fn add(&mut self, word: &str) -> Result<()> {
        let (fingerprint, recipient) = parse(word.trim(), &self.variables)?;
        self.push(fingerprint, recipient)
    }

    /// Adds the recipients in a file, one per line; ignores empty lines and those that begin with `#`.
    pub fn add_file(&mut self, path: &Path) -> Result<()> {
        let bytes = read_file("recipients file", path)?;
        self.add_text(&String::from_utf8_lossy(&bytes), &format!("recipients file {}", path.display()))
    }

    /// Adds the recipients in the text of a file; failures call it `name`.
    pub fn add_text(&mut self, text: &str, name: &str) -> Result<()> {
        let before = self.keys.len();
        for (number, line) in lines(text) {
            self.add(line).map_err(|e| e.context(format!("{name}, line {number}")))?;
        }
        if self.keys.len() == before && lines(text).next().is_none() {
            return Err(Error::settings(format!("{name} contains no recipient")));
        }
        Ok(())
    }

    /// Adds a passphrase, which must be the only recipient. Decrypting will need a second and 256 MiB.
    pub fn add_passphrase(&mut self, passphrase: SecretString) -> Result<()> {
        if passphrase.expose_secret().trim().is_empty() {
            return Err(Error::settings("the passphrase is empty"));
        }
        let mut recipient = scrypt::Recipient::new(passphrase);
        recipient.set_work_factor(WORK_FACTOR);
        self.push(PASSPHRASE.to_owned(), Box::new(recipient))
    }

    /// Whether there is no recipient.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The public name of each recipient: the `age1…` string itself, `SHA256:…` of an SSH key, or "passphrase".
    pub fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().map(|(fingerprint, _)| fingerprint.clone()).collect()
    }

    /// Checks that these can be combined, and that a reader will take them, before any work is done.
    ///
    /// A plugin may be called, and wait for hardware: on a thread of its own, so that the run hears signals.
    pub async fn check(self: &Arc<Self>) -> Result<()> {
        let these = Arc::clone(self);
        blocking(move || these.try_them()).await
    }

    pub(super) fn try_them(&self) -> Result<()> {
        let mut header = Vec::new();
        let written = self.encryptor()?.wrap_output(&mut header).map(drop);
        written.map_err(|e| Error::settings("encrypting to these recipients failed").because(e))?;
        if header.len() as u64 > LONGEST_HEADER {
            let (bytes, most) = (header.len(), LONGEST_HEADER);
            let what = format!(
                "the backup's header would have {bytes} bytes for these recipients, and may have {most}"
            );
            return Err(Error::settings(what).hint("use fewer recipients: a group can share one identity"));
        }
        Ok(())
    }

    /// Begins an encryption.
    pub(in crate::pipeline) fn encryptor(&self) -> Result<Encryptor> {
        let all = self.keys.iter().map(|(_, recipient)| &**recipient as &dyn age::Recipient);
        Encryptor::with_recipients(all).map_err(|e| match e {
            EncryptError::MissingRecipients => Error::settings("there is no recipient to encrypt to"),
            EncryptError::IncompatibleRecipients { .. } => {
                Error::settings("these recipients cannot be combined: some are post-quantum, some are not")
            }
            other => Error::settings("encrypting to these recipients failed").because(other),
        })
    }

    fn push(&mut self, fingerprint: String, recipient: Recipient) -> Result<()> {
        let known = self.keys.iter().any(|(known, _)| *known == fingerprint);
        let passphrases = self.keys.iter().any(|(known, _)| known == PASSPHRASE) || fingerprint == PASSPHRASE;
        if passphrases && !self.keys.is_empty() {
            return Err(Error::settings("a passphrase must be the only recipient")
                .hint("age cannot combine a passphrase with recipients: use one or the other"));
        }
        if !known {
            self.keys.push((fingerprint, recipient));
        }
        Ok(())
    }
}

fn parse(word: &str, variables: &Variables) -> Result<(String, Recipient)> {
    if looks_secret(word) {
        return Err(Error::settings("this is a secret key, not a recipient")
            .hint("use its public key: the line \"# public key: age1…\" of the identity file, or FILE.pub of an SSH key"));
    }
    if let Ok(key) = word.parse::<x25519::Recipient>() {
        return Ok((key.to_string(), Box::new(key)));
    }
    if let Ok(key) = word.parse::<tag::Recipient>() {
        return Ok((key.to_string(), Box::new(key)));
    }
    if let Ok(key) = word.parse::<tagpq::Recipient>() {
        return Ok((key.to_string(), Box::new(key)));
    }
    match word.parse::<ssh::Recipient>() {
        Ok(key) => return Ok((ssh_fingerprint(&key), Box::new(key))),
        Err(ParseRecipientKeyError::Unsupported(kind)) => {
            return Err(Error::settings(format!("SSH keys of type {kind} are not supported"))
                .hint("age supports ssh-ed25519 and ssh-rsa"));
        }
        Err(ParseRecipientKeyError::RsaModulusTooSmall) => {
            return Err(Error::settings("the ssh-rsa key is too weak: less than 2048 bits"));
        }
        Err(ParseRecipientKeyError::RsaModulusTooLarge) => {
            return Err(Error::settings("the ssh-rsa key is too large"));
        }
        Err(_) => {}
    }
    if let Ok(key) = word.parse::<plugin::Recipient>() {
        let fingerprint = key.to_string();
        let name = key.plugin().to_owned();
        let plugin = Plugin::find(&name, fingerprint.clone(), variables, Ask::nobody())?;
        return Ok((fingerprint, Box::new(plugin)));
    }
    Err(Error::settings(format!("{} is not a recipient", shown(word)))
        .hint("a recipient is a complete age1…, ssh-ed25519 … or ssh-rsa …; `pgstow keygen` creates one"))
}

/// What to call a word that is not a recipient: only what is surely public is shown.
fn shown(word: &str) -> &'static str {
    ["age1", "ssh-ed25519", "ssh-rsa"].iter().find(|prefix| word.starts_with(**prefix)).map_or(
        "this",
        |prefix| match *prefix {
            "age1" => "the mistyped or incomplete \"age1…\"",
            "ssh-rsa" => "the mistyped or incomplete \"ssh-rsa …\"",
            _ => "the mistyped or incomplete \"ssh-ed25519 …\"",
        },
    )
}
