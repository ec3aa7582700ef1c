//! What is played so that every function makes every kind of call that it can make: the
//! demo, and what does not happen in it.

use std::fmt::Write;

use anyhow::Context;
use jiff::SignedDuration;
use serde_json::json;
use tollgate_core::ports::Ledger;
use tollgate_core::sweep::Drift;
use tollgate_local::access::Asked;
use tollgate_local::customer::Customer;
use tollgate_local::demo;
use tollgate_local::faults::{Fault, Faults};
use tollgate_local::stack::{Options, Stack};
use tollgate_standin::calls::Service;
use tollgate_standin::stripe::{Card, NewCustomer};
use tollgate_standin::world::{BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE};

/// Plays everything; what the functions asked of AWS and of Stripe.
pub(super) async fn play() -> anyhow::Result<Asked> {
    let mut all = Asked::default();
    let played =
        [whole_life().await?, bad_days().await?, hidden_key().await?, fail_for_a_moment().await?];
    for asked in played {
        for (need, times) in asked.aws {
            *all.aws.entry(need).or_default() += times;
        }
        for (call, times) in asked.stripe {
            *all.stripe.entry(call).or_default() += times;
        }
    }
    Ok(all)
}

async fn open(faults: Option<Faults>) -> anyhow::Result<Stack> {
    let start = "2026-03-01T09:00:00Z".parse()?;
    Stack::start(Options { start, faults, ..Options::default() }).await
}

/// The demo, with a comparison at its end.
async fn whole_life() -> anyhow::Result<Asked> {
    let stack = open(None).await?;
    let mut printed = Vec::new();
    let holds = demo::play(&stack, &mut printed).await?;
    anyhow::ensure!(holds, "the demo fails:\n{}", String::from_utf8_lossy(&printed));
    stack.compare().await?;
    Ok(stack.access.asked())
}

/// Somebody changes their mind, somebody pays who is not known, and letters die.
async fn bad_days() -> anyhow::Result<Asked> {
    let stack = open(None).await?;
    let mut ann = Customer::new(&stack, "ann");
    ann.sign_up().await?;
    stack.settle().await?;
    changes_their_mind(&stack, &mut ann).await?;
    is_left_between_plans(&stack, &ann).await?;
    pays_unknown(&stack).await?;
    letters_die(&stack).await?;
    moved_by_hand(&stack, &ann).await?;
    Ok(stack.access.asked())
}

/// Leaves a Checkout page for another plan's, and pays.
async fn changes_their_mind(stack: &Stack, ann: &mut Customer<'_>) -> anyhow::Result<()> {
    ann.sign_in().await?;
    stack.settle().await?;
    for shown in ["/", "/plans", "/config", "/openapi.json", "/account/history", "/account/keys"] {
        let answer = ann.account("GET", shown, None).await?;
        anyhow::ensure!(answer.status == 200, "GET {shown} answered {}", answer.status);
    }
    let looked = ann.account("POST", "/account/refresh", None).await?;
    anyhow::ensure!(looked.status == 202, "a refresh answered {}", looked.status);
    ann.account("POST", "/account/plan", Some(json!({ "plan": "basic" }))).await?;
    ann.buy("pro").await?;
    stack.settle().await?;
    let account = stack.ledger.account(&ann.id()?).await?.context("no account")?;
    anyhow::ensure!(account.access.customers.len() == 1, "nobody was linked");
    Ok(())
}

/// API Gateway does not put a key on its new plan for longer than a worker may take.
async fn is_left_between_plans(stack: &Stack, ann: &Customer<'_>) -> anyhow::Result<()> {
    let account = stack.ledger.account(&ann.id()?).await?.context("no account")?;
    let given = account.access.given.context("nothing gave the plan")?;
    {
        let mut stripe = stack.world.stripe.account();
        let basic = stripe.price_by_lookup_key("basic_monthly").context("no such price")?;
        let basic = basic.id.clone();
        stripe.change_price(given.by.as_str(), &basic)?;
    }
    stack.world.api_gateway.conflict_next(60);
    stack.settle().await?;
    let account = stack.ledger.account(&ann.id()?).await?.context("no account")?;
    anyhow::ensure!(!account.open && account.access.usage_plan.is_some(), "it is on no plan");
    Ok(())
}

/// A subscription of a customer whom nobody is linked to waits, and is parked.
async fn pays_unknown(stack: &Stack) -> anyhow::Result<()> {
    {
        let mut stripe = stack.world.stripe.account();
        let price = stripe.price_by_lookup_key("pro_monthly").context("no such price")?.id.clone();
        let stranger = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&stranger, Card::Pays)?;
        stripe.subscribe(&stranger, &[&price], Default::default())?;
    }
    stack.settle().await?;
    stack.advance(SignedDuration::from_mins(20)).await
}

/// Somebody takes the key off its plan; the comparison finds out, and the worker looks at
/// API Gateway itself.
async fn moved_by_hand(stack: &Stack, ann: &Customer<'_>) -> anyhow::Result<()> {
    let account = stack.ledger.account(&ann.id()?).await?.context("no account")?;
    let key = account.key().context("no key")?.id.to_string();
    stack.world.api_gateway.scene(|model, now| {
        let on = model.plans().find(|plan| plan.keys.contains_key(&key)).map(|it| it.id.clone());
        model.delete_usage_plan_key(&on.unwrap_or_default(), &key, now)
    })?;
    let report = stack.compare().await?;
    anyhow::ensure!(
        report.woken.contains_key(&Drift::UsagePlan),
        "the drift was not seen: {report:?}"
    );
    stack.settle().await
}

/// Whatever cannot be read, in every queue.
async fn letters_die(stack: &Stack) -> anyhow::Result<()> {
    for queue in [EVENTS_QUEUE, BULK_QUEUE].into_iter().chain(DEAD_LETTER_QUEUES) {
        stack.put_on_queue(queue, "no envelope").await.with_context(|| queue.to_owned())?;
    }
    stack.settle().await
}

/// The answer to `CreateApiKey` is lost, so that the worker has to look for the key.
async fn hidden_key() -> anyhow::Result<Asked> {
    let faults = Faults::default();
    let stack = open(Some(faults.clone())).await?;
    faults.order(Service::ApiGateway, &[Fault::Lost]);
    Customer::new(&stack, "ann").sign_up().await?;
    stack.wait_out().await?;
    let met: usize = faults.tally().values().sum();
    anyhow::ensure!(met == 1, "no answer was lost");
    Ok(stack.access.asked())
}

/// Cognito fails for a sign-up, and Stripe for a purchase: their messages are shown again soon.
async fn fail_for_a_moment() -> anyhow::Result<Asked> {
    let faults = Faults::default();
    let stack = open(Some(faults.clone())).await?;
    let mut ann = Customer::new(&stack, "ann");
    ann.sign_up().await?;
    faults.order(Service::Cognito, &[Fault::Failed; 3]);
    stack.wait_out().await?;
    ann.sign_in().await?;
    ann.buy("basic").await?;
    faults.order(Service::Stripe, &[Fault::Failed; 3]);
    stack.wait_out().await?;
    let met: usize = faults.tally().values().sum();
    anyhow::ensure!(met == 6, "{met} calls failed, not 6");
    Ok(stack.access.asked())
}

/// What each function asked of Stripe, as a table.
pub(super) fn stripe_table(asked: &Asked) -> String {
    let mut table = String::from("what each function asked of Stripe:\n");
    for (function, call) in asked.stripe.keys() {
        let _ = writeln!(table, "  {function:<15} {call}");
    }
    table
}
