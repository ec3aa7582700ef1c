//! `cargo walk`: a customer's walk through the page, in Chromium.
//!
//! Exit codes: 0, all was as they expect it; 1, something was not, or there is no browser.

use std::path::PathBuf;

use clap::Parser;
use tollgate_stack::walk::{Options, Window, walk};

/// Walks through the page in a browser.
#[derive(Parser)]
#[command(name = "cargo walk", version)]
struct Arguments {
    /// Where to put a picture of each step.
    #[arg(long)]
    shots: Option<PathBuf>,

    /// axe-core's script (`axe.min.js`): each state of the page is checked by it.
    #[arg(long)]
    axe: Option<PathBuf>,

    /// The window's width in pixels.
    #[arg(long, default_value_t = 1000)]
    width: u32,

    /// Whether the browser prefers dark pages.
    #[arg(long)]
    dark: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { shots, axe, width, dark } = Arguments::parse();
    walk(&Options { shots, axe, window: Window { width, dark } }).await
}
