//! Identities: the secret keys that decrypt.

use super::ask::Ask;
use super::files::{is_signing_key, lines, read_file};
use super::fingerprints::{PASSPHRASE, ssh_fingerprint};
use super::plugin::{Plugin, Variables};
use crate::error::{Error, Result};
use age::armor::ArmoredReader;
use age::plugin;
use age::secrecy::{ExposeSecret, SecretString};
use age::ssh::{self, UnsupportedKey};
use age::{DecryptError, Decryptor, scrypt, x25519};
use std::fmt;
use std::io::Read;
use std::path::Path;

/// The largest work factor of a passphrase that is tried, as a power of two: 1 GiB and a few seconds.
///
/// Whoever can write to the bucket can choose this number; age's own limit would allow 4 GiB.
const MAX_WORK_FACTOR: u8 = 20;

type Identity = Box<dyn age::Identity + Send + Sync>;

/// The keys that may decrypt a backup.
#[derive(Default)]
pub struct Identities {
    keys: Vec<(String, Identity)>,
    /// Tried last: they may need a user to do something.
    plugins: Vec<(String, Identity)>,
    passphrase: bool,
    /// What plugins get.
    variables: Variables,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identities").field(&self.fingerprints()).finish()
    }
}

impl Identities {
    /// None yet; their plugins will get these variables.
    pub fn with_plugins(variables: Variables) -> Self {
        Self { variables, ..Self::default() }
    }

    /// Adds the identities in a file: age's format, an SSH private key, or an age file protected by a passphrase.
    pub fn add_file(&mut self, path: &Path, ask: &Ask) -> Result<()> {
        let bytes = read_file("identity file", path)?;
        self.add_bytes(bytes, &format!("identity file {}", path.display()), ask)
    }

    /// Adds the identities in a text, such as the value of a variable; failures call it `name`.
    pub fn add_text(&mut self, text: &SecretString, name: &str, ask: &Ask) -> Result<()> {
        self.add_bytes(text.expose_secret().as_bytes().to_vec(), name, ask)
    }

    /// Adds the passphrase of a backup that was encrypted with one.
    pub fn add_passphrase(&mut self, passphrase: SecretString) {
        let mut identity = scrypt::Identity::new(passphrase);
        identity.set_max_work_factor(MAX_WORK_FACTOR);
        self.passphrase = true;
        self.keys.push((PASSPHRASE.to_owned(), Box::new(identity)));
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.plugins.is_empty()
    }

