//! What goes wrong in a deployment's life, and who finds it: a user deleted, a key moved by
//! hand, Stripe away for so long that messages become dead letters.

use anyhow::{Context, ensure};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_core::ports::Clock;
use tollgate_functions::adapters::system::SystemClock;
use tollgate_standin::stripe::SubscriptionData;

use super::customer::{World, call_api};
use super::life::{Lived, subscription_of, token_shows, told};
use super::shop::Shop;
use super::site::{Expected, key_of};
use super::wait::until;

/// Plays it.
///
/// # Errors
/// Something is not as it should be.
pub async fn trouble(world: &World, shop: &Shop, lived: &mut Lived) -> anyhow::Result<()> {
    told("ben is deleted; CloudTrail's record is sent in its place (ministack emits none)");
    deleted(world, shop, lived).await?;
    told("ann's key is taken off its usage plan by hand; the comparison is invoked and mends it");
    by_hand(world, lived).await?;
    told("Stripe is away: ann's event fails until it is a dead letter, and is parked");
    dead_letter(world, shop, lived).await?;
    told("the schedule wakes the sweep by itself");
    scheduled(world).await?;
    token_shows(&mut lived.ann, "pro").await
}

async fn deleted(world: &World, shop: &Shop, lived: &Lived) -> anyhow::Result<()> {
    let site = &world.site;
    let before = site.state(&lived.ben.sub).await?;
    let (key, subscription) = (key_of(&before)?, subscription_of(&before)?);
    let pool = site.output("UserPoolId")?;
    let user = json!({ "UserPoolId": pool, "Username": lived.ben.username });
    site.cognito("AdminDeleteUser", user).await?;
    let record = cloudtrail_record(pool, &lived.ben.sub)?;
    let function = target_of_rule(world, &record).await?;
    site.aws.invoke(&function, &record).await?;
    until("the account is closed", async || {
        let state = site.state(&lived.ben.sub).await?;
        Ok((state["access"]["status"] == "closed" && state["open"] == false).then_some(()))
    })
    .await?;
    ensure!(site.key(key).await?.is_none(), "the key {key} is still there");
    let status = shop.stripe.account().subscription(subscription)?.status;
    ensure!(status.is_final(), "the subscription is {status:?}");
    let (status, _) = call_api(world, lived.keys.last().map(String::as_str)).await?;
    ensure!(status == 403, "the deleted user's key is answered with {status}");
    println!("    ledger: closed; key {key} gone; {subscription} cancelled; the API answers 403");
    Ok(())
}

/// CloudTrail's record of a user who was deleted, as EventBridge delivers it.
fn cloudtrail_record(pool: &str, sub: &str) -> anyhow::Result<Value> {
    const RECORD: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../events/fixtures/cloudtrail/AdminDeleteUser.json"
    ));
    let mut record: Value = serde_json::from_str(RECORD)?;
    record["detail"]["requestParameters"]["userPoolId"] = json!(pool);
    record["detail"]["additionalEventData"]["sub"] = json!(sub);
    Ok(record)
}

/// The function that EventBridge invokes with an event, by the deployed rule: nobody but AWS
/// may put events of AWS's own sources on the bus.
async fn target_of_rule(world: &World, event: &Value) -> anyhow::Result<String> {
    let events = async |operation: &str, body| {
        world.site.aws.call(&format!("AWSEvents.{operation}"), body).await
    };
    let rules = events("ListRules", json!({})).await?;
    let mut targets = Vec::new();
    for rule in rules["Rules"].as_array().into_iter().flatten() {
        let Some(pattern) = rule["EventPattern"].as_str() else { continue };
        let asked = json!({ "EventPattern": pattern, "Event": event.to_string() });
        if events("TestEventPattern", asked).await?["Result"] == true {
            let found = events("ListTargetsByRule", json!({ "Rule": rule["Name"] })).await?;
            targets.extend(found["Targets"].as_array().cloned().unwrap_or_default());
        }
    }
    ensure!(targets.len() == 1, "{} targets take the record", targets.len());
    let arn = targets[0]["Arn"].as_str().context("a target has an ARN")?;
    ensure!(arn.ends_with("-eventbridge"), "the rule's target is {arn}");
    Ok(arn.to_owned())
}

