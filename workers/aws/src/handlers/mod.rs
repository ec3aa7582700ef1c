//! One handler for each Lambda function: from the service's event to a call of
//! `tollgate-billing` and back. No rule of billing is here.
//!
//! Handlers are library functions, so that the local stack and the tests run the
//! very code that Lambda runs; the binaries only build clients and start the loop.

pub mod account;
pub mod eventbridge;
pub mod sqs;
pub mod sweep;
pub mod trigger;
pub mod webhook;

use lambda_runtime::Diagnostic;

/// What Lambda is told of a failed invocation: a type that people can alarm on, and a
/// text without bodies or personal data.
fn diagnostic(error_type: &str, message: impl std::fmt::Display) -> Diagnostic {
    Diagnostic { error_type: error_type.to_owned(), error_message: message.to_string() }
}
