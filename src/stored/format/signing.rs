//! Signatures over what is written about backups, in minisign's format, so that `minisign -V` checks them without us.
//!
//! age to a recipient says who may read, not who wrote: whoever can write the bucket and knows the
//! public recipient could plant a dump, and restoring one runs its SQL. A signature closes that.

use crate::error::{Error, Result};
use crate::pipeline::keys::is_signing_key;
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox, SignatureBox};
use std::fmt;
use std::io::Cursor;

/// The secret side: signs manifests and receipts.
pub struct SigningKey(SecretKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Reads minisign's secret-key format; `password` opens a protected one.
    pub fn parse(text: &str, password: Option<String>) -> Result<Self> {
        let unusable = |why: &str| {
            Error::settings(format!("the signing key cannot be used: {why}"))
                .hint("make one with `pgstow keygen --signing -o FILE`, or `minisign -G`")
        };
        let none = || {
            unusable("it is not a minisign secret key")
                .hint("PGSTOW_SIGNING_KEY holds the key itself, --signing-key-file names its file")
        };
        // The library takes any text for a key with a password.
        if !text.lines().any(is_signing_key) {
            return Err(none());
        }
        // Whoever keeps the key alone has lost the comment above it, without which the library reads none.
        let alone = format!("untrusted comment: a signing key\n{}", text.trim());
        let text = if text.trim().lines().count() == 1 { &alone } else { text };
        let boxed = || SecretKeyBox::from_string(text).map_err(|_| none());
        if let Ok(open) = boxed()?.into_unencrypted_secret_key() {
            return Ok(Self(open));
        }
        let Some(password) = password else {
            return Err(unusable("it is protected by a password").hint(
                "give the password in PGSTOW_SIGNING_PASSWORD, or use a key made with `pgstow keygen --signing`",
            ));
        };
        let opened = boxed()?
            .into_secret_key(Some(password))
            .map_err(|_| unusable("the password does not open it"))?;
        Ok(Self(opened))
    }

    /// The public side.
    pub fn public(&self) -> Result<VerifyKeys> {
        let public = PublicKey::from_secret_key(&self.0);
        public
            .map(|key| VerifyKeys(vec![key]))
            .map_err(|e| Error::settings("the signing key has no public side").because(e.to_string()))
    }

    /// Checks that one of these keys accepts what this one signs.
    pub fn fits(&self, keys: &VerifyKeys) -> Result<()> {
        let probe = b"pgstow";
        let signature = self.sign(Signed::Probe, probe, "pgstow")?;
        keys.verify(Signed::Probe, probe, &signature).map_err(|_| {
            Error::settings("the verification key does not accept what the signing key signs").hint(
                "they are not of one pair: give the RW… line that `pgstow keygen --signing` printed with this key",
            )
        })
    }

    /// The detached signature of a document, as the text of a `.minisig` file.
    pub fn sign(&self, what: Signed, bytes: &[u8], trusted_comment: &str) -> Result<String> {
        let comment = format!("pgstow {what} signature");
        minisign::sign(None, &self.0, Cursor::new(bytes), Some(trusted_comment), Some(&comment))
            .map(SignatureBox::into_string)
            .map_err(|e| Error::unexpected(format!("the {what} could not be signed")).because(e.to_string()))
    }
}

/// What a signature is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// A backup's manifest.
    Manifest,
    /// A receipt of a trial restore.
    Receipt,
    /// A probe, to see whether keys fit.
    Probe,
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manifest => "manifest",
            Self::Receipt => "receipt",
            Self::Probe => "probe",
        })
    }
}

/// The public sides that are trusted: several while a key is replaced by another.
#[derive(Debug, Clone)]
pub struct VerifyKeys(Vec<PublicKey>);

impl VerifyKeys {
    /// Reads public keys, one a line, as `keygen` prints them or as `.pub` files contain them.
    pub fn parse(text: &str) -> Result<Self> {
        let is_key = |line: &&str| !line.is_empty() && !line.starts_with("untrusted comment:");
        let keys = text.lines().map(str::trim).filter(is_key).map(PublicKey::from_base64);
        let keys: Result<Vec<PublicKey>, minisign::PError> = keys.collect();
        keys.ok().filter(|keys| !keys.is_empty()).map(Self).ok_or_else(|| {
            Error::settings("the verification key is not a minisign public key")
                .hint("it is the line that begins with RW, printed by `pgstow keygen --signing`, or a file with that line")
        })
    }

