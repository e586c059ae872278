//! Signatures over manifests, in minisign's format, so that `minisign -V` checks them without us.
//!
//! age to a recipient says who may read, not who wrote: whoever can write the bucket and knows the
//! public recipient could plant a dump, and restoring one runs its SQL. A signature closes that.

use crate::error::{Error, Result};
use minisign::{KeyPair, PublicKey, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};
use std::io::Cursor;

/// The secret side: signs manifests.
pub struct SigningKey(SecretKey);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Reads minisign's secret-key format; `password` opens a protected one.
    pub fn parse(text: &str, password: Option<String>) -> Result<Self> {
        let unusable = |why: &str| {
            Error::settings(format!("the signing key cannot be used: {why}"))
                .hint("make one with `pgstow keygen --signing FILE`, or `minisign -G`")
        };
        let boxed =
            || SecretKeyBox::from_string(text).map_err(|_| unusable("it is not a minisign secret key"));
        if let Ok(open) = boxed()?.into_unencrypted_secret_key() {
            return Ok(Self(open));
        }
        let Some(password) = password else {
            return Err(unusable("it is protected by a password").hint(
                "give the password in PGSTOW_SIGNING_PASSWORD, or use a key made with `pgstow keygen`",
            ));
        };
        let opened = boxed()?
            .into_secret_key(Some(password))
            .map_err(|_| unusable("the password does not open it"))?;
        Ok(Self(opened))
    }

    /// The public side.
    pub fn public(&self) -> Result<VerifyKey> {
        let public = PublicKey::from_secret_key(&self.0);
        public
            .map(VerifyKey)
            .map_err(|e| Error::settings("the signing key has no public side").because(e.to_string()))
    }

    /// The detached signature of `bytes`, as the text of a `.minisig` file.
    pub fn sign(&self, bytes: &[u8], trusted_comment: &str) -> Result<String> {
        minisign::sign(
            None,
            &self.0,
            Cursor::new(bytes),
            Some(trusted_comment),
            Some("pgstow manifest signature"),
        )
        .map(SignatureBox::into_string)
        .map_err(|e| Error::unexpected("the manifest could not be signed").because(e.to_string()))
    }
}

/// The public side: tells whose manifest it is.
#[derive(Debug, Clone)]
pub struct VerifyKey(PublicKey);

impl VerifyKey {
    /// Reads a public key: the one line of base64, or a whole `.pub` file.
    pub fn parse(text: &str) -> Result<Self> {
        PublicKey::from_base64(text.trim())
            .or_else(|_| PublicKeyBox::from_string(text).and_then(PublicKeyBox::into_public_key))
            .map(Self)
            .map_err(|_| {
                Error::settings("the verification key is not a minisign public key")
                    .hint("it is the line that begins with RW, printed by `pgstow keygen --signing`")
            })
    }

    /// Checks that `signature` is over exactly these bytes and made by this key's secret side.
    pub fn verify(&self, bytes: &[u8], signature: &str) -> Result<()> {
        let forged = |why: String| {
            Error::verify(format!("the manifest's signature is invalid: {why}"))
                .hint("do not restore this backup before you know who wrote it")
        };
        let signature =
            SignatureBox::from_string(signature).map_err(|_| forged("it is not a signature".into()))?;
        minisign::verify(&self.0, &signature, Cursor::new(bytes), true, false, false)
            .map_err(|e| forged(e.to_string()))
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
        let signature = SigningKey::parse(&secret, None).unwrap().sign(b"manifest", "id:x").unwrap();
        let key = VerifyKey::parse(&public).unwrap();
        key.verify(b"manifest", &signature).unwrap();
        for (bytes, by, signature) in [
            (&b"manifesT"[..], &key, signature.as_str()),
            (b"manifest", &VerifyKey::parse(&other).unwrap(), &signature),
            (b"manifest", &key, "nonsense"),
        ] {
            assert_eq!(by.verify(bytes, signature).unwrap_err().kind(), crate::error::Kind::Verify);
        }
    }

    #[test]
    fn a_protected_key_wants_its_password() {
        let pair = KeyPair::generate_encrypted_keypair(Some("pw".into())).unwrap();
        let text = pair.sk.to_box(None).unwrap().into_string();
        assert!(SigningKey::parse(&text, None).unwrap_err().message().contains("password"));
        assert!(SigningKey::parse(&text, Some("wrong".into())).is_err());
        SigningKey::parse(&text, Some("pw".into())).unwrap();
        assert!(SigningKey::parse("RWQ", None).is_err());
        assert!(VerifyKey::parse("RWQ").is_err());
    }
}
