//! What a subscription's status means for the key.

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::Account;
use tollgate_standin::stripe::Interval;
use tollgate_standin::stripe::{
    Card, MissingPaymentMethod, NewPrice, PauseBehavior, Status, SubscriptionData, When,
    WhenExhausted,
};

use crate::shop::{Conditions, Shop, Told, on};

/// The day moves with each renewal, and is gone when the subscription is to end.
pub(super) async fn who_pays_reads_when_it_renews(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    assert_eq!(ann.account().await?.subscription, None);
    let subscription = ann.buys("pro").await?;
    let first = ann.row()?.period.end;
    assert_eq!(seen(&ann.account().await?), ("pro_monthly", Some(first), None));
    shop.days(32).await?;
    let second = ann.row()?.period.end;
    assert!(second > first);
    assert_eq!(seen(&ann.account().await?), ("pro_monthly", Some(second), None));
    shop.stripe().cancel(&subscription, When::PeriodEndInPortal)?;
    shop.settle().await?;
    assert_eq!(seen(&ann.account().await?), ("pro_monthly", None, Some(second)));
    shop.holds().await
}

/// The offer that is paid for, when it renews, and when it ends.
fn seen(account: &Account) -> (&str, Option<Timestamp>, Option<Timestamp>) {
    let seen = account.subscription.as_ref().expect("somebody pays");
    (seen.offer.as_ref().map_or("", |it| it.as_str()), seen.renews_at, seen.ends_at)
}

/// trialing, active; no live subscription: the default plan.
pub(super) async fn a_trial_and_a_paid_month_have_the_plan(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    assert_eq!(ann.seen().await?, on("free"));

    let trial = SubscriptionData { trial_period_days: 14, ..Default::default() };
    let subscription = ann.gets_a_trial(trial).await?;
    assert_eq!(ann.row()?.status, Status::Trialing);
    assert_eq!(ann.seen().await?, on("basic"));

    ann.card(Card::Pays)?;
    shop.days(20).await?;
    assert_eq!(ann.row()?.status, Status::Active);
    assert_eq!(ann.seen().await?, on("basic"));

    ann.in_portal("switch", &subscription, &shop.price("pro_monthly")).await?;
    assert_eq!(ann.seen().await?, on("pro"));
    shop.stripe().cancel(&subscription, When::Now)?;
    shop.settle().await?;
    assert_eq!(ann.row()?.status, Status::Canceled);
    assert_eq!(ann.seen().await?, on("free"));
    shop.holds().await
}

/// active with `cancel_at`: the plan until then. The event of the end is lost for good.
pub(super) async fn a_planned_end_comes_on_time_though_nobody_tells(
    conditions: Conditions,
) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let subscription = ann.buys("basic").await?;
    let end = ann.row()?.period.end;
    ann.in_portal("cancel_later", &subscription, "").await?;
    shop.minutes(10).await?;
    assert_eq!(ann.seen().await?, on("basic"));
    assert_eq!(ann.review_at().await?, Some(end));

    shop.lose_webhooks(true);
    shop.until_just_before(end).await?;
    assert_eq!(ann.seen().await?, on("basic"));
    shop.a_second().await?;
    assert_eq!(ann.row()?.status, Status::Canceled);
    assert_eq!(ann.seen().await?, on("free"));
    shop.holds_but("3").await
}

