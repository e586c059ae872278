//! Which kinds of stores are known not to do what is asked for.

use crate::error::{Error, Result};
use crate::store::options::OpenOptions;
use crate::store::options::object_options::ObjectOption;
use crate::store::url::profiles::{Guard, Profile};
use crate::store::url::{S3Url, StoreUrl};

/// Refuses what the kind of store is known not to do; what is not known is read back later.
pub fn refuse_impossible(url: &StoreUrl, options: &OpenOptions) -> Result<()> {
    let with_key = options.customer_key.is_some();
    match url {
        StoreUrl::Gs(_) if options.authorities.is_some() => Err(Error::usage(
            "--ca-file does not work for gs://",
        )
        .hint("for everything else set SSL_CERT_FILE to a file with all certificates that are trusted")),
        StoreUrl::File(_) => refuse("a folder", of_options(options).into_iter().flatten().next()),
        StoreUrl::Gs(_) if with_key => {
            Err(Error::usage("keys of one's own (--sse-c-key-file) are not supported for gs://")
                .hint("use a key of Cloud KMS: kms=projects/… in the store's URL"))
        }
        StoreUrl::Gs(_) => Ok(()),
        StoreUrl::S3(url) if with_key && url.sse.is_some() => {
            Err(Error::usage("--sse-c-key-file and sse in the store's URL contradict each other")
                .hint("an object is encrypted by one key: leave one of them out"))
        }
        StoreUrl::S3(url) => {
            let (profile, _) = url.dialect(options.endpoint.as_deref());
            refuse_impossible_of(profile, url, options)
        }
    }
}

/// What keeps a key to this store from doing more than it must.
pub fn guard(url: &StoreUrl, options: &OpenOptions) -> Guard {
    match url {
        StoreUrl::S3(url) => url.dialect(options.endpoint.as_deref()).0.guard,
        StoreUrl::File(_) => Guard::Owner,
        StoreUrl::Gs(_) => Guard::Permissions,
    }
}

/// Refuses what the service with this profile is known not to do.
pub(in crate::store) fn refuse_impossible_of(
    profile: &Profile,
    url: &S3Url,
    options: &OpenOptions,
) -> Result<()> {
    let mut asked = of_url(url).into_iter().chain(of_options(options)).flatten();
    let first = asked.find(|option| profile.refuses(*option));
    refuse(&format!("the service \"{}\"", profile.name), first)
}

fn refuse(kind: &str, option: Option<ObjectOption>) -> Result<()> {
    let Some(option) = option else { return Ok(()) };
    let message = format!("{kind} cannot do what {} asks for", option.word());
    Err(Error::usage(message).hint(option.instead()))
}

fn of_options(options: &OpenOptions) -> [Option<ObjectOption>; 2] {
    let with_key = options.customer_key.is_some().then_some(ObjectOption::SseC);
    [with_key, options.lock.is_some().then_some(ObjectOption::Lock)]
}

fn of_url(url: &S3Url) -> [Option<ObjectOption>; 3] {
    let sse = url.sse.as_deref().map(|sse| match sse {
        "AES256" => ObjectOption::SseS3,
        _ => ObjectOption::SseKms,
    });
    let class = url.class.is_some().then_some(ObjectOption::Class);
    let tags = (!url.tags.is_empty()).then_some(ObjectOption::Tags);
    [class, sse, tags]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::store::options::object_options::{CustomerKey, LockMode, LockWish};
    use std::time::{Duration, SystemTime};

    const KEY: &str = "aHVzaEhVU0hodXNoSFVTSGh1c2hIVVNIaHVzaEhVU0g=";

    fn refused(url: &str, options: &OpenOptions) -> Option<Error> {
        refuse_impossible(&url.parse().unwrap(), options).err()
    }

    #[test]
    fn what_a_kind_of_store_cannot_do_is_refused_with_a_hint() {
        let until = SystemTime::now() + Duration::from_secs(86_400);
        let lock = Some(LockWish::new(LockMode::Governance, until));
        let locked = OpenOptions { lock, ..OpenOptions::default() };
        let customer_key = Some(CustomerKey::parse(KEY).unwrap());
        let keyed = OpenOptions { customer_key, ..OpenOptions::default() };
        let plain = OpenOptions::default();
        for (url, options, word) in [
            ("file:///x", &locked, "--lock-until"),
            ("file:///x", &keyed, "--sse-c-key-file"),
            ("gs://b", &keyed, "--sse-c-key-file"),
            ("s3://b?profile=garage", &locked, "--lock-until"),
            ("s3://b?profile=garage&class=STANDARD_IA", &plain, "class"),
            ("s3://b?endpoint=https://x.r2.cloudflarestorage.com", &locked, "--lock-until"),
            ("s3://b?profile=r2&sse=AES256", &plain, "sse=AES256"),
            ("b2://b?region=x&tags=a=b", &plain, "tags"),
            ("b2://b?region=x&kms=k", &plain, "sse=aws:kms"),
            ("s3://b?profile=gcs", &keyed, "--sse-c-key-file"),
            ("s3://b?sse=AES256", &keyed, "contradict"),
        ] {
            let error = refused(url, options).unwrap_or_else(|| panic!("{url} was not refused"));
            assert_eq!(error.kind(), Kind::Usage, "{url}");
            assert!(error.message().contains(word) && !error.hints().is_empty(), "{url}: {error:?}");
        }
        for (url, options) in [
            ("file:///x", &plain),
            ("gs://b?class=NEARLINE", &locked),
            ("s3://b?class=STANDARD_IA&sse=aws:kms&tags=a=b", &locked),
            ("s3://b?endpoint=https://s3.example.com&class=COLD", &locked),
            ("s3://b?profile=garage", &keyed),
            ("b2://b?region=x&sse=AES256", &locked),
        ] {
            assert!(refused(url, options).is_none(), "{url}");
        }
    }

    #[test]
    fn what_guards_a_store_follows_from_its_service_and_not_from_names_in_its_url() {
        let at_b2 = Some("https://s3.eu-central-003.backblazeb2.com".to_owned());
        let (plain, at_b2) =
            (OpenOptions::default(), OpenOptions { endpoint: at_b2, ..OpenOptions::default() });
        for (url, options, found) in [
            ("file:///backblazeb2", &plain, Guard::Owner),
            ("gs://b2/backblazeb2", &plain, Guard::Permissions),
            ("s3://my-backblazeb2-mirror/x", &plain, Guard::Policies),
            ("s3://b?endpoint=https://s3.eu-central-003.backblazeb2.com", &plain, Guard::Capabilities),
            ("s3://b", &at_b2, Guard::Capabilities),
            ("s3://b?endpoint=https://files.example.com&profile=b2", &plain, Guard::Capabilities),
            ("b2://b?endpoint=https://files.example.com", &plain, Guard::Capabilities),
            ("s3://b?profile=garage", &plain, Guard::Nothing),
        ] {
            assert_eq!(guard(&url.parse().unwrap(), options), found, "{url}");
        }
    }
}
