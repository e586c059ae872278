//! What a store can answer, as situations. Callers decide by them, never by status codes.

use crate::error::{Error, Kind};
use std::error::Error as StdError;
use std::fmt;

/// The result of every call to a store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What happened, for code that must decide what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Situation {
    /// There is no such object, or no such upload.
    NotFound,
    /// The bucket or folder itself is not there.
    NoStore,
    /// The object exists, and must not be overwritten.
    Exists,
    /// The credentials are missing or wrong, or lack a permission.
    Denied,
    /// The object is locked: it cannot be deleted yet.
    Locked,
    /// The credentials have expired, or could not be loaded.
    Expired,
    /// The store is busy or failed for a moment, or bytes were damaged in transit: the same call may work later.
    Transient,
    /// No complete answer came: the call may or may not have been carried out, and may be made again.
    Unreachable,
    /// The store or the account is full.
    NoSpace,
    /// The object is not the version that the read was pinned to.
    Changed,
    /// The store has something else than what was sent.
    Damaged,
    /// The store does not support this request.
    Unsupported,
    /// Anything else; trying again will not help.
    Other,
}

impl Situation {
    /// Whether the same call may be made again.
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::Transient | Self::Unreachable)
    }
}

/// One failure of a store: a failure like any other, and its situation.
#[derive(Debug)]
pub struct StoreError {
    situation: Situation,
    error: Error,
}

impl StoreError {
    /// A failure in this situation; `message` is a sentence without a full stop.
    pub fn new(situation: Situation, message: impl Into<String>) -> Self {
        Self { situation, error: Error::store(message) }
    }

    /// Adds advice: what the user can do now.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { error: self.error.hint(hint), ..self }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { error: self.error.because(source), ..self }
    }

    /// Prefixes the message with what was being done: "part 7: …".
    #[must_use]
    pub fn context(self, doing: impl fmt::Display) -> Self {
        Self { error: self.error.context(doing), ..self }
    }

    /// Appends to the message.
    #[must_use]
    pub fn and(self, more: impl fmt::Display) -> Self {
        Self { error: self.error.and(more), ..self }
    }

    /// The same failure in another situation, if the caller knows better.
    #[must_use]
    pub(in crate::store) fn in_situation(self, situation: Situation) -> Self {
        Self { situation, ..self }
    }

    /// The situation.
    pub fn situation(&self) -> Situation {
        self.situation
    }

    /// What the user can do about it.
    pub fn hints(&self) -> &[String] {
        self.error.hints()
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

impl From<StoreError> for Error {
    fn from(StoreError { situation, error }: StoreError) -> Self {
        let error = error.in_situation(situation);
        match situation {
            Situation::NotFound => error.of_kind(Kind::NotFound),
            // The store works; what it returned is not what was asked for.
            Situation::Changed => error.of_kind(Kind::Verify),
            _ => error,
        }
    }
}

/// An error and its causes, in one line.
pub(in crate::store) fn chain(error: &dyn StdError) -> String {
    let mut words = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        // Some causes are lists over several lines.
        words.push(cause.to_string().split_whitespace().collect::<Vec<_>>().join(" "));
        next = cause.source();
    }
    words.dedup();
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_object_is_told_from_a_missing_bucket() {
        let kind = |situation| Error::from(StoreError::new(situation, "x")).kind();
        assert_eq!(kind(Situation::NotFound), Kind::NotFound);
        assert_eq!(kind(Situation::NoStore), Kind::Store);
        assert_eq!(kind(Situation::Denied), Kind::Store);
        assert_eq!(kind(Situation::Changed), Kind::Verify);
    }

    #[test]
    fn the_sentence_the_hint_and_the_cause_arrive() {
        let error: Error =
            StoreError::new(Situation::Denied, "no").hint("do").because("why").context("part 1").into();
        assert_eq!((error.message(), error.hints()), ("part 1: no", &["do".to_owned()][..]));
        assert_eq!(error.source().unwrap().to_string(), "why");
    }
}
