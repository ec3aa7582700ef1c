//! What each kind of event costs, in calls of each service: exactly.

use std::collections::BTreeMap;

use tollgate_core::ledger::StackRecord;
use tollgate_core::ports::{Ledger, Queue, QueueName};
use tollgate_core::sweep::Drift;
use tollgate_events::{Envelope, Via};
use tollgate_local::customer::Customer;
use tollgate_local::timeline::is_tollgates;
use tollgate_standin::calls::Call;
use tollgate_standin::calls::Service;
use tollgate_standin::stripe::{Card, DRAFT_TIME, Interval, NewPrice, When};
use tollgate_standin::world::POOL_ID;

use crate::shop::{Person, Shop, Told, on};

/// A switch of a linked account's plan: claim, read, begin, switch, tell, commit.
const SWITCH: &str = "API Gateway CreateUsagePlanKey ×1, API Gateway DeleteUsagePlanKey ×1, \
    Cognito AdminUpdateUserAttributes ×1, DynamoDB TransactWriteItems ×2, \
    DynamoDB UpdateItem ×1, Stripe GET /v1/subscriptions ×1";

impl Shop {
    /// The calls since the last time, as one line; messages sent are not in it, for
    /// their number is Stripe's choice.
    fn spent(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for call in self.stack.world.calls.take().iter().filter(|call| is_counted(call)) {
            *counts.entry(format!("{} {}", call.service, call.operation)).or_default() += 1;
        }
        let lines: Vec<_> = counts.iter().map(|(call, count)| format!("{call} ×{count}")).collect();
        lines.join(", ")
    }
}

/// A shop in operation: it is written down what the stack belongs to.
async fn in_operation() -> anyhow::Result<Shop> {
    let shop = Shop::open().await?;
    let stripe_account = Some(shop.stripe().settings_mut().account_id.clone());
    let stack = StackRecord { stripe_account, pool: Some(POOL_ID.into()), ..Default::default() };
    anyhow::ensure!(shop.stack.ledger.put_stack(&stack).await?, "nobody was there before");
    from_now_on(&shop).await?;
    Ok(shop)
}

/// What counts begins: a new instance has just looked what the stack belongs to, as it does
/// once an hour.
async fn from_now_on(shop: &Shop) -> Told {
    shop.stack.deploy(&BTreeMap::new()).await?;
    let functions = shop.stack.functions();
    functions.worker.binding.check(&functions.worker.ports).await?;
    shop.spent();
    Ok(())
}

/// Tollgate's calls, those that read the ledger's indexes included.
fn is_counted(call: &Call) -> bool {
    (is_tollgates(call) || call.service == Service::DynamoDb) && call.service != Service::Sqs
}

/// Somebody with a plan, in a quiet hour: nothing is due, nothing is fresh.
async fn in_a_quiet_hour<'a>(shop: &'a Shop, plan: &str) -> anyhow::Result<Person<'a>> {
    let mut ann = shop.sign_up("ann").await?;
    ann.buys(plan).await?;
    shop.hours(1).await?;
    from_now_on(shop).await?;
    Ok(ann)
}

/// The intent and the link are commits of their own; the query looks for events that
/// waited for the link. How many keys are left is asked for once a minute at most. The user is listed, which finds the name, and then read, which
/// does not lag.
#[tokio::test]
async fn a_sign_up_and_a_first_purchase() -> Told {
    let shop = in_operation().await?;
    Customer::new(&shop.stack, "ann").sign_up().await?;
    shop.settle().await?;
    assert_eq!(
        shop.spent(),
        "API Gateway CreateApiKey ×1, API Gateway CreateUsagePlanKey ×1, \
         Cognito AdminGetUser ×1, Cognito AdminUpdateUserAttributes ×1, \
         Cognito ListUsers ×1, DynamoDB GetItem ×2, DynamoDB TransactWriteItems ×2, \
         DynamoDB UpdateItem ×1"
    );
    let mut ann = shop.welcome("ann").await?;
    let session = ann.opens_checkout("basic").await?;
    from_now_on(&shop).await?;
    shop.stripe().complete_checkout(&session, Card::Pays)?;
    shop.settle().await?;
    assert_eq!(
        shop.spent(),
        "API Gateway CreateUsagePlanKey ×1, API Gateway DeleteUsagePlanKey ×1, Cognito \
         AdminUpdateUserAttributes ×1, DynamoDB Query ×1, DynamoDB TransactWriteItems ×3, \
         DynamoDB UpdateItem ×1, Stripe GET /v1/subscriptions ×1"
    );
    Ok(())
}

