//! `cargo demo`: the whole life of a customer, on one machine, in seconds.
//!
//! Exit codes: 0, every invariant holds; 1, one does not; 2, the demo could not run.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match tollgate_local::demo::run(std::io::stdout(), None).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("the demo could not run: {error:#}");
            ExitCode::from(2)
        }
    }
}
