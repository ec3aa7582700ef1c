//! What `tollgate reconcile` costs, with many accounts on the local stack: calls to each
//! service, time, and the peak of the memory that the command itself allocates.
//!
//! The command runs in a thread of its own, in which every allocation is counted; the stack
//! serves it from other threads. Two times are told: that of the stack's clock, which is what
//! the pauses between the pages add up to, and that of this machine, on which the stand-ins
//! compute too. Nothing is asserted about time; a call-count test of the simulation keeps the
//! numbers of calls.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;

use anyhow::Context;
use jiff::SignedDuration;
use serde_json::Value;
use tokio::time::Instant;
use tollgate::cli::{Io, Surroundings, run};
use tollgate_core::account::Slot;
use tollgate_core::key_name::key_name;
use tollgate_events::AccountId;
use tollgate_local::stack::{Options, Stack};
use tollgate_standin::api_gateway::{NewApiKey, Quotas};
use tollgate_standin::calls::Service;
use tollgate_standin::stripe::{Card, NewCustomer, SubscriptionData};

/// What AWS allows in an account and Region; whoever comes later waits for a key.
const KEYS: usize = 10_000;
/// One in so many pays.
const PAYING: usize = 50;

/// What one run of the command cost.
struct Cost {
    calls: BTreeMap<Service, usize>,
    /// By the stack's clock.
    paced: SignedDuration,
    /// By this machine's.
    here: std::time::Duration,
    /// Bytes.
    peak: u64,
    json: Value,
}

/// Fills a stack for each size, loses its ledger, and lets the command rebuild and compare
/// it; returns the table.
///
/// # Errors
/// The stack does not start, or the command does not do what it should.
pub async fn measure(sizes: &[usize]) -> anyhow::Result<String> {
    let mut table = format!(
        "{:<10} {:>8} {:>7} {:>9} {:>12} {:>8} {:>8} {:>4} {:>8} {:>7} {:>8}\n",
        "command",
        "accounts",
        "Stripe",
        "Cognito",
        "API Gateway",
        "DynamoDB",
        "SQS",
        "all",
        "paced s",
        "here s",
        "peak MB"
    );
    for &accounts in sizes {
        let stack = town(accounts).await?;
        let rebuilt = command(&stack, "--json reconcile --rebuild --yes --by bench")?;
        anyhow::ensure!(rebuilt.json["rebuilt"] == accounts, "{:#}", rebuilt.json);
        row("--rebuild", accounts, &rebuilt, &mut table);
        let compared = command(&stack, "--json reconcile")?;
        anyhow::ensure!(compared.json["accounts"] == accounts, "{:#}", compared.json);
        row("reconcile", accounts, &compared, &mut table);
    }
    Ok(table)
}

fn row(name: &str, accounts: usize, cost: &Cost, table: &mut String) {
    let calls = |service| cost.calls.get(&service).copied().unwrap_or(0);
    let _ = writeln!(
        table,
        "{name:<10} {accounts:>8} {:>7} {:>9} {:>12} {:>8} {:>8} {:>4} {:>8} {:>7.1} {:>8.1}",
        calls(Service::Stripe),
        calls(Service::Cognito),
        calls(Service::ApiGateway),
        calls(Service::DynamoDb),
        calls(Service::Sqs),
        cost.calls.values().sum::<usize>(),
        cost.paced.as_secs(),
        cost.here.as_secs_f64(),
        cost.peak as f64 / 1_000_000.0,
    );
}

