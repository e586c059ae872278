//! Which backup to read, and how.

use super::environment::{explain_empty, path, variable};
use super::{keys, location, name};
use crate::cli::{BeforeWords, OpenWords, SelectWords, StoreWords, TrustWords, When};
use crate::error::{Error, Result};
use crate::retention::{TimeZone, time_zone};
use crate::stored::find::catalogue::LATEST;
use crate::stored::find::history::{Caution, History};
use crate::stored::find::newest::Which;
use crate::stored::format::names::Timestamp;
use crate::stored::read::opened::{BackupSelection, ReadOptions, Select};
use std::sync::Arc;
use std::time::SystemTime;

pub(super) fn select(words: SelectWords) -> Result<Select> {
    let before = before(Some(&words.id), &words.before)?;
    Ok(Select { id: words.id, name: name(words.name.as_deref())?, before })
}

/// The moment from which "latest" looks back.
pub(super) fn before(id: Option<&str>, words: &BeforeWords) -> Result<Option<Timestamp>> {
    let Some(when) = words.before else { return Ok(None) };
    if id != Some(LATEST) {
        return Err(Error::usage("--before chooses between backups: it needs \"latest\" instead of an id")
            .hint("or leave it out, also in PGSTOW_BEFORE and in pgstow.toml"));
    }
    let moment = match when {
        When::Ago(span) => SystemTime::now().checked_sub(span),
        When::At(moment) => moment.try_into().ok(),
        // If clocks show it twice, it is the earlier one: what happened then is in no backup from before it.
        When::Local(shown) => {
            let zone = words.timezone.as_deref().map_or_else(machines_zone, time_zone)?;
            let moment = zone.to_ambiguous_zoned_datetime(shown).earlier().ok();
            moment.and_then(|moment| moment.timestamp().try_into().ok())
        }
    };
    let moment = moment.ok_or_else(|| Error::usage("--before is a time that no clock shows"))?;
    Ok(Some(moment.into()))
}

/// The machine's time zone. Where nothing says which it is, as in most containers, that is UTC; what TZ says and nobody knows
/// is no reason to take another backup than the one that is meant.
fn machines_zone() -> Result<TimeZone> {
    match TimeZone::try_system() {
        Ok(zone) => Ok(zone),
        Err(_) if variable("TZ").is_none() => Ok(TimeZone::UTC),
        Err(e) => Err(Error::settings("TZ names no time zone, so it is not known when --before is")
            .because(e)
            .hint("correct it, or name one with --timezone, such as Europe/Berlin")),
    }
}

pub(super) fn selection(words: SelectWords, store: &StoreWords, open: &OpenWords) -> Result<BackupSelection> {
    Ok(BackupSelection { select: select(words)?, reading: reading(store, open)? })
}

/// One backup by its id, or many; `None` if nothing was named.
pub(super) fn which(
    id: Option<&str>,
    words: Option<&BeforeWords>,
    many: Option<Which>,
) -> Result<Option<Which>> {
    let before = words.map_or(Ok(None), |words| before(id, words))?;
    match (id, many) {
        (Some(_), Some(_)) => Err(Error::usage("an id and a choice of many contradict each other")),
        (Some(id), None) => Ok(Some(Which::One { id: id.to_owned(), before })),
        (None, many) => Ok(many),
    }
}

pub(super) fn reading(store: &StoreWords, open: &OpenWords) -> Result<ReadOptions> {
    Ok(ReadOptions {
        identities: Arc::new(keys::identities(&open.identity)?),
        ask: keys::ask,
        allow_unencrypted: open.allow_unencrypted,
        ..reading_without_keys(store, open)?
    })
}

/// Enough to look at what is public.
pub(super) fn reading_without_keys(store: &StoreWords, open: &OpenWords) -> Result<ReadOptions> {
    let trusted = keys::verify_keys(&open.trust)?;
    if open.strict && trusted.is_none() {
        let missing = Error::usage("--strict without --verify-key checks nothing")
            .hint("give the key, or leave --strict out, also in variables and in pgstow.toml");
        return Err(explain_empty(missing, &["PGSTOW_VERIFY_KEY"]));
    }
    Ok(ReadOptions {
        location: location(store)?,
        identities: Arc::default(),
        ask: |_| None,
        caution: if open.strict { Caution::Strict } else { Caution::RefuseOlder },
        allow_unencrypted: false,
        history: history(&open.trust),
        trusted,
    })
}

/// Where it is remembered which backups were seen: in the user's folder for state. Whoever has none has no history.
pub(super) fn history(words: &TrustWords) -> Option<History> {
    let folder = path("XDG_STATE_HOME").filter(|folder| folder.is_absolute());
    let folder = folder.or_else(|| path("HOME").map(|home| home.join(".local/state")));
    folder.filter(|_| !words.no_state).map(|folder| History::at(folder.join("pgstow/newest.json")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::time::Duration;

    #[test]
    fn a_time_without_a_zone_is_by_the_clock_of_the_one_that_is_given() {
        let words = |before, timezone: &str| BeforeWords { before, timezone: Some(timezone.to_owned()) };
        let moment = |when, zone: &str| before(Some(LATEST), &words(Some(when), zone)).unwrap().unwrap();
        let local = |text: &str| When::Local(text.parse().unwrap());
        for (when, zone, utc) in [
            (local("2026-11-29T02:55"), "UTC", "2026-11-29T02:55:00Z"),
            (local("2026-11-29T02:55"), "Europe/Berlin", "2026-11-29T01:55:00Z"),
            (local("2026-11-29"), "America/New_York", "2026-11-29T05:00:00Z"),
            // Clocks went back from 03:00 to 02:00.
            (local("2026-10-25T02:30"), "Europe/Berlin", "2026-10-25T00:30:00Z"),
            (When::At("2026-11-29T02:55:00Z".parse().unwrap()), "Asia/Tokyo", "2026-11-29T02:55:00Z"),
        ] {
            assert_eq!(moment(when, zone).to_string(), utc, "{when:?} {zone}");
        }
        let hour = Duration::from_secs(3600);
        let ago = Timestamp::now().since(moment(When::Ago(hour), "UTC"));
        assert!(ago >= hour && ago < hour * 2, "{ago:?}");
        assert_eq!(before(None, &words(None, "UTC")).unwrap(), None);
        for id in [None, Some("20261129T025500Z-7f3k9q")] {
            let refused = before(id, &words(Some(When::Ago(hour)), "UTC")).unwrap_err();
            assert_eq!(refused.kind(), Kind::Usage);
        }
        before(Some(LATEST), &words(Some(local("2026-11-29")), "Europe/Bonn")).unwrap_err();
    }
}
