//! The settings of `pgstow verify`.

use super::after::{is_blank, refuse_empty};
use super::fitting::search_path;
use super::{
    keys, lines, location, name, proof_by, reading, reading_without_keys, refuse_same_file, search, server,
    which,
};
use crate::cli::{ReceiptWords, ReceiptsAction, ReceiptsWords, TrustWords, VerifyWords};
use crate::error::{Error, Result};
use crate::proof::ProofBy;
use crate::rehearsal::Rehearsal;
use crate::stored::find::newest::Which;
use crate::verify::{CheckOptions, HowVerified, ReceiptOptions, VerifyOptions};

/// Checks the words of `pgstow verify`.
pub fn verify(words: VerifyWords) -> Result<VerifyOptions> {
    let (newest_per_name, older_than, newer_than) =
        (words.newest_per_name, words.older_than, words.newer_than);
    let many = words.all || newest_per_name || older_than.or(newer_than).is_some();
    let of_many = many.then_some(Which::Many { newest_per_name, older_than, newer_than });
    let which = which(words.id.as_deref(), Some(&words.before), of_many)?.ok_or_else(|| {
        Error::usage("nothing was named to be verified")
            .hint("give an id, \"latest\", --all, --newest-per-name, --older-than 10d or --newer-than 31d")
    })?;
    let reading = if words.quick {
        reading_without_keys(&words.store, &words.open)?
    } else {
        reading(&words.store, &words.open)?
    };
    if words.checks.iter().any(|sql| is_blank(sql.as_bytes())) {
        return Err(Error::usage("--check: the SQL is empty").hint("an unset variable looks like that"));
    }
    if words.restore {
        refuse_empty("PGSTOW_CHECK", words.checks.is_empty())?;
    }
    let how = match (words.quick, words.restore) {
        (true, true) => return Err(Error::usage("--quick and --restore contradict each other")),
        (false, true) => HowVerified::Restore(Box::new(Rehearsal {
            to: words
                .to
                .as_deref()
                .map(|url| server(Some(url), &words.server))
                .transpose()?
                .map(|(to, _)| to),
            clients: search(words.server.pg_bin.clone()),
            scratch: words.scratch,
            jobs: words.jobs,
            proof: proof_by(words.proof),
            checks: words.checks,
            without_extensions: lines(&words.exclude_extensions),
            search_path: search_path(words.search_path)?,
        })),
        // To pass over a check in silence would be a proof of nothing.
        _ if words.to.is_some() || !words.checks.is_empty() => {
            return Err(Error::usage("--to and --check are for a trial restore")
                .hint("add --restore, or leave them out (PGSTOW_VERIFY_TO, PGSTOW_CHECK too)"));
        }
        (true, false) => HowVerified::Quick,
        (false, false) => HowVerified::Read,
    };
    refuse_same_file(&[
        ("--receipt", words.receipts.receipt.as_deref()),
        ("--metrics-file", words.monitoring.metrics_file.as_deref()),
    ])?;
    let receipts = receipts(&words.receipts, &words.open.trust, &how, many)?;
    let name = name(words.name.as_deref())?;
    // It may come from a profile or a variable, and "all" sounds like more.
    if let (true, Some(name)) = (words.all || words.newest_per_name, &name) {
        tracing::info!("of all backups only those of {name} are verified, as --name or PGSTOW_NAME says");
    }
    Ok(VerifyOptions { which, name, reading, how, receipts })
}

/// What is written about what was proven.
fn receipts(
    words: &ReceiptWords,
    trust: &TrustWords,
    how: &HowVerified,
    many: bool,
) -> Result<ReceiptOptions> {
    if words.receipt.is_none() && !words.record {
        return Ok(ReceiptOptions::default());
    }
    match how {
        HowVerified::Restore(rehearsal) if rehearsal.proof == ProofBy::Nothing => {
            return Err(Error::usage(
                "with --proof none nothing is compared, so there is nothing to write a receipt of",
            ));
        }
        HowVerified::Restore(rehearsal) if !rehearsal.without_extensions.is_empty() => {
            return Err(Error::usage(
                "--exclude-extension leaves out a part of the backup, so there is nothing to write a receipt of",
            ));
        }
        HowVerified::Restore(_) => {}
        _ => {
            return Err(Error::usage("--receipt and --record are for a trial restore")
                .hint("add --restore, or leave them out (PGSTOW_RECEIPT, PGSTOW_RECORD too)"));
        }
    }
    if many && words.receipt.is_some() {
        return Err(Error::usage("--receipt is for one backup")
            .hint("--record stores the receipt of each next to its backup"));
    }
    Ok(ReceiptOptions {
        file: words.receipt.clone(),
        record: words.record,
        signing: keys::signing_key(words.signing_key_file.as_deref(), trust.require_signature)?,
    })
}

/// Checks the words of `pgstow receipts`.
pub fn receipts_check(words: &ReceiptsWords) -> Result<CheckOptions> {
    let ReceiptsAction::Verify = words.action;
    Ok(CheckOptions {
        file: words.file.clone(),
        trusted: keys::verify_keys(&words.trust)?,
        location: (!words.store.store.is_empty()).then(|| location(&words.store)).transpose()?,
    })
}
