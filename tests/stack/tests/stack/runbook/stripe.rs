//! Stripe's side: an endpoint that was down, a signing secret or a key that leaked.

use serde_json::json;
use tollgate_standin::stripe::{Card, When};

use super::book::Responder;
use super::play::Play;
use super::{an_hour_passes, restart, shop};
use crate::command::HIDDEN;
use crate::shop::{Shop, Told, locked, on};

pub(super) const DOWN: &str = "The webhook endpoint was down for four days";
pub(super) const UNREADABLE: &str = "A row cannot be read";
pub(super) const LEAKED: &str = "The webhook's signing secret has leaked";
pub(super) const KEY_ENDED: &str = "The Stripe key has leaked, or has expired";

/// The functions' key, and the operator's own, before they are rolled.
const OLD_KEYS: [&str; 2] = ["rk_test_the_functions", "rk_test_the_operators"];

pub(super) async fn runbook_the_webhook_endpoint_was_down_for_four_days(play: &mut Play) -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    let mut ben = shop.sign_up("ben").await?;
    let mut cid = shop.sign_up("cid").await?;
    ann.buys("basic").await?;
    cid.buys("pro").await?;
    play.backs_up_and_lives_on(&shop).await?;
    shop.hours(1).await?;

    let from = shop.now().to_string();
    shop.lose_webhooks(true);
    ann.in_portal("switch", &ann.subscription()?, &shop.price("pro_monthly")).await?;
    ben.buys("basic").await?;
    let left = cid.subscription()?;
    shop.stripe().cancel(&left, When::Now)?;
    shop.days(4).await?;
    assert_eq!(ann.seen().await?, on("basic"));
    assert_eq!(ben.seen().await?, on("free"));
    assert_eq!(cid.seen().await?, on("pro"));

    let mut responder = Responder::opens(DOWN, &shop)?.knows("FROM", from);
    let told = responder.runs("doctor").await;
    assert_eq!(told.exit, 1, "{told:?}");
    assert!(told.out.contains("is disabled"), "{}", told.out);
    // What follows a restored backup fetches from Stripe all that this chapter would.
    play.is_interrupted(&shop, &responder).await?;
    responder.succeeds("webhook apply").await;
    let would = responder.runs("events replay").await;
    assert_eq!(would.exit, play.either(4, 0), "{would:?}");
    for change in ["basic → pro", "free → basic", "pro → free"] {
        assert_eq!(would.out.contains(change), play.either(true, false), "{}", would.out);
    }
    assert_eq!(ann.seen().await?, on(play.either("basic", "pro")), "a dry run changes nothing");
    let told = responder.succeeds("events replay").await;
    play.finds_it_done(&told, "Handled again: 9 unchanged.");
    assert_eq!(ann.seen().await?, on("pro"));
    assert_eq!(ben.seen().await?, on("basic"));
    assert_eq!(cid.seen().await?, on("free"));
    responder.succeeds("reconcile").await;
    responder.ends();
    play.ends_well(&shop, "none").await
}

pub(super) async fn runbook_a_row_cannot_be_read(play: &mut Play) -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    let mut ben = shop.sign_up("ben").await?;
    ann.buys("pro").await?;
    ben.buys("basic").await?;
    play.backs_up_and_lives_on(&shop).await?;
    shop.hours(1).await?;
    shop.stack.compare().await?;
    let odd = ann.subscription()?;
    shop.stripe().make_odd(&odd, "/status", "null");
    let basic = shop.price("basic_monthly");
    shop.stripe().change_price(&odd, &basic)?;
    ben.in_portal("switch", &ben.subscription()?, &shop.price("pro_monthly")).await?;
    assert_eq!(ben.seen().await?, on("pro"), "everybody else is served");
    assert_eq!(ann.seen().await?, on("pro"), "and she keeps what she has");

    let mut responder = Responder::opens(UNREADABLE, &shop)?;
    let told = responder.runs("reconcile").await;
    assert!(told.out.contains(&format!("{odd}: status: missing")), "{}", told.out);
    assert!(told.out.contains("1  accounts were not compared"), "{}", told.out);
    let parked = responder.succeeds("events list").await;
    assert!(parked.contains(" parked "), "{parked}");
    play.restores(&shop, &responder).await?;
    shop.stripe().mend(&odd);
    play.follows(&shop, &responder).await?;
    let told = responder.succeeds("events replay").await;
    play.finds_it_done(&told, "Nothing to replay.");
    assert_eq!(ann.seen().await?, on("basic"));
    responder.succeeds("reconcile").await;
    responder.ends();
    play.ends_well(&shop, "none").await
}

