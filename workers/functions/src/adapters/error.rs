//! How a failed AWS call becomes a classified [`PortError`].
//!
//! It goes by the error's code and the HTTP status, never by the text: texts are
//! undocumented. What to do about a class is the error policy's business, not ours.

use std::error::Error;
use std::iter::successors;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use jiff::SignedDuration;
use tollgate_core::ports::{Class, Page, PortError, PortResult, Service, Unreadable};

use super::hindrance;

/// One operation of one service: what every error of an adapter begins with.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// The service that is called.
    pub service: Service,
    /// The operation's name, as the service has it.
    pub name: &'static str,
}

impl Operation {
    /// An error of this operation.
    pub fn error(self, class: Class, detail: impl Into<String>) -> PortError {
        PortError { service: self.service, operation: self.name, class, detail: detail.into() }
    }

    /// A row of this operation's answer that could not be read.
    pub fn left_out(
        self,
        id: Option<&str>,
        owner: Option<String>,
        error: &PortError,
    ) -> Unreadable {
        Unreadable::new((self.service, self.name), id, owner, &error.detail)
    }

    /// Classifies what an AWS SDK returned.
    pub fn sdk<E>(self, error: &SdkError<E, HttpResponse>) -> PortError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(service) => {
                let meta = service.err().meta();
                let code = meta.code().unwrap_or("no error code");
                let class = classify(code, service.raw());
                self.error(class, describe(code, meta.message()))
            }
            SdkError::ConstructionFailure(_) => self
                .hindered(error)
                .unwrap_or_else(|| self.error(Class::Invalid, "the request could not be built")),
            SdkError::TimeoutError(_) => self.error(Class::Unavailable, "timed out"),
            SdkError::ResponseError(_) => {
                self.error(Class::Unavailable, "the answer could not be read")
            }
            other => self
                .hindered(other)
                .unwrap_or_else(|| self.error(Class::Unavailable, not_sent(other))),
        }
    }

    /// What kept a request from being sent, in a line, where that is known.
    pub fn hindered(self, error: &(dyn Error + 'static)) -> Option<PortError> {
        hindrance::of(error).map(|(class, detail)| self.error(class, detail))
    }
}

