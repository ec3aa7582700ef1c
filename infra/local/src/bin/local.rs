//! `cargo local`: serves the whole product on loopback until Ctrl-C.
//!
//! Exit codes: 0, stopped by Ctrl-C; 2, it could not start, or failed; 141, nobody reads its
//! output any more.
#![warn(clippy::print_stdout)]

use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::Parser;
use tollgate_functions::adapters::system::SystemClock;
use tollgate_local::{guide, serve, why_it_ended};

/// Serves Tollgate, and stand-ins for Stripe and AWS, on 127.0.0.1 until Ctrl-C.
///
/// Nothing leaves this machine and nothing is kept: every start is a new world.
#[derive(Parser)]
#[command(name = "cargo local", version)]
struct Arguments {
    /// The first of four ports in a row.
    #[arg(long, default_value_t = 8700)]
    port: u16,

    /// What to log: `info`, `warn`, `tollgate_core=debug`, …
    #[arg(long, default_value = "warn")]
    log: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tollgate_functions::telemetry::init(&arguments.log);
    match run(arguments.port).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => why_it_ended("cargo local failed", &error),
    }
}

async fn run(port: u16) -> anyhow::Result<()> {
    let stack = serve::start(Some(port), &SystemClock).await?;
    let mut out = stdout();
    write!(out, "{}", guide::guide(&stack)?)?;
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => Ok(stopped?),
        ended = serve::serve(&stack, &SystemClock, &mut out) => ended,
    }
}
