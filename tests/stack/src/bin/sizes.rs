//! `cargo sizes`: builds the functions and says how large they are.
//!
//! Exit codes: 0, none grew by more than a fifth; 1, one did, or nothing was built.

use clap::Parser;
use tollgate_stack::deployed::build::build;
use tollgate_stack::sizes;

/// Builds the functions' binaries and compares their sizes with those recorded in
/// infra/sizes.toml; fails when one grew by more than a fifth.
#[derive(Parser)]
#[command(name = "cargo sizes", version)]
struct Arguments {
    /// The cargo profile to build with.
    #[arg(long, default_value = "release")]
    profile: String,

    /// Record the sizes instead of comparing them.
    #[arg(long)]
    record: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let built = build(&arguments.profile)?;
    if arguments.record {
        sizes::record(&arguments.profile, &built)?;
    }
    print!("{}", sizes::check(&arguments.profile, &built)?);
    Ok(())
}
