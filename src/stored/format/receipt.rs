//! Receipts: a backup was restored on trial and compared, written as an in-toto statement about its manifest.
//!
//! An auditor needs none of our programs to check one: its subject is the manifest's `sha256sum`, and minisign checks
//! its signature. It says how much was compared, and no names of tables; only the user's own checks may contain some.

use super::digest::Digest;
use super::names::{Id, MANIFEST, Name, Place, Timestamp};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// No receipt is larger, in bytes.
pub const LARGEST: u64 = 1 << 20;
/// What in-toto calls its statements.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// What this one states.
const TRIAL_RESTORE: &str = "urn:pgstow:trial-restore:v1";

/// A receipt. Fields unknown to this version are ignored on reading; their names are in-toto's way to write names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    #[serde(rename = "_type")]
    statement: String,
    subject: [Subject; 1],
    predicate_type: String,
    /// What was proven.
    pub predicate: Predicate,
}

/// What the statement is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Subject {
    name: String,
    digest: Digests,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Digests {
    sha256: Digest,
}

/// What was proven, when, and by what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicate {
    /// When it was proven.
    pub verified_at: Timestamp,
    /// The program that proved it, with its version.
    pub verified_by: String,
    /// The backup.
    pub backup: AboutBackup,
    /// Its restore.
    pub restore: AboutRestore,
    /// What was compared, if the backup says what it contains.
    pub compared: Option<Compared>,
    /// How many objects of each kind were found again.
    pub found: BTreeMap<String, u64>,
    /// How many of the user's checks were asked; each gave true.
    pub checks_passed: u64,
    /// The checks themselves; left out of receipts in the store, because everybody who reads the store can read those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Answered>,
}

/// Which backup was restored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AboutBackup {
    /// Its name.
    pub name: Name,
    /// Its id.
    pub id: Id,
    /// When it was begun.
    pub started_at: Timestamp,
    /// How old it was.
    pub age_seconds: u64,
    /// The version of the server that it is of, if it is of one.
    pub server_version: Option<String>,
}

/// How it was restored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AboutRestore {
    /// The version of the server that it was restored into.
    pub server_version: String,
    /// Whether that was a temporary cluster made for it.
    pub own_cluster: bool,
    /// How long it took until an application could have begun.
    pub seconds: f64,
    /// Extensions that only another server has, and that were left out; none of them had rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions_left_out: Vec<String>,
    /// Materialized views that could not be filled there, and stayed empty.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_refreshed: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What was compared, and agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// `counts`, or `digests`.
    pub by: String,
    /// Tables whose rows agree.
    pub tables: u64,
    /// Rows in them.
    pub rows: u64,
    /// Large objects that agree.
    pub large_objects: u64,
    /// Tables that could not be compared.
    pub tables_not_compared: u64,
}

/// A check, which gave true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The query.
    pub sql: String,
    /// Whether it gave true.
    pub passed: bool,
}

impl Receipt {
    /// A receipt for the backup whose manifest has this digest.
    pub fn new(manifest: Digest, predicate: Predicate) -> Self {
        let name = subject_name(&predicate.backup.name, &predicate.backup.id);
        Self {
            statement: STATEMENT.to_owned(),
            subject: [Subject { name, digest: Digests { sha256: manifest } }],
            predicate_type: TRIAL_RESTORE.to_owned(),
            predicate,
        }
    }

    /// The same without what may name tables: for a place that more people read.
    pub fn without_checks(&self) -> Self {
        let predicate = Predicate { checks: Vec::new(), ..self.predicate.clone() };
        Self { predicate, ..self.clone() }
    }

    /// The backup it is for.
    pub fn place(&self) -> Place {
        let AboutBackup { name, id, .. } = &self.predicate.backup;
        Place { name: name.clone(), id: id.clone() }
    }

    /// The digest of that backup's manifest.
    pub fn manifest_sha256(&self) -> Digest {
        let [Subject { digest, .. }] = &self.subject;
        digest.sha256
    }

