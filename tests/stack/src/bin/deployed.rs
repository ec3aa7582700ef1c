//! `cargo deployed`: checks the template, deploys it on ministack, and plays a customer's life.
//!
//! Exit codes: 0, everything holds, or Python is missing and this is not CI; 1, a step
//! failed; 130, stopped by Ctrl-C or SIGTERM.

use std::future::pending;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
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
    #[arg(long, default_value = "dev", value_name = "NAME")]
    profile: String,

    /// Deploy the binaries of this folder instead of building them.
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,

    /// Leave everything running at the end, until Ctrl-C, for a look.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { checks, profile, binaries, keep } = Arguments::parse();
    let options = Options { checks, profile, binaries, keep };
    tokio::select! {
        done = Box::pin(run(&options)) => match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("\ncargo deployed: {error:#}");
                ExitCode::FAILURE
            }
        },
        // What was started ends as the run is dropped.
        () = told_to_stop() => ExitCode::from(130),
    }
}

/// Ctrl-C, or SIGTERM.
async fn told_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return pending().await };
    tokio::select! {
        _ = ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
