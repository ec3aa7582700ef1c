//! What all commands have in common: help, `--json`, completions, `--local`.

use anyhow::Context;
use serde_json::Value;
use tollgate::cli::definition;
use tollgate_core::catalog::CatalogFile;
use tollgate_core::ports::Ledger;
use tollgate_local::customer::Customer;
use tollgate_local::stack::{Options, Stack};
use tollgate_standin::stripe::NewCustomer;
use tollgate_standin::world::EVENTS_QUEUE;

use super::{Input, Operator, paying};

const NONE: Input = Input::Piped("");
/// In the form of one.
const WEBHOOK_SECRET: &str = "whsec_0123456789abcdef0123456789abcdef";

/// The commands that do something, and what each was told to do.
pub(super) fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
    assert!(command.get_about().is_some(), "`{path}` does not say what it is");
    let below: Vec<_> = command.get_subcommands().filter(|it| it.get_name() != "help").collect();
    for command in &below {
        leaves(command, format!("{path} {}", command.get_name()).trim(), found);
    }
    if below.is_empty() {
        found.push(path.to_owned());
    }
}

/// A line for each command, and how it ends on a quiet stack. Ann has a dispute; nobody has the
/// customer.
const LINES: &[(&str, u8)] = &[
    ("plans show {plans}", 0),
    ("plans apply --dry-run {plans}", 0),
    ("doctor {plans}", 0),
    ("webhook apply --dry-run --plans {plans}", 0),
    ("secrets set webhook-secrets", 0),
    ("secrets rotate key-secrets", 0),
    ("account show ann@example.com", 0),
    ("account list", 0),
    ("account history ann@example.com", 0),
    ("account grant ann@example.com pro", 0),
    ("account revoke-grant ann@example.com pro", 0),
    ("account hold ann@example.com", 0),
    // Ann stays held: that is remembered when she is closed, and can be forgotten.
    ("account release bob@example.com", 0),
    ("account lift-dispute ann@example.com {dispute}", 0),
    ("account rotate-key ann@example.com", 0),
    ("account close ann@example.com", 0),
    ("account forget ann@example.com", 0),
    ("account link bob@example.com {customer}", 0),
    ("account unlink bob@example.com {customer}", 0),
    ("events list", 0),
    ("events show {event}", 0),
    ("events replay --since 1h --dry-run", 0),
    ("events dismiss {junk}", 0),
    ("reconcile", 0),
    ("queue status", 0),
    ("stack show", 0),
    ("stack rebind", 0),
    ("stack freeze", 0),
    ("stack unfreeze", 0),
    ("keys forecast --count", 0),
    ("completions bash", 0),
];

