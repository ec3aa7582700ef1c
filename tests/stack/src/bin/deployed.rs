//! `cargo deployed`: checks the template, deploys it on ministack, and plays a customer's life.
//!
//! Exit codes: 0, everything holds, or Python is missing and this is not CI; 1, a step
//! failed; 130, stopped by Ctrl-C.

use std::process::ExitCode;

use clap::Parser;
use clap::builder::FalseyValueParser;
use tollgate_stack::deployed::{Options, run};

/// Checks the template, deploys it on this machine, and plays a customer's life on it.
///
/// Everything stays on loopback. It needs python3 with venv, and PyPI on the first run.
#[derive(Parser)]
#[command(name = "cargo deployed", version)]
struct Arguments {
    /// Only check the template and the permissions; deploy nothing.
    #[arg(long)]
    checks: bool,

    /// The cargo profile of the deployed binaries; `release` is what users deploy.
    #[arg(long, default_value = "dev")]
    profile: String,

    /// Leave the deployment running at the end, for a look.
    #[arg(long)]
    keep: bool,

    /// Fail when Python is missing, instead of skipping.
    #[arg(long, env = "CI", value_parser = FalseyValueParser::new())]
    ci: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { checks, profile, keep, ci } = Arguments::parse();
    let options = Options { checks, profile, keep, ci };
    tokio::select! {
        done = run(&options) => match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("\ncargo deployed: {error:#}");
                ExitCode::FAILURE
            }
        },
        // What was started ends as the run is dropped.
        _ = tokio::signal::ctrl_c() => ExitCode::from(130),
    }
}
