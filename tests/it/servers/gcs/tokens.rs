//! Tokens: who may have one, how long it lives, and what it allows.

use super::Refusal;
use super::wire::{Answer, Request};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The scope that tokens must be asked for with, unless they only serve to impersonate.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// The id of the service account's key.
pub const KEY_ID: &str = "0123456789abcdef";

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// roles/storage.objectAdmin
    Owner,
    /// roles/storage.objectUser
    User,
    /// roles/storage.objectCreator
    Writer,
    /// roles/storage.objectViewer
    Reader,
    /// No role at all.
    Nobody,
    /// Somebody whose proof of identity has expired.
    Late,
}

impl Account {
    const ALL: [Account; 6] =
        [Account::Owner, Account::User, Account::Writer, Account::Reader, Account::Nobody, Account::Late];

    fn named(name: &str) -> Option<Account> {
        Account::ALL.into_iter().find(|account| format!("{account:?}") == name)
    }

    pub fn email(self) -> String {
        format!("{self:?}@project.iam.gserviceaccount.com").to_ascii_lowercase()
    }

    /// What the role allows, as Google's documentation lists it.
    pub fn may(self, permission: &str) -> bool {
        let creator = [
            "storage.objects.create",
            "storage.multipartUploads.create",
            "storage.multipartUploads.abort",
            "storage.multipartUploads.listParts",
        ];
        match self {
            Account::Owner => true,
            Account::User => !["storage.objects.setRetention", "storage.objects.overrideUnlockedRetention"]
                .contains(&permission),
            Account::Writer => creator.contains(&permission),
            Account::Reader => ["storage.objects.get", "storage.objects.list"].contains(&permission),
            Account::Nobody | Account::Late => false,
        }
    }
}

/// The tokens that were given out.
pub struct Tokens {
    stalls: AtomicBool,
    lifetime: Mutex<Duration>,
    given: Mutex<Vec<Account>>,
    valid: Mutex<HashMap<String, (Account, Instant)>>,
}

impl Default for Tokens {
    fn default() -> Self {
        let (given, valid) = (Mutex::default(), Mutex::default());
        let stalls = AtomicBool::new(false);
        Tokens { stalls, lifetime: Mutex::new(Duration::from_secs(3600)), given, valid }
    }
}

impl Tokens {
    pub fn live(&self, lifetime: Duration) {
        *self.lifetime.lock().unwrap() = lifetime;
    }

    pub fn stall(&self, stall: bool) {
        self.stalls.store(stall, Ordering::Relaxed);
    }

    pub fn revoke(&self) {
        self.valid.lock().unwrap().clear();
    }

    pub fn given(&self) -> Vec<Account> {
        self.given.lock().unwrap().clone()
    }

    pub fn give(&self, account: Account) -> (String, Duration) {
        let lifetime = *self.lifetime.lock().unwrap();
        let mut given = self.given.lock().unwrap();
        given.push(account);
        let token = format!("ya29.{}", given.len());
        self.valid.lock().unwrap().insert(token.clone(), (account, Instant::now() + lifetime));
        (token, lifetime)
    }

    /// Whose token this is.
    pub fn account(&self, header: Option<&str>) -> Result<Account, Refusal> {
        let refused = |why: &str| Err(Refusal::new(401, "AuthenticationRequired", why));
        let Some(token) = header.and_then(|header| header.strip_prefix("Bearer ")) else {
            return refused("Authentication required.");
        };
        if token.split('.').count() == 3 {
            return signed_by_itself(token);
        }
        match self.valid.lock().unwrap().get(token) {
            Some((account, until)) if Instant::now() < *until => Ok(*account),
            Some(_) => refused("Invalid Credentials: the token has expired."),
            None => refused("Invalid Credentials"),
        }
    }

    /// Gives out a token to whoever proves to be somebody.
    pub fn answer(&self, request: &Request) -> Answer {
        while self.stalls.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let form: HashMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        match (request.method.as_str(), &path[..]) {
            ("POST", ["sts"]) => {
                let right = field("grant_type") == "urn:ietf:params:oauth:grant-type:token-exchange";
                let subject = field("subject_token").strip_prefix("subject-").and_then(Account::named);
                match subject {
                    Some(Account::Late) => refuse("invalid_grant", "The subject token has expired."),
                    Some(Account::Nobody) if right => self.tell(Account::Nobody),
                    Some(account) if right && field("scope").contains(SCOPE) => self.tell(account),
                    _ => refuse("invalid_request", "Not a token exchange."),
                }
            }
            ("POST", ["impersonate", what]) => {
                let caller = self.account(request.header("authorization"));
                let account = what.strip_suffix(":generateAccessToken").and_then(Account::named);
                match (caller, account) {
                    (Ok(_), Some(account)) if account != Account::Reader => {
                        let (token, lifetime) = self.give(account);
                        let until = humantime::format_rfc3339_seconds(SystemTime::now() + lifetime);
                        json(200, &serde_json::json!({"accessToken": token, "expireTime": until.to_string()}))
                    }
                    _ => json(
                        403,
                        &serde_json::json!({"error": {"code": 403, "status": "PERMISSION_DENIED",
                        "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource."}}),
                    ),
                }
            }
            ("GET", ["computeMetadata", "v1", "instance", "service-accounts", "default", "token"])
                if request.header("metadata-flavor") == Some("Google") =>
            {
                self.tell(Account::Owner)
            }
            _ => Answer::new(404),
        }
    }

    fn tell(&self, account: Account) -> Answer {
        let (token, lifetime) = self.give(account);
        let answer = serde_json::json!({
            "access_token": token,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": lifetime.as_secs(),
        });
        json(200, &answer)
    }
}

fn refuse(code: &str, why: &str) -> Answer {
    json(400, &serde_json::json!({"error": code, "error_description": why}))
}

fn json(status: u16, value: &serde_json::Value) -> Answer {
    Answer::new(status).body("application/json", value.to_string())
}

/// A token that a service account signed itself: its claims must be right. (Its signature is not checked.)
fn signed_by_itself(token: &str) -> Result<Account, Refusal> {
    let part = |index: usize| -> Option<serde_json::Value> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(index)?).ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let right = part(0).zip(part(1)).is_some_and(|(head, claims)| {
        head["kid"] == KEY_ID
            && claims["iss"] == Account::Owner.email().as_str()
            && claims["scope"] == SCOPE
            && claims["exp"].as_u64().is_some_and(|until| now < until && until <= now + 3700)
    });
    if right { Ok(Account::Owner) } else { Err(Refusal::new(401, "AuthenticationRequired", "Invalid JWT")) }
}
