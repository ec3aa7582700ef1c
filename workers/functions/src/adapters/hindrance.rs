//! What keeps a request from being sent at all, in a person's words. What mends it, the operator's
//! command says.
//!
//! The SDKs tell it as a chain of errors, each with the one behind it. Of these, one line is made.
//! Whether it helps to try again is [`Class`]'s business, and not told here.

use std::error::Error;
use std::io;
use std::iter::successors;

use aws_credential_types::provider::error::CredentialsError;
use tollgate_core::ports::Class;

/// There are none where the SDK looks for them.
pub const NO_CREDENTIALS: &str = "no AWS credentials were found";
/// The profile asks for a way that the SDK was not built with.
pub const OTHER_SIGN_IN: &str = "the profile signs in in a way that only the AWS CLI knows";
/// There are some, and they could not be read or renewed.
pub const BAD_CREDENTIALS: &str = "the AWS credentials cannot be used";
/// No Region, and so no address.
pub const NO_REGION: &str = "no AWS Region is set";
/// The host's name could not be looked up.
pub const NO_ADDRESS: &str = "no such host is known here";
/// The connection was refused.
pub const REFUSED: &str = "nothing listens there";
/// No answer to a connection, or no route.
pub const NO_WAY: &str = "it cannot be reached";
/// What begins with this goes on with the library's own words.
pub const UNTRUSTED: &str = "its TLS certificate is not trusted";

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