/// The connector's own words: host names and TLS alerts, no payload.
fn not_sent(error: &(dyn Error + 'static)) -> String {
    let causes = successors(error.source(), |&error| error.source()).map(ToString::to_string);
    format!("not sent: {}", causes.collect::<Vec<_>>().join(": "))
}

/// The rows of a listing that were read; what was left out is told in the log.
pub fn readable<T>(page: Page<T>) -> Vec<T> {
    for row in &page.unreadable {
        tracing::warn!(%row, "a row that cannot be read was left out");
    }
    page.items
}

/// A code and its text. AWS echoes a rejected input as `Value '…' at …`; that could
/// be a key's value or a user's name, so such a text is left out.
fn describe(code: &str, message: Option<&str>) -> String {
    match message {
        Some(message) if !message.contains("alue '") => format!("{code}: {message}"),
        _ => code.to_owned(),
    }
}

fn classify(code: &str, response: &HttpResponse) -> Class {
    class_of_code(code, || retry_after(response)).unwrap_or_else(|| {
        match response.status().as_u16() {
            429 => Class::Throttled { after: retry_after(response) },
            401 | 403 => Class::Denied,
            400..=499 => Class::Invalid,
            _ => Class::Unavailable,
        }
    })
}

/// The class of a code that says more than its HTTP status.
///
/// A missing table, pool or queue is `Denied`, not `NotFound`: it means that this
/// deployment is configured wrongly, and must not read as "the user is gone".
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/CommonErrors.html>
pub(crate) fn class_of_code(
    code: &str,
    after: impl FnOnce() -> Option<SignedDuration>,
) -> Option<Class> {
    // SQS in its query-compatible mode prefixes some codes with a name space.
    Some(match code.rsplit(['.', '#']).next().unwrap_or(code) {
        "TooManyRequestsException"
        | "ThrottlingException"
        | "ThrottlingError"
        | "Throttling"
        | "RequestThrottled"
        | "RequestLimitExceeded"
        | "ProvisionedThroughputExceeded"
        | "ProvisionedThroughputExceededException" => Class::Throttled { after: after() },
        "ConflictException"
        | "TransactionConflict"
        | "TransactionConflictException"
        | "TransactionInProgressException"
        | "IdempotentParameterMismatchException" => Class::Conflict,
        "NotFoundException" | "UserNotFoundException" => Class::NotFound,
        "LimitExceededException" => Class::LimitExceeded,
        "ResourceNotFoundException"
        | "QueueDoesNotExist"
        | "NonExistentQueue"
        | "NotAuthorizedException"
        | "UnauthorizedException"
        | "AccessDenied"
        | "AccessDeniedException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "ExpiredToken"
        | "ExpiredTokenException" => Class::Denied,
        "InternalFailure"
        | "InternalServerError"
        | "InternalErrorException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => Class::Unavailable,
        _ => return None,
    })
}

/// `Retry-After`, where the service sent it.
fn retry_after(response: &HttpResponse) -> Option<SignedDuration> {
    response.headers().get("retry-after").and_then(whole_seconds)
}

/// A `Retry-After` in whole seconds, the only form that AWS and Stripe send.
pub(crate) fn whole_seconds(header: &str) -> Option<SignedDuration> {
    Some(SignedDuration::from_secs(header.trim().parse::<u32>().ok()?.into()))
}

/// What was asked for, if it is there.
///
/// # Errors
/// The call failed; not: there is no such thing.
pub fn unless_not_found<T>(answer: PortResult<T>) -> PortResult<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(code: &str, status: u16, after: Option<&'static str>) -> Class {
        let mut response = HttpResponse::new(status.try_into().unwrap(), "".into());
        if let Some(after) = after {
            response.headers_mut().insert("retry-after", after);
        }
        classify(code, &response)
    }

    #[test]
    fn the_code_decides_and_the_status_only_where_the_code_is_new() {
        let cases = [
            ("ConflictException", 409, Class::Conflict),
            ("NotFoundException", 404, Class::NotFound),
            ("UserNotFoundException", 400, Class::NotFound),
            ("ResourceNotFoundException", 400, Class::Denied),
            ("AWS.SimpleQueueService.NonExistentQueue", 400, Class::Denied),
            ("com.amazonaws.sqs#QueueDoesNotExist", 400, Class::Denied),
            ("UnauthorizedException", 401, Class::Denied),
            ("AccessDeniedException", 400, Class::Denied),
            ("LimitExceededException", 429, Class::LimitExceeded),
            ("TooManyRequestsException", 429, Class::Throttled { after: None }),
            ("BadRequestException", 400, Class::Invalid),
            ("InternalErrorException", 500, Class::Unavailable),
            ("SomethingNew", 400, Class::Invalid),
            ("SomethingNew", 403, Class::Denied),
            ("SomethingNew", 429, Class::Throttled { after: None }),
            ("SomethingNew", 502, Class::Unavailable),
        ];
        for (code, status, expected) in cases {
            assert_eq!(class(code, status, None), expected, "{code} {status}");
        }
    }

    #[test]
    fn a_throttle_says_how_long() {
        let after = Some(SignedDuration::from_secs(7));
        assert_eq!(class("TooManyRequestsException", 429, Some("7")), Class::Throttled { after });
        assert_eq!(
            class("TooManyRequestsException", 429, Some("soon")),
            Class::Throttled { after: None }
        );
    }

    #[test]
    fn an_echoed_input_is_left_out() {
        let echo = "1 validation error detected: Value 'someone@example.com' at 'username' failed";
        assert_eq!(describe("InvalidParameterException", Some(echo)), "InvalidParameterException");
        assert_eq!(describe("ConflictException", Some("again")), "ConflictException: again");
    }
}