/// The customer's subscriptions and sessions, and the new session; an open one is handed out
/// again for two. What the plan is sold at is asked for every five minutes, whose the Stripe key
/// is once an hour, and a customer is made once.
#[tokio::test]
async fn a_checkout_costs_three_calls_of_stripe() -> Told {
    let shop = in_operation().await?;
    let (mut ann, mut ben) = (shop.sign_up("ann").await?, shop.sign_up("ben").await?);
    ann.opens_checkout("basic").await?;
    shop.spent();
    ben.opens_checkout("basic").await?;
    let three = "Stripe GET /v1/checkout/sessions ×1, Stripe GET /v1/subscriptions ×1";
    assert_eq!(
        shop.spent(),
        format!(
            "DynamoDB GetItem ×2, DynamoDB UpdateItem ×3, {three}, Stripe POST \
             /v1/checkout/sessions ×1, Stripe POST /v1/customers ×1"
        ),
        "a first click"
    );
    let mut session = ben.opens_checkout("basic").await?;
    assert_eq!(
        shop.spent(),
        format!("DynamoDB GetItem ×3, DynamoDB UpdateItem ×1, {three}"),
        "it is open still"
    );
    for _ in 0..2 {
        shop.stripe().expire_checkout(&session)?;
        shop.spent();
        session = ben.opens_checkout("basic").await?;
        assert_eq!(
            shop.spent(),
            format!(
                "DynamoDB GetItem ×4, DynamoDB UpdateItem ×3, {three}, Stripe POST \
                 /v1/checkout/sessions ×1"
            )
        );
    }
    Ok(())
}

/// Whether the price is metered comes with the look-up by its lookup key.
#[tokio::test]
async fn a_checkout_page_costs_no_call_more_for_a_metered_price() -> Told {
    let shop = in_operation().await?;
    let mut ann = in_a_quiet_hour(&shop, "basic").await?;
    let subscription = ann.subscription()?;
    shop.stripe().cancel(&subscription, When::Now)?;
    shop.settle().await?;
    {
        let mut stripe = shop.stripe();
        let product = stripe.price(&stripe.price_by_lookup_key("pro_monthly").unwrap().id)?;
        let product = product.product.clone();
        let usage = NewPrice::new(&product, Interval::Month, 1).metered();
        stripe.create_price(usage.lookup_key("pro_monthly"))?;
    }
    for plan in ["basic", "pro"] {
        from_now_on(&shop).await?;
        let session = ann.opens_checkout(plan).await?;
        let spent = shop.spent();
        assert!(spent.contains("Stripe GET /v1/prices ×1"), "{plan}: {spent}");
        assert!(!spent.contains("GET /v1/prices/{id}"), "{plan}: {spent}");
        shop.stripe().expire_checkout(&session)?;
    }
    ann.buys("pro").await?;
    assert_eq!(ann.seen().await?, on("pro"), "an item without a quantity counts");
    shop.holds().await
}

/// Of a price that plans.toml names by its id, it is asked for once in a process.
#[tokio::test]
async fn a_price_that_is_named_by_its_id_is_read_once() -> Told {
    let shop = in_operation().await?;
    let by_id = format!("prices = [\"{}\"]", shop.price("pro_monthly"));
    let plans = &shop.stack.world.plans_toml;
    let plans = plans.replace("lookup_keys = [\"pro_monthly\"]", &by_id);
    anyhow::ensure!(plans.contains(&by_id), "{plans}");
    shop.stack.deploy(&BTreeMap::from([("TOLLGATE_CATALOG", plans)])).await?;
    let (mut ann, mut ben) = (shop.sign_up("ann").await?, shop.sign_up("ben").await?);
    for (person, reads) in [(&mut ann, 1), (&mut ben, 0)] {
        shop.spent();
        person.opens_checkout("pro").await?;
        let spent = shop.spent();
        assert_eq!(spent.matches("GET /v1/prices/{id} ×1").count(), reads, "{spent}");
        assert!(!spent.contains("GET /v1/prices ×"), "{spent}");
    }
    Ok(())
}

/// Whoever takes something asks once a minute whether the stack is frozen.
fn downgrade() -> String {
    SWITCH.replace("DynamoDB Trans", "DynamoDB GetItem ×1, DynamoDB Trans")
}

