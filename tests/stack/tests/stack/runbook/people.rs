//! Questions of customers, and slow days.

use anyhow::Context;
use jiff::SignedDuration;

use tollgate_local::faults::{Fault, Faults};
use tollgate_standin::api_gateway::{Patch, PatchOp};
use tollgate_standin::calls::Service;
use tollgate_standin::stripe::{Card, NewCustomer, NewSession, When};

use super::book::Responder;
use super::play::Play;
use super::{an_hour_passes, does, shop};
use crate::shop::{Conditions, Shop, Told, on};

pub(super) const WRONG_PLAN: &str = "A user claims to be on the wrong plan";
pub(super) const TWICE: &str = "A customer claims to be charged twice";
pub(super) const THROTTLED: &str = "API Gateway throttles";
pub(super) const STAGE_LOST: &str = "A stage was made anew";

pub(super) async fn runbook_a_user_claims_to_be_on_the_wrong_plan(play: &mut Play) -> Told {
    let shop = shop().await?;
    let ann = shop.sign_up("ann").await?;
    play.backs_up_and_lives_on(&shop).await?;
    // Somebody sent her a payment link that names nobody.
    let payer = {
        let price = shop.price("pro_monthly");
        let mut stripe = shop.stripe();
        let payer = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&payer, Card::Pays)?;
        stripe.subscribe(&payer, &[&price], Default::default())?;
        payer
    };
    shop.settle().await?;
    shop.minutes(20).await?;
    assert_eq!(ann.seen().await?, on("free"));

    let mut responder = Responder::opens(WRONG_PLAN, &shop)?
        .knows("EMAIL", "ann@example.com")
        .knows("CUSTOMER", payer.clone());
    let told = responder.succeeds("account show").await;
    assert!(told.contains("free"), "{told}");
    let told = responder.succeeds("account history").await;
    assert!(told.contains("sign_up"), "the sign-up: {told}");
    let told = responder.succeeds("events list").await;
    assert!(told.contains("parked"), "{told}");
    responder.succeeds("account link").await;
    play.restores(&shop, &responder).await?;
    // The link is gone, and not what it gave.
    play.follows_but(&shop, &responder, Some("1  unlinked")).await?;
    let told = responder.succeeds("account show").await;
    assert!(told.contains("pro"), "{told}");
    responder.ends();
    let granted = ann.account().await?.access.grants.len();
    assert_eq!(granted, play.either(0, 1), "until somebody links them again");
    if granted > 0 {
        does(&shop, &format!("account link {} {payer} --why again", ann.id)).await?;
        does(&shop, &format!("account revoke-grant {} pro --why linked", ann.id)).await?;
        shop.settle().await?;
        does(&shop, "reconcile").await?;
    }
    assert_eq!(ann.seen().await?, on("pro"));
    play.ends_well(&shop, "none").await
}

pub(super) async fn runbook_a_customer_claims_to_be_charged_twice(play: &mut Play) -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    let basic = ann.buys("basic").await?;
    play.backs_up_and_lives_on(&shop).await?;
    // Pro came by a session that the seller's own page opened: ours sells no second one.
    let pro = {
        let (price, customer) = (shop.price("pro_monthly"), ann.payer());
        let mut stripe = shop.stripe();
        let new = NewSession { customer: Some(customer), ..NewSession::for_price(&price) };
        let session = stripe.open_checkout(new)?;
        stripe.complete_checkout(&session, Card::Pays)?
    };
    an_hour_passes(&shop).await?;
    assert_eq!(ann.seen().await?, on("pro"), "the best of what she pays for");

    let mut responder = Responder::opens(TWICE, &shop)?
        .knows("EMAIL", "ann@example.com")
        .knows("CUSTOMER", ann.payer());
    let told = responder.succeeds("account show").await;
    assert!(told.contains("Pays for") && told.contains(&basic) && told.contains(&pro), "{told}");
    let told = responder.succeeds("account history").await;
    assert!(told.contains("basic → pro"), "{told}");
    let told = responder.succeeds("events list").await;
    assert!(told.matches("evt_").count() > 6, "both purchases: {told}");
    let told = responder.succeeds("doctor").await;
    assert!(told.contains("! several-subscriptions"), "{told}");
    let told = responder.succeeds("reconcile").await;
    assert!(told.contains("accounts pay for several subscriptions at once"), "{told}");

    // In Stripe: the one that she does not want ends, and what it took is given back.
    {
        let mut stripe = shop.stripe();
        stripe.refund_latest(&basic)?;
        stripe.cancel(&basic, When::Now)?;
    }
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"), "the other goes on");
    an_hour_passes(&shop).await?;
    play.is_interrupted(&shop, &responder).await?;
    let told = responder.succeeds("account show").await;
    assert!(!told.contains("Pays for"), "{told}");
    let told = responder.succeeds("doctor").await;
    assert!(told.contains("✓ several-subscriptions"), "{told}");
    responder.succeeds("reconcile").await;
    responder.ends();
    // Of the refund nothing is sent: the policy asks for no word of it.
    play.ends_well(&shop, "3").await
}

