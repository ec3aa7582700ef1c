//! Builds the functions' binaries.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

pub use tollgate_local::functions::FUNCTIONS;

use crate::root;

/// A function's binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Its name.
    pub function: String,
    /// Where it is.
    pub path: PathBuf,
    /// How large it is.
    pub bytes: u64,
}

/// Builds the binaries with a cargo profile: `release`, `ci`, `dev`, …
///
/// # Errors
/// Cargo fails, or does not build one of them.
pub fn build(profile: &str) -> anyhow::Result<Vec<Built>> {
    // What tests build anyway is not built again with other features.
    let paths = cargo_build(
        profile,
        match profile {
            "dev" => &["--workspace", "--all-targets"],
            _ => &["--package", "tollgate-functions", "--bins"],
        },
    )?;
    FUNCTIONS.iter().map(|function| built(function, &paths)).collect()
}

/// Builds the operator's command beside them, with the same profile; of `dev`, [`build`] has built it.
///
/// # Errors
/// Cargo fails.
pub fn build_command(profile: &str) -> anyhow::Result<()> {
    match profile {
        "dev" => Ok(()),
        _ => cargo_build(profile, &["--package", "tollgate", "--bins"]).map(drop),
    }
}

/// The executables that cargo has built.
fn cargo_build(profile: &str, selection: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--message-format", "json", "--profile", profile]);
    let output = cargo.args(selection).current_dir(root()).stderr(Stdio::inherit()).output();
    let output = output.context("cargo does not start")?;
    ensure!(output.status.success(), "cargo build --profile {profile} failed");
    let messages = String::from_utf8(output.stdout)?;
    Ok(messages.lines().filter_map(executable).collect())
}

/// The functions' binaries in a folder, built by whomever.
///
/// # Errors
/// One is not there.
pub fn found(folder: &Path) -> anyhow::Result<Vec<Built>> {
    let paths: Vec<_> = FUNCTIONS.iter().map(|function| folder.join(function)).collect();
    FUNCTIONS.iter().map(|function| built(function, &paths)).collect()
}

/// The executable that a message of cargo tells of; tests have none of the binaries' names.
fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(PathBuf::from)
}

fn built(function: &str, paths: &[PathBuf]) -> anyhow::Result<Built> {
    let path = paths.iter().find(|path| path.file_name().is_some_and(|name| name == function));
    let path = path.with_context(|| format!("{function} was not built"))?.clone();
    let bytes = std::fs::metadata(&path).with_context(|| path.display().to_string())?.len();
    Ok(Built { function: function.to_owned(), path, bytes })
}