/// One claim, one read, the switch, one transaction; and before the switch one write, so that
/// whoever comes after a worker that died knows what it was about.
#[tokio::test]
async fn an_upgrade_costs_one_claim_one_read_the_switch_and_what_frames_it() -> Told {
    let shop = in_operation().await?;
    let ann = in_a_quiet_hour(&shop, "basic").await?;
    let (subscription, pro) = (ann.subscription()?, shop.price("pro_monthly"));
    shop.stripe().change_price(&subscription, &pro)?;
    shop.settle().await?;
    assert_eq!(shop.spent(), SWITCH);
    Ok(())
}

/// Once an hour, an instance looks whose Stripe account and pool it has; for whom nobody has ever
/// paid Stripe is not asked even then.
#[tokio::test]
async fn an_instance_looks_once_an_hour_what_the_stack_belongs_to() -> Told {
    let shop = in_operation().await?;
    let ann = in_a_quiet_hour(&shop, "basic").await?;
    let (subscription, pro) = (ann.subscription()?, shop.price("pro_monthly"));
    shop.stack.deploy(&BTreeMap::new()).await?;
    shop.spent();
    shop.stripe().change_price(&subscription, &pro)?;
    shop.settle().await?;
    let looks = SWITCH
        .replace("DynamoDB TransactWriteItems", "DynamoDB GetItem ×1, DynamoDB TransactWriteItems")
        .replace("Stripe GET /v1/sub", "Stripe GET /v1/account ×1, Stripe GET /v1/sub");
    assert_eq!(shop.spent(), looks, "a new instance");
    let basic = shop.price("basic_monthly");
    shop.stripe().change_price(&subscription, &basic)?;
    shop.settle().await?;
    assert_eq!(shop.spent(), downgrade(), "in the same hour");
    shop.hours(1).await?;
    shop.spent();
    Customer::new(&shop.stack, "ben").sign_up().await?;
    shop.settle().await?;
    assert!(!shop.spent().contains("GET /v1/account"), "nobody has paid for ben");
    Ok(())
}

/// A look at a linked account that finds nothing to do.
const LOOK: &str = "DynamoDB TransactWriteItems ×1, DynamoDB UpdateItem ×1, \
    Stripe GET /v1/subscriptions ×1";

fn first_past_due() -> String {
    LOOK.replace("Stripe GET /v1/sub", "Stripe GET /v1/invoices ×1, Stripe GET /v1/sub")
}

/// A renewal's events, paid or not, come in one batch, and there is nothing to switch. What was
/// last paid for is asked when the subscription is first seen past due, and not again.
#[tokio::test]
async fn a_renewal_and_a_payment_failure_cost_a_look() -> Told {
    for (card, costs) in [(Card::Pays, LOOK.to_owned()), (Card::Declines, first_past_due())] {
        let shop = in_operation().await?;
        let ann = in_a_quiet_hour(&shop, "basic").await?;
        ann.card(card)?;
        let finalized = ann.row()?.period.end + DRAFT_TIME;
        shop.until_just_before(finalized).await?;
        from_now_on(&shop).await?;
        shop.stack.world.stripe.advance_to(finalized);
        shop.settle().await?;
        assert_eq!(shop.spent(), costs, "{card:?}");
        assert_eq!(ann.seen().await?, on("basic"));
        let subscription = ann.subscription()?;
        shop.spent();
        shop.stripe().set_metadata(&subscription, &[("note".into(), "1".into())].into())?;
        shop.settle().await?;
        assert_eq!(shop.spent(), LOOK, "{card:?}, later");
    }
    Ok(())
}

/// A replayed event looks at everything, and finds nothing to do.
#[tokio::test]
async fn a_replay_looks_everywhere_and_changes_nothing() -> Told {
    let shop = in_operation().await?;
    let ann = in_a_quiet_hour(&shop, "basic").await?;
    let before = ann.account().await?;
    let record = shop.record("customer.subscription.updated").await?.record;
    let envelope = record.envelope().expect("it was read").clone();
    let again = Envelope { via: Via::Replay, run: Some("1".into()), ..envelope };
    from_now_on(&shop).await?;
    shop.stack.functions().sweep.queue.send(QueueName::Bulk, &again).await?;
    shop.settle().await?;
    assert_eq!(
        shop.spent(),
        "API Gateway GetApiKey ×1, API Gateway GetUsagePlans ×1, Cognito AdminGetUser ×1, \
         DynamoDB TransactWriteItems ×1, DynamoDB UpdateItem ×1, Stripe GET \
         /v1/subscriptions ×1"
    );
    assert_eq!(ann.account().await?.access, before.access);
    assert_eq!(ann.account().await?.version, before.version);
    shop.holds().await
}