pub(super) async fn runbook_a_stage_was_made_anew(play: &mut Play) -> Told {
    let shop = shop().await?;
    let ann = shop.sign_up("ann").await?;
    play.backs_up_and_lives_on(&shop).await?;
    let gateway = &shop.stack.world.api_gateway;
    let stage = shop.stack.world.stage();
    gateway.scene(|model, _| {
        model.remove_stage(&stage);
        model.add_stage(stage.clone());
    });

    let mut responder = Responder::opens(STAGE_LOST, &shop)?;
    let told = responder.runs("doctor").await;
    assert_eq!(told.exit, 1, "{told:?}");
    play.restores(&shop, &responder).await?;
    responder.does_by_hand(
        "aws apigateway update-usage-plan --usage-plan-id USAGE_PLAN --patch-operations \
         op=add,path=/apiStages,value=STAGE",
    );
    let mends = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let mends: Vec<_> = mends.split("--usage-plan-id ").skip(1).collect();
    assert_eq!(mends.len(), 3, "one for each plan: {}", told.out);
    for mend in mends {
        let (plan, patch) = mend.split_once(" --patch-operations ").context("a patch")?;
        let value = patch.split(' ').next().and_then(|it| it.rsplit("value=").next());
        let value = value.map(str::to_owned);
        let patch = Patch { op: PatchOp::Add, path: "/apiStages".to_owned(), value };
        gateway.scene(|model, _| model.update_usage_plan(plan, &[patch]))?;
    }
    play.follows(&shop, &responder).await?;
    responder.succeeds("reconcile").await;
    responder.ends();
    assert_eq!(ann.seen().await?, on("free"));
    play.ends_well(&shop, "none").await
}

pub(super) async fn runbook_api_gateway_throttles(play: &mut Play) -> Told {
    let faults = Faults::default();
    let shop = Shop::open_in(&Conditions::Faulty(faults.clone())).await?;
    let mut ann = shop.sign_up("ann").await?;
    play.backs_up_and_lives_on(&shop).await?;
    ann.customer.sign_in().await?;
    ann.customer.buy("basic").await?;
    // Somebody's deployment takes all that there is.
    faults.order(Service::ApiGateway, &[Fault::Throttled; 12]);
    shop.stack.settle().await?;
    assert_eq!(ann.account().await?.access.plan.map(|it| it.to_string()), Some("free".into()));

    let mut responder = Responder::opens(THROTTLED, &shop)?.knows("SUB", ann.id.to_string());
    let told = responder.succeeds("queue status").await;
    assert!(told.contains("Parked       0 events"), "nothing needs a person: {told}");
    let told = responder.succeeds("account show").await;
    assert!(told.contains("Deferred") && told.contains("Next look"), "{told}");
    play.is_interrupted(&shop, &responder).await?;
    shop.stack.advance(SignedDuration::from_mins(10)).await?;
    shop.settle().await?;
    responder.succeeds("reconcile").await;
    responder.ends();
    assert_eq!(ann.seen().await?, on("basic"));
    play.ends_well(&shop, "none").await
}
