//! A seller of long ago, who chose the ids of customers and plans: Stripe keeps them for ever.

use tollgate_standin::stripe::{Card, Interval, NewCustomer, NewPrice, SubscriptionData, When};

use crate::shop::{Conditions, Shop, Told, locked, on};

const PRO: &str = "Pro plan $699/month";
const BASIC: &str = "Básico 100% \"für alle\" #1, a/b?c=d&e";

impl Shop {
    /// The plans are sold at prices that were plans once, under ids of the seller's own.
    fn sells_what_it_always_sold(&self) -> Told {
        let mut stripe = self.stripe();
        for (id, key) in [(PRO, "pro_monthly"), (BASIC, "basic_monthly")] {
            let product = stripe.price_by_lookup_key(key).expect("it is sold").product.clone();
            let price = NewPrice::new(&product, Interval::Month, 900).lookup_key(key);
            stripe.with_id(id, |it| it.create_price(price))?;
        }
        Ok(())
    }
}

/// Ann is `John Doe` to her seller: she is upgraded, renewed, disputes and wins, cancels, and buys
/// anew on the page; and so is a neighbour served, who has no odd id but the price's.
pub(super) async fn a_customer_of_long_ago_is_served_like_anybody(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    shop.sells_what_it_always_sold()?;
    let mut bob = shop.sign_up("bob").await?;
    bob.buys("basic").await?;
    assert_eq!((bob.seen().await?, bob.row()?.items[0].price.as_str()), (on("basic"), BASIC));

    // The seller's own code knows her from before, and says whose the customer is.
    let mut ann = shop.sign_up("ann").await?;
    let john = {
        let metadata = shop.stack.functions().worker.deriver.name(&ann.id).to_metadata();
        let mut stripe = shop.stripe();
        let new = NewCustomer { metadata, ..NewCustomer::default() };
        let john = stripe.with_id("John Doe", |it| it.create_customer(new));
        stripe.set_card(&john, Card::Pays)?;
        stripe.subscribe(&john, &[BASIC], SubscriptionData::default())?;
        john
    };
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("basic"));
    assert_eq!(ann.payer(), john);

    let subscription = ann.subscription()?;
    shop.stripe().change_price(&subscription, PRO)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"));
    shop.days(40).await?;
    assert_eq!(ann.seen().await?, on("pro"));

    let dispute = shop.stripe().open_dispute(&john)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, locked("pro", "held"));
    shop.stripe().submit_evidence(&dispute)?;
    shop.stripe().close_dispute(&dispute, true)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"));

    shop.stripe().cancel(&subscription, When::Now)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("free"));
    let anew = ann.buys("pro").await?;
    assert_eq!((ann.seen().await?, anew != subscription), (on("pro"), true));
    assert_eq!((ann.payer(), ann.row()?.items[0].price.as_str()), (john, PRO));
    assert_eq!(bob.seen().await?, on("basic"));
    shop.holds().await
}
