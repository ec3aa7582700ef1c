//! What was deployed and should not have been: a wrong mapping, an old catalog, another pool.

use tollgate_billing::account::Status;
use tollgate_local::stack::OTHER_POOL_ID;

use super::book::Responder;
use super::{an_hour_passes, deploy, ends_well, restart, shop};
use crate::shop::{Person, Shop, Told, on};

pub(super) const MAPPING: &str = "A wrong plan mapping was deployed";
pub(super) const DEAD_LETTERS: &str = "A dead-letter queue has filled";
pub(super) const POOL: &str = "A wrong user pool was deployed";

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
fn revised(shop: &Shop, revision: u64) -> String {
    shop.stack.world.plans_toml.replace("revision = 1", &format!("revision = {revision}"))
}

#[tokio::test]
async fn runbook_a_wrong_plan_mapping_was_deployed() -> Told {
    let shop = shop().await?;
    let people = customers(&shop).await?;
    let wrong = revised(&shop, 2)
        .replace("basic_monthly", "x")
        .replace("pro_monthly", "basic_monthly")
        .replace("\"x\"", "\"pro_monthly\"");
    deploy(&shop, "TOLLGATE_CATALOG", &wrong).await?;
    an_hour_passes(&shop).await?;
    shop.hours(1).await?;
    assert_eq!(on_plan(&people, "basic").await?, 10, "the blast limit holds");
    assert_eq!(on_plan(&people, "pro").await?, NAMES.len() - 10);

    let mut responder = Responder::opens(MAPPING, &shop)?;
    let right = revised(&shop, 3);
    responder.writes_plans(&right)?;
    responder.does_by_hand("infra/deploy shop");
    deploy(&shop, "TOLLGATE_CATALOG", &right).await?;
    let told = responder.runs("reconcile").await;
    assert_eq!(told.exit, 1, "{told:?}");
    responder.succeeds("reconcile --repair").await;
    // The control plane has its pace.
    shop.minutes(5).await?;
    assert_eq!(on_plan(&people, "pro").await?, NAMES.len());
    responder.succeeds("reconcile --accept").await;
    responder.succeeds("events replay").await;
    responder.succeeds("queue status").await;
    responder.succeeds("reconcile").await;
    responder.ends();
    ends_well(&shop, "none").await
}

#[tokio::test]
async fn runbook_a_dead_letter_queue_has_filled() -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    let newer = revised(&shop, 2);
    deploy(&shop, "TOLLGATE_CATALOG", &newer).await?;
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
    responder.writes_plans(&newer)?;
    responder.does_by_hand("infra/deploy shop");
    deploy(&shop, "TOLLGATE_CATALOG", &newer).await?;
    responder.succeeds("events replay").await;
    assert_eq!(ann.seen().await?, on("pro"));
    responder.succeeds("queue status").await;
    responder.succeeds("reconcile").await;
    responder.ends();
    ends_well(&shop, "none").await
}

#[tokio::test]
async fn runbook_a_wrong_user_pool_was_deployed() -> Told {
    let shop = shop().await?;
    let people = customers(&shop).await?;
    deploy(&shop, "TOLLGATE_USER_POOL_ID", OTHER_POOL_ID).await?;
    for _ in 0..4 {
        an_hour_passes(&shop).await?;
    }
    // A month of ordinary renewals explains nothing.
    shop.days(31).await?;
    an_hour_passes(&shop).await?;
    let (mut closed, mut names) = (Vec::new(), Vec::new());
    for person in &people {
        if person.account().await?.access.status == Status::Closed {
            closed.push(person.id.to_string());
            names.push(person.name);
        }
    }
    assert_eq!(closed.len(), 10, "the blast limit holds");
    assert_eq!(on_plan(&people, "pro").await?, NAMES.len() - 10);

    let mut responder = Responder::opens(POOL, &shop)?;
    let told = responder.runs("doctor").await;
    assert!(told.exit == 1 && told.out.contains("✗ pool-attributes"), "{told:?}");
    responder.does_by_hand("infra/deploy shop");
    restart(&shop).await?;
    let told = responder.runs("reconcile --list").await;
    assert!(closed.iter().all(|id| told.out.contains(id)), "{told:?}");
    responder.succeeds("reconcile --accept").await;
    responder.succeeds_for_each("account release", "SUB", closed).await;
    responder.succeeds("reconcile --repair").await;
    shop.minutes(5).await?;
    responder.succeeds("reconcile").await;
    responder.ends();
    assert_eq!(on_plan(&people, "pro").await?, NAMES.len() - 10);
    // Nobody's subscription was cancelled.
    for name in names {
        assert_eq!(shop.welcome(name).await?.seen().await?, on("pro"), "{name} has a new key");
    }
    ends_well(&shop, "none").await
}
