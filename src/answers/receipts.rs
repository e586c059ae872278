//! What `receipts verify` answers.

use super::Answer;
use crate::stored::find::catalogue::Signature;
use crate::stored::format::digest::Digest;
use crate::stored::format::receipt::Predicate;
use crate::text::one_line;
use crate::units::{age, count};
use crate::verify::CheckedReceipt;
use serde::Serialize;
use std::time::Duration;

/// A receipt that is what it says.
#[derive(Debug, Serialize)]
pub struct ReceiptFacts {
    /// The digest of the manifest that it is about.
    manifest_sha256: Digest,
    signature: Signature,
    /// Whether the backup in the store has that manifest; `false` if that was not compared.
    in_store: bool,
    /// What it says.
    predicate: Predicate,
}

impl ReceiptFacts {
    /// Of a receipt that was checked.
    pub fn new(checked: &CheckedReceipt) -> Self {
        Self {
            manifest_sha256: checked.receipt.manifest_sha256(),
            signature: checked.signature,
            in_store: checked.in_store,
            predicate: checked.receipt.predicate.clone(),
        }
    }
}

impl Answer for ReceiptFacts {
    fn text(&self) -> String {
        let Predicate { verified_at, verified_by, backup, restore, compared, found, checks_passed, checks } =
            &self.predicate;
        let old = age(Duration::from_secs(backup.age_seconds));
        let took = age(Duration::try_from_secs_f64(restore.seconds).unwrap_or_default());
        let mut lines = vec![
            ("backup", format!("{} of {}, {old} old then", backup.id, backup.name)),
            ("manifest", format!("SHA-256 {}", self.manifest_sha256)),
            ("proven", format!("{verified_at}, by {verified_by}")),
            ("restored", format!("in {took}, into PostgreSQL {}", restore.server_version)),
        ];
        if !restore.extensions_left_out.is_empty() {
            lines.push(("left out", format!("extensions {}", restore.extensions_left_out.join(", "))));
        }
        if let Some(compared) = compared {
            let (rows, tables) = (count(compared.rows, "row"), count(compared.tables, "table"));
            let mut said = format!("{rows} in {tables}, by {}", compared.by);
            if compared.tables_not_compared > 0 {
                said.push_str(&format!("; {} not compared", count(compared.tables_not_compared, "table")));
            }
            lines.push(("compared", said));
        }
        let kinds: Vec<String> = found.iter().map(|(kind, many)| count(*many, kind)).collect();
        lines.push(("found", kinds.join(", ")));
        lines.push((
            "checks",
            match checks_passed {
                0 => "none was asked".to_owned(),
                asked => format!("{asked} asked, all true"),
            },
        ));
        lines.extend(checks.iter().map(|check| ("", check.sql.clone())));
        let signature = match self.signature {
            Signature::Verified => "verified",
            Signature::NotChecked => "not checked (give --verify-key)",
        };
        lines.push(("signature", signature.to_owned()));
        let store = match self.in_store {
            true => "has the backup with this manifest",
            false => "not asked (give --store)",
        };
        lines.push(("store", store.to_owned()));
        lines.iter().map(|(what, value)| format!("{what:9}  {}\n", one_line(value))).collect()
    }
}
