//! How a failed call becomes a reason for not having seen.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use tollgate_core::ports::{Class, PortError};
use tollgate_functions::adapters::error::Operation;
use tollgate_operator::doctor::Unseen;

use crate::mend;

/// Codes that say that there is no such pool, API, queue or table; in
/// [`class_of_code`](tollgate_functions::adapters::error::class_of_code) some of them mean a wrong
/// configuration, which is what doctor is to find.
const ABSENT: [&str; 5] = [
    "NotFoundException",
    "ResourceNotFoundException",
    "TableNotFoundException",
    "QueueDoesNotExist",
    "NonExistentQueue",
];

/// Why a call to AWS showed nothing. `needs` is the IAM action that allows it.
pub(super) fn aws<E>(operation: Operation, needs: &str, error: &SdkError<E, HttpResponse>) -> Unseen
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.code().unwrap_or_default();
    if ABSENT.contains(&code.rsplit(['.', '#']).next().unwrap_or(code)) {
        return Unseen::Absent;
    }
    port(needs, &operation.sdk(error))
}

/// Why a call of an adapter showed nothing.
pub(super) fn port(needs: &str, error: &PortError) -> Unseen {
    if let Some(mend) = mend::of(error) {
        return Unseen::Unknown { why: error.to_string(), mend };
    }
    let denied = error.class == Class::Denied;
    Unseen::Failed { needs: format!("`{needs}`"), why: error.to_string(), denied }
}
