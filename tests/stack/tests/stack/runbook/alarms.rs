//! Alarms that have more than one cause: `systemic`, `unreadable`.

use anyhow::Context;
use tollgate_core::ports::Ledger as _;
use tollgate_local::customer::Customer;
use tollgate_standin::api_gateway::{NewApiKey, Quotas};
use tollgate_standin::world::EVENTS_QUEUE;

use super::book::Responder;
use super::play::Play;
use super::{an_hour_passes, shop};
use crate::shop::{Shop, Told, on};

pub(super) const SYSTEMIC: &str = "The alarm `systemic`";
pub(super) const UNREADABLE: &str = "The alarm `unreadable`";

/// Somebody else's tool makes keys in this account and Region, until there is room for no more.
fn keys_run_out(shop: &Shop) -> anyhow::Result<(Vec<String>, usize)> {
    let gateway = &shop.stack.world.api_gateway;
    let mut strangers = Vec::new();
    for _ in 0..3 {
        let new = NewApiKey { name: Some("another-product".to_owned()), ..NewApiKey::default() };
        let made = gateway.scene(|model, now| model.create_api_key(new, now));
        strangers.push(made.map_err(|refusal| anyhow::anyhow!("{refusal}"))?.id);
    }
    let keys = gateway.scene(|model, _| model.keys().count());
    gateway.set_quotas(Quotas { keys, ..Quotas::default() });
    Ok((strangers, keys))
}

pub(super) async fn runbook_the_alarm_systemic(play: &mut Play) -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("basic").await?;
    play.backs_up_and_lives_on(&shop).await?;
    an_hour_passes(&shop).await?;
    let (strangers, keys) = keys_run_out(&shop)?;
    Customer::new(&shop.stack, "ben").sign_up().await?;
    shop.settle().await?;
    ann.in_portal("switch", &ann.subscription()?, &shop.price("pro_monthly")).await?;
    assert_eq!(ann.seen().await?, on("pro"), "whom it does not concern is served");
    let mut customer = Customer::new(&shop.stack, "ben");
    customer.sign_in().await?;
    let event = format!("cognito/sign_up:{}", customer.id()?);

    let mut responder = Responder::opens(SYSTEMIC, &shop)?.knows("EVENT", event.clone());
    let plans = &shop.stack.world.plans_toml;
    responder.writes_plans(&format!("{plans}\n[policy]\nkey_quota = {keys}\nkey_reserve = 1\n"))?;
    let told = responder.succeeds("events list").await;
    assert!(told.contains(&event) && told.contains("deferred"), "{told}");
    let told = responder.succeeds("events show").await;
    assert!(told.contains("LimitExceededException"), "{told}");
    let told = responder.runs("doctor").await;
    assert!(told.exit == 1 && told.out.contains("✗ api-keys-quota"), "{told:?}");
    responder.succeeds("stack show").await;
    play.restores(&shop, &responder).await?;
    for key in strangers {
        shop.stack.world.api_gateway.scene(|model, now| model.delete_api_key(&key, now))?;
    }
    play.follows(&shop, &responder).await?;
    responder.succeeds("reconcile --repair").await;
    shop.minutes(1).await?;
    responder.succeeds("events replay").await;
    responder.succeeds("queue status").await;
    responder.succeeds("reconcile").await;
    responder.ends();
    let ben = shop.welcome("ben").await?;
    assert_eq!(ben.seen().await?, on("free"));
    play.ends_well(&shop, "none").await
}

pub(super) async fn runbook_the_alarm_unreadable(play: &mut Play) -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    let mut ben = shop.sign_up("ben").await?;
    ann.buys("basic").await?;
    ben.buys("pro").await?;
    play.backs_up_and_lives_on(&shop).await?;
    // Stripe sends what this version cannot read, and what is no message of ours lies on a queue.
    let bought = ann.subscription()?;
    let odd = {
        let pro = shop.price("pro_monthly");
        let mut stripe = shop.stripe();
        stripe.change_price(&bought, &pro)?;
        let newest = stripe.events().find(|event| event.kind == "customer.subscription.updated");
        let odd = newest.context("it is told")?.id.clone();
        stripe.make_odd(&odd, "/data/object", "\"of a shape that is to come\"");
        odd
    };
    shop.stack.put_on_queue(EVENTS_QUEUE, "somebody was here").await?;
    shop.settle().await?;
    let (bens, basic) = (ben.subscription()?, shop.price("basic_monthly"));
    shop.stripe().change_price(&bens, &basic)?;
    shop.settle().await?;
    assert_eq!(ben.seen().await?, on("basic"), "everybody else is served");
    shop.minutes(30).await?;
    let parked = shop.stack.ledger.unsettled(None).await?.items;
    let [parked] = &parked[..] else { panic!("one: {parked:?}") };
    let parked = parked.record.event.to_string();

    let mut responder = Responder::opens(UNREADABLE, &shop)?.knows("EVENT", parked.clone());
    let told = responder.succeeds("doctor").await;
    assert!(told.contains("! webhook-undelivered"), "{told}");
    responder.succeeds("reconcile --repair").await;
    shop.minutes(1).await?;
    assert_eq!(ann.seen().await?, on("pro"), "what it would have told is read from Stripe");
    let told = responder.succeeds("events list").await;
    assert!(told.contains(&parked), "{told}");
    let told = responder.succeeds("events show").await;
    assert!(told.contains("not an envelope"), "{told}");
    play.is_interrupted(&shop, &responder).await?;
    shop.stripe().mend(&odd);
    responder.does_by_hand("infra/deploy shop");
    let told = responder.succeeds("events replay --from-stripe").await;
    assert!(told.contains("Handled again"), "{told}");
    let told = responder.succeeds("events replay --outcome parked").await;
    let left = play.either("1 event cannot be replayed", "Nothing to replay.");
    assert!(told.contains(left), "{told}");
    // The record of the stranger's message is younger than the backup.
    let told = responder.runs("events dismiss").await;
    assert_eq!(told.exit, play.either(0, 2), "{told:?}");
    responder.succeeds("queue status").await;
    responder.succeeds("reconcile").await;
    responder.ends();
    // Stripe's next try finds it on record.
    shop.days(1).await?;
    assert_eq!(ann.seen().await?, on("pro"));
    play.ends_well(&shop, "none").await
}