/// A stack in which everybody is as the workers would have left them, but for the ledger,
/// which is empty.
async fn town(accounts: usize) -> anyhow::Result<Stack> {
    let start = "2026-03-01T09:00:00Z".parse()?;
    let stack = Stack::start(Options { start, ..Options::default() }).await?;
    stack.world.api_gateway.set_quotas(Quotas { keys: KEYS, ..Quotas::default() });
    for number in 0..accounts {
        let name = format!("user-{number}");
        let account =
            AccountId::parse(stack.world.cognito.sign_up_confirmed(&name, "a@example.com")?)?;
        let plan = if number % PAYING == 0 { "pro" } else { "free" };
        if plan == "pro" {
            pays(&stack, &account)?;
        }
        let told = if number < KEYS {
            let key = key(&stack, &account, plan)?;
            vec![("custom:apiid", key), ("custom:plan", plan.to_owned())]
        } else {
            vec![("custom:plan", "waiting".to_owned())]
        };
        let told = told.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        stack.world.cognito.write(&name, told)?;
    }
    stack.world.cognito.take_triggers();
    stack.world.stripe.account().take_pending();
    // Nobody's key is new any more.
    stack.world.clock.advance(SignedDuration::from_hours(1));
    Ok(stack)
}

fn key(stack: &Stack, account: &AccountId, plan: &str) -> anyhow::Result<String> {
    let functions = stack.functions();
    let plans = functions.worker.catalog.plans();
    let plan = plans.iter().find(|it| it.id.as_str() == plan).context("the plan is sold")?;
    let new = NewApiKey {
        name: Some(key_name("local", account, Slot::Primary, 1)),
        enabled: true,
        customer_id: Some(account.to_string()),
        ..NewApiKey::default()
    };
    let made = stack.world.api_gateway.scene(|model, now| {
        let key = model.create_api_key(new, now)?.id;
        model.create_usage_plan_key(plan.usage_plan.as_str(), &key, now).map(|_| key)
    });
    made.map_err(|refusal| anyhow::anyhow!("{refusal}"))
}

fn pays(stack: &Stack, account: &AccountId) -> anyhow::Result<()> {
    let named = stack.functions().worker.deriver.name(account);
    let metadata = named.to_metadata();
    let mut stripe = stack.world.stripe.account();
    let customer = stripe.create_customer(NewCustomer::default());
    stripe.set_card(&customer, Card::Pays)?;
    let price = stripe.price_by_lookup_key("pro_monthly").context("it is sold")?.id.clone();
    let data = SubscriptionData { metadata, ..SubscriptionData::default() };
    stripe.subscribe(&customer, &[&price], data)?;
    Ok(())
}

/// Runs the command in a thread of its own, and counts.
fn command(stack: &Stack, line: &str) -> anyhow::Result<Cost> {
    stack.world.calls.take();
    let (clock, started) = (stack.clock().time(), Instant::now());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut runs = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(say(stack, line, &mut out, &mut err));
        anyhow::Ok(())
    };
    let mut ran = Ok(());
    let info = std::thread::scope(|scope| {
        let thread = scope.spawn(|| allocation_counter::measure(|| ran = runs()));
        thread.join().map_err(|_| anyhow::anyhow!("the command panicked"))
    })?;
    ran?;
    let text = String::from_utf8_lossy(&err);
    let json = serde_json::from_slice(&out).with_context(|| text.into_owned())?;
    let mut calls = BTreeMap::new();
    for call in stack.world.calls.take() {
        *calls.entry(call.service).or_default() += 1;
    }
    let paced = stack.clock().time().duration_since(clock);
    Ok(Cost { calls, paced, here: started.elapsed(), peak: info.bytes_max, json })
}

async fn say(stack: &Stack, line: &str, out: &mut Vec<u8>, err: &mut Vec<u8>) {
    let mut io = Io {
        out,
        err,
        input: &mut &[][..],
        interactive: false,
        colour: false,
        columns: None,
        interrupted: &|| false,
        hidden: || Err(std::io::ErrorKind::Unsupported.into()),
    };
    let base = stack.urls.stripe.clone();
    let surroundings = Surroundings {
        environment: &|name| (name == "STRIPE_API_BASE").then(|| base.clone()),
        sdk: Some(stack.sdk.clone()),
        clock: stack.clock().clone(),
    };
    let arguments = ["tollgate", "--stack", "local"].into_iter().chain(line.split(' '));
    // A finding ends it with 1: that is no failure here, and what failed is no JSON.
    run(arguments.map(OsString::from), &mut io, surroundings).await;
}
