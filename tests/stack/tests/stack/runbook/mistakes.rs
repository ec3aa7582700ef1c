//! What was deployed and should not have been: a wrong mapping, an old catalog, another pool, a
//! key of another account.

use jiff::SignedDuration;
use tollgate_core::account::Access;
use tollgate_core::ledger::Blast;
use tollgate_core::ports::Ledger as _;
use tollgate_local::stack::{OTHER_POOL_ID, OTHER_STRIPE_KEY};
use tollgate_standin::stripe::When;

use super::book::Responder;
use super::play::Play;
use super::{an_hour_passes, deploy, does, paces_itself, restart, shop};
use crate::command::{HIDDEN, Input, Operator};
use crate::shop::{Person, Shop, Told, locked, on};

pub(super) const MAPPING: &str = "A wrong plan mapping was deployed";
pub(super) const DEAD_LETTERS: &str = "A dead-letter queue has filled";
pub(super) const POOL: &str = "A wrong user pool was deployed";
pub(super) const KEY: &str = "A Stripe key of another account was stored";

/// The paying customers of a shop: more than the blast limit lets go.
const NAMES: [&str; 14] = [
    "ann", "ben", "cid", "dot", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "leo", "mia",
    "ned",
];

async fn customers(shop: &Shop) -> anyhow::Result<Vec<Person<'_>>> {
    let mut people = Vec::new();
    for name in NAMES {
        let mut person = shop.sign_up(name).await?;
        person.buys("pro").await?;
        people.push(person);
    }
    // The comparison counts who pays.
    an_hour_passes(shop).await?;
    Ok(people)
}

async fn on_plan(people: &[Person<'_>], plan: &str) -> anyhow::Result<usize> {
    let mut count = 0;
    for person in people {
        count += usize::from(person.seen().await? == on(plan));
    }
    Ok(count)
}

/// The shop's catalog with another revision.
pub(super) fn revised(shop: &Shop, revision: u64) -> String {
    shop.stack.world.plans_toml.replace("revision = 1", &format!("revision = {revision}"))
}

pub(super) async fn runbook_a_wrong_plan_mapping_was_deployed(play: &mut Play) -> Told {
    let shop = shop().await?;
    let people = customers(&shop).await?;
    play.backs_up(&shop).await?;
    let wrong = revised(&shop, 2)
        .replace("basic_monthly", "x")
        .replace("pro_monthly", "basic_monthly")
        .replace("\"x\"", "\"pro_monthly\"");
    deploy(&shop, "TOLLGATE_CATALOG", &wrong).await?;
    an_hour_passes(&shop).await?;
    shop.hours(1).await?;
    paces_itself(&shop).await?;
    let moved = on_plan(&people, "basic").await?;
    // In the other play, Rob may be one of the ten.
    assert!((play.either(10, 9)..=10).contains(&moved), "the blast limit holds: {moved}");
    assert_eq!(on_plan(&people, "pro").await?, NAMES.len() - moved);

    // Nothing ends well while the limit has stopped.
    let operator = Operator::of(&shop.stack);
    let line = "events replay --outcome parked --wait --yes";
    let said = operator.tollgate_while_it_runs(line, Input::Piped("")).await?;
    assert_eq!(said.exit, 3, "{said:?}");
    assert!(said.err.contains("parked again; the blast limit has stopped since"), "{said:?}");
    play.lives_on(&shop).await?;

    let mut responder = Responder::opens(MAPPING, &shop)?;
    let right = revised(&shop, 3);
    responder.writes_plans(&right)?;
    responder.does_by_hand("infra/deploy shop");
    deploy(&shop, "TOLLGATE_CATALOG", &right).await?;
    let told = responder.runs("reconcile").await;
    // In the other play Oda has gained by the wrong file, and would lose that now.
    assert_eq!(told.exit, play.either(1, 3), "{told:?}");
    assert!(told.out.contains("the blast limit has stopped since"), "{told:?}");
    play.expects("oda", locked("pro", "held"))?;
    play.is_interrupted(&shop, &responder).await?;
    if play.either(false, true) {
        // What a wrong file gave looks like an operator's grant, and is listed as one.
        let (account, revoke) = ("oda@example.com", "pro --why 'the file was wrong'");
        does(&shop, &format!("account revoke-grant {account} {revoke}")).await?;
        play.expects("oda", locked("basic", "held"))?;
    }
    let told = responder.succeeds("reconcile --repair").await;
    play.finds_it_done(&told, "Nothing differs.");
    paces_itself(&shop).await?;
    assert_eq!(on_plan(&people, "pro").await?, NAMES.len());
    responder.succeeds("reconcile --accept").await;
    let told = responder.succeeds("events replay").await;
    play.finds_it_done(&told, "Nothing to replay.");
    responder.succeeds("queue status").await;
    responder.succeeds("reconcile").await;
    responder.ends();
    play.ends_well(&shop, "none").await
}

pub(super) async fn runbook_a_dead_letter_queue_has_filled(play: &mut Play) -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    play.backs_up(&shop).await?;
    let newer = revised(&shop, 2);
    deploy(&shop, "TOLLGATE_CATALOG", &newer).await?;
    play.lives_on(&shop).await?;
    an_hour_passes(&shop).await?;
    // Rolled back: what a newer catalog has decided, the old one must not touch.
    restart(&shop).await?;
    ann.customer.sign_in().await?;
    ann.customer.buy("pro").await?;
    shop.hours(2).await?;
    assert_eq!(ann.seen().await?, on("free"));

    let mut responder = Responder::opens(DEAD_LETTERS, &shop)?;
    let told = responder.runs("queue status").await;
    assert_eq!(told.exit, 1, "{told:?}");
    let told = responder.succeeds("events list").await;
    assert!(told.contains("parked"), "{told}");
    play.restores(&shop, &responder).await?;
    responder.writes_plans(&newer)?;
    responder.does_by_hand("infra/deploy shop");
    deploy(&shop, "TOLLGATE_CATALOG", &newer).await?;
    play.follows(&shop, &responder).await?;
    let told = responder.succeeds("events replay").await;
    play.finds_it_done(&told, "Nothing to replay.");
    assert_eq!(ann.seen().await?, on("pro"));
    responder.succeeds("queue status").await;
    responder.succeeds("reconcile").await;
    responder.ends();
    play.ends_well(&shop, "none").await
}

