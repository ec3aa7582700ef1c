//! What keeps a call from being answered at all: in a person's words, and with its mend.
//!
//! The SDKs tell it as a chain of errors, each with the one behind it, and as codes of the
//! service's. Of these, one line is made. Whether it helps to try again is [`Class`]'s
//! business, and not told here.

use std::error::Error;
use std::io;
use std::iter::successors;

use aws_credential_types::provider::error::CredentialsError;
use tollgate_core::ports::{Class, PortError, Service};

const NO_CREDENTIALS: &str = "no AWS credentials were found";
const OTHER_SIGN_IN: &str = "the profile signs in in a way that only the AWS CLI knows";
const BAD_CREDENTIALS: &str = "the AWS credentials cannot be used";
const NO_REGION: &str = "no AWS Region is set";
const NO_ADDRESS: &str = "no such host is known here";
const REFUSED: &str = "nothing listens there";
const NO_WAY: &str = "it cannot be reached";
const UNTRUSTED: &str = "its TLS certificate is not trusted";

/// Credentials as the AWS CLI has them.
const EXPORT: &str = "`eval \"$(aws configure export-credentials --format env)\"`";

/// What a failure's text begins with, and what mends it.
const MENDS: &[(&str, &str)] = &[
    (
        NO_CREDENTIALS,
        "Set AWS_PROFILE to a profile that has some, or AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY. Whoever signs in by the AWS CLI: {export}",
    ),
    (OTHER_SIGN_IN, "Let the AWS CLI sign in: {export}"),
    (BAD_CREDENTIALS, "Check AWS_PROFILE: `aws sts get-caller-identity` says who you are."),
    (NO_REGION, "Set AWS_REGION, or a Region in the profile that AWS_PROFILE names."),
    (NO_ADDRESS, "Check the network, and {where}."),
    (REFUSED, "Check {where}; something that runs on this machine may have ended."),
    (NO_WAY, "Check the network, a proxy or firewall, and {where}."),
    (UNTRUSTED, "Check {where}, and whether a proxy stands between."),
    // <https://docs.aws.amazon.com/awssupport/latest/APIReference/CommonErrors.html>
    ("ExpiredToken", "Sign in again: `aws sso login`, then {export}"),
    ("RequestExpired", "Set this machine's clock: `timedatectl set-ntp true`"),
    ("RequestTimeTooSkewed", "Set this machine's clock: `timedatectl set-ntp true`"),
    (
        "UnrecognizedClient",
        "AWS does not know these credentials: check AWS_PROFILE and AWS_REGION.",
    ),
    ("InvalidClientTokenId", "AWS does not know these credentials: check AWS_PROFILE."),
    ("SignatureDoesNotMatch", "Check AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."),
    ("InvalidSignature", "Check AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; and this machine's clock."),
    ("IncompleteSignature", "Check AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."),
    ("MissingAuthenticationToken", "Check AWS_PROFILE, or AWS_ACCESS_KEY_ID."),
    // <https://docs.stripe.com/error-low-level#status-codes>
    (
        "HTTP 401",
        "Stripe does not take the key: it was rolled, or has expired. Set STRIPE_SECRET_KEY to \
         another, or store one: `tollgate secrets set stripe-key`",
    ),
    ("ResourceNotFoundException", ELSEWHERE),
    ("QueueDoesNotExist", ELSEWHERE),
    ("NonExistentQueue", ELSEWHERE),
];

const ELSEWHERE: &str = "In this account and Region there is none of this name: check AWS_REGION, \
                         AWS_PROFILE, and the stack.";

/// What mends a failure of the client, if it is one; what else a service answers is not.
pub(crate) fn mend(error: &PortError) -> Option<String> {
    // SQS, in its query-compatible mode, puts a name space before a code.
    let code = error.detail.split(':').next().unwrap_or_default();
    let code = code.rsplit(['.', '#']).next().unwrap_or_default().trim();
    let (_, mend) = MENDS.iter().find(|(it, _)| code.starts_with(it))?;
    let place = match error.service {
        Service::Stripe => "STRIPE_API_BASE, if it is set",
        _ => "AWS_REGION and AWS_ENDPOINT_URL",
    };
    Some(mend.replace("{export}", EXPORT).replace("{where}", place))
}

/// What kept a request from being sent, if that is known.
pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<(Class, String)> {
    let mut causes = successors(Some(error), |&error| error.source());
    causes.find_map(|cause| {
        if let Some(error) = cause.downcast_ref::<CredentialsError>() {
            return Some((Class::Denied, credentials(error)));
        }
        if let Some(text) = cause.downcast_ref::<io::Error>().and_then(way) {
            return Some((Class::Unavailable, text));
        }
        let text = cause.to_string();
        if text.contains("Missing Region") {
            return Some((Class::Denied, NO_REGION.to_owned()));
        }
        text.starts_with("HTTP connect timeout").then(|| (Class::Unavailable, NO_WAY.to_owned()))
    })
}

/// The innermost error knows most: a profile's name, or a file's. None has a key in it.
fn credentials(error: &CredentialsError) -> String {
    let innermost = successors(Some(error as &dyn Error), |&error| error.source()).last();
    let told = innermost.map(ToString::to_string).unwrap_or_default();
    match error {
        _ if told.contains("cargo feature") => OTHER_SIGN_IN.to_owned(),
        CredentialsError::CredentialsNotLoaded(_) if told.contains("profile `") => {
            format!("{NO_CREDENTIALS}: {told}")
        }
        CredentialsError::CredentialsNotLoaded(_) => NO_CREDENTIALS.to_owned(),
        _ => format!("{BAD_CREDENTIALS}: {told}"),
    }
}

/// The libraries tell a certificate that is not trusted, and a host's name that is not found, in
/// words alone.
fn way(error: &io::Error) -> Option<String> {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
    let text = error.to_string();
    if let Some((_, told)) = text.split_once("invalid peer certificate") {
        return Some(format!("{UNTRUSTED} (invalid peer certificate{told})"));
    }
    match error.kind() {
        ConnectionRefused => Some(REFUSED.to_owned()),
        HostUnreachable | NetworkUnreachable | TimedOut => Some(NO_WAY.to_owned()),
        _ if text.contains("failed to lookup address") => Some(NO_ADDRESS.to_owned()),
        _ => None,
    }
}
