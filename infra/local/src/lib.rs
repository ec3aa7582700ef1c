//! The whole product in one process, on the stand-ins: `cargo demo` and `cargo local`.
//!
//! The functions are the real ones, with the real SDKs over HTTP, and the table is an embedded
//! DynamoDB; AWS and Stripe are the stand-ins. Nothing here is deployed, and nothing of the product
//! is written anew for it.
//!
//! Begin with [`stack::Stack`]; a customer who signs up, buys and calls is in [`customer`].

pub mod access;
mod addresses;
pub mod browser;
pub mod clock;
pub mod customer;
pub mod demo;
pub mod faults;
pub mod front;
pub mod functions;
pub mod guide;
pub mod invariants;
pub mod outputs;
pub mod secrets;
pub mod serve;
pub mod stack;
mod storefront;
pub mod timeline;

use std::io::{self, ErrorKind};
use std::process::ExitCode;

/// Tells a person why a program ended, and its exit code: 2; or 141 in silence where nobody reads
/// its output any more, as behind `| head`.
pub fn why_it_ended(what: &str, error: &anyhow::Error) -> ExitCode {
    let closed = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
    if error.chain().filter_map(|cause| cause.downcast_ref()).any(closed) {
        return ExitCode::from(141);
    }
    eprintln!("{what}: {error:#}");
    ExitCode::from(2)
}