#[tokio::test]
async fn a_downgrade_and_a_cancellation() -> Told {
    let shop = in_operation().await?;
    let ann = in_a_quiet_hour(&shop, "pro").await?;
    let (subscription, basic) = (ann.subscription()?, shop.price("basic_monthly"));
    shop.stripe().change_price(&subscription, &basic)?;
    shop.settle().await?;
    assert_eq!(shop.spent(), downgrade());

    shop.stripe().cancel(&subscription, When::Now)?;
    shop.settle().await?;
    assert_eq!(shop.spent(), SWITCH, "cancellation");
    Ok(())
}

/// A dispute names a charge, so it costs two look-ups to know whose it is; and the user is read, so
/// that the hold can be remembered under their address. Ann has clicked within a day, so it is asked
/// too whether a page is open on which she could pay.
#[tokio::test]
async fn a_dispute_opened_and_won() -> Told {
    let shop = in_operation().await?;
    let ann = in_a_quiet_hour(&shop, "pro").await?;
    let payer = ann.payer();
    let dispute = shop.stripe().open_dispute(&payer)?;
    shop.settle().await?;
    assert_eq!(
        shop.spent(),
        "API Gateway UpdateApiKey ×1, Cognito AdminGetUser ×1, Cognito AdminUpdateUserAttributes \
         ×1, DynamoDB GetItem ×2, DynamoDB TransactWriteItems ×2, DynamoDB UpdateItem ×1, Stripe \
         GET /v1/charges/{id} ×1, Stripe GET /v1/checkout/sessions ×1, Stripe GET \
         /v1/disputes/{id} ×1, Stripe GET /v1/subscriptions ×1",
        "opened"
    );
    shop.stripe().close_dispute(&dispute, true)?;
    shop.settle().await?;
    // A key that is refused is looked at before it is accepted again, and so is whether there is a
    // newer one.
    assert_eq!(
        shop.spent(),
        "API Gateway GetApiKey ×1, API Gateway GetApiKeys ×1, API Gateway GetUsagePlans ×1, API \
         Gateway UpdateApiKey ×1, Cognito AdminGetUser ×1, Cognito AdminUpdateUserAttributes \
         ×1, DynamoDB GetItem ×1, DynamoDB TransactWriteItems ×2, DynamoDB UpdateItem ×1, Stripe \
         GET /v1/charges/{id} ×1, Stripe GET /v1/disputes/{id} ×1, Stripe GET \
         /v1/subscriptions ×1",
        "won"
    );
    Ok(())
}

#[tokio::test]
async fn a_user_disabled_and_deleted() -> Told {
    let shop = in_operation().await?;
    let mut ann = in_a_quiet_hour(&shop, "pro").await?;
    ann.customer.sign_in().await?;
    shop.settle().await?;
    assert_eq!(shop.spent(), "", "a healthy user signs in");
    shop.administrator("AdminDisableUser", ann.name).await?;
    shop.settle().await?;
    assert_eq!(
        shop.spent(),
        "API Gateway UpdateApiKey ×1, Cognito AdminGetUser ×1, \
         Cognito AdminUpdateUserAttributes ×1, DynamoDB GetItem ×1, \
         DynamoDB TransactWriteItems ×2, DynamoDB UpdateItem ×1, Stripe GET /v1/subscriptions ×1"
    );
    shop.administrator("AdminDeleteUser", ann.name).await?;
    // Not yet the webhook of the cancellation that follows.
    shop.lose_webhooks(true);
    shop.settle().await?;
    assert_eq!(
        shop.spent(),
        // Whose it is, whether the stack is frozen, when she last clicked to buy (within a day), and
        // how much has been cancelled today; this one is counted, and written down as such before
        // it is done. Whether she has keys of which the ledger does not know is asked before hers goes.
        "API Gateway DeleteApiKey ×1, API Gateway GetApiKeys ×1, Cognito AdminGetUser ×1, \
         DynamoDB GetItem ×4, \
         DynamoDB TransactWriteItems ×3, DynamoDB UpdateItem ×2, Stripe DELETE \
         /v1/subscriptions/{id} ×1, Stripe GET /v1/checkout/sessions ×1, Stripe GET \
         /v1/subscriptions ×1"
    );
    Ok(())
}

