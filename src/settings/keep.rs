//! Which backups are kept: the settings of `pgstow prune`, and of the removal after a backup.

use super::{destinations, keys, lines};
use crate::cli::{KeepWords, PruneWords, TrustWords};
use crate::error::{Error, Result};
use crate::prune::PruneOptions;
use crate::retention::{Policy, Rules, time_zone};
use crate::stored::find::contents::Standard;
use crate::stored::format::name_pattern::NamePattern;
use crate::stored::write::destinations::Destination;

/// Checks the words of `pgstow prune`.
pub fn prune(words: &PruneWords) -> Result<PruneOptions> {
    let destinations = destinations(&words.store, &words.optional)?;
    let options = keeping(&words.keep, destinations, &words.trust)?;
    let policy = Policy { force: words.force, ..options.policy };
    Ok(PruneOptions { names: patterns(&words.names)?, policy, dry_run: words.dry_run, ..options })
}

/// Checks the words about what is kept.
pub(super) fn keeping(
    words: &KeepWords,
    destinations: Vec<Destination>,
    trust: &TrustWords,
) -> Result<PruneOptions> {
    Ok(PruneOptions {
        destinations,
        names: Vec::new(),
        policy: needed_policy(words)?,
        standard: standard(words, trust)?,
        leftovers: words.leftovers,
        dry_run: false,
    })
}

/// The rules, which there must be.
pub(super) fn needed_policy(words: &KeepWords) -> Result<Policy> {
    policy(words)?.ok_or_else(|| {
        Error::usage("no rule says which backups are kept")
            .hint("give one or more of --keep-last, --keep-within, --keep-hourly, --keep-daily, --keep-weekly, --keep-monthly and --keep-yearly")
            .hint("--keep-last unlimited keeps all backups, and removes only what killed runs left")
    })
}

/// The rules, if any was given.
pub(super) fn policy(words: &KeepWords) -> Result<Option<Policy>> {
    let rules = Rules {
        last: words.keep_last.unwrap_or_default(),
        hourly: words.keep_hourly.unwrap_or_default(),
        daily: words.keep_daily.unwrap_or_default(),
        weekly: words.keep_weekly.unwrap_or_default(),
        monthly: words.keep_monthly.unwrap_or_default(),
        yearly: words.keep_yearly.unwrap_or_default(),
        within: words.keep_within,
    };
    if rules.is_empty() {
        return Ok(None);
    }
    Ok(Some(Policy {
        rules,
        zone: time_zone(&words.timezone)?,
        min_keep: words.min_keep as usize,
        stale: words.stale,
        force: false,
    }))
}

/// Which backups count as whole.
pub(super) fn standard(words: &KeepWords, trust: &TrustWords) -> Result<Standard> {
    Ok(Standard {
        trusted: keys::verify_keys(trust)?,
        count_partial: words.count_partial,
        proven_only: words.verified_only,
    })
}

pub(super) fn patterns(texts: &[String]) -> Result<Vec<NamePattern>> {
    lines(texts).iter().map(|text| NamePattern::parse(text)).collect()
}
