//! `cargo demo`: the whole life of a customer, on one machine, in seconds.
//!
//! Exit codes: 0, every invariant holds; 1, one does not; 2, the demo could not run; 141, nobody
//! reads its output any more.
#![warn(clippy::print_stdout)]

use std::process::ExitCode;

use tollgate_local::{demo, why_it_ended};

#[tokio::main]
async fn main() -> ExitCode {
    match demo::run(std::io::stdout(), None).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => why_it_ended("the demo could not run", &error),
    }
}