    /// The public name of each identity: its recipient if that is known, else its type.
    pub fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().chain(&self.plugins).map(|(fingerprint, _)| fingerprint.clone()).collect()
    }

    /// The identities, for age.
    pub(in crate::pipeline) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.named().map(|(_, identity)| identity)
    }

    /// The same with their public names.
    pub(in crate::pipeline) fn named(&self) -> impl Iterator<Item = (&str, &dyn age::Identity)> {
        let all = self.keys.iter().chain(&self.plugins);
        all.map(|(name, identity)| (name.as_str(), &**identity as &dyn age::Identity))
    }

    /// Whether one of them is a passphrase.
    pub(in crate::pipeline) fn has_passphrase(&self) -> bool {
        self.passphrase
    }

    fn add_bytes(&mut self, bytes: Vec<u8>, name: &str, ask: &Ask) -> Result<()> {
        if is_age_file(&bytes) {
            let text = unprotect(&bytes, name, ask)?;
            return self.add_lines(text.expose_secret(), name, ask);
        }
        let text = String::from_utf8(bytes)
            .map(SecretString::from)
            .map_err(|_| Error::settings(format!("{name} contains no identity")))?;
        if text.expose_secret().trim_start().starts_with("-----BEGIN") {
            return self.add_ssh(text.expose_secret(), name, ask);
        }
        self.add_lines(text.expose_secret(), name, ask)
    }

    fn add_lines(&mut self, text: &str, name: &str, ask: &Ask) -> Result<()> {
        let mut found = false;
        for (number, line) in lines(text) {
            if let Ok(key) = line.parse::<x25519::Identity>() {
                self.keys.push((key.to_public().to_string(), Box::new(key)));
            } else if let Ok(key) = line.parse::<plugin::Identity>() {
                let plugin_name = key.plugin().to_owned();
                let plugin = Plugin::find(&plugin_name, key.to_string(), &self.variables, ask.clone())?;
                self.plugins.push((format!("age-plugin-{plugin_name}"), Box::new(plugin)));
            } else if line.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-PQ-") {
                return Err(Error::settings(format!("{name}, line {number}: this is a post-quantum identity"))
                    .hint("it needs age-plugin-pq: `age-plugin-pq -identity -o NEW FILE` writes an identity for the plugin into NEW"));
            } else if text.lines().any(is_signing_key) {
                return Err(Error::settings(format!("{name} is a signing key, which opens no backup"))
                    .hint("give an identity: AGE-SECRET-KEY-1…, or an SSH private key; a signing key belongs to --signing-key-file"));
            } else if line.starts_with("age1") || line.starts_with("ssh-") {
                return Err(Error::settings(format!("{name}, line {number}: this is a public recipient"))
                    .hint(
                        "decrypting needs the secret key: AGE-SECRET-KEY-1…, or the SSH key without .pub",
                    ));
            } else {
                // The line may be a mistyped secret key: it is not shown.
                let error = Error::settings(format!("{name}, line {number}: this is not an identity"));
                return Err(if line.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
                    error.hint("a character is wrong or missing: after AGE-SECRET-KEY-1 there are 58, in the same line and without spaces; none of them is B, I, O or 1")
                } else {
                    error.hint("an identity is a complete line AGE-SECRET-KEY-1…, or an SSH private key")
                });
            }
            found = true;
        }
        if found { Ok(()) } else { Err(Error::settings(format!("{name} contains no identity"))) }
    }

    fn add_ssh(&mut self, text: &str, name: &str, ask: &Ask) -> Result<()> {
        let key = ssh::Identity::from_buffer(text.trim_start().as_bytes(), None).map_err(|_| {
            Error::settings(format!("{name} is not a usable SSH private key"))
                .hint("`ssh-keygen -p -f FILE` converts other formats to OpenSSH's")
        })?;
        let unusable = |why: &str| Error::settings(format!("{name} cannot be used: {why}"));
        if let ssh::Identity::Unsupported(kind) = &key {
            return Err(match kind {
                UnsupportedKey::EncryptedPem => unusable("it is encrypted in an old, weak format")
                    .hint("`ssh-keygen -o -p -f FILE` converts it"),
                UnsupportedKey::EncryptedSsh(cipher) => unusable(&format!("it is encrypted with {cipher}"))
                    .hint("`ssh-keygen -p -Z aes256-ctr -f FILE` converts it"),
                UnsupportedKey::Hardware(kind) => {
                    unusable(&format!("{kind} keys are in hardware that cannot decrypt"))
                }
                UnsupportedKey::Type(kind) => unusable(&format!("age does not support {kind} keys")),
            });
        }
        let fingerprint = ssh::Recipient::try_from(key.clone())
            .map(|recipient| ssh_fingerprint(&recipient))
            .map_err(|_| unusable("it is too large, or age does not support its type"))?;
        let key = match key {
            ssh::Identity::Encrypted(key) => key
                .decrypt(ask.passphrase(name)?)
                .map(ssh::Identity::from)
                .map_err(|_| unusable("the passphrase is wrong"))?,
            open => open,
        };
        self.keys.push((fingerprint, Box::new(key)));
        Ok(())
    }
}

fn is_age_file(bytes: &[u8]) -> bool {
    bytes.starts_with(b"age-encryption.org/")
        || bytes.trim_ascii_start().starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

/// Decrypts an identity file that is protected by a passphrase.
fn unprotect(bytes: &[u8], name: &str, ask: &Ask) -> Result<SecretString> {
    let unusable = |why: &str| Error::settings(format!("{name} cannot be used: {why}"));
    let age = Decryptor::new(ArmoredReader::new(bytes.trim_ascii_start()))
        .map_err(|_| unusable("it is a damaged age file"))?;
    if !age.is_scrypt() {
        return Err(unusable("it is an age file encrypted to a key, not with a passphrase"));
    }
    let mut passphrase = scrypt::Identity::new(ask.passphrase(name)?);
    passphrase.set_max_work_factor(MAX_WORK_FACTOR);
    let mut open = age.decrypt(std::iter::once(&passphrase as &dyn age::Identity)).map_err(|e| match e {
        DecryptError::ExcessiveWork { .. } => unusable("its scrypt work factor is above 20"),
        DecryptError::DecryptionFailed => unusable("the passphrase is wrong"),
        _ => unusable("it is a damaged age file"),
    })?;
    let mut text = String::new();
    open.read_to_string(&mut text).map_err(|_| unusable("it is a damaged age file"))?;
    Ok(SecretString::from(text))
}