async fn by_hand(world: &World, lived: &Lived) -> anyhow::Result<()> {
    let site = &world.site;
    let state = site.state(&lived.ann.sub).await?;
    let (key, free) = (key_of(&state)?, site.usage_plan("free")?);
    let path = format!("/usageplans/{free}/keys/{key}");
    site.aws.rest("apigateway", Method::DELETE, &path, None).await?;
    ensure!(!site.is_on(free, key).await?, "the key is still on its usage plan");
    nobody_holds(world, &lived.ann.sub).await?;
    site.aws.invoke(&format!("{}-sweep", site.stack), &json!({ "sweep": "drift" })).await?;
    until("the key is on its usage plan again", async || {
        Ok(site.is_on(free, key).await?.then_some(()))
    })
    .await?;
    site.settled(&lived.ann.sub, Expected { plan: "free", status: "active" }).await.map(drop)
}

/// Nobody here invokes the sweep of what is due: its lines come from the schedule.
async fn scheduled(world: &World) -> anyhow::Result<()> {
    let lines = until("the schedule has woken the sweep", async || {
        let lines = world.site.log_lines("sweep", "\"message\":\"sweep\"").await?;
        Ok(Some(lines).filter(|lines| !lines.is_empty()))
    })
    .await?;
    println!("    in the sweep's log, {} times, and nobody else asked for it", lines.len());
    Ok(())
}

async fn dead_letter(world: &World, shop: &Shop, lived: &Lived) -> anyhow::Result<()> {
    let site = &world.site;
    let timeout = site.queue_attribute(site.output("EventsQueueUrl")?, "VisibilityTimeout").await?;
    println!("    (the queues hide a failed message for 1 s meanwhile, instead of {timeout} s)");
    set_timeouts(world, "1").await?;
    shop.set_down(true);
    subscribe(shop, &site.state(&lived.ann.sub).await?)?;
    let event = shop.newest("customer.subscription.created").context("Stripe has no event")?;
    let record = site.outcome("stripe", &event, "parked").await?;
    println!("    {event} is parked: {}", record["detail"].as_str().unwrap_or_default());
    shop.set_down(false);
    // Whoever held the account when Stripe was away holds it until the lease ends.
    nobody_holds(world, &lived.ann.sub).await?;
    site.aws.invoke(&format!("{}-sweep", site.stack), &json!({ "sweep": "drift" })).await?;
    site.settled(&lived.ann.sub, Expected { plan: "pro", status: "active" }).await?;
    set_timeouts(world, &timeout).await
}

/// Waits until no worker has the account in hand: the comparison leaves such accounts alone.
async fn nobody_holds(world: &World, sub: &str) -> anyhow::Result<()> {
    until("nobody holds the account", async || {
        let state = world.site.state(sub).await?;
        let lease = state["lease_until"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
        Ok(lease.is_none_or(|lease| lease <= SystemClock.now()).then_some(()))
    })
    .await
}

/// The seller subscribes a customer whom they know, in Stripe's dashboard.
fn subscribe(shop: &Shop, state: &Value) -> anyhow::Result<()> {
    let customer = state["access"]["customers"][0].as_str().context("ann has no customer")?;
    let mut stripe = shop.stripe.account();
    let price = stripe.price_by_lookup_key("pro_monthly").context("no price")?.id.clone();
    stripe.subscribe(customer, &[&price], SubscriptionData::default())?;
    Ok(())
}

async fn set_timeouts(world: &World, seconds: &str) -> anyhow::Result<()> {
    for queue in ["EventsQueueUrl", "BulkQueueUrl"] {
        let queue = world.site.output(queue)?;
        let asked = json!({ "QueueUrl": queue, "Attributes": { "VisibilityTimeout": seconds } });
        world.site.aws.call("AmazonSQS.SetQueueAttributes", asked).await?;
    }
    Ok(())
}
