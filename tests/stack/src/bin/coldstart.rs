//! `cargo coldstart`: how long the functions take to their first answer.
//!
//! Exit codes: 0, measured; 1, a function was not built or does not answer.

use std::path::PathBuf;

use clap::Parser;
use tollgate_stack::coldstart::measure;
use tollgate_stack::deployed::build::{build, found};
use tollgate_stack::root;

/// Builds the functions and starts each many times on stubs of Lambda and AWS; prints the
/// time from start to first answer, and the memory that it took. Linux only.
#[derive(Parser)]
#[command(name = "cargo coldstart", version)]
struct Arguments {
    /// The cargo profile to build with.
    #[arg(long, default_value = "release")]
    profile: String,

    /// Binaries that are built already: their folder.
    #[arg(long)]
    bins: Option<PathBuf>,

    /// How many processes of each function.
    #[arg(long, default_value_t = 20)]
    times: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let built = match &arguments.bins {
        Some(folder) => found(folder)?,
        None => build(&arguments.profile)?,
    };
    let dir = root().join("target/coldstart");
    std::fs::create_dir_all(&dir)?;
    print!("{}", measure(&built, arguments.times, &dir).await?);
    Ok(())
}