/// A stack on which every command has something to do, and what stands for a line's words.
pub(crate) async fn prepared() -> anyhow::Result<(Operator, Vec<(&'static str, String)>)> {
    let operator = Operator::start().await?;
    let stack = &operator.stack;
    let mut ann = Customer::new(stack, "ann");
    ann.sign_up().await?;
    Customer::new(stack, "bob").sign_up().await?;
    stack.settle().await?;
    ann.sign_in().await?;
    ann.buy("pro").await?;
    stack.settle().await?;
    let account = stack.ledger.account(&ann.id()?).await?.context("she has one")?;
    let payer = account.access.customers.first().context("she bought")?.to_string();
    let (dispute, customer) = {
        let mut stripe = stack.world.stripe.account();
        (stripe.open_dispute(&payer)?, stripe.create_customer(NewCustomer::default()))
    };
    stack.settle().await?;
    let events = operator.tollgate("events list --limit 1 --json", NONE).await;
    let events: Value = serde_json::from_str(&events.out)?;
    let event = events["events"][0]["id"].as_str().context("there are some")?.to_string();
    stack.put_on_queue(EVENTS_QUEUE, "no envelope").await?;
    stack.settle().await?;
    let parked = operator.tollgate("events list --outcome parked --json", NONE).await;
    let parked: Value = serde_json::from_str(&parked.out)?;
    let junk = parked["events"][0]["id"].as_str().context("it is parked")?;
    let junk = format!("queue/{junk}");
    let port = stack.urls.tollgate.rsplit(':').next().unwrap_or_default();
    let plans = format!("{}/habits-{port}.toml", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&plans, &stack.world.plans_toml)?;
    let words = vec![
        ("{plans}", plans),
        ("{dispute}", dispute),
        ("{customer}", customer),
        ("{event}", event),
        ("{junk}", junk),
    ];
    Ok((operator, words))
}

/// A line with its words, and why and by whom where that goes on record.
pub(crate) fn filled(line: &str, words: &[(&'static str, String)]) -> String {
    let reads = ["show", "list", "history"];
    let second = line.split(' ').nth(1).unwrap_or_default();
    let act =
        (line.starts_with("account") || line.starts_with("stack")) && !reads.contains(&second);
    let recorded = if act || second == "dismiss" { " --why 'a test' --by ops" } else { "" };
    let line = format!("{line}{recorded}");
    words.iter().fold(line, |line, (word, value)| line.replace(word, value))
}

pub(crate) fn input(line: &str) -> Input {
    if line.starts_with("secrets set") { Input::Piped(WEBHOOK_SECRET) } else { NONE }
}

#[tokio::test]
async fn every_command_says_what_it_is_and_prints_one_document() -> anyhow::Result<()> {
    let (operator, words) = prepared().await?;
    let mut told = Vec::new();
    leaves(&definition(), "", &mut told);
    for line in told {
        let run = LINES.iter().find(|(it, _)| it.starts_with(line.as_str()));
        let (run, exit) = run.with_context(|| format!("`{line}` is not tried with --json"))?;
        let yes = if run.contains("--dry-run") || !changes(&line) { "" } else { " --yes" };
        let run = format!("{}{yes} --json", filled(run, &words));
        let said = operator.tollgate_while_it_runs(&run, input(&line)).await?;
        assert_eq!((said.exit, said.err.as_str()), (*exit, ""), "{run}: {said:?}");
        assert!(serde_json::from_str::<Value>(&said.out).is_ok(), "{run}: {said:?}");
        let help = operator.run(&format!("{line} --help"), NONE).await;
        assert!(help.exit == 0 && help.out.contains("Usage: tollgate"), "{line}: {help:?}");
        assert!(help.out.contains("Example"), "{line}: {help:?}");
    }
    Ok(())
}

/// Whether a command asks before it does something.
fn changes(line: &str) -> bool {
    let all = definition();
    let command = line.split(' ').try_fold(&all, |command, name| command.find_subcommand(name));
    let mut arguments = command.into_iter().flat_map(clap::Command::get_arguments);
    arguments.any(|argument| argument.get_id() == "yes")
}

/// What a command does in a pipe, and with `--dry-run`: those of [`LINES`] that ask, and what else
/// changes something.
const CHANGES: &[&str] = &[
    "plans apply {changed}",
    "webhook apply --roll",
    "events replay --since 1h",
    "reconcile --accept",
    "reconcile --repair --accept",
];

#[tokio::test]
async fn without_a_yes_no_command_changes_anything() -> anyhow::Result<()> {
    let (operator, mut words) = prepared().await?;
    let plans = &operator.stack.world.plans_toml;
    let changed = plans.replace("default_plan", "# a plan more\ndefault_plan");
    let file = words[0].1.replace("habits-", "changed-");
    let another = "[[plans]]\nid = \"more\"\nrank = 99\n";
    std::fs::write(&file, format!("{changed}\n{another}"))?;
    words.push(("{changed}", file));
    let lines = LINES.iter().map(|(line, _)| line.replace(" --dry-run", ""));
    let lines: Vec<_> = lines.chain(CHANGES.iter().map(|it| (*it).to_owned())).collect();
    let (mut refused, mut foreseen) = (0, 0);
    for line in &lines {
        let name: Vec<_> = line.split(' ').take(2).collect();
        let asks = changes(&name.join(" ")) || changes(name[0]);
        let runs = if asks { &["", " --dry-run"][..] } else { &[""][..] };
        for more in runs {
            let run = format!("{}{more}", filled(line, &words));
            operator.stack.world.calls.take();
            let said = operator.tollgate(&run, input(line)).await;
            assert_eq!(operator.all_writes(), Vec::<String>::new(), "{run}: {said:?}");
            refused += usize::from(asks && more.is_empty() && said.exit == 3);
            foreseen += usize::from(said.exit == 4);
        }
    }
    // The rest has nothing to do.
    assert!(refused >= 18 && foreseen >= 12, "{refused} and {foreseen} of {}", lines.len());
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
        let options = Options { port: Some(port), start, ..Options::default() };
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

/// `tollgate … | head`: whatever the command has to say, nobody is there, and it says nothing of
/// that. A shell reports the same of a process that a closed pipe has ended.
#[tokio::test]
async fn a_reader_who_has_gone_is_no_error() -> anyhow::Result<()> {
    let mut operator = Operator::start().await?;
    operator.unread = true;
    let port = operator.stack.urls.tollgate.rsplit(':').next().unwrap_or_default().to_owned();
    let plans = format!("{}/unread-{port}.toml", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&plans, &operator.stack.world.plans_toml)?;
    let reads = LINES.iter().map(|(line, _)| *line);
    let reads = reads.filter(|line| !line.contains("account") && !line.contains("{event}"));
    let reads = reads.filter(|line| !line.contains("{junk}"));
    for line in reads.chain(["queue status --json"]) {
        let line = line.replace("{plans}", &plans);
        let command: Vec<_> = line.split(' ').take(2).collect();
        let asks = changes(&command.join(" ")) && !line.contains("--dry-run");
        let line = format!("{}{}", filled(&line, &[]), if asks { " --yes" } else { "" });
        let said = operator.tollgate(&line, Input::Piped(WEBHOOK_SECRET)).await;
        assert!(said.exit == 141 && !said.err.contains("error"), "{line}: {said:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_local_stack_has_a_catalog_of_its_own() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let (stack, port) = on_ports_in_a_row().await?;
    let shown = operator.run(&format!("--local={port} plans show"), NONE).await;
    let usage_plans = CatalogFile::parse(&stack.world.plans_toml)?.catalog;
    for plan in usage_plans.plans() {
        assert!(shown.out.contains(plan.usage_plan.as_str()), "{}: {shown:?}", plan.id);
    }
    let judged = operator.run(&format!("--local={port} doctor"), NONE).await;
    assert!(judged.out.contains("✓ usage-plans-exist"), "{judged:?}");
    let apply = operator.run(&format!("--local={port} plans apply"), NONE).await;
    let mend = format!("`tollgate --local={port} plans apply FILE`");
    assert!(apply.exit == 2 && apply.err.contains(&mend), "{apply:?}");
    Ok(())
}

/// At 80 and at 60 columns every id is whole, in a line of its own.
#[tokio::test]
async fn nothing_is_cut_on_a_narrow_terminal() -> anyhow::Result<()> {
    let mut operator = Operator::start().await?;
    let id = paying(&operator.stack, "ann", "pro").await?.id()?;
    let listed = operator.tollgate("events list --json", NONE).await;
    let listed: Value = serde_json::from_str(&listed.out)?;
    let events = listed["events"].as_array().context("there are some")?;
    let events: Vec<_> = events.iter().filter_map(|it| it["id"].as_str()).collect();
    for columns in [80, 60] {
        operator.columns = Some(columns);
        let list = operator.tollgate("events list", NONE).await.out;
        assert!(events.iter().all(|event| list.contains(event)), "{columns}: {list}");
        let accounts = operator.tollgate("account list", NONE).await.out;
        assert!(accounts.contains(id.as_str()), "{columns}: {accounts}");
        for text in [&list, &accounts] {
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(usize::from(columns)), "{columns}: {text}");
            assert_eq!(text.lines().next().map(str::to_uppercase).as_deref(), text.lines().next());
        }
        let shown = operator.tollgate("account show ann@example.com", NONE).await.out;
        assert!(shown.contains(id.as_str()), "{columns}: {shown}");
    }
    Ok(())
}
