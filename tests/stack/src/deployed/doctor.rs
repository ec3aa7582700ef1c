//! `tollgate doctor` on the deployed stack: the quick start's last command, and the one that
//! would tell an operator what the template got wrong.

use anyhow::{Context, ensure};

use super::deploy::{Deployment, STACK};

/// What cannot be well on ministack, or before anybody has signed up, and why.
const EXPECTED: [(&str, &str); 5] = [
    ("table-indexes", "ministack tells no index's status"),
    ("table-recovery", "ministack has no point-in-time recovery"),
    ("pool-of-stack", "the stack has met nobody yet"),
    ("stripe-account-of-stack", "the stack has met nobody yet"),
    ("several-subscriptions", "the hourly comparison has not run yet"),
];

/// Runs it.
///
/// # Errors
/// It finds something else.
pub async fn doctor(deployment: &mut Deployment) -> anyhow::Result<()> {
    let plans = deployment.catalog.path.to_str().context("a path of text")?.to_owned();
    let told = deployment.tollgate.json(&["--stack", STACK, "--json", "doctor", &plans]).await?;
    let checks = told["checks"].as_array().context("the doctor's checks")?;
    for check in checks.iter().filter(|check| check["verdict"] != "ok") {
        let name = check["check"].as_str().unwrap_or_default();
        let known = EXPECTED.iter().find(|(check, _)| *check == name);
        let (_, why) = known.with_context(|| format!("{name}: {}", check["problems"]))?;
        println!("    {name}: {}, because {why}", check["verdict"]);
    }
    let ok = checks.iter().filter(|check| check["verdict"] == "ok").count();
    ensure!(ok > 40, "the doctor made {} checks, {ok} of them ok", checks.len());
    println!("    {ok} of {} checks are ok", checks.len());
    Ok(())
}