/// active with `cancel_at_period_end`, and with a date of its own. The event of the end
/// comes, hours late; and a change of mind keeps the plan.
pub(super) async fn a_planned_end_comes_on_time_though_its_event_is_late(
    conditions: Conditions,
) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let subscription = ann.buys("basic").await?;
    shop.stripe().cancel(&subscription, When::At("2026-03-20T12:00:00Z".parse()?))?;
    shop.minutes(10).await?;
    assert_eq!(ann.review_at().await?, Some("2026-03-20T12:00:00Z".parse()?));
    ann.in_portal("keep", &subscription, "").await?;
    shop.minutes(10).await?;
    assert_eq!(ann.review_at().await?, None);

    shop.stripe().cancel(&subscription, When::PeriodEnd)?;
    shop.minutes(10).await?;
    let end = ann.row()?.period.end;
    assert_eq!(ann.review_at().await?, Some(end));
    shop.until_just_before(end).await?;
    assert_eq!(ann.seen().await?, on("basic"));

    // Stripe's time comes, ours too, but not yet the event.
    shop.stack.world.stripe.advance_to(end);
    let late = shop.stripe().take_pending();
    assert!(late.iter().any(|delivery| delivery.kind == "customer.subscription.deleted"));
    shop.hours(0).await?;
    assert_eq!(ann.seen().await?, on("free"));
    shop.hours(5).await?;
    for delivery in &late {
        shop.deliver(delivery).await?;
    }
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("free"));
    shop.holds().await
}

/// past_due: the plan for seven days from the first failed invoice, whatever follows.
pub(super) async fn grace_is_counted_from_the_first_failure(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let daily = {
        let mut stripe = shop.stripe();
        let product = stripe.price_by_lookup_key("basic_monthly").map(|it| it.product.clone());
        let price = NewPrice::new(&product.unwrap(), Interval::Day, 100);
        stripe.create_price(price.lookup_key("basic_monthly"))?
    };
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("basic").await?;
    assert_eq!(ann.row()?.items[0].price, daily);
    let bought = ann.row()?.period.start;

    ann.card(Card::Declines)?;
    shop.hours(25).await?;
    assert_eq!(ann.row()?.status, Status::PastDue);
    // Nine in the morning a day after the purchase, an hour as a draft, and the grace.
    let until = bought + SignedDuration::from_hours(24 + 1 + 7 * 24);
    if shop.is_prompt() {
        assert_eq!(until, "2026-03-09T10:00:00Z".parse()?);
    }
    assert_eq!(ann.review_at().await?, Some(until));

    let first = ann.row()?.latest_invoice;
    shop.until_just_before(until).await?;
    assert_ne!(ann.row()?.latest_invoice, first);
    assert_eq!(ann.seen().await?, on("basic"));
    assert!(ann.reason().await?.contains(&format!("grace until {until}")));
    shop.a_second().await?;
    assert_eq!(ann.row()?.status, Status::PastDue);
    assert_eq!(ann.seen().await?, on("free"));
    shop.holds().await?;

    ann.card(Card::Pays)?;
    let subscription = ann.subscription()?;
    shop.stripe().pay_latest_invoice(&subscription)?;
    shop.settle().await?;
    assert_eq!(ann.row()?.status, Status::Active);
    assert_eq!(ann.seen().await?, on("basic"));
    assert!(ann.account().await?.access.grace.is_empty());
    shop.holds().await
}

/// past_due, and paid within the grace: nothing is ever taken away.
pub(super) async fn a_retry_that_succeeds_ends_the_grace(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("pro").await?;
    ann.card(Card::Declines)?;
    shop.days(32).await?;
    assert_eq!(ann.row()?.status, Status::PastDue);
    assert_eq!(ann.seen().await?, on("pro"));
    ann.card(Card::Pays)?;
    shop.days(4).await?;
    assert_eq!(ann.row()?.status, Status::Active);
    assert_eq!(ann.seen().await?, on("pro"));
    assert_eq!(ann.review_at().await?, None);
    shop.holds().await
}

/// unpaid, canceled: not counted, when Stripe's retries are over.
pub(super) async fn when_the_retries_are_over_the_plan_is_not_counted(
    conditions: Conditions,
) -> Told {
    for (setting, status) in
        [(WhenExhausted::MarkUnpaid, Status::Unpaid), (WhenExhausted::Cancel, Status::Canceled)]
    {
        let shop = Shop::open_in(&conditions).await?;
        {
            // Sooner than the grace ends, so that it is the status that counts.
            let mut stripe = shop.stripe();
            stripe.settings_mut().retries = vec![SignedDuration::from_hours(24); 2];
            stripe.settings_mut().when_exhausted = setting;
        }
        let mut ann = shop.sign_up("ann").await?;
        ann.buys("basic").await?;
        ann.card(Card::Declines)?;
        shop.days(32).await?;
        assert_eq!(ann.row()?.status, Status::PastDue);
        assert_eq!(ann.seen().await?, on("basic"));
        shop.days(2).await?;
        assert_eq!(ann.row()?.status, status);
        assert_eq!(ann.seen().await?, on("free"));
        shop.holds().await?;
    }
    Ok(())
}

