//! Whether a backup, and with an identity a restore, will find everything that it needs.
//!
//! It asks with the very functions that a backup and a restore ask with; what those warn of is a finding too. The
//! one thing that it does besides is to try: it lets `pg_dump` read all definitions, writes a probe into the store
//! and removes it, and opens what it has encrypted. A check that fails ends nothing but itself, and what was not
//! given is not checked.

mod database;
mod finding;
mod history;
mod keys;
mod request;
mod rights;
mod store;
mod thief;

pub use finding::{Finding, State};
pub use request::{DoctorRequest, Readers, Subject};
pub use thief::{Act, Deed, Theft, rob};

use crate::error::{Error, Result};
use crate::run::Run;
use crate::store::Store;
use finding::Findings;
use std::sync::Arc;

/// What was found out.
#[derive(Debug)]
pub struct Examination {
    /// In the order in which it was looked at.
    pub findings: Vec<Finding>,
}

impl Examination {
    /// Fails if any check has failed, as a backup would that met the first of these failures.
    pub fn conclude(self) -> Result<()> {
        let all = self.findings.len();
        let failed: Vec<&Finding> =
            self.findings.iter().filter(|finding| finding.state == State::Failed).collect();
        let Some(kind) = failed.iter().find_map(|finding| finding.kind) else { return Ok(()) };
        Err(Error::new(kind, format!("{} of {all} checks failed", failed.len())))
    }
}

/// Looks at everything that was given.
///
/// # Errors
/// `Kind::Usage` if neither a database nor a store was given; a signal.
pub async fn examine(request: DoctorRequest, run: &Run) -> Result<Examination> {
    if let (Ok(None), Ok(None)) = (&request.subject, &request.store) {
        return Err(Error::usage("neither a database nor a store was given, so there is nothing to look at")
            .hint(
                "give what the backup is given: the URL, --store, --recipient; or name the settings file",
            ));
    }
    let mut findings = Findings::of(run);
    match &request.settings_file {
        Some(file) => findings.fine("settings", format!("{} is in use", file.display())),
        None => findings.not_checked("settings", "there is no settings file"),
    }
    for warning in &request.about_settings {
        findings.warning("settings", warning, "");
    }
    for warning in &request.about_secrets {
        findings.warning("secrets", warning, "if others may have read it, replace the secret in it");
    }
    let DoctorRequest { subject, store, .. } = &request;
    let store: Option<Arc<dyn Store>> = match store {
        Ok(Some(location)) => findings.check("store", location.open(), |_| String::new()).await?,
        Ok(None) => {
            findings.not_checked("store", "no store was given (--store, PGSTOW_STORE)");
            None
        }
        Err(error) => {
            findings.failed("store", error.clone())?;
            None
        }
    };
    let mut name = request.name.clone();
    match subject {
        Ok(Some(subject)) => {
            name = database::examine(&mut findings, subject, store.as_ref(), &request).await?;
        }
        Ok(None) => {
            findings
                .not_checked("database", "no database was given (its URL, DATABASE_URL, PGHOST, PGSERVICE)");
        }
        Err(error) => findings.failed("database", error.clone())?,
    }
    keys::examine(&mut findings, &request).await?;
    if let Some(store) = &store {
        let found = store::examine(&mut findings, store, name.as_ref(), request.wants_to_write()).await?;
        if let Some(found) = found {
            history::examine(&mut findings, store, &found, name.as_ref(), &request).await?;
        }
    }
    Ok(Examination { findings: findings.all() })
}