    /// Checks that `signature` is over exactly these bytes and made by the secret side of one of these keys.
    pub fn verify(&self, what: Signed, bytes: &[u8], signature: &str) -> Result<()> {
        let forged = |why: String| Error::verify(format!("the {what}'s signature is invalid: {why}"));
        let signature =
            SignatureBox::from_string(signature).map_err(|_| forged("it is not a signature".into()))?;
        let mut last = String::new();
        for key in &self.0 {
            match minisign::verify(key, &signature, Cursor::new(bytes), true, false, false) {
                Ok(()) => return Ok(()),
                Err(error) => last = error.to_string(),
            }
        }
        Err(forged(match self.0.len() {
            1 => last,
            keys => format!("none of the {keys} verification keys accepts it"),
        }))
    }
}

/// A new signing key: the secret key's file and the public key's line.
pub fn generate() -> Result<(String, String)> {
    let unexpected =
        |e: minisign::PError| Error::unexpected("no signing key could be made").because(e.to_string());
    let pair = KeyPair::generate_unencrypted_keypair().map_err(unexpected)?;
    let secret = pair.sk.to_box(Some("pgstow signing key: keep it secret")).map_err(unexpected)?;
    Ok((secret.into_string(), pair.pk.to_base64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_bytes_and_its_key_only() {
        let (secret, public) = generate().unwrap();
        let (_, other) = generate().unwrap();
        let signing = SigningKey::parse(&secret, None).unwrap();
        let signature = signing.sign(Signed::Manifest, b"manifest", "id:x").unwrap();
        let key = VerifyKeys::parse(&public).unwrap();
        key.verify(Signed::Manifest, b"manifest", &signature).unwrap();
        let others = VerifyKeys::parse(&format!("{other}\n{other}")).unwrap();
        for (bytes, by, signature, why) in [
            (&b"manifesT"[..], &key, signature.as_str(), "the manifest's signature is invalid"),
            (b"manifest", &VerifyKeys::parse(&other).unwrap(), &signature, "invalid"),
            (b"manifest", &others, &signature, "none of the 2 verification keys accepts it"),
            (b"manifest", &key, "nonsense", "it is not a signature"),
        ] {
            let error = by.verify(Signed::Manifest, bytes, signature).unwrap_err();
            assert_eq!(error.kind(), crate::error::Kind::Verify);
            assert!(error.message().contains(why), "{error}");
        }
    }

    #[test]
    fn several_keys_are_trusted_while_one_replaces_another() {
        let ((old, old_public), (new, new_public)) = (generate().unwrap(), generate().unwrap());
        let file = format!("untrusted comment: minisign public key\n{old_public}\n\n{new_public}\n");
        let keys = VerifyKeys::parse(&file).unwrap();
        for secret in [old, new] {
            let signing = SigningKey::parse(&secret, None).unwrap();
            let signature = signing.sign(Signed::Manifest, b"manifest", "x").unwrap();
            keys.verify(Signed::Manifest, b"manifest", &signature).unwrap();
        }
        for wrong in ["", "untrusted comment: only that", &format!("{new_public}\nRWnonsense")] {
            assert!(VerifyKeys::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_protected_key_wants_its_password() {
        let pair = KeyPair::generate_encrypted_keypair(Some("pw".into())).unwrap();
        let text = pair.sk.to_box(None).unwrap().into_string();
        assert!(SigningKey::parse(&text, None).unwrap_err().message().contains("password"));
        assert!(SigningKey::parse(&text, Some("wrong".into())).is_err());
        SigningKey::parse(&text, Some("pw".into())).unwrap();
        let (_, public) = generate().unwrap();
        for none in ["RWQ", "sign.key", "AGE-SECRET-KEY-1QQQ", &public, ""] {
            let error = SigningKey::parse(none, None).unwrap_err();
            assert!(error.message().ends_with("it is not a minisign secret key"), "{error:?}");
            assert!(none.is_empty() || !format!("{error:?}").contains(none), "{error:?}");
        }
        assert!(VerifyKeys::parse("RWQ").is_err());
    }
}
