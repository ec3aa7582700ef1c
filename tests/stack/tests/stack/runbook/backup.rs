//! The table as it was at a time, and back to it.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use tollgate_functions::adapters::dynamodb::table::create_table;
use tollgate_local::stack::TABLE;
use tollgate_standin::api_gateway::Key;
use tollgate_standin::stripe::When;

use super::book::Responder;
use super::play::Play;
use super::{an_hour_passes, does, paces_itself, shop};
use crate::command::Said;
use crate::shop::{Shop, Told, locked, on};

pub(super) const RESTORED: &str = "The table was restored from a backup";

/// Everything that was in the table.
pub(super) struct Backup(Vec<HashMap<String, AttributeValue>>);

impl Backup {
    pub(super) async fn of(shop: &Shop) -> anyhow::Result<Self> {
        let table = Client::new(&shop.stack.sdk);
        let pages = table.scan().table_name(TABLE).consistent_read(true);
        let items = pages.into_paginator().items().send();
        Ok(Self(items.collect::<Result<_, _>>().await?))
    }

    /// The table is deleted, and made anew as it was.
    pub(super) async fn restore(&self, shop: &Shop) -> Told {
        let table = Client::new(&shop.stack.sdk);
        table.delete_table().table_name(TABLE).send().await?;
        create_table(&table, TABLE).await?;
        for item in &self.0 {
            table.put_item().table_name(TABLE).set_item(Some(item.clone())).send().await?;
        }
        Ok(())
    }
}

/// Follows the chapter from its beginning. Where a difference is `left` for a person, its last
/// command says so.
pub(super) async fn follows_the_chapter(
    shop: &Shop,
    mut responder: Responder<'_>,
    left: Option<&str>,
) -> Told {
    begins(shop, &mut responder).await?;
    goes_on(shop, responder, left).await
}

/// Up to the rebuild; what the first comparison said.
async fn begins(shop: &Shop, responder: &mut Responder<'_>) -> anyhow::Result<Said> {
    // With the parameters that it had, right or wrong: nothing is otherwise here.
    responder.does_by_hand("infra/deploy shop");
    responder.runs("doctor").await;
    let told = responder.runs("reconcile").await;
    let rebuilt = responder.runs("reconcile --rebuild").await;
    anyhow::ensure!(rebuilt.exit == 0, "{rebuilt:?}");
    shop.settle().await?;
    Ok(told)
}

/// From the replay to the end.
async fn goes_on(shop: &Shop, mut responder: Responder<'_>, left: Option<&str>) -> Told {
    let replayed = responder.runs("events replay --from-stripe").await;
    anyhow::ensure!(replayed.exit == 0, "{replayed:?}");
    shop.settle().await?;
    responder.succeeds("reconcile --repair").await;
    paces_itself(shop).await?;
    let told = responder.runs("reconcile").await;
    anyhow::ensure!(told.exit == u8::from(left.is_some()), "{told:?}");
    anyhow::ensure!(told.out.contains(left.unwrap_or_default()), "{told:?}");
    anyhow::ensure!(!told.out.contains("stale_ledger"), "{told:?}");
    responder.ends();
    Ok(())
}

pub(super) async fn runbook_the_table_was_restored_from_a_backup(play: &mut Play) -> Told {
    let shop = shop().await?;
    play.backs_up(&shop).await?;
    let mut ann = shop.sign_up("ann").await?;
    let mut ben = shop.sign_up("ben").await?;
    let cid = shop.sign_up("cid").await?;
    let mut dan = shop.sign_up("dan").await?;
    for payer in [&mut ann, &mut ben, &mut dan] {
        payer.buys("pro").await?;
    }
    shop.minutes(10).await?;
    // In the other play, it is the newer of two.
    play.lives_on(&shop).await?;
    let (backup, from) = (Backup::of(&shop).await?, shop.now().to_string());

    // Since then: a hold, a new key, a grant, a cancellation, and somebody who came.
    does(&shop, &format!("account hold {} --why abuse", ann.id)).await?;
    does(&shop, &format!("account rotate-key {} --overlap 0s --why leaked", ben.id)).await?;
    does(&shop, &format!("account grant {} basic --why friend", cid.id)).await?;
    let left = dan.subscription()?;
    shop.stripe().cancel(&left, When::Now)?;
    let mut eve = shop.sign_up("eve").await?;
    eve.buys("basic").await?;
    shop.settle().await?;
    let key = shop.welcome("ben").await?.key;
    let before = keys(&shop);
    backup.restore(&shop).await?;

    // Life goes on, and nobody is released, demoted, or given another key.
    let (bought, pro) = (eve.subscription()?, shop.price("pro_monthly"));
    shop.stripe().change_price(&bought, &pro)?;
    shop.settle().await?;
    an_hour_passes(&shop).await?;
    assert_eq!(keys(&shop), before, "nothing was done");
    let mut responder = Responder::opens(RESTORED, &shop)?.knows("FROM", from);
    let told = begins(&shop, &mut responder).await?;
    assert!(told.exit == 1 && told.out.contains("stale_ledger"), "{told:?}");
    play.is_interrupted(&shop, &responder).await?;
    goes_on(&shop, responder, None).await?;
    assert_eq!(ann.seen().await?, locked("pro", "held"));
    assert_eq!(shop.seen(&ben.id, Some(&key)).await?, on("pro"));
    assert_eq!(cid.seen().await?, on("basic"));
    assert_eq!(dan.seen().await?, on("free"));
    assert_eq!(eve.seen().await?, on("pro"));
    // Somebody knows what these were.
    does(&shop, &format!("account release {} --why paid", ann.id)).await?;
    does(&shop, &format!("account revoke-grant {} basic --why over", cid.id)).await?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"));
    assert_eq!(cid.seen().await?, on("free"));
    play.ends_well(&shop, "3").await
}

/// A key, whether it is accepted, and the usage plans that it is on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) owner: String,
    id: String,
    enabled: bool,
    plans: Vec<String>,
}

/// Every key.
pub(super) fn keys(shop: &Shop) -> Vec<Standing> {
    let standing = |key: &Key| Standing {
        owner: key.customer_id.clone().unwrap_or_default(),
        id: key.id.clone(),
        enabled: key.enabled,
        plans: key.plans.iter().cloned().collect(),
    };
    shop.stack.world.api_gateway.scene(|model, _| model.keys().map(standing).collect())
}
