//! One handler for each Lambda function: from the service's event to a call of
//! `tollgate-core` and back. No rule of billing is here.
//!
//! Handlers are library functions, so that the local stack and the tests run the
//! very code that Lambda runs; the binaries only build clients and start the loop.

pub mod account;
mod answer;
mod asked;
pub mod eventbridge;
pub mod openapi;
mod page;
pub mod routes;
pub mod site;
pub mod sqs;
pub mod sweep;
pub mod trigger;
pub mod webhook;

use jiff::Timestamp;
use lambda_runtime::{Context, Diagnostic};

/// When Lambda will stop the invocation.
pub fn deadline(context: &Context) -> Timestamp {
    let millis = i64::try_from(context.deadline).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

/// What Lambda is told of a failed invocation: a type that people can alarm on, and a
/// text without bodies or personal data.
fn diagnostic(error_type: &str, message: impl std::fmt::Display) -> Diagnostic {
    Diagnostic { error_type: error_type.to_owned(), error_message: message.to_string() }
}
