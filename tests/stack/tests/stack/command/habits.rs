//! What all commands have in common: help, `--json`, completions, `--local`.

use serde_json::Value;
use tollgate_local::customer::Customer;
use tollgate_local::stack::{Options, Stack};
use tollgate_workers::cli::definition;

use super::{Input, Operator, Said};

const NONE: Input = Input::Piped("");

/// The commands that do something, and what each was told to do.
fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
    assert!(command.get_about().is_some(), "`{path}` does not say what it is");
    let below: Vec<_> = command.get_subcommands().filter(|it| it.get_name() != "help").collect();
    for command in &below {
        leaves(command, format!("{path} {}", command.get_name()).trim(), found);
    }
    if below.is_empty() {
        found.push(path.to_owned());
    }
}

/// The commands, as far as they end well on a quiet stack with one customer.
const LINES: &[&str] = &[
    "plans show {plans}",
    "plans apply --dry-run {plans}",
    "doctor {plans}",
    "webhook apply --dry-run",
    "secrets rotate key-secrets",
    "account show ann@example.com",
    "account history ann@example.com",
    "account grant ann@example.com pro",
    "account revoke-grant ann@example.com pro",
    "account hold ann@example.com",
    "account release ann@example.com",
    "account rotate-key ann@example.com",
    "account close ann@example.com",
    "events list",
    "events replay --since 1h --dry-run",
    "reconcile",
    "queue status",
    "keys forecast --count",
    "completions bash",
];

/// These need a dispute, another's customer, an event or a secret: their own tests tell.
const ELSEWHERE: &[&str] =
    &["account lift-dispute", "account link", "account unlink", "events show", "secrets set"];

#[tokio::test]
async fn every_command_says_what_it_is_and_prints_one_document() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    Customer::new(&operator.stack, "ann").sign_up().await?;
    operator.stack.settle().await?;
    let port = operator.stack.urls.tollgate.rsplit(':').next().unwrap_or_default();
    let plans = format!("{}/habits-{port}.toml", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&plans, &operator.stack.world.plans_toml)?;
    let mut told = Vec::new();
    leaves(&definition(), "", &mut told);
    for line in told.iter().filter(|line| !ELSEWHERE.contains(&line.as_str())) {
        let run = LINES.iter().find(|it| it.starts_with(line.as_str()));
        let run = run.ok_or_else(|| anyhow::anyhow!("`{line}` is not tried with --json"))?;
        let mut run = format!("{} --json", run.replace("{plans}", &plans));
        let act =
            line.starts_with("account") && !["show", "history"].iter().any(|it| line.ends_with(it));
        if act {
            run.push_str(" --why 'a test' --by ops --yes");
        }
        let Said { exit, out, err } = operator.tollgate_while_it_runs(&run, NONE).await?;
        assert!(serde_json::from_str::<Value>(&out).is_ok(), "{run}: {exit} {out} {err}");
        let help = operator.run(&format!("{line} --help"), NONE).await;
        assert!(help.exit == 0 && help.out.contains("Usage: tollgate"), "{line}: {help:?}");
        assert!(help.out.contains("Example"), "{line}: {help:?}");
    }
    Ok(())
}

#[tokio::test]
async fn shells_are_told_how_to_complete() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    for (shell, told) in
        [("bash", "complete -F"), ("zsh", "#compdef tollgate"), ("fish", "complete -c")]
    {
        let said = operator.run(&format!("completions {shell}"), NONE).await;
        assert!(said.exit == 0 && said.out.contains(told), "{shell}: {said:?}");
    }
    let unknown = operator.run("completions tcsh", NONE).await;
    assert!(unknown.exit == 2 && unknown.err.contains("bash"), "{unknown:?}");
    Ok(())
}

/// Four ports in a row that nobody has.
async fn on_ports_in_a_row() -> anyhow::Result<(Stack, u16)> {
    let start = "2026-03-01T09:00:00Z".parse()?;
    for _ in 0..100 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        drop(listener);
        let options = Options { port: Some(port), start, broken: None, faults: None };
        if let Ok(stack) = Stack::start(options).await {
            return Ok((stack, port));
        }
    }
    anyhow::bail!("no four ports in a row are free")
}

#[tokio::test]
async fn local_is_the_stack_that_runs_on_this_machine() -> anyhow::Result<()> {
    let mut operator = Operator::start().await?;
    // What is meant for elsewhere is not sent there.
    operator.environment.insert("STRIPE_SECRET_KEY", "rk_live_of_another".into());
    operator.environment.insert("STRIPE_API_BASE", "http://127.0.0.1:9".into());
    let (stack, port) = on_ports_in_a_row().await?;
    Customer::new(&stack, "ann").sign_up().await?;
    stack.settle().await?;
    let line = format!("--local={port} account hold ann@example.com --why x --by o --dry-run");
    let said = operator.run(&line, NONE).await;
    assert!(said.exit == 4 && said.out.contains("active → held"), "{said:?}");
    drop(stack);
    let said = operator.run(&line, NONE).await;
    let mend = format!("Start it with `cargo local --port {port}`");
    assert!(said.exit == 2 && said.err.contains(&mend), "{said:?}");
    let said = operator.run("--local --stack shop queue status", NONE).await;
    assert!(said.exit == 2 && said.err.contains("cannot be used with"), "{said:?}");
    Ok(())
}
