//! A subscription with what Stripe does not tell of it in one piece.

use serde_json::json;
use tollgate_core::ports::{PortResult, Stripe};
use tollgate_core::stripe::Subscription;

use super::StripeApi;
use super::answer::Object;
use super::views::{self, ItemView, SubscriptionView};

impl StripeApi {
    /// A subscription with all its items, and with what it changes to: a schedule tells of a price
    /// its id alone.
    pub(super) async fn whole(&self, view: SubscriptionView) -> PortResult<Subscription> {
        let mut subscription = self.with_all_items(view).await?;
        if let Some(next) = &mut subscription.next
            && let Some(id) = next.price.as_ref().and_then(|price| price.id.clone())
        {
            next.price = self.price(&id).await?;
        }
        Ok(subscription)
    }

    /// Stripe embeds the first items of a subscription; a list that goes on is read whole.
    pub(super) async fn with_all_items(&self, view: SubscriptionView) -> PortResult<Subscription> {
        let mut subscription = view.subscription;
        if view.goes_on {
            let query = json!({ "subscription": subscription.id });
            let name = "GET /v1/subscription_items";
            let read = |item: &Object<'_>| Ok(ItemView::read(item));
            let page = self.list(name, "/subscription_items", query, read).await?;
            let unread = page.unreadable.iter().map(|_| ItemView::default());
            let items = page.items.into_iter().chain(unread).collect();
            views::give_items(&mut subscription, items);
        }
        Ok(subscription)
    }
}
