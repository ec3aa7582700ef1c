//! The step `lint`: cfn-lint on the translated templates, where it finds most.

use std::ffi::OsStr;

use super::python::Python;
use super::translate::Templates;

/// What a template must be right for: linters know each Region's resources.
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

/// Rules that are not applied, each with its reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// Lints both templates. A warning fails as an error does.
///
/// # Errors
/// What cfn-lint found.
pub fn lint(python: &Python, templates: &Templates) -> anyhow::Result<String> {
    let mut args: Vec<&OsStr> = vec!["--regions".as_ref()];
    args.extend(REGIONS.iter().map(OsStr::new));
    for (rule, _reason) in &EXCEPTIONS {
        args.extend([OsStr::new("--ignore-checks"), OsStr::new(rule)]);
    }
    args.extend([
        OsStr::new("--template"),
        templates.main_path.as_os_str(),
        templates.example_path.as_os_str(),
    ]);
    python.run("cfn-lint", args)?;
    Ok(format!("2 templates for {}, {} exceptions", REGIONS.join(" and "), EXCEPTIONS.len()))
}
