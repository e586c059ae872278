//! Which credentials are used, and where they came from: those of the profile that the URL names, else what the SDK finds.
//!
//! A profile in the URL wins over the environment, as with `aws --profile`: with two stores, the variables are another
//! store's. It reads the AWS configuration files only to see which profiles there are.

use crate::store::contract::error::{Result, Situation, StoreError};
use aws_config::profile::{Profile, ProfileSet};
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::future;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};
use std::sync::{Arc, Mutex, PoisonError};

/// What a profile has at least one of, if it gives credentials.
const GIVES: [&str; 8] = [
    "aws_access_key_id",
    "credential_process",
    "login_session",
    "role_arn",
    "sso_account_id",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
];

/// What the AWS configuration files say about credentials.
#[derive(Clone, Default)]
pub(super) struct Profiles {
    /// The profile of the URL, if it gives credentials; it may also be there for an endpoint or a region.
    pub(super) of_url: Option<String>,
    /// The profile that the SDK chooses itself.
    chosen: String,
    /// Whether the files lack that one.
    lacks_chosen: bool,
    /// The files, as people write them.
    files: String,
}

impl Profiles {
    /// Reads the files.
    ///
    /// # Errors
    /// If they have no profile of the URL's name.
    pub(super) async fn read(in_url: Option<&str>, files: &str) -> Result<Self> {
        let (folder, variables, usual) = (Fs::real(), Env::real(), EnvConfigFiles::default());
        let all = match aws_config::profile::load(&folder, &variables, &usual, None).await {
            Err(error) if in_url.is_some() => {
                let message = format!("{files} cannot be read as an AWS configuration");
                return Err(StoreError::new(Situation::Denied, message).because(error));
            }
            // Without a profile in the URL they may not be needed; if they are, the SDK says so.
            read => read.unwrap_or_default(),
        };
        let chosen = in_url.unwrap_or(all.selected_profile()).to_owned();
        let profile = all.get_profile(&chosen);
        if let (Some(name), None) = (in_url, profile) {
            return Err(missing(name, &all, files));
        }
        let lacks_chosen = profile.is_none() && chosen != "default";
        let of_url = in_url.filter(|_| profile.is_some_and(gives_credentials)).map(str::to_owned);
        Ok(Self { of_url, chosen, lacks_chosen, files: files.to_owned() })
    }

    /// What is wrong with the profile that `AWS_PROFILE` names, if something is.
    pub(super) fn said_missing(&self) -> Option<String> {
        let Self { chosen, files, .. } = self;
        self.lacks_chosen
            .then(|| format!("AWS_PROFILE names {chosen}, and there is no such profile in {files}"))
    }

    /// Where credentials came from, if they say so.
    fn origin(&self, credentials: &Credentials) -> Option<String> {
        use AwsCredentialFeature as Feature;
        let features = credentials.get_property::<Vec<Feature>>()?;
        let has = |feature| features.contains(&feature);
        Some(if has(Feature::CredentialsProfile) {
            format!("the profile {} in {}", self.chosen, self.files)
        } else if has(Feature::CredentialsEnvVars) {
            "the environment (AWS_ACCESS_KEY_ID)".to_owned()
        } else if has(Feature::CredentialsProfileStsWebIdToken) {
            "the role of the environment (AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE)".to_owned()
        } else if has(Feature::CredentialsHttp) {
            "the role of the container".to_owned()
        } else if has(Feature::CredentialsImds) {
            "the role of the machine (its metadata service)".to_owned()
        } else {
            return None;
        })
    }
}

fn gives_credentials(profile: &Profile) -> bool {
    GIVES.iter().any(|key| profile.get(key).is_some())
}

fn missing(name: &str, all: &ProfileSet, files: &str) -> StoreError {
    let mut there: Vec<&str> = all.profiles().collect();
    there.sort_unstable();
    let known = match there.as_slice() {
        [] => "they have no profiles, or are not there".to_owned(),
        names => format!("they have {}", names.join(", ")),
    };
    StoreError::new(Situation::Denied, format!("there is no AWS profile {name}, which the store's URL names"))
        .hint(format!("{files} were read, and {known}"))
}

/// Where the credentials of one bucket came from, as soon as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin(Arc<Mutex<Option<String>>>);

impl Origin {
    /// The words for it: "the environment".
    pub(super) fn said(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, origin: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = origin;
    }
}

/// A provider of credentials, which notes where they came from.
pub(super) struct Noting {
    pub(super) provider: SharedCredentialsProvider,
    pub(super) profiles: Profiles,
    pub(super) origin: Origin,
}

impl std::fmt::Debug for Noting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.provider.fmt(f)
    }
}

impl ProvideCredentials for Noting {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let credentials = self.provider.provide_credentials().await?;
            if let Some(origin) = self.profiles.origin(&credentials) {
                self.origin.note(Some(origin));
            }
            Ok(credentials)
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.provider.fallback_on_interrupt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::error::chain;
    use std::collections::HashMap;

    fn credentials(feature: AwsCredentialFeature) -> Credentials {
        let mut all = Credentials::new("AK", "secret", None, None, "test");
        all.set_property(vec![feature]);
        all
    }

    #[test]
    fn credentials_say_where_they_came_from() {
        let files = "a, b".to_owned();
        let profiles = Profiles { chosen: "old".to_owned(), files, ..Profiles::default() };
        let said = |feature| profiles.origin(&credentials(feature)).unwrap_or_default();
        assert_eq!(said(AwsCredentialFeature::CredentialsProfile), "the profile old in a, b");
        assert_eq!(said(AwsCredentialFeature::CredentialsEnvVars), "the environment (AWS_ACCESS_KEY_ID)");
        assert_eq!(said(AwsCredentialFeature::CredentialsCode), "");
    }

    #[test]
    fn a_profile_that_only_has_an_endpoint_gives_no_credentials() {
        let profile = |key: &str| {
            let property = aws_config::profile::Property::new(key.to_owned(), "x".to_owned());
            Profile::new("p", HashMap::from([(key.to_owned(), property)]))
        };
        assert!(!gives_credentials(&profile("endpoint_url")));
        assert!(gives_credentials(&profile("aws_access_key_id")));
        assert!(gives_credentials(&profile("sso_session")));
    }

    #[test]
    fn a_profile_that_is_not_there_is_named_with_the_files() {
        let error = missing("nope", &ProfileSet::default(), "~/.aws/config and ~/.aws/credentials");
        assert!(chain(&error).contains("there is no AWS profile nope"), "{error}");
        assert_eq!(
            error.hints(),
            ["~/.aws/config and ~/.aws/credentials were read, and they have no profiles, or are not there"]
        );
    }
}