    /// The receipt as it is written.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_string_pretty(self);
        let json = json.map_err(|e| Error::unexpected("the receipt cannot be written as JSON").because(e))?;
        Ok(format!("{json}\n").into_bytes())
    }

    /// Reads a receipt, and refuses what is none, or contradicts itself.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Types {
            #[serde(rename = "_type")]
            statement: String,
            predicate_type: String,
        }
        let no_receipt = |why: String| Error::verify(format!("this is no receipt: {why}"));
        let types: Types = serde_json::from_slice(bytes)
            .map_err(|e| no_receipt("it is no in-toto statement".into()).because(e))?;
        if types.statement != STATEMENT || types.predicate_type != TRIAL_RESTORE {
            return Err(no_receipt(format!("it is a {} in a {}", types.predicate_type, types.statement)));
        }
        let receipt: Self = serde_json::from_slice(bytes)
            .map_err(|e| no_receipt("a field is missing or wrong".into()).because(e))?;
        let [subject] = &receipt.subject;
        let AboutBackup { name, id, .. } = &receipt.predicate.backup;
        if subject.name != subject_name(name, id) {
            return Err(no_receipt(format!("it is about {}, and speaks of {id} of {name}", subject.name)));
        }
        Ok(receipt)
    }
}

fn subject_name(name: &Name, id: &Id) -> String {
    Place { name: name.clone(), id: id.clone() }.key(MANIFEST)
}

/// The name of a receipt's object in the folder of its backup; `id` is a moment and some random letters.
pub fn object_name(id: &Id) -> String {
    format!("receipt-{id}.json")
}

/// The id in the name of an object, if that is a receipt's.
pub fn id_of(object: &str) -> Option<Id> {
    object.strip_prefix("receipt-")?.strip_suffix(".json")?.parse().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example(place: &Place, manifest: Digest) -> Receipt {
        let verified_at = Timestamp::now();
        Receipt::new(
            manifest,
            Predicate {
                verified_at,
                verified_by: "pgstow 0.1.0".into(),
                backup: AboutBackup {
                    name: place.name.clone(),
                    id: place.id.clone(),
                    started_at: verified_at,
                    age_seconds: 60,
                    server_version: Some("17.9".into()),
                },
                restore: AboutRestore {
                    server_version: "17.9".into(),
                    own_cluster: true,
                    seconds: 1.5,
                    extensions_left_out: Vec::new(),
                    not_refreshed: 0,
                },
                compared: Some(Compared {
                    by: "counts".into(),
                    tables: 3,
                    rows: 64,
                    large_objects: 0,
                    tables_not_compared: 0,
                }),
                found: [("table".to_owned(), 3)].into(),
                checks_passed: 1,
                checks: vec![Answered { sql: "SELECT true".into(), passed: true }],
            },
        )
    }

    fn place() -> Place {
        Place { name: "portal/users".parse().unwrap(), id: "20261120T030000Z-7f3k9q".parse().unwrap() }
    }

    #[test]
    fn a_receipt_reads_back_and_is_an_in_toto_statement() {
        let receipt = example(&place(), Digest([7; 32]));
        let bytes = receipt.to_bytes().unwrap();
        assert_eq!(Receipt::from_bytes(&bytes).unwrap(), receipt);
        assert_eq!((receipt.place(), receipt.manifest_sha256()), (place(), Digest([7; 32])));
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(json["subject"][0]["name"], "portal/users/20261120T030000Z-7f3k9q/manifest.json");
        assert_eq!(json["subject"][0]["digest"]["sha256"], "07".repeat(32));
        let stored = String::from_utf8(receipt.without_checks().to_bytes().unwrap()).unwrap();
        assert!(!stored.contains("SELECT") && stored.contains("\"checksPassed\": 1"), "{stored}");
    }

    #[test]
    fn what_is_no_receipt_is_refused() {
        let text = String::from_utf8(example(&place(), Digest([7; 32])).to_bytes().unwrap()).unwrap();
        for (what, with, why) in [
            (
                "urn:pgstow:trial-restore:v1",
                "urn:pgstow:trial-restore:v2",
                "it is a urn:pgstow:trial-restore:v2",
            ),
            ("Statement/v1", "Statement/v0.1", "Statement/v0.1"),
            ("7f3k9q/manifest.json", "7f3k9r/manifest.json", "and speaks of"),
            ("\"verifiedAt\"", "\"then\"", "a field is missing"),
            ("{", "", "no in-toto statement"),
        ] {
            let error = Receipt::from_bytes(text.replacen(what, with, 1).as_bytes()).unwrap_err();
            assert!(error.message().contains(why), "{error}");
        }
    }

    #[test]
    fn its_object_is_known_by_its_name() {
        let id: Id = "20261127T030000Z-7f3k9q".parse().unwrap();
        assert_eq!(id_of(&object_name(&id)), Some(id));
        for other in ["receipt-.json", "receipt-20261127T030000Z-7f3k9q.json.minisig", "manifest.json"] {
            assert_eq!(id_of(other), None, "{other}");
        }
    }
}
