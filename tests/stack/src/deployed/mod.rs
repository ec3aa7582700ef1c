//! `cargo deployed`: the template, the binaries and a customer's life, without AWS.
//!
//! Steps in order; each prints its name and its time, and the first that fails ends the run.
//! The stack runs on ministack, on loopback: real binaries as Lambda functions behind real
//! event source mappings, Stripe's stand-in on the other side.

pub mod again;
pub mod aws;
pub mod catalog;
pub mod customer;
pub mod deploy;
pub mod hidden;
pub mod key_filter;
pub mod life;
pub mod limits;
pub mod loopback;
pub mod ministack;
pub mod package;
pub mod permissions;
pub mod remove;
pub mod shop;
pub mod site;
pub mod stacks;
pub mod substitute;
pub mod trouble;
pub mod wait;

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;
use tollgate_billing::ports::Clock;
use tollgate_standin::stripe::webhook_client;
use tollgate_workers::adapters::system::SystemClock;

use self::aws::Aws;
use self::ministack::Ministack;
use self::shop::Shop;

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Stop after what needs no deployment.
    pub checks: bool,
    /// The cargo profile of the binaries.
    pub profile: String,
    /// Leave the deployment running at the end, for a look.
    pub keep: bool,
    /// A missing Python is a failure.
    pub ci: bool,
}

/// Runs everything.
///
/// # Errors
/// A step failed; the message begins with its name.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let dir = work_dir()?;
    let (venv, template, example) =
        (dir.join("venv"), read(&dir, "template.json")?, read(&dir, "example.json")?);
    if options.checks {
        return Ok(());
    }
    let binaries = dir.parent().context("a folder")?.join("debug");
    deployed(options, &dir, &venv, template, &example, &binaries).await
}

async fn deployed(
    options: &Options,
    dir: &Path,
    venv: &Path,
    template: Value,
    example: &Value,
    binaries: &Path,
) -> anyhow::Result<()> {
    let starting = Ministack::start(venv, dir);
    let ministack = step("ministack", "an AWS on loopback", starting).await?;
    let aws = Aws::at(webhook_client()?, &ministack.url);
    let shop = Shop::open().await?;
    let packing = package::package(&aws, binaries, dir);
    let packages = step("package", "a zip for each function", packing).await?;
    let deploying = deploy::deploy(&aws, &shop, template, example, packages);
    let mut deployment = step("deploy", "example, usage plans, Tollgate", deploying).await?;
    let living = life::live(&deployment.world, &shop);
    let mut lived = step("life", "a customer's life, over HTTP", living).await?;
    let going_wrong = trouble::trouble(&deployment.world, &shop, &mut lived);
    step("trouble", "what goes wrong, and who finds it", going_wrong).await?;
    let repeating = again::again(&mut deployment, &shop);
    step("again", "a second deployment", repeating).await?;
    ministack.only_on_loopback()?;
    let looking = hidden::hidden(&deployment, &lived, &ministack);
    step("secrets", "no secret and no key's value anywhere", looking).await?;
    if options.keep {
        println!("\nit is left running at {}, Stripe ends with this command", ministack.url);
        println!("  stop it with: kill -- -{}", ministack.keep());
        return Ok(());
    }
    let removing = remove::remove(&deployment, &lived);
    step("remove", "the stack is deleted", removing).await?;
    limits::print();
    Ok(())
}

/// Runs a step and prints how long it took.
async fn step<T>(
    name: &str,
    what: &str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    println!("\n== {name}: {what}");
    let start = SystemClock.now();
    let done = work.await.with_context(|| format!("{name} failed"))?;
    let took = SystemClock.now().duration_since(start);
    println!("== {name}: ok after {:.1} s", took.as_secs_f64());
    Ok(done)
}

fn read(dir: &Path, name: &str) -> anyhow::Result<Value> {
    let path = dir.join(name);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// `target/deployed`, beside the binary that runs.
fn work_dir() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe().context("where this binary is")?;
    let target = binary.parent().and_then(Path::parent).context("where cargo builds")?;
    let dir = target.join("deployed");
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    Ok(dir)
}
