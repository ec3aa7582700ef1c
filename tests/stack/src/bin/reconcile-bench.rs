//! `cargo reconcile-bench`: what `tollgate reconcile` costs with many accounts.
//!
//! Exit codes: 0, measured; 1, the command did not do what it should.

use clap::Parser;
use tollgate_stack::reconciled::measure;

/// Fills the local stack with accounts, lets `tollgate reconcile` rebuild its ledger and
/// compare everything; prints the calls to each service, the time, and the peak of the memory
/// that the command allocated.
#[derive(Parser)]
#[command(name = "cargo reconcile-bench", version)]
struct Arguments {
    /// How many accounts, one stack for each number.
    #[arg(default_values_t = [1_000, 5_000, 10_000, 20_000])]
    accounts: Vec<usize>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    print!("{}", measure(&arguments.accounts).await?);
    Ok(())
}
