//! How Stripe's events come: when the queue is down, and in older shapes.

use tollgate_standin::stripe::{Delivery, DeliveryAnswer, NewEndpoint, When};

use crate::shop::{Conditions, Shop, Told, on};

/// While the queue is down the webhook answers 503, and Stripe's retry heals it.
pub(super) async fn an_event_that_the_queue_did_not_take_comes_again(
    conditions: Conditions,
) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let subscription = ann.buys("basic").await?;
    let pro = shop.price("pro_monthly");
    shop.stripe().change_price(&subscription, &pro)?;
    let due = shop.stripe().due_deliveries();
    shop.stack.world.sqs.set_down(true);
    for delivery in &due {
        let answer = shop.stack.world.stripe.deliver(&shop.stack.http, delivery).await;
        let needed = delivery.kind == "customer.subscription.updated";
        assert_eq!(
            answer,
            DeliveryAnswer::Status(if needed { 503 } else { 200 }),
            "{}",
            delivery.kind
        );
    }
    shop.stack.world.sqs.set_down(false);
    shop.settle().await?;
    if shop.is_prompt() {
        assert_eq!(ann.seen().await?, on("basic"));
    }
    shop.minutes(6).await?;
    assert_eq!(ann.seen().await?, on("pro"));
    shop.holds().await
}

/// Endpoints keep the API version they were made with: before Basil a subscription's
/// period stood elsewhere, and so did an invoice's subscription.
pub(super) async fn an_old_endpoint_is_understood(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let newest = {
        let mut stripe = shop.stripe();
        let newest = stripe.endpoints().next().map(|endpoint| endpoint.id.clone());
        let newest = newest.expect("the stack has one");
        stripe.enable_endpoint(&newest, false)?;
        let url = format!("{}/webhook", shop.stack.urls.tollgate);
        let old = NewEndpoint::for_all(&url);
        stripe.create_endpoint(NewEndpoint { api_version: Some("2024-06-20".into()), ..old });
        newest
    };
    // In the old shape, signed with the secret that the stack knows.
    let arrive = async || -> Told {
        let pending = shop.stripe().take_pending();
        for delivery in pending {
            let delivery = Delivery { endpoint: newest.clone(), ..delivery };
            shop.deliver(&delivery).await?;
        }
        shop.settle().await
    };
    ann.customer.sign_in().await?;
    ann.customer.buy("basic").await?;
    arrive().await?;
    assert_eq!(ann.seen().await?, on("basic"));
    let subscription = ann.subscription()?;
    let pro = shop.price("pro_monthly");
    shop.stripe().change_price(&subscription, &pro)?;
    arrive().await?;
    assert_eq!(ann.seen().await?, on("pro"));
    shop.stripe().cancel(&subscription, When::Now)?;
    arrive().await?;
    assert_eq!(ann.seen().await?, on("free"));
    shop.holds().await
}
