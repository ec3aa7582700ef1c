//! `cargo local`: serves the whole product on loopback until Ctrl-C.
//!
//! Exit codes: 0, stopped by Ctrl-C; 2, it could not start.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use jiff::SignedDuration;
use tollgate_billing::ports::Clock;
use tollgate_local::guide;
use tollgate_local::stack::{Options, Stack};
use tollgate_workers::adapters::system::SystemClock;

/// Serves Tollgate, and stand-ins for Stripe and AWS, on 127.0.0.1 until Ctrl-C.
///
/// Nothing leaves this machine and nothing is kept: every start is a new world.
#[derive(Parser)]
#[command(name = "cargo local", version)]
struct Arguments {
    /// The first of four ports in a row.
    #[arg(long, default_value_t = 8700)]
    port: u16,

    /// What to log: `info`, `warn`, `tollgate_billing=debug`, …
    #[arg(long, default_value = "warn")]
    log: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tollgate_workers::telemetry::init(&arguments.log);
    match serve(arguments.port).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo local could not start: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// How often the stack's clock is set and what is under way is passed on.
const TICK: Duration = Duration::from_millis(200);

/// How often the sweep runs.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_mins(1);

async fn serve(port: u16) -> anyhow::Result<()> {
    let start = SystemClock.now();
    let stack =
        Stack::start(Options { port: Some(port), start, broken: None, faults: None }).await?;
    print!("{}", guide::guide(&stack)?);
    let (mut swept, mut mails) = (start, BTreeSet::new());
    loop {
        tokio::select! {
            stopped = tokio::signal::ctrl_c() => return Ok(stopped?),
            () = tokio::time::sleep(TICK) => {}
        }
        let now = SystemClock.now();
        stack.world.stripe.advance_to(now);
        if now.duration_since(swept) >= SWEEP_EVERY {
            swept = now;
            stack.sweep().await?;
        }
        stack.settle().await?;
        for mail in guide::mails(&stack, &mut mails) {
            println!("{mail}");
        }
    }
}