/// The sweep reads its two indexes, however many accounts there are, and wakes the one
/// that is due: its subscription has ended, and nobody told.
#[tokio::test]
async fn a_due_account() -> Told {
    let shop = in_operation().await?;
    let ann = in_a_quiet_hour(&shop, "pro").await?;
    let subscription = ann.subscription()?;
    shop.stripe().cancel(&subscription, When::PeriodEnd)?;
    shop.settle().await?;
    let end = ann.row()?.period.end;
    shop.lose_webhooks(true);
    shop.until_just_before(end).await?;
    shop.stack.world.stripe.advance_to(end);
    from_now_on(&shop).await?;
    shop.stack.sweep().await?;
    assert_eq!(shop.spent(), "DynamoDB Query ×16, DynamoDB Scan ×1");
    shop.settle().await?;
    assert_eq!(
        shop.spent(),
        "API Gateway CreateUsagePlanKey ×1, API Gateway DeleteUsagePlanKey ×1, Cognito \
         AdminGetUser ×1, Cognito AdminUpdateUserAttributes ×1, DynamoDB GetItem ×1, DynamoDB \
         TransactWriteItems ×2, DynamoDB UpdateItem ×1, Stripe GET /v1/subscriptions ×1"
    );
    Ok(())
}

/// The comparison of all four systems reads pages, and wakes the one that was edited by
/// hand: the key was put on a better plan.
#[tokio::test]
async fn drift() -> Told {
    let shop = in_operation().await?;
    let ann = in_a_quiet_hour(&shop, "basic").await?;
    shop.sign_up("ben").await?;
    shop.minutes(2).await?;
    let key = ann.account().await?.key().map(|key| key.id.to_string()).unwrap_or_default();
    let plan = |id| {
        let functions = shop.stack.functions();
        let plans = functions.worker.catalog.plans();
        plans.iter().find(|plan| plan.id.as_str() == id).map(|plan| plan.usage_plan.to_string())
    };
    let (basic, pro) = (plan("basic").unwrap_or_default(), plan("pro").unwrap_or_default());
    shop.stack.world.api_gateway.scene(|model, now| {
        model.delete_usage_plan_key(&basic, &key, now)?;
        model.create_usage_plan_key(&pro, &key, now)
    })?;
    from_now_on(&shop).await?;
    let report = shop.stack.compare().await?;
    assert_eq!((report.accounts, report.woken), (2, [(Drift::UsagePlan, 1)].into()));
    assert_eq!(
        shop.spent(),
        "API Gateway GetApiKeys ×1, API Gateway GetUsagePlanKeys ×3, API Gateway GetUsagePlans \
         ×1, Cognito ListUsers ×1, DynamoDB BatchGetItem ×1, DynamoDB GetItem ×3, DynamoDB \
         Query ×16, DynamoDB UpdateItem ×2, Stripe GET /v1/account ×1, Stripe GET /v1/disputes \
         ×1, Stripe GET /v1/subscriptions ×1"
    );
    shop.settle().await?;
    assert_eq!(
        shop.spent(),
        "API Gateway CreateUsagePlanKey ×1, API Gateway DeleteUsagePlanKey ×1, API Gateway \
         GetApiKey ×1, API Gateway GetApiKeys ×1, API Gateway GetUsagePlans ×1, Cognito AdminGetUser ×1, DynamoDB \
         TransactWriteItems ×2, DynamoDB UpdateItem ×1, Stripe GET /v1/subscriptions ×1"
    );
    assert_eq!(ann.seen().await?, on("basic"));
    assert_eq!(shop.stack.compare().await?.wakes(), 0);
    shop.holds().await
}

/// Ten events of one account in one batch cost what one costs.
#[tokio::test]
async fn a_burst_of_one_account_costs_what_one_event_costs() -> Told {
    let shop = in_operation().await?;
    let ann = in_a_quiet_hour(&shop, "basic").await?;
    let (subscription, pro) = (ann.subscription()?, shop.price("pro_monthly"));
    {
        let mut stripe = shop.stripe();
        for n in 0..9 {
            stripe.set_metadata(&subscription, &[("n".into(), n.to_string())].into())?;
        }
        stripe.change_price(&subscription, &pro)?;
    }
    shop.settle().await?;
    assert_eq!(shop.spent(), SWITCH);
    Ok(())
}