/// A shop after a month: in the next hours everybody renews.
async fn before_the_renewals<'a>(
    shop: &'a Shop,
    play: &mut Play,
) -> anyhow::Result<Vec<Person<'a>>> {
    let people = customers(shop).await?;
    let first = people[0].row()?.period.end;
    shop.until_just_before(first - SignedDuration::from_hours(2)).await?;
    play.backs_up_and_lives_on(shop).await?;
    shop.until_just_before(first).await?;
    Ok(people)
}

/// Everybody renews, and nothing is decided about anybody.
async fn everybody_renews_in_vain(shop: &Shop, people: &[Person<'_>]) -> Told {
    let before = accesses(people).await?;
    let renewed = |shop: &Shop| {
        let stripe = shop.stripe();
        stripe.events().filter(|event| event.kind == "invoice.paid").count()
    };
    let paid = renewed(shop);
    shop.hours(4).await?;
    assert_eq!(renewed(shop), paid + people.len());
    assert_eq!(accesses(people).await?, before);
    assert_eq!(on_plan(people, "pro").await?, people.len());
    let refused = shop.stack.compare().await.expect_err("it is not the stack's").to_string();
    assert!(refused.contains("this stack belongs to"), "{refused}");
    assert_eq!(shop.stack.ledger.stack().await?.blast, Blast::default());
    Ok(())
}

async fn accesses(people: &[Person<'_>]) -> anyhow::Result<Vec<Access>> {
    let mut all = Vec::new();
    for person in people {
        all.push(person.account().await?.access);
    }
    Ok(all)
}

pub(super) async fn runbook_a_wrong_user_pool_was_deployed(play: &mut Play) -> Told {
    let shop = shop().await?;
    let people = before_the_renewals(&shop, play).await?;
    deploy(&shop, "TOLLGATE_USER_POOL_ID", OTHER_POOL_ID).await?;
    everybody_renews_in_vain(&shop, &people).await?;

    let mut responder = Responder::opens(POOL, &shop)?;
    let told = responder.runs("doctor").await;
    assert!(told.exit == 1 && told.out.contains("✗ pool-of-stack"), "{told:?}");
    let told = responder.runs("stack show").await;
    assert!(told.exit == 1 && told.out.contains(OTHER_POOL_ID), "{told:?}");
    play.restores(&shop, &responder).await?;
    play.cannot_rebuild(&responder, 3, "the user pool is us-east-1_Elsewhere").await;
    responder.does_by_hand("infra/deploy shop");
    restart(&shop).await?;
    play.follows(&shop, &responder).await?;
    responder.succeeds("reconcile --repair").await;
    shop.minutes(5).await?;
    responder.succeeds("reconcile").await;
    responder.ends();
    assert_eq!(on_plan(&people, "pro").await?, NAMES.len());
    play.ends_well(&shop, "none").await
}

pub(super) async fn runbook_a_stripe_key_of_another_account_was_stored(play: &mut Play) -> Told {
    let shop = shop().await?;
    let people = before_the_renewals(&shop, play).await?;
    shop.stack.world.secrets.put("StripeKeySecret", OTHER_STRIPE_KEY, OTHER_STRIPE_KEY)?;
    shop.stack.world.secrets.put("SweepStripeKeySecret", OTHER_STRIPE_KEY, OTHER_STRIPE_KEY)?;
    restart(&shop).await?;
    everybody_renews_in_vain(&shop, &people).await?;
    // One who cancels meanwhile.
    let bought = people[0].subscription()?;
    shop.stripe().cancel(&bought, When::Now)?;
    shop.settle().await?;
    assert_eq!(on_plan(&people, "pro").await?, NAMES.len());

    let mut responder = Responder::opens(KEY, &shop)?;
    let told = responder.runs("doctor").await;
    assert!(told.exit == 1 && told.out.contains("✗ stripe-account-of-stack"), "{told:?}");
    let told = responder.runs("stack show").await;
    assert!(told.exit == 1 && told.out.contains("acct_1Elsewhere"), "{told:?}");
    play.restores(&shop, &responder).await?;
    play.cannot_rebuild(&responder, 3, "the Stripe key is one of account acct_1Elsewhere").await;
    responder.succeeds("secrets set stripe-key").await;
    shop.stack.world.secrets.put("SweepStripeKeySecret", HIDDEN, HIDDEN)?;
    responder.does_by_hand("infra/deploy shop --restart");
    restart(&shop).await?;
    play.follows(&shop, &responder).await?;
    let told = responder.succeeds("reconcile --repair").await;
    play.finds_it_done(&told, "Nothing differs.");
    shop.minutes(5).await?;
    responder.succeeds("reconcile").await;
    responder.ends();
    assert_eq!(on_plan(&people, "pro").await?, NAMES.len() - 1);
    assert_eq!(people[0].seen().await?, on("free"));
    play.ends_well(&shop, "none").await
}
