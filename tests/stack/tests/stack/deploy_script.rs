//! `infra/deploy`, with other programs in the place of those that it calls.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::ensure;

/// Each notes what it was called with, and whether it sees a key of Stripe's.
const NOTE: &str = r#"#!/bin/sh
printf '%s %s%s\n' "${0##*/}" "$*" "$(env | grep -q 'k_test_' && echo ' SEES A KEY')" >>"$CALLS"
"#;

/// An account with nothing in it, where the sample is deployed; or one with the stack, in this state.
const AWS: &str = r#"
case "$*" in
*get-caller-identity*) [ ! "$NOBODY" ] ;;
*example*StackStatus*) echo "Stack with id shop-example does not exist" >&2; exit 255 ;;
*StackStatus*) [ "$STATUS" ] && echo "$STATUS" || { echo "Stack with id shop does not exist" >&2; exit 255; } ;;
*Livemode*) echo false ;;
*StripeKeySecretArn*) echo arn ;;
*describe-secret*) echo 1 ;;
*UserPoolClientId*) echo client ;;
*UserPoolId*) echo pool ;;
*RestApiStage*) echo prod ;;
*RestApiId*) echo api ;;
*get-account-settings*) echo "${FREE:-1000}" ;;
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

/// How a deployment ended: its exit code, what was called in its order, and what it complained of.
struct Deployed {
    code: Option<i32>,
    calls: Vec<String>,
    err: String,
}

impl Deployed {
    /// The call that begins so.
    fn call(&self, beginning: &str) -> Option<&String> {
        self.calls.iter().find(|call| call.starts_with(beginning))
    }
}

/// Deploys the stack `shop`, in a copy of the repository's folder of this name.
fn deploy(name: &str, options: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Deployed> {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("deploy-script").join(name);
    let repository = tollgate_stack::root();
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
        .args(options)
        .stdin(Stdio::null())
        .env_clear()
        .env("PATH", path)
        .env("AWS_REGION", "eu-west-1")
        .env("ROOT", &root)
        .env("CALLS", &calls)
        .envs(variables.iter().copied())
        .output()?;
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    let calls = fs::read_to_string(calls).unwrap_or_default();
    let calls = calls.lines().map(str::to_owned).collect();
    Ok(Deployed { code: output.status.code(), calls, err })
}

#[test]
fn the_key_is_seen_by_the_command_alone_and_by_no_build() -> anyhow::Result<()> {
    let keys = [("STRIPE_SECRET_KEY", "sk_test_own"), ("STRIPE_FUNCTIONS_KEY", "rk_test_theirs")];
    let deployed = deploy("key", &[], &keys)?;
    ensure!(deployed.code == Some(0), "{}", deployed.err);
    let calls = deployed.calls;
    let at = |what: &str| calls.iter().position(|call| call.starts_with(what));
    assert!(at("cargo build").is_some() && at("cargo build") < at("tollgate "), "{calls:?}");
    assert!(at("sam build").is_some() && at("sam deploy").is_some(), "{calls:?}");
    for call in calls.iter().filter(|call| !call.starts_with("stored ")) {
        assert_eq!(call.ends_with("SEES A KEY"), call.starts_with("tollgate "), "{call}");
    }
    assert!(calls.contains(&"stored rk_test_theirs".to_owned()), "{calls:?}");
    Ok(())
}

/// What cannot be had is told before anything is made.
#[test]
fn what_cannot_be_had_is_refused_before_anything_is_made() -> anyhow::Result<()> {
    const KEY: (&str, &str) = ("STRIPE_SECRET_KEY", "sk_test_own");
    type Case<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case<'_>; 7] = [
        ("nobody", &[], &[KEY, ("NOBODY", "1")], "AWS takes no calls"),
        ("live", &["--live"], &[KEY], "the sample API takes no real payments"),
        ("half", &["--pool", "eu-west-1_A"], &[KEY], "needs all of --pool"),
        ("failed", &[], &[KEY, ("STATUS", "ROLLBACK_COMPLETE")], "can only be deleted"),
        ("busy", &[], &[KEY, ("STATUS", "UPDATE_IN_PROGRESS")], "is being changed"),
        ("keyless", &[], &[], "Stripe's key is missing"),
        ("other", &[], &[("STRIPE_SECRET_KEY", "sk_live_own")], "not a key of Stripe's test mode"),
    ];
    for (name, options, variables, told) in cases {
        let refused = deploy(name, options, variables)?;
        assert_eq!(refused.code, Some(2), "{name}: {}", refused.err);
        assert!(refused.err.contains(told), "{name}: {}", refused.err);
        assert_eq!(refused.call("sam deploy"), None, "{name}");
        assert_eq!(refused.call("tollgate "), None, "{name}");
    }
    Ok(())
}

#[test]
fn what_the_account_and_the_options_say_reaches_cloudformation() -> anyhow::Result<()> {
    let key = ("STRIPE_SECRET_KEY", "sk_test_own");
    let small = deploy("small", &[], &[key, ("FREE", "10")])?;
    let call = small.call("sam deploy --region eu-west-1 --stack-name shop ");
    assert!(call.is_some_and(|it| it.contains(" ReserveConcurrency=no")), "{:?}", small.calls);
    // A stack that is there keeps its key and its parameters.
    let again = deploy("again", &["--restart"], &[("STATUS", "UPDATE_COMPLETE")])?;
    assert_eq!(again.code, Some(0), "{}", again.err);
    let call = again.call("sam deploy --region eu-west-1 --stack-name shop ");
    let call = call.map(String::as_str).unwrap_or_default();
    assert!(call.contains(" Restart=2") && !call.contains("UserPoolId="), "{call}");
    assert_eq!(again.call("stored "), None);
    assert!(again.call("tollgate --stack shop webhook apply --yes").is_some(), "{:?}", again.calls);
    Ok(())
}
