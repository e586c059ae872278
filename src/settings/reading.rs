//! Which backup to read, and how.

use super::{StoreSettings, keys, name};
use crate::cli::{OpenWords, SelectWords, StoreWords, TrustWords};
use crate::error::Result;
use crate::stored::names::Name;
use crate::pipeline::keys::{Identities, SecretString};
use crate::stored::signing::VerifyKey;

/// Which backup.
#[derive(Debug)]
pub struct Select {
    /// The id, the beginning of one, or "latest".
    pub id: String,
    /// The name, where one was given.
    pub name: Option<Name>,
}

impl Select {
    pub(super) fn read(words: SelectWords) -> Result<Self> {
        Ok(Self { id: words.id, name: name(words.name.as_deref())? })
    }
}

/// A backup to be read: which, and how to read it.
#[derive(Debug)]
pub struct Source {
    /// Which backup.
    pub select: Select,
    /// Where, and the keys.
    pub reading: Reading,
}

impl Source {
    pub(super) fn read(select: SelectWords, store: &StoreWords, open: &OpenWords) -> Result<Self> {
        Ok(Self { select: Select::read(select)?, reading: Reading::read(store, open)? })
    }
}

/// How to read backups: where, whose, and the keys to them.
#[derive(Debug)]
pub struct Reading {
    /// Where.
    pub store: StoreSettings,
    /// The keys.
    pub identities: Identities,
    /// Asks for the passphrase of a backup that wants one.
    pub ask: fn(&str) -> Option<SecretString>,
    /// Whose manifests to believe.
    pub trusted: Option<VerifyKey>,
}

impl Reading {
    pub(super) fn read(store: &StoreWords, open: &OpenWords) -> Result<Self> {
        Ok(Self {
            identities: keys::identities(open)?,
            ask: keys::ask,
            ..Self::without_keys(store, &open.trust)?
        })
    }

    /// For those who look only at what is public.
    pub(super) fn without_keys(store: &StoreWords, trust: &TrustWords) -> Result<Self> {
        Ok(Self {
            store: StoreSettings::read(store)?,
            identities: Identities::default(),
            ask: |_| None,
            trusted: keys::verify_key(trust)?,
        })
    }
}
