//! The rules of a bucket, as far as the key may know them.

use super::bucket::Bucket;
use crate::store::contract::error::{Result, Situation};
use crate::store::contract::rules::{BucketRules, Lifecycle, ObjectLock, Versioning};
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_bucket_lifecycle_configuration::GetBucketLifecycleConfigurationOutput;
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ExpirationStatus, LifecycleRule, ObjectLockConfiguration,
    ObjectLockEnabled,
};

impl Bucket {
    /// Asks for all rules.
    pub(super) async fn rules(&self) -> BucketRules {
        let (versioning, lock, lifecycle) =
            tokio::join!(self.versioning(), self.default_lock(), self.lifecycle());
        BucketRules { versioning, lock, lifecycle }
    }

    async fn versioning(&self) -> Result<Versioning> {
        let ask = |client: Client| client.get_bucket_versioning().bucket(&self.url.bucket).send();
        Ok(match self.ask(0, ask).await?.status() {
            None => Versioning::Off,
            Some(BucketVersioningStatus::Suspended) => Versioning::Suspended,
            Some(_) => Versioning::On,
        })
    }

    async fn default_lock(&self) -> Result<ObjectLock> {
        let ask = |client: Client| client.get_object_lock_configuration().bucket(&self.url.bucket).send();
        let said = none_if_not_found(self.ask(0, ask).await)?;
        Ok(said.map_or(ObjectLock::Off, |said| lock(said.object_lock_configuration())))
    }

    async fn lifecycle(&self) -> Result<Lifecycle> {
        let ask =
            |client: Client| client.get_bucket_lifecycle_configuration().bucket(&self.url.bucket).send();
        let said = none_if_not_found(self.ask(0, ask).await)?;
        let rules = said.iter().flat_map(GetBucketLifecycleConfigurationOutput::rules);
        let active = rules.filter(|rule| *rule.status() == ExpirationStatus::Enabled);
        let (prefix, tags) = (self.prefix.full(""), &self.url.tags);
        Ok(active.fold(Lifecycle::default(), |found, rule| add(found, rule, &prefix, tags)))
    }
}

/// A bucket without a rule answers that there is none.
fn none_if_not_found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(error) if error.situation() == Situation::NotFound => Ok(None),
        answer => answer.map(Some),
    }
}

fn lock(said: Option<&ObjectLockConfiguration>) -> ObjectLock {
    let Some(said) = said.filter(|said| said.object_lock_enabled() == Some(&ObjectLockEnabled::Enabled))
    else {
        return ObjectLock::Off;
    };
    let span = |retention: &DefaultRetention| {
        let mode = retention.mode()?.as_str().to_owned();
        match (retention.days(), retention.years()) {
            (Some(days), _) => Some(format!("{mode}, {days} days")),
            (None, Some(years)) => Some(format!("{mode}, {years} years")),
            (None, None) => None,
        }
    };
    let retention = said.rule().and_then(|rule| rule.default_retention());
    retention.and_then(span).map_or(ObjectLock::WithoutDefault, ObjectLock::Default)
}

/// Adds what a rule does below this prefix. A rule for objects with tags is for ours only if they have these.
fn add(found: Lifecycle, rule: &LifecycleRule, ours: &str, tags: &[(String, String)]) -> Lifecycle {
    let filter = rule.filter();
    let both = filter.and_then(|filter| filter.and());
    let one = filter.and_then(|filter| filter.tag());
    let mut wanted = one.into_iter().chain(both.iter().flat_map(|both| both.tags()));
    if !wanted.all(|tag| tags.iter().any(|(name, value)| tag.key() == name && tag.value() == value)) {
        return found;
    }
    #[expect(deprecated, reason = "old rules have it")]
    let old = rule.prefix();
    let prefix = filter.and_then(|filter| filter.prefix()).or(both.and_then(|both| both.prefix())).or(old);
    let prefix = prefix.unwrap_or_default();
    let expires = rule.expiration().and_then(|expiration| match (expiration.days(), expiration.date()) {
        (Some(days), _) => u32::try_from(days).ok(),
        (None, Some(_)) => Some(0),
        (None, None) => None,
    });
    // It counts if it is for all of ours, or for a part.
    let expires = expires.filter(|_| ours.starts_with(prefix) || prefix.starts_with(ours));
    Lifecycle {
        aborts_unfinished: found.aborts_unfinished
            || (rule.abort_incomplete_multipart_upload().is_some() && ours.starts_with(prefix)),
        deletes_after: [found.deletes_after, expires].into_iter().flatten().min(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::{
        AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRuleFilter, ObjectLockRetentionMode,
        ObjectLockRule, Tag,
    };

    fn rule(filter: LifecycleRuleFilter, deletes: bool) -> LifecycleRule {
        let rule = LifecycleRule::builder().status(ExpirationStatus::Enabled).filter(filter);
        let rule = match deletes {
            true => rule.expiration(LifecycleExpiration::builder().days(30).build()),
            false => rule.abort_incomplete_multipart_upload(
                AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build(),
            ),
        };
        rule.build().unwrap()
    }

    #[test]
    fn rules_count_if_they_are_for_our_prefix() {
        let prefix = |prefix: &str| LifecycleRuleFilter::builder().prefix(prefix).build();
        let tagged = || {
            let tag = Tag::builder().key("a").value("b").build().unwrap();
            LifecycleRuleFilter::builder().tag(tag).build()
        };
        for (filter, deletes, counts) in [
            (prefix(""), false, true),
            (prefix("prod/"), false, true),
            (prefix("test/"), false, false),
            // Uploads elsewhere below our prefix would stay.
            (prefix("prod/app/"), false, false),
            (prefix(""), true, true),
            (prefix("prod/app/"), true, true),
            (prefix("test/"), true, false),
            (tagged(), false, false),
            (tagged(), true, false),
        ] {
            let found = add(Lifecycle::default(), &rule(filter.clone(), deletes), "prod/", &[]);
            let expected = if deletes { found.deletes_after == Some(30) } else { found.aborts_unfinished };
            assert_eq!(expected, counts, "{filter:?} {deletes}");
        }
        let tags = [("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d".to_owned())];
        assert_eq!(add(Lifecycle::default(), &rule(tagged(), true), "prod/", &tags).deletes_after, Some(30));
    }

    #[test]
    fn a_lock_has_a_default_or_none() {
        assert_eq!(lock(None), ObjectLock::Off);
        let on = || ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled);
        assert_eq!(lock(Some(&on().build())), ObjectLock::WithoutDefault);
        let retention =
            DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).days(30).build();
        let rule = ObjectLockRule::builder().default_retention(retention).build();
        assert_eq!(
            lock(Some(&on().rule(rule).build())),
            ObjectLock::Default("GOVERNANCE, 30 days".to_owned())
        );
    }
}
