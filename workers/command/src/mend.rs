//! What mends a call that was not answered as it should be: said below every error that the
//! command prints.

use tollgate_core::ports::{PortError, Service};
use tollgate_functions::adapters::hindrance::{
    BAD_CREDENTIALS, NO_ADDRESS, NO_CREDENTIALS, NO_REGION, NO_WAY, OTHER_SIGN_IN, REFUSED,
    UNTRUSTED,
};

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
pub(crate) fn of(error: &PortError) -> Option<String> {
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
