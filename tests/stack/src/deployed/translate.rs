//! The step `translate`: what CloudFormation makes of the SAM templates, as JSON.
//!
//! `infra/translate.py` does it with AWS's own translator, without an account.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use super::python::Python;

/// The bucket that the translated templates take their code from, `<binary>.zip` and
/// `plans.zip`.
pub const CODE_BUCKET: &str = "tollgate-code";

/// The translated templates.
#[derive(Debug, Clone, PartialEq)]
pub struct Templates {
    /// `infra/template.yaml`.
    pub main: Value,
    /// `infra/example/template.yaml`.
    pub example: Value,
    /// The file of the first, `template.json`.
    pub main_path: PathBuf,
    /// The file of the second, `example.json`.
    pub example_path: PathBuf,
}

/// Translates both templates into `dir`.
///
/// # Errors
/// SAM's translator refuses one; the message is its.
pub fn translate(python: &Python, dir: &Path) -> anyhow::Result<Templates> {
    let (main_path, example_path) = (dir.join("template.json"), dir.join("example.json"));
    Ok(Templates {
        main: one(python, "infra/template.yaml", &main_path)?,
        example: one(python, "infra/example/template.yaml", &example_path)?,
        main_path,
        example_path,
    })
}

fn one(python: &Python, source: &str, output: &Path) -> anyhow::Result<Value> {
    let args = [Path::new("infra/translate.py"), Path::new(source), output, CODE_BUCKET.as_ref()];
    python.run("python", args)?;
    let text = fs::read_to_string(output).with_context(|| format!("{}", output.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{source} as JSON"))
}
