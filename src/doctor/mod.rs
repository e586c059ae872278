//! Whether a backup, and with an identity a restore, will find everything that it needs.
//!
//! It asks with the very functions that a backup and a restore ask with; what those warn of is a finding too. The
//! one thing that it does besides is to try: it lets `pg_dump` read all definitions, writes a probe into the store
//! and removes it, and opens what it has encrypted. A check that fails ends nothing but itself, and what was not
//! given is not checked.

mod database;
mod finding;
mod folder;
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
use crate::stored::write::destinations::Destination;
use finding::Findings;
use folder::Absent;
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
    let has_no_store = matches!(&request.stores, Ok(stores) if stores.is_empty());
    if let (Ok(None), true) = (&request.subject, has_no_store) {
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
    match &request.alarms {
        Ok(0) => {}
        Ok(_) => findings.fine("alarms", "their addresses can be used; nothing was sent there"),
        Err(error) => findings.failed("alarms", error.clone())?,
    }
    if let Err(error) = &request.storing {
        findings.failed("storing", error.clone())?;
    }
    match &request.retention {
        Ok(false) => {}
        Ok(true) => findings.fine("retention", "the rules can be used"),
        Err(error) => findings.failed("retention", error.clone())?,
    }
    for warning in &request.about_secrets {
        findings.warning("secrets", warning, "if others may have read it, replace the secret in it");
    }
    let stores = open(&mut findings, &request).await?;
    let mut name = request.name.clone();
    match &request.subject {
        Ok(Some(subject)) => {
            name =
                database::examine(&mut findings, subject, stores.first().map(|(store, _)| store), &request)
                    .await?;
        }
        Ok(None) => {
            findings
                .not_checked("database", "no database was given (its URL, DATABASE_URL, PGHOST, PGSERVICE)");
        }
        Err(error) => findings.failed("database", error.clone())?,
    }
    keys::examine(&mut findings, &request).await?;
    for (store, destination) in &stores {
        if stores.len() > 1 {
            findings.about(Some(&store.display_url()));
        }
        let before = findings.number();
        let absent = Absent::of(&destination.location).await;
        let examined = {
            let store = (store, &destination.location);
            store::examine(&mut findings, store, name.as_ref(), request.wants_to_write()).await
        };
        absent.again().await;
        let found = examined?;
        if let Some(found) = found {
            let store = (store, &destination.location);
            history::examine(&mut findings, store, &found, name.as_ref(), &request).await?;
        }
        if destination.is_optional {
            findings.soften(before);
        }
    }
    findings.about(None);
    Ok(Examination { findings: findings.all() })
}

/// Opens the stores; no request is made yet.
async fn open<'a>(
    findings: &mut Findings<'_>,
    request: &'a DoctorRequest,
) -> Result<Vec<(Arc<dyn Store>, &'a Destination)>> {
    let mut open = Vec::new();
    match &request.stores {
        Ok(stores) if stores.is_empty() => {
            findings.not_checked("store", "no store was given (--store, PGSTOW_STORE)");
        }
        Ok(stores) => {
            for destination in stores {
                let opened = findings.check("store", destination.location.open(), |_| String::new()).await?;
                open.extend(opened.map(|store| (store, destination)));
            }
        }
        Err(error) => findings.failed("store", error.clone())?,
    }
    Ok(open)
}
