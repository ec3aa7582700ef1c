//! `cargo deployed`: the template, the binaries and a customer's life, without AWS.
//!
//! Steps in order; each prints its name and its time, and the first that fails ends the run.
//! The stack runs on ministack, on loopback: real binaries as Lambda functions behind real
//! event source mappings, Stripe's stand-in on the other side.

pub mod again;
pub mod assertions;
pub mod aws;
pub mod build;
pub mod catalog;
pub mod command;
pub mod customer;
pub mod deploy;
pub mod doctor;
pub mod hidden;
pub mod http;
pub mod key_filter;
pub mod life;
pub mod limits;
pub mod lint;
pub mod loopback;
pub mod ministack;
pub mod package;
pub mod permissions;
pub mod python;
pub mod remove;
pub mod shop;
pub mod site;
pub mod stacks;
pub mod substitute;
pub mod translate;
pub mod trouble;
pub mod wait;

use std::path::{Path, PathBuf};

use anyhow::Context;
use tollgate_core::ports::Clock;
use tollgate_functions::adapters::system::SystemClock;

use self::aws::Aws;
use self::build::Built;
use self::command::Command;
use self::ministack::Ministack;
use self::python::Python;
use self::shop::Shop;
use self::translate::Templates;

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Stop after what needs no deployment.
    pub checks: bool,
    /// The cargo profile of the binaries.
    pub profile: String,
    /// A folder of binaries to be deployed, instead of building them.
    pub binaries: Option<PathBuf>,
    /// Leave everything running at the end, until the process is told to stop.
    pub keep: bool,
}

/// Runs everything.
///
/// # Errors
/// A step failed; the message begins with its name.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let dir = work_dir()?;
    let making = async { python::python(&dir) };
    let Some(python) = step("python", "an environment of its own", making).await? else {
        println!(
            "\nSKIPPED: this machine has no python3 with venv; nothing was checked or deployed."
        );
        return Ok(());
    };
    let templates = checks(&python, &dir).await?;
    if options.checks {
        return Ok(());
    }
    let building = async {
        match &options.binaries {
            Some(folder) => build::found(folder),
            None => {
                let binaries = build::build(&options.profile)?;
                build::build_command(&options.profile)?;
                Ok(binaries)
            }
        }
    };
    let binaries = step("build", "the functions' binaries, and the command", building).await?;
    deployed(options, &dir, &python.venv, templates, &binaries).await
}

/// What needs no deployment.
async fn checks(python: &Python, dir: &Path) -> anyhow::Result<Templates> {
    let translating = async { translate::translate(python, dir) };
    let templates = step("translate", "SAM to CloudFormation", translating).await?;
    let linting = async { lint::lint(python, &templates) };
    check("lint", "cfn-lint on the translated templates", linting).await?;
    let asserting = async { assertions::check(&templates) };
    check("assertions", "what linters miss", asserting).await?;
    let allowing = permissions::check(&templates.main);
    check("permissions", "every call against the roles, and the roles against the calls", allowing)
        .await?;
    Ok(templates)
}

async fn deployed(
    options: &Options,
    dir: &Path,
    venv: &Path,
    templates: Templates,
    binaries: &[Built],
) -> anyhow::Result<()> {
    let starting = Ministack::start(venv, dir);
    let ministack = step("ministack", "an AWS on loopback", starting).await?;
    let aws = Aws::at(http::client()?, &ministack.url);
    let shop = Shop::open().await?;
    let packing = package::package(&aws, binaries, dir);
    let packages = step("package", "a zip for each function", packing).await?;
    let folder = binaries.first().and_then(|it| it.path.parent()).context("no binaries")?;
    let tollgate = Command::new(folder, aws.url(), &shop.url, deploy::STRIPE_KEY);
    let deploying = deploy::deploy(&aws, &shop, templates, packages, tollgate, dir);
    let mut deployment = step("deploy", "as the quick start does", deploying).await?;
    let asking = doctor::doctor(&mut deployment);
    step("doctor", "what `tollgate doctor` thinks of it", asking).await?;
    let living = life::live(&deployment.world, &shop);
    let mut lived = step("life", "a customer's life, over HTTP", living).await?;
    let going_wrong = trouble::trouble(&deployment.world, &shop, &mut lived);
    step("trouble", "what goes wrong, and who finds it", going_wrong).await?;
    let repeating = again::again(&mut deployment, &shop);
    step("again", "a second deployment", repeating).await?;
    let looking = hidden::hidden(&deployment, &lived, &ministack);
    step("secrets", "no secret and no key's value anywhere", looking).await?;
    ministack.only_on_loopback()?;
    if options.keep {
        println!("\nit runs until Ctrl-C: AWS at {}, Stripe at {}", ministack.url, shop.url);
        std::future::pending::<()>().await;
    }
    let removing = remove::remove(&deployment, &lived);
    step("remove", "the stack is deleted", removing).await?;
    limits::print();
    Ok(())
}

/// Runs a step that only says what it found.
async fn check(
    name: &str,
    what: &str,
    work: impl Future<Output = anyhow::Result<String>>,
) -> anyhow::Result<()> {
    let found = async {
        for line in work.await?.lines() {
            println!("  {line}");
        }
        Ok(())
    };
    step(name, what, found).await
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

/// `target/deployed`, beside the binary that runs.
fn work_dir() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe().context("where this binary is")?;
    let target = binary.parent().and_then(Path::parent).context("where cargo builds")?;
    let dir = target.join("deployed");
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    Ok(dir)
}
