//! The services by which a cloud gives a program credentials that live for seconds: security tokens for a web identity,
//! a container's and an instance's metadata, and single sign-on.

use super::inbox::{Inbox, Letter};
use super::s3::S3;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A running cloud; every way to it gives the key of the same place, each time with another session.
pub struct Cloud {
    inbox: Inbox,
    folder: TempDir,
    failing: Arc<AtomicU16>,
}

impl Cloud {
    /// One whose credentials live this long.
    pub fn start(place: &S3, lifetime: Duration) -> Cloud {
        let (key, secret, count) = (place.access_key.clone(), place.secret_key.clone(), AtomicUsize::new(1));
        let failing = Arc::new(AtomicU16::new(0));
        let fails = Arc::clone(&failing);
        let answer = move |letter: &Letter| {
            match fails.load(Ordering::Relaxed) {
                0 => {}
                status => return (status, String::new(), "<html>no</html>".to_owned()),
            }
            let path = letter.target.split('?').next().unwrap_or_default();
            let session = format!("session-{}", count.load(Ordering::Relaxed));
            let ends = SystemTime::now() + lifetime;
            let ends_at = humantime::format_rfc3339_seconds(ends);
            let json = serde_json::json!({
                "Code": "Success", "Version": 1, "AccessKeyId": key, "SecretAccessKey": secret,
                "Token": session, "SessionToken": session, "Expiration": ends_at.to_string(),
            });
            let body = match (letter.method.as_str(), path) {
                ("PUT", "/latest/api/token") => {
                    return (
                        200,
                        "x-aws-ec2-metadata-token-ttl-seconds: 600\r\n".to_owned(),
                        "imds".to_owned(),
                    );
                }
                ("GET", "/latest/meta-data/iam/security-credentials/") => {
                    return (200, String::new(), "backup".to_owned());
                }
                ("GET", "/latest/meta-data/iam/security-credentials/backup" | "/container" | "/process") => {
                    json.to_string()
                }
                ("GET", "/federation/credentials") => {
                    let ends = ends.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
                    serde_json::json!({"roleCredentials": {
                        "accessKeyId": key, "secretAccessKey": secret, "sessionToken": session, "expiration": ends,
                    }})
                    .to_string()
                }
                ("POST", "/") if letter.body.contains("AssumeRoleWithWebIdentity") => format!(
                    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                     <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{key}</AccessKeyId>\
                     <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{session}</SessionToken>\
                     <Expiration>{ends_at}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
                     </AssumeRoleWithWebIdentityResponse>"
                ),
                _ => return (404, String::new(), String::new()),
            };
            count.fetch_add(1, Ordering::Relaxed);
            (200, String::new(), body)
        };
        Cloud { inbox: Inbox::start(answer), folder: tempfile::tempdir().unwrap(), failing }
    }

    /// From now on it answers everything with this status, or with 0 works again.
    pub fn fails(&self, status: u16) {
        self.failing.store(status, Ordering::Relaxed);
    }

    /// The requests that it has had.
    pub fn letters(&self) -> Vec<Letter> {
        self.inbox.letters()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file
    }

    /// The home folder of somebody who uses it.
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    /// The variables of a pod or a job that another provider vouches for.
    pub fn web_identity(&self) -> Vec<(&'static str, String)> {
        let file = self.write("token", "a-token-of-the-cluster");
        vec![
            ("AWS_WEB_IDENTITY_TOKEN_FILE", file.display().to_string()),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backup".to_owned()),
            ("AWS_ENDPOINT_URL_STS", self.inbox.url.clone()),
        ]
    }

    /// The variables of a container.
    pub fn container(&self) -> Vec<(&'static str, String)> {
        vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/container", self.inbox.url))]
    }

    /// The variables of a virtual machine, which needs none but to be found here.
    pub fn instance(&self) -> Vec<(&'static str, String)> {
        vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.inbox.url.clone())]
    }

    /// The variables of somebody whose program prints credentials.
    pub fn process(&self) -> Vec<(&'static str, String)> {
        let config = format!("[default]\ncredential_process = curl -s {}/process\n", self.inbox.url);
        vec![("AWS_CONFIG_FILE", self.write("process.config", &config).display().to_string())]
    }

    /// The variables of somebody who has logged in by single sign-on.
    pub fn single_sign_on(&self) -> Vec<(&'static str, String)> {
        let config = "[default]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = backup\n\
                      [sso-session s]\nsso_region = us-east-1\nsso_start_url = https://sso.invalid/start\n";
        // Named by the SHA-1 of the session's name.
        let token = r#"{"accessToken": "logged-in", "expiresAt": "2099-01-01T00:00:00Z"}"#;
        self.write(".aws/sso/cache/a0f1490a20d0211c997b44bc357e1972deab8ae3.json", token);
        vec![
            ("AWS_CONFIG_FILE", self.write("sso.config", config).display().to_string()),
            ("AWS_ENDPOINT_URL_SSO", self.inbox.url.clone()),
        ]
    }
}
