//! `infra/deploy`, with other programs in the place of those that it calls.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

/// Each notes what it was called with, and whether it sees a key of Stripe's.
const NOTE: &str = r#"#!/bin/sh
printf '%s %s%s\n' "${0##*/}" "$*" "$(env | grep -q 'k_test_' && echo ' SEES A KEY')" >>"$CALLS"
"#;

/// An account with nothing in it, where the sample is deployed.
const AWS: &str = r#"
case "$*" in
*StackStatus*) echo "Stack with id shop does not exist" >&2; exit 255 ;;
*UserPoolClientId*) echo client ;;
*UserPoolId*) echo pool ;;
*RestApiStage*) echo prod ;;
*RestApiId*) echo api ;;
*get-account-settings*) echo 1000 ;;
*describe-trails*) echo 1 ;;
esac
"#;

/// Builds the command, which reads what comes in.
const CARGO: &str = r#"
case "$1" in
build)
    mkdir -p "$ROOT/target/debug"
    { cat "$ROOT/note"; echo '[ "$5" != stripe-key ] || printf "stored %s\n" "$(cat)" >>"$CALLS"'; } >"$ROOT/target/debug/tollgate"
    chmod +x "$ROOT/target/debug/tollgate"
    ;;
metadata) printf '{"packages":[],"target_directory":"%s/target","version":1}\n' "$ROOT" ;;
esac
"#;

fn program(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o755))?)
}

/// What was called, in its order.
fn deployed(variables: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("deploy-script");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let _ = fs::remove_dir_all(&root);
    for folder in ["infra/plans", "bin"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for file in ["infra/deploy", "infra/plans/plans.toml"] {
        fs::copy(repository.join(file), root.join(file))?;
    }
    fs::write(root.join("note"), NOTE)?;
    for (name, more) in [("aws", AWS), ("sam", ""), ("cargo", CARGO), ("cargo-lambda", "")] {
        program(&root.join("bin").join(name), &format!("{NOTE}{more}"))?;
    }
    let calls = root.join("calls");
    let path = std::env::join_paths([root.join("bin"), "/usr/bin".into(), "/bin".into()].iter())?;
    let output = Command::new("bash")
        .arg(root.join("infra/deploy"))
        .args(["shop", "--yes"])
        .env_clear()
        .env("PATH", path)
        .env("AWS_REGION", "eu-west-1")
        .env("ROOT", &root)
        .env("CALLS", &calls)
        .envs(variables.iter().copied())
        .output()?;
    let err = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{err}");
    Ok(fs::read_to_string(calls)?.lines().map(str::to_owned).collect())
}

#[test]
fn the_key_is_seen_by_the_command_alone_and_by_no_build() -> anyhow::Result<()> {
    let keys = [("STRIPE_SECRET_KEY", "sk_test_own"), ("STRIPE_FUNCTIONS_KEY", "rk_test_theirs")];
    let calls = deployed(&keys)?;
    let at = |what: &str| calls.iter().position(|call| call.starts_with(what));
    assert!(at("cargo build").is_some() && at("cargo build") < at("tollgate "), "{calls:?}");
    assert!(at("sam build").is_some() && at("sam deploy").is_some(), "{calls:?}");
    for call in calls.iter().filter(|call| !call.starts_with("stored ")) {
        assert_eq!(call.ends_with("SEES A KEY"), call.starts_with("tollgate "), "{call}");
    }
    assert!(calls.contains(&"stored rk_test_theirs".to_owned()), "{calls:?}");
    Ok(())
}