pub(super) async fn runbook_the_signing_secret_has_leaked(play: &mut Play) -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("basic").await?;
    play.backs_up_and_lives_on(&shop).await?;
    let (forged_at, forged) = (shop.now(), forged(&ann.payer(), &shop.price("pro_monthly")));
    // Whoever has the secret signs as Stripe does.
    let signature = shop.signature(&shop.endpoint(), &forged);
    assert_eq!(shop.posts(Some(&signature), &forged).await?, 200, "it passes for Stripe's");
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("basic"), "and gives nobody anything");

    let mut responder = Responder::opens(LEAKED, &shop)?;
    responder.succeeds("webhook apply --roll").await;
    responder.does_by_hand("infra/deploy shop --restart");
    restart(&shop).await?;
    responder.succeeds("webhook apply --retire").await;
    responder.does_by_hand("infra/deploy shop --restart");
    restart(&shop).await?;
    assert_eq!(shop.now(), forged_at, "the signature is not stale");
    assert_eq!(shop.posts(Some(&signature), &forged).await?, 400, "it is worth nothing any more");
    play.is_interrupted(&shop, &responder).await?;
    responder.succeeds("doctor").await;
    ann.in_portal("switch", &ann.subscription()?, &shop.price("pro_monthly")).await?;
    assert_eq!(ann.seen().await?, on("pro"), "Stripe's events arrive");
    responder.succeeds("reconcile").await;
    responder.ends();
    play.ends_well(&shop, "none").await
}

/// The functions have this key.
async fn has_key(shop: &Shop, key: &str) -> Told {
    for secret in ["StripeKeySecret", "SweepStripeKeySecret"] {
        shop.stack.world.secrets.put(secret, key, key)?;
    }
    restart(shop).await
}

pub(super) async fn runbook_the_stripe_key_has_leaked_or_has_expired(play: &mut Play) -> Told {
    let shop = shop().await?;
    has_key(&shop, OLD_KEYS[0]).await?;
    let mut ann = shop.sign_up("ann").await?;
    let mut ben = shop.sign_up("ben").await?;
    let mut cid = shop.sign_up("cid").await?;
    let mut dot = shop.sign_up("dot").await?;
    ann.buys("basic").await?;
    ben.buys("pro").await?;
    dot.buys("basic").await?;
    play.backs_up_and_lives_on(&shop).await?;
    an_hour_passes(&shop).await?;
    let page = cid.opens_checkout("pro").await?;

    // In Stripe it was rolled, and ends at once; somebody had it, and cancelled for Ben.
    let (switched, cancelled, payer) = (ann.subscription()?, ben.subscription()?, dot.payer());
    let pro = shop.price("pro_monthly");
    {
        let mut stripe = shop.stripe();
        stripe.settings_mut().expired_keys = OLD_KEYS.map(str::to_owned).to_vec();
        stripe.cancel(&cancelled, When::Now)?;
        stripe.change_price(&switched, &pro)?;
        stripe.complete_checkout(&page, Card::Pays)?;
        stripe.open_dispute(&payer)?;
    }
    shop.hours(2).await?;
    for (person, plan) in [(&ann, "basic"), (&ben, "pro"), (&cid, "free"), (&dot, "basic")] {
        assert_eq!(person.seen().await?, on(plan), "nothing is decided");
    }
    shop.stack.compare().await.expect_err("Stripe cannot be asked");
    let refused = cid.asks("POST", "/account/plan", json!({ "plan": "pro" })).await?;
    assert_eq!(refused.status, 503, "nothing is sold meanwhile: {}", refused.body);

    let mut responder = Responder::opens(KEY_ENDED, &shop)?;
    let told = responder.runs("doctor").await;
    assert!(told.exit == 1 && told.out.contains("✗ stripe-key "), "{told:?}");
    let told = responder.succeeds("events list").await;
    assert!(told.contains("deferred") && told.contains("waiting"), "{told}");
    play.restores(&shop, &responder).await?;
    play.cannot_rebuild(&responder, 2, "Stripe does not take the key").await;
    responder.succeeds("secrets set stripe-key").await;
    responder.does_by_hand("infra/deploy shop --restart");
    has_key(&shop, HIDDEN).await?;
    play.follows(&shop, &responder).await?;
    let told = responder.succeeds("reconcile --repair").await;
    play.finds_it_done(&told, "Nothing differs.");
    shop.minutes(5).await?;
    responder.succeeds("events replay").await;
    responder.succeeds("queue status").await;
    responder.succeeds("reconcile").await;
    for (person, plan) in [(&ann, "pro"), (&ben, "free"), (&cid, "pro")] {
        assert_eq!(person.seen().await?, on(plan), "nothing was lost");
    }
    assert_eq!(dot.seen().await?, locked("basic", "held"));

    // What was done with it.
    let told = responder.succeeds("events list --from-stripe").await;
    assert!(told.contains("customer.subscription.deleted"), "{told}");
    responder.has_key("rk_test_the_operators_new");
    responder.succeeds("plans apply --dry-run").await;
    responder.succeeds("webhook apply --dry-run").await;
    responder.ends();
    play.ends_well(&shop, "none").await
}

/// A subscription that there is not, to the plan that somebody would like to have.
fn forged(customer: &str, price: &str) -> String {
    let event = json!({
        "id": "evt_forged", "object": "event", "type": "customer.subscription.updated",
        "created": 1_772_355_600, "livemode": false,
        "data": { "object": {
            "id": "sub_forged", "object": "subscription", "customer": customer, "status": "active",
            "items": { "data": [{ "price": { "id": price } }] },
        } },
    });
    event.to_string()
}
