//! One purchase at a time, as a browser sees it.

use anyhow::Context;
use serde_json::json;
use tollgate_core::catalog::CatalogFile;
use tollgate_standin::stripe::{
    Card, Interval, Metadata, NewPrice, NewSession, SubscriptionData, When,
};

use crate::shop::{Conditions, Person, Shop, Told, on};

/// What a click for a plan is answered: the status, and the body's `code`.
async fn click(person: &mut Person<'_>, plan: &str) -> anyhow::Result<(u16, String)> {
    let answer = person.asks("POST", "/account/plan", json!({ "plan": plan })).await?;
    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
    Ok((answer.status, code))
}

pub(super) async fn whoever_clicks_twice_pays_once(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let page = ann.opens_checkout("pro").await?;
    assert_eq!(ann.opens_checkout("pro").await?, page, "two clicks have one page");
    let other = ann.opens_checkout("basic").await?;
    assert!(shop.stripe().complete_checkout(&page, Card::Pays).is_err(), "the other page is over");
    shop.stripe().complete_checkout(&other, Card::Pays)?;
    assert_eq!(click(&mut ann, "basic").await?, (409, "same_offer".into()));
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("basic"));
    shop.holds().await
}

pub(super) async fn a_bank_debit_under_way_has_an_invoice_to_pay(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let page = ann.opens_checkout("pro").await?;
    shop.stripe().complete_checkout_unpaid(&page)?;
    let answer = ann.asks("POST", "/account/plan", json!({ "plan": "basic" })).await?;
    assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("payment_processing")));
    let url = answer.json()["url"].as_str().unwrap_or_default().to_owned();
    assert!(url.contains("/invoice/in_"), "{}", answer.body);
    shop.stripe().settle_delayed_payment(&page, true)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"));
    shop.holds().await
}

/// Stripe's refusal of a page is not "try again": somebody has to set something up.
pub(super) async fn what_stripe_will_not_do_is_told_as_such(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let (mut ann, mut ben) = (shop.sign_up("ann").await?, shop.sign_up("ben").await?);
    // From here on it is known what pro is sold at.
    ben.opens_checkout("pro").await?;
    let price = shop.price("pro_monthly");
    shop.stripe().set_price_active(&price, false)?;
    let (status, code) = click(&mut ann, "pro").await?;
    // Where the look-up came again, it is known that nothing is for sale.
    let told = ["not_configured", "not_for_sale"].contains(&code.as_str());
    assert!(status == 409 && told, "{status} {code}");
    shop.stripe().set_price_active(&price, true)?;
    ann.buys("pro").await?;
    assert_eq!(ann.seen().await?, on("pro"));

    // Somebody has switched the portal's configuration off.
    let catalog = CatalogFile::parse(&shop.stack.world.plans_toml)?.catalog;
    let configuration = catalog.portal.context("the shop has a portal")?;
    shop.stripe().update_configuration(&configuration, |row| row.active = false)?;
    let refused = ann.asks("POST", "/account/portal", json!({})).await?;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("not_configured")));
    shop.stripe().update_configuration(&configuration, |row| row.active = true)?;
    let opened = ann.asks("POST", "/account/portal", json!({})).await?;
    assert_eq!(opened.status, 200, "{}", opened.body);
    shop.holds().await
}

/// Stripe takes one currency for each customer, and something else is paid in another.
pub(super) async fn another_currency_is_told_as_such(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("basic").await?;
    let customer = ann.payer();
    let newsletter = {
        let mut stripe = shop.stripe();
        let mine = stripe.customer(&customer)?.subscriptions.clone();
        mine.iter().try_for_each(|id| stripe.cancel(id, When::Now))?;
        let product = stripe.create_product("Newsletter", Metadata::new());
        let price = NewPrice::new(&product, Interval::Month, 500);
        let price = stripe.create_price(NewPrice { currency: "eur".into(), ..price })?;
        stripe.subscribe(&customer, &[&price], SubscriptionData::default())?
    };
    shop.settle().await?;
    assert_eq!(click(&mut ann, "pro").await?, (409, "not_configured".into()));
    shop.stripe().cancel(&newsletter, When::Now)?;
    ann.buys("pro").await?;
    assert_eq!(ann.seen().await?, on("pro"));
    shop.holds().await
}

pub(super) async fn a_loop_is_told_so_and_nobody_else(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let (mut ann, ben) = (shop.sign_up("ann").await?, shop.sign_up("ben").await?);
    shop.minutes(1).await?;
    ann.customer.sign_in().await?;
    let mut last = ann.customer.account("GET", "/account/keys/default/value", None).await?;
    for _ in 0..20 {
        last = ann.customer.account("GET", "/account/keys/default/value", None).await?;
    }
    assert_eq!((last.status, &last.json()["code"]), (429, &json!("too_many_requests")));
    assert!(last.retry_after.is_some_and(|seconds| (1..=60).contains(&seconds)), "{last:?}");
    let page = ben.customer.account("GET", "/account", None).await?;
    assert_eq!(page.status, 200, "{}", page.body);
    shop.minutes(20).await?;
    assert_eq!(ann.customer.key().await?, ann.key);
    shop.holds().await
}

/// Two subscriptions that no click of ours made: the best plan wins, and nothing is cancelled.
pub(super) async fn two_subscriptions_are_told_everywhere_and_left(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let first = ann.buys("basic").await?;
    let second = {
        let (price, customer) = (shop.price("pro_monthly"), ann.payer());
        let mut stripe = shop.stripe();
        let new = NewSession { customer: Some(customer), ..NewSession::for_price(&price) };
        let session = stripe.open_checkout(new)?;
        stripe.complete_checkout(&session, Card::Pays)?
    };
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"));
    let mut both = [first, second];
    both.sort();
    let told: Vec<_> = ann.account().await?.several.iter().map(ToString::to_string).collect();
    assert_eq!(told, both);
    let record = shop.record("customer.subscription.created").await?.record;
    let detail = record.detail.unwrap_or_default();
    assert!(detail.contains("pays for 2 subscriptions at once"), "{detail}");
    // Under faults a worker may still have the account, and it is not compared.
    if shop.is_prompt() {
        let report = shop.stack.compare().await?;
        assert_eq!((report.several, report.several_listed.len()), (1, 1));
    }
    for id in &both {
        assert!(!shop.stripe().subscription(id)?.status.is_final(), "{id} goes on");
    }
    shop.holds().await
}
