//! The runbook: each chapter breaks a shop, runs the chapter's commands, and checks that
//! everybody has what they pay for.

mod book;
mod lost;
mod mistakes;
mod people;
mod stripe;

use std::collections::BTreeMap;

use tollgate_events::stripe::ACTED_ON;
use tollgate_standin::stripe::{Metadata, NewEndpoint};

use self::book::chapters;
use crate::shop::{Shop, Told};

/// A shop whose webhook endpoint is its own, as `tollgate webhook apply` makes it.
async fn shop() -> anyhow::Result<Shop> {
    let shop = Shop::open().await?;
    let secret = {
        let mut stripe = shop.stripe();
        let ids: Vec<_> = stripe.endpoints().map(|endpoint| endpoint.id.clone()).collect();
        ids.iter().try_for_each(|id| stripe.delete_endpoint(id))?;
        let (_, secret) = stripe.create_endpoint(NewEndpoint {
            url: format!("{}/webhook", shop.stack.urls.tollgate),
            enabled_events: ACTED_ON.iter().map(|kind| (*kind).to_owned()).collect(),
            api_version: None,
            metadata: Metadata::from([("tollgate_stack".into(), "local".into())]),
        });
        secret
    };
    shop.stack.world.secrets.put("WebhookSecrets", &secret, &secret)?;
    restart(&shop).await?;
    Ok(shop)
}

/// The functions start anew, with what is stored now.
async fn restart(shop: &Shop) -> Told {
    shop.stack.deploy(&BTreeMap::new()).await
}

/// The functions are deployed with one variable changed.
async fn deploy(shop: &Shop, variable: &'static str, value: &str) -> Told {
    shop.stack.deploy(&BTreeMap::from([(variable, value.to_owned())])).await
}

/// The hourly comparison runs, and what it wakes is seen to.
async fn an_hour_passes(shop: &Shop) -> Told {
    shop.hours(1).await?;
    shop.stack.compare().await?;
    shop.settle().await
}

#[test]
fn every_chapter_has_its_test() {
    let tested = [
        stripe::DOWN,
        mistakes::MAPPING,
        mistakes::DEAD_LETTERS,
        lost::TABLE_GONE,
        stripe::LEAKED,
        lost::DERIVATION,
        people::WRONG_PLAN,
        people::THROTTLED,
        mistakes::POOL,
    ];
    assert_eq!(chapters(), tested);
}