/// incomplete, then active or incomplete_expired.
pub(super) async fn a_first_payment_counts_when_it_arrives(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let session = ann.opens_checkout("pro").await?;
    shop.stripe().complete_checkout_unpaid(&session)?;
    shop.settle().await?;
    assert_eq!(ann.row()?.status, Status::Incomplete);
    assert_eq!(ann.seen().await?, on("free"));
    shop.stripe().settle_delayed_payment(&session, true)?;
    shop.settle().await?;
    assert_eq!(ann.row()?.status, Status::Active);
    assert_eq!(ann.seen().await?, on("pro"));

    let mut bob = shop.sign_up("bob").await?;
    let session = bob.opens_checkout("pro").await?;
    shop.stripe().complete_checkout_unpaid(&session)?;
    shop.hours(23).await?;
    assert_eq!(bob.row()?.status, Status::IncompleteExpired);
    assert_eq!(bob.seen().await?, on("free"));
    shop.holds().await
}

/// paused: a trial that ended without a card; resumed when there is one.
pub(super) async fn a_paused_subscription_is_not_counted(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let trial = SubscriptionData {
        trial_period_days: 7,
        missing_payment_method: MissingPaymentMethod::Pause,
        ..Default::default()
    };
    let subscription = ann.gets_a_trial(trial).await?;
    assert_eq!(ann.seen().await?, on("basic"));
    shop.days(8).await?;
    assert_eq!(ann.row()?.status, Status::Paused);
    assert_eq!(ann.seen().await?, on("free"));
    ann.card(Card::Pays)?;
    shop.stripe().resume(&subscription)?;
    shop.settle().await?;
    assert_eq!(ann.row()?.status, Status::Active);
    assert_eq!(ann.seen().await?, on("basic"));
    shop.holds().await
}

/// `pause_collection`: Stripe keeps the status, so the plan stays.
pub(super) async fn paused_collection_leaves_the_plan(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let subscription = ann.buys("basic").await?;
    shop.stripe().pause_collection(&subscription, Some((PauseBehavior::Void, None)))?;
    shop.days(40).await?;
    assert_eq!(ann.row()?.status, Status::Active);
    assert_eq!(ann.seen().await?, on("basic"));
    shop.holds().await
}

/// A price that is not in the catalog keeps the last plan, and says so on record.
pub(super) async fn an_unknown_price_keeps_the_last_plan_loudly(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let subscription = ann.buys("basic").await?;
    let new = {
        let mut stripe = shop.stripe();
        let product = stripe.price(&stripe.subscription(&subscription)?.items[0].price)?;
        let product = product.product.clone();
        let new = stripe.create_price(NewPrice::new(&product, Interval::Month, 1_200))?;
        stripe.change_price(&subscription, &new)?;
        new
    };
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("basic"));
    let record = shop.record("customer.subscription.updated").await?.record;
    if shop.is_prompt() {
        assert_eq!(record.outcome.as_str(), "applied");
    }
    let detail = record.detail.unwrap_or_default();
    assert!(detail.contains(&new) && detail.contains("not in the catalog"), "{detail}");

    // Switched to a price that is sold, all is as usual.
    ann.in_portal("switch", &subscription, &shop.price("pro_monthly")).await?;
    assert_eq!(ann.seen().await?, on("pro"));
    assert_eq!(shop.record("customer.subscription.updated").await?.record.detail, None);
    shop.holds().await
}
