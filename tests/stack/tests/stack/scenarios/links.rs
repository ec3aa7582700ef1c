//! Whose customer is it? Links, and the events that wait for one.

use tollgate_core::ledger::Outcome;
use tollgate_standin::stripe::{Card, NewCustomer, NewSession, When};

use crate::shop::{Conditions, Shop, Told, on};

/// Two customers of one account: the best of both wins, and the end of the lesser one
/// never demotes.
pub(super) async fn of_two_checkouts_the_best_wins(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let session = ann.opens_checkout("basic").await?;
    let metadata = shop.stripe().session(&session)?.metadata.clone();
    shop.stripe().complete_checkout(&session, Card::Pays)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("basic"));
    let old = ann.subscription()?;

    let second = NewSession { metadata, ..NewSession::for_price(&shop.price("pro_monthly")) };
    let new = {
        let mut stripe = shop.stripe();
        let session = stripe.open_checkout(second)?;
        stripe.complete_checkout(&session, Card::Pays)?
    };
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"));
    assert_eq!(ann.account().await?.access.customers.len(), 2);

    shop.stripe().cancel(&old, When::Now)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"));
    shop.stripe().cancel(&new, When::Now)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("free"));
    shop.holds().await
}

/// The seller deletes the customer in Stripe: the plan ends, and the next purchase makes a
/// customer anew.
pub(super) async fn who_was_deleted_in_stripe_can_buy_again(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("basic").await?;
    assert_eq!(ann.seen().await?, on("basic"));
    // Stripe remembers for a day which customer a request made.
    shop.days(2).await?;
    let payer = ann.payer();
    shop.stripe().delete_customer(&payer)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("free"));
    ann.buys("pro").await?;
    assert_eq!(ann.seen().await?, on("pro"));
    assert_eq!(ann.account().await?.access.customers.len(), 2);
    shop.holds().await
}

/// An unknown customer's events wait, are parked after a quarter of an hour, and are
/// applied when the link comes.
pub(super) async fn an_unknown_customer_waits_is_parked_and_is_applied_when_linked(
    conditions: Conditions,
) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.opens_checkout("basic").await?;
    let (known, price) = (ann.payer(), shop.price("pro_monthly"));
    let (stranger, proof) = {
        let mut stripe = shop.stripe();
        let stranger = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&stranger, Card::Pays)?;
        stripe.subscribe(&stranger, &[&price], Default::default())?;
        (stranger, stripe.customer(&known)?.metadata.clone())
    };
    shop.settle().await?;
    let outcome = async || -> anyhow::Result<_> {
        Ok(shop.record("customer.subscription.created").await?.record.outcome.as_str())
    };
    if shop.is_prompt() {
        assert_eq!(outcome().await?, "waiting");
        shop.minutes(14).await?;
        assert_eq!(outcome().await?, "waiting");
        shop.minutes(1).await?;
    } else {
        shop.minutes(20).await?;
    }
    assert_eq!(outcome().await?, "parked");
    assert_eq!(ann.seen().await?, on("free"));

    // The shop finds out whose it is; the next event of the customer brings the link.
    {
        let mut stripe = shop.stripe();
        stripe.set_customer_metadata(&stranger, &proof)?;
        let subscription = stripe.subscriptions_of(&stranger)[0].id.clone();
        stripe.cancel(&subscription, When::PeriodEnd)?;
    }
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"));
    // Under faults the commit that applied it may be the one whose answer was lost.
    assert!(outcome().await? == "applied" || !shop.is_prompt());
    shop.holds().await
}

/// A payment link's visitor may name anybody: it moves nothing of theirs.
pub(super) async fn a_payment_link_with_another_ones_id_moves_nothing(
    conditions: Conditions,
) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("basic").await?;
    let before = ann.account().await?;
    let price = shop.price("pro_monthly");
    {
        let mut stripe = shop.stripe();
        let id = ann.id.as_str();
        let session = stripe.follow_payment_link(&price, Some(id), "mallory@example.com")?;
        stripe.complete_checkout(&session, Card::Pays)?;
    }
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("basic"));
    assert_eq!(ann.account().await?, before);
    // The subscription's own event tells that it is to something that is sold here.
    let outcome = async |kind| Ok::<_, anyhow::Error>(shop.record(kind).await?.record.outcome);
    if shop.is_prompt() {
        assert_eq!(outcome("customer.subscription.created").await?, Outcome::Waiting);
        assert_eq!(outcome("checkout.session.completed").await?, Outcome::Ignored);
    }
    shop.minutes(16).await?;
    assert_eq!(ann.account().await?.access.customers, before.access.customers);
    assert_eq!(outcome("customer.subscription.created").await?, Outcome::Parked);
    shop.holds().await
}
