//! Why the SDK has no credentials: there are none, they are refused, or whoever gives them fails for a moment.
//!
//! The SDK keeps the failure of a provider of credentials among the causes of its own. By types it says whether there
//! was a provider, and whether it was reached; what the provider answered it says in words only.

use crate::store::contract::error::chain;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use std::error::Error as StdError;
use std::iter;

/// Why credentials could not be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unloaded {
    /// Nobody here has any.
    Missing,
    /// Whoever gives them says no, and will say it again.
    Refused,
    /// Whoever gives them does not answer, or is busy: it may pass.
    Failing,
}

/// The security token service's and single sign-on's codes for failures of their own.
const BUSY: [&str; 8] = [
    "ommunicationError",
    "InternalFailure",
    "InternalError",
    "InternalServer",
    "ServiceUnavailable",
    "Throttl",
    "TooManyRequests",
    "RequestLimitExceeded",
];

/// Why credentials could not be loaded; `None` if that is not what failed.
///
/// A refusal is never waited for: a role that may not be taken, or a token that has expired, is nothing that passes.
/// What is not clear (a program that printed nothing) is only waited for if there were credentials in this run that
/// the store has `accepted`: at the beginning it is a mistake in the settings more often than an outage.
pub(super) fn unloaded(error: &(dyn StdError + 'static), accepted: bool) -> Option<Unloaded> {
    let all = iter::successors(Some(error), |error| (*error).source());
    let own = all.skip_while(|error| !error.is::<CredentialsError>());
    let Some(first) = own.clone().next() else {
        // The SDK's own deadline, whose type it keeps to itself.
        return chain(error).contains("identity resolver timed out").then_some(Unloaded::Failing);
    };
    let unclear = |at_first| if accepted { Unloaded::Failing } else { at_first };
    for kind in own.clone().filter_map(|error| error.downcast_ref::<CredentialsError>()) {
        match kind {
            CredentialsError::InvalidConfiguration(_) => return Some(Unloaded::Missing),
            // A machine whose metadata nobody answers for is none in the cloud, unless it was one before.
            CredentialsError::CredentialsNotLoaded(_) => return Some(unclear(Unloaded::Missing)),
            CredentialsError::ProviderTimedOut(_) => return Some(Unloaded::Failing),
            _ => {}
        }
    }
    let said = chain(first);
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    // Something may answer at that address on a machine that gives no credentials: then its user forgot to set them.
    if !accepted && says(&["IMDS"]) && !matches!(status_in(&said), Some(408 | 429 | 500..=599)) {
        return Some(Unloaded::Missing);
    }
    let was_not_reached = own.clone().any(<dyn StdError>::is::<ConnectorError>) || says(&["timed out"]);
    Some(match status_in(&said) {
        // Asked again, a certificate is the same.
        _ if says(&["certificate", "UnknownIssuer"]) => Unloaded::Refused,
        _ if was_not_reached => Unloaded::Failing,
        Some(408 | 429 | 500..=599) => Unloaded::Failing,
        Some(_) => Unloaded::Refused,
        None if says(&BUSY) => Unloaded::Failing,
        // A code that says more than that: a refusal. Without one the answer is of a proxy, or of whoever else.
        None if says(&["Exception", "unhandled error ("]) => Unloaded::Refused,
        None => unclear(Unloaded::Refused),
    })
}

/// The status of a provider's answer, as the SDK's words have it: `StatusCode(503)`, `(code: 503)`.
fn status_in(said: &str) -> Option<u16> {
    let after =
        |words| said.split_once(words).and_then(|(_, rest): (&str, &str)| rest.get(..3)?.parse().ok());
    after("StatusCode(").or_else(|| after("(code: "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_what_may_pass_is_waited_for() {
        use Unloaded::{Failing, Missing, Refused};
        let says = |words: &str| CredentialsError::provider_error(words.to_owned());
        let not_reached = || ConnectorError::io("Connection refused".into());
        let http = |status: u16| {
            says(&format!("Non-success status from HTTP credential provider: StatusCode({status})"))
        };
        for (error, at_first, later) in [
            (CredentialsError::not_loaded("no providers in chain"), Missing, Failing),
            (CredentialsError::invalid_configuration("a loop"), Missing, Missing),
            (
                CredentialsError::provider_error(CredentialsError::invalid_configuration("a loop")),
                Missing,
                Missing,
            ),
            (CredentialsError::provider_timed_out(Duration::from_secs(1)), Failing, Failing),
            (CredentialsError::unhandled(not_reached()), Failing, Failing),
            (CredentialsError::provider_error(CredentialsError::unhandled(not_reached())), Failing, Failing),
            (http(503), Failing, Failing),
            (http(429), Failing, Failing),
            (http(400), Refused, Refused),
            (http(403), Refused, Refused),
            (says("error response from IMDS (code: 500). Response"), Failing, Failing),
            (says("error response from IMDS (code: 401). Response"), Missing, Refused),
            (
                says("failed to load IMDS session token: request forbidden: IMDS is disabled"),
                Missing,
                Failing,
            ),
            (says("service error: unhandled error: Error"), Refused, Failing),
            (says("service error: unhandled error (ServiceUnavailable)"), Failing, Failing),
            (says("service error: unhandled error (AccessDenied)"), Refused, Refused),
            (says("service error: ExpiredTokenException: Token expired"), Refused, Refused),
            (says("service error: IdpCommunicationErrorException"), Failing, Failing),
            (says("invalid peer certificate: UnknownIssuer"), Refused, Refused),
            (says("external process exited with code 1"), Refused, Failing),
        ] {
            let (first, then) = (unloaded(&error, false), unloaded(&error, true));
            assert_eq!((first, then), (Some(at_first), Some(later)), "{}", chain(&error));
        }
        let other = ConnectorError::io("Connection refused".into());
        assert_eq!(unloaded(&other, true), None);
    }
}
