//! An older version meets what a newer one has written. Here the older one is this build.

use anyhow::Context;
use aws_sdk_dynamodb::types::AttributeValue;
use tollgate_core::ledger::{Outcome, RecordBody};
use tollgate_core::ports::Ledger as _;
use tollgate_events::{AccountId, EventId, EventRef, Source};
use tollgate_local::stack::TABLE;
use tollgate_standin::world::EVENTS_QUEUE;

use super::book::Responder;
use super::mistakes::revised;
use super::play::Play;
use super::{an_hour_passes, deploy, restart, shop};
use crate::shop::{Person, Shop, Told, on};

pub(super) const VERSION: &str = "A version was rolled back";

/// An item of the ledger, as a newer version may write it.
struct Item<'a> {
    shop: &'a Shop,
    pk: String,
    sk: &'static str,
}

impl<'a> Item<'a> {
    fn account(shop: &'a Shop, account: &AccountId) -> Self {
        Self { shop, pk: format!("ACCOUNT#{account}"), sk: "STATE" }
    }

    fn event(shop: &'a Shop, event: &EventRef) -> Self {
        Self { shop, pk: format!("EVENT#{}#{}", event.source.as_str(), event.id), sk: "EVENT" }
    }

    async fn set(&self, path: &str, value: &str) -> Told {
        let names: Vec<_> = path.split('.').collect();
        let places: Vec<_> = (0..names.len()).map(|n| format!("#n{n}")).collect();
        let mut update = aws_sdk_dynamodb::Client::new(&self.shop.stack.sdk).update_item();
        for (place, name) in places.iter().zip(names) {
            update = update.expression_attribute_names(place, name);
        }
        update
            .table_name(TABLE)
            .key("pk", AttributeValue::S(self.pk.clone()))
            .key("sk", AttributeValue::S(self.sk.into()))
            .update_expression(format!("SET {} = :value", places.join(".")))
            .expression_attribute_values(":value", AttributeValue::S(value.to_owned()))
            .send()
            .await?;
        Ok(())
    }

    /// A text in it, and one of the same name in its access.
    async fn both(&self, name: &str) -> anyhow::Result<[Option<String>; 2]> {
        let table = aws_sdk_dynamodb::Client::new(&self.shop.stack.sdk);
        let item = table
            .get_item()
            .table_name(TABLE)
            .key("pk", AttributeValue::S(self.pk.clone()))
            .key("sk", AttributeValue::S(self.sk.into()))
            .send()
            .await?
            .item
            .context("it is there")?;
        let text = |value: Option<&AttributeValue>| value.and_then(|it| it.as_s().ok()).cloned();
        let access = item.get("access").and_then(|it| it.as_m().ok()).context("it has access")?;
        Ok([text(item.get(name)), text(access.get(name))])
    }
}

/// What the newer version put on the queue, and this one cannot read: Stripe's word that Ann has
/// switched.
async fn newer_message(shop: &Shop, ann: &Person<'_>) -> anyhow::Result<(EventRef, String)> {
    let told = shop.record("customer.subscription.created").await?.record;
    let mut envelope = told.envelope().context("it is one")?.clone();
    envelope.id = EventId::parse("evt_told_to_the_newer")?;
    let text = envelope.encode();
    shop.lose_webhooks(true);
    let (bought, pro) = (ann.subscription()?, shop.price("pro_monthly"));
    shop.stripe().change_price(&bought, &pro)?;
    shop.settle().await?;
    shop.lose_webhooks(false);
    let newer = text.replacen("\"v\":1", "\"v\":99", 1);
    assert_ne!(newer, text);
    shop.stack.put_on_queue(EVENTS_QUEUE, &newer).await?;
    Ok((EventRef { source: Source::Stripe, id: envelope.id }, text))
}

pub(super) async fn runbook_a_version_was_rolled_back(play: &mut Play) -> Told {
    let shop = shop().await?;
    let mut ben = shop.sign_up("ben").await?;
    let mut cid = shop.sign_up("cid").await?;
    let mut ann = shop.sign_up("ann").await?;
    for person in [&mut ben, &mut cid, &mut ann] {
        person.buys("basic").await?;
    }
    play.backs_up(&shop).await?;
    // The newer version, with a newer catalog, writes fields, a status and a message that are not
    // known here.
    let newer = revised(&shop, 2);
    deploy(&shop, "TOLLGATE_CATALOG", &newer).await?;
    play.lives_on(&shop).await?;
    an_hour_passes(&shop).await?;
    let (bens, cids) = (Item::account(&shop, &ben.id), Item::account(&shop, &cid.id));
    bens.set("noted", "beside").await?;
    bens.set("access.noted", "within").await?;
    cids.set("access.status", "of_the_newer").await?;
    let (message, text) = newer_message(&shop, &ann).await?;

    // Rolled back, catalog and all.
    restart(&shop).await?;
    let pro = shop.price("pro_monthly");
    for person in [&ben, &cid] {
        let bought = person.subscription()?;
        shop.stripe().change_price(&bought, &pro)?;
    }
    shop.settle().await?;
    let refused = cid.asks("GET", "/account", serde_json::Value::Null).await?;
    assert_eq!(refused.status, 503, "{}", refused.body);
    shop.hours(3).await?;
    assert_eq!(ben.seen().await?, on("basic"), "what a newer catalog has decided stays");
    let parked = shop.stack.ledger.event(&message).await?.context("it is kept")?.record;
    assert_eq!(parked.outcome, Outcome::Parked);
    assert!(matches!(parked.body, RecordBody::Unreadable(_)), "{parked:?}");

    let mut responder = Responder::opens(VERSION, &shop)?;
    responder.writes_plans(&newer)?;
    let told = responder.runs("queue status").await;
    assert_eq!(told.exit, 1, "{told:?}");
    // The older version, with the newest catalog.
    responder.does_by_hand("infra/deploy shop");
    deploy(&shop, "TOLLGATE_CATALOG", &newer).await?;
    let told = responder.runs("events replay").await;
    assert!(told.exit == 1 && told.err.contains("1 event were not handled"), "Cid's: {told:?}");
    assert_eq!(ben.seen().await?, on("pro"), "who can be read is served");
    let told = responder.runs("reconcile").await;
    assert!(told.exit == 1 && told.out.contains("of_the_newer"), "{told:?}");
    assert_eq!(
        bens.both("noted").await?,
        [Some("beside".to_owned()), Some("within".to_owned())],
        "and keeps what the newer version has noted"
    );

    play.is_interrupted(&shop, &responder).await?;
    // Forward again: the newer version reads what it wrote.
    if play.either(true, false) {
        cids.set("access.status", "active").await?;
        Item::event(&shop, &message).set("unreadable", &text).await?;
    }
    responder.does_by_hand("infra/deploy shop");
    let told = responder.succeeds("events replay").await;
    play.finds_it_done(&told, "Nothing to replay.");
    responder.succeeds("reconcile --repair").await;
    shop.minutes(5).await?;
    responder.succeeds("queue status").await;
    responder.succeeds("reconcile").await;
    responder.ends();
    for person in [&ann, &ben, &cid] {
        assert_eq!(person.seen().await?, on("pro"));
    }
    // What Stripe told while its word was lost has no record.
    play.ends_well(&shop, "3").await
}
