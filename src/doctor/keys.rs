//! The keys: whether those who will want to read the backups can, and whether signatures fit.

use super::finding::Findings;
use super::request::{DoctorRequest, Readers};
use crate::error::{Error, Result};
use crate::pipeline::keys::{Identities, Recipients};
use crate::pipeline::{open, seal};
use crate::stored::format::signing::{SigningKey, VerifyKeys};
use crate::units::count;
use std::sync::Arc;

/// What is encrypted for a trial.
const PROBE: &[u8] = b"pgstow doctor";
/// zstd's level for it.
const LEVEL: i32 = 3;

/// Looks at the keys.
pub async fn examine(findings: &mut Findings<'_>, request: &DoctorRequest) -> Result<()> {
    let recipients = readers(findings, &request.readers).await?;
    match &request.identities {
        Ok(Some(identities)) => {
            let all = identities.fingerprints();
            findings.fine("identities", all.join(", "));
            if let Some(recipients) = recipients {
                let trying = opens(recipients, Arc::clone(identities));
                let say = |()| "a probe that was encrypted to the recipients is opened".to_owned();
                findings.check("decryption", trying, |()| say(())).await?;
            }
        }
        Ok(None) => findings.not_checked(
            "identities",
            "no identity was given (-i, PGSTOW_IDENTITY): right for a backup job, which cannot read backups",
        ),
        Err(error) => findings.failed("identities", error.clone())?,
    }
    signatures(findings, &request.signing, &request.trusted)
}

/// Looks at who will read the backups; the recipients, if they can be encrypted to.
async fn readers(
    findings: &mut Findings<'_>,
    readers: &Result<Option<Readers>>,
) -> Result<Option<Arc<Recipients>>> {
    match readers {
        Ok(Some(Readers::Recipients(recipients))) => {
            let all = recipients.fingerprints();
            let said = format!("{}: {}", count(all.len(), "recipient"), all.join(", "));
            let checked = findings.check("recipients", recipients.check(), |()| said).await?;
            return Ok(checked.map(|()| Arc::clone(recipients)));
        }
        Ok(Some(Readers::Everybody)) => findings.warning(
            "recipients",
            "--no-encryption: everybody who can read the store can read the backups",
            "make a key with `pgstow keygen -o key.txt`, and give its public side with --recipient",
        ),
        Ok(None) => {
            findings.not_checked("recipients", "no recipient was given (--recipient, PGSTOW_RECIPIENTS)");
        }
        Err(error) => findings.failed("recipients", error.clone())?,
    }
    Ok(None)
}

/// Encrypts a probe to the recipients, and opens it with the identities.
async fn opens(recipients: Arc<Recipients>, identities: Arc<Identities>) -> Result<()> {
    let (made_for, here) = (recipients.fingerprints(), identities.fingerprints());
    let sealed = seal(PROBE.to_vec(), LEVEL, Some(recipients)).await?;
    let opened = open(sealed.into(), Some(identities), PROBE.len() as u64).await.map_err(|error| {
        Error::verify("no identity opens what is encrypted to the recipients")
            .hint(format!(
                "the recipients are {}; the identities are {}",
                made_for.join(", "),
                here.join(", ")
            ))
            .because(error)
    })?;
    if opened == PROBE { Ok(()) } else { Err(Error::unexpected("the probe was opened, and is another")) }
}

fn signatures(
    findings: &mut Findings<'_>,
    signing: &Result<Option<SigningKey>>,
    trusted: &Result<Option<VerifyKeys>>,
) -> Result<()> {
    let what = "signatures";
    match (signing, trusted) {
        (Err(error), _) | (_, Err(error)) => findings.failed(what, error.clone())?,
        (Ok(None), Ok(None)) => {
            findings.not_checked(what, "no signing key and no verification key were given");
        }
        (Ok(None), Ok(Some(_))) => {
            findings.not_checked(what, "no signing key was given to try the verification key");
        }
        (Ok(Some(_)), Ok(None)) => {
            findings.fine(what, "the signing key signs; no --verify-key to check it with");
        }
        (Ok(Some(signing)), Ok(Some(trusted))) => match signing.fits(trusted) {
            Ok(()) => findings.fine(what, "the verification key accepts what the signing key signs"),
            Err(error) => findings.failed(what, error)?,
        },
    }
    Ok(())
}
