//! Whether this machine's clock is right, as far as a store's clock shows it: ids are moments of this machine's.

use crate::store::Store;
use crate::stored::format::names::CLOCK_SKEW;
use crate::units::age;
use std::time::{Duration, SystemTime};

/// How far two clocks are apart, if they are.
pub struct Skew {
    /// By this much.
    pub by: Duration,
    /// Whether it is this machine's that is ahead.
    ahead: bool,
}

impl Skew {
    /// Compares this machine's clock with the store's, if that is known.
    pub fn from(store: &dyn Store) -> Option<Self> {
        let (there, here) = (store.now()?, SystemTime::now());
        Some(match here.duration_since(there) {
            Ok(by) => Self { by, ahead: true },
            Err(behind) => Self { by: behind.duration(), ahead: false },
        })
    }

    /// Which is ahead, in a sentence.
    pub fn said(&self) -> String {
        let way = if self.ahead { "ahead of" } else { "behind" };
        format!("this machine's clock is {} {way} the store's", age(self.by))
    }
}

/// Warns if what this machine dates is of a wrong moment to those that go by the store's clock. Nothing shows which of both is
/// right, so nothing is refused.
pub fn compare(store: &dyn Store) {
    let Some(skew) = Skew::from(store).filter(|skew| skew.by > CLOCK_SKEW) else { return };
    let consequence = match skew.ahead {
        true => {
            "what it dates is of a moment to come: it counts for nothing, and is never \"latest\", until then"
        }
        false => "what it dates looks that much older: it may not be \"latest\", and prune may remove it",
    };
    let (said, url) = (skew.said(), store.display_url());
    tracing::warn!(target: "pgstow::once", "{said} ({url}). If that is wrong, set it (NTP): {consequence}");
}
