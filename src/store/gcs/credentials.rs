//! Who pgstow is for Google: a file that was named, else what Google's own chain finds.
//!
//! The chain is the one of every Google tool: `GOOGLE_APPLICATION_CREDENTIALS`, the file that `gcloud auth
//! application-default login` writes, then the metadata server of the machine. A file may be a service account's key,
//! a user's login, an impersonation, or a federated identity (`external_account`: GitHub, GKE, AWS, any OIDC provider).

use crate::store::contract::error::{Result, Situation, StoreError};
use google_cloud_auth::credentials::{
    Builder, Credentials, anonymous, external_account, external_account_authorized_user, impersonated,
    service_account, user_account,
};
use serde_json::Value;
use std::path::Path;

/// The narrowest scope that reads and writes objects; what is allowed within it is for the bucket's policy to say.
const SCOPE: [&str; 1] = ["https://www.googleapis.com/auth/devstorage.read_write"];

/// The word instead of a file for emulators, which want no credentials.
const NONE: &str = "none";

/// Loads credentials; tokens are fetched with the first request, and again before they expire.
pub(super) async fn load(file: Option<&str>) -> Result<Credentials> {
    match file {
        None => Builder::default().with_scopes(SCOPE).build().map_err(|error| {
            let said = if error.is_loading() { "cannot be read" } else { "cannot be used" };
            unusable(&format!("Google's credentials {said}"))
                .hint("check the file in GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login")
                .because(error)
        }),
        Some(NONE) => Ok(anonymous::Builder::new().build()),
        Some(file) => from_file(file).await,
    }
}

async fn from_file(file: &str) -> Result<Credentials> {
    let wrong = |why: &str| unusable(&format!("the credentials file {file} {why}"));
    let text = tokio::fs::read(Path::new(file)).await.map_err(|error| {
        wrong("cannot be read").hint("check credentials=… in the store's URL").because(error)
    })?;
    // What is wrong with its contents is not repeated: they are secret.
    let json: Value = serde_json::from_slice(&text)
        .map_err(|_| wrong("is not JSON").hint("download the key or configuration again"))?;
    let kind = json.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let built = match kind.as_str() {
        "service_account" => service_account::Builder::new(json)
            .with_access_specifier(service_account::AccessSpecifier::from_scopes(SCOPE))
            .build(),
        "authorized_user" => user_account::Builder::new(json).with_scopes(SCOPE).build(),
        "impersonated_service_account" => impersonated::Builder::new(json).with_scopes(SCOPE).build(),
        "external_account" => external_account::Builder::new(json).with_scopes(SCOPE).build(),
        "external_account_authorized_user" => external_account_authorized_user::Builder::new(json).build(),
        _ => {
            return Err(wrong("has a type that is not known").hint(
                "it must be service_account, authorized_user, impersonated_service_account or external_account",
            ));
        }
    };
    built.map_err(|error| wrong(&format!("is not a valid {kind}")).because(error))
}

fn unusable(message: &str) -> StoreError {
    StoreError::new(Situation::Expired, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_used_is_said_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        for (text, says) in [
            ("hush", "is not JSON"),
            (r#"{"private_key":"hush"}"#, "has a type that is not known"),
            (r#"{"type":"service_account","private_key":"hush"}"#, "is not a valid service_account"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = load(file.to_str()).await.unwrap_err();
            assert_eq!(error.situation(), Situation::Expired);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        }
        let error = load(Some("/not/there.json")).await.unwrap_err();
        assert!(error.to_string().contains("/not/there.json cannot be read"), "{error}");
        load(Some(NONE)).await.unwrap();
    }
}
