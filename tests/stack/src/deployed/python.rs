//! The step `python`: an environment of its own with what SAM's translator, the linter and
//! the emulator need, as `infra/requirements.txt` pins it.
//!
//! Nothing is installed outside `dir`; an environment that fits is used again.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use tollgate_functions::config::environment;

use crate::root;

/// What is installed.
const REQUIREMENTS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/requirements.txt"));

/// A Python with the requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    /// The environment's folder.
    pub venv: PathBuf,
}

impl Python {
    /// A program of the environment, such as `python` or `cfn-lint`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.venv.join("bin").join(name)
    }

    /// Runs a program of the environment in the repository's root; returns what it printed.
    ///
    /// # Errors
    /// It cannot be started, or failed: with what it printed.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        name: &str,
        args: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<String> {
        let mut command = Command::new(self.program(name));
        command.args(args).current_dir(root());
        run(&mut command)
    }
}

/// Makes the environment in `dir/venv`, or finds it there. None where there is no Python
/// that can make one, except in CI (`CI=true`), where it must be there.
///
/// # Errors
/// There is no Python in CI, or the requirements cannot be installed.
pub fn python(dir: &Path) -> anyhow::Result<Option<Python>> {
    let python = Python { venv: dir.join("venv") };
    let made_of = python.venv.join("requirements.txt");
    if fs::read_to_string(&made_of).is_ok_and(|known| known == REQUIREMENTS) {
        return Ok(Some(python));
    }
    fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    let made = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&python.venv));
    if let Err(error) = made {
        let required = environment("CI").is_some_and(|ci| ci == "true");
        ensure!(!required, "CI needs python3 with its venv module: {error:#}");
        return Ok(None);
    }
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    let requirements = root().join("infra/requirements.txt");
    python.run("python", quiet.iter().map(OsStr::new).chain([requirements.as_os_str()]))?;
    fs::write(&made_of, REQUIREMENTS)?;
    Ok(Some(python))
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting {name}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{name}: {}\n{printed}{errors}", output.status);
    }
    Ok(printed)
}
