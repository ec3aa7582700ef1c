//! What becomes of a subscription that is there: the portal changes it, or ends it.
//!
//! Nothing is changed here. The owner confirms on Stripe's page, for exactly this subscription and
//! this price; what comes of it is told by events, as of every other change.

use tollgate_events::CustomerId;

use super::offer::Sale;
use super::views::{Chosen, Via};
use super::{AccountApi, Refusal, missing};
use crate::account::Account;
use crate::ports::{PortalFlow, Ports};
use crate::stripe::{Price, Subscription, SubscriptionStatus};

impl<P: Ports> AccountApi<P> {
    /// The page on which the account's subscriptions become the one that is wanted.
    pub(super) async fn change(
        &self,
        account: &Account,
        live: &[Subscription],
        sale: &Sale,
        return_url: &str,
    ) -> Result<Chosen, Refusal> {
        // Of several, nobody says which one to change, and that the others go on.
        let [one] = live else { return Err(Refusal::ChangeBySeller) };
        let (item, now) = self.changeable(account, one)?;
        if now.id.as_ref() == Some(&sale.price) {
            return Err(Refusal::SameOffer);
        }
        let (subscription, item) = (one.id.clone(), item.to_owned());
        let flow = PortalFlow::Confirm { subscription, item, price: sale.price.clone() };
        self.page(Via::Change, &one.customer, Some(flow), return_url).await
    }

    /// What of a subscription the portal can change. A second scheduled change would come on top of
    /// the first, so the first is taken back before.
    fn changeable<'a>(
        &self,
        account: &Account,
        one: &'a Subscription,
    ) -> Result<(&'a str, &'a Price), Refusal> {
        let boundary = self.worker.boundary();
        let maker = boundary.made_for(one.named.as_ref());
        // What it sells is ours, or was, when it gave the account its plan.
        let given = account.access.given.as_ref().is_some_and(|given| given.by == one.id);
        let theirs = maker == Some(&account.id) && (given || boundary.is_sold(one));
        let changeable = one.can_be_changed().filter(|_| theirs);
        let changeable = changeable.ok_or(Refusal::ChangeBySeller)?;
        if let Some(at) = one.ends_at() {
            return Err(Refusal::ChangeScheduled { ends: true, at: Some(at) });
        }
        if let Some(next) = &one.next {
            return Err(Refusal::ChangeScheduled { ends: false, at: next.at });
        }
        use SubscriptionStatus::{Active, PastDue, Paused, Trialing, Unpaid};
        match one.status {
            Trialing | Active => Ok(changeable),
            PastDue | Unpaid | Paused => {
                Err(Refusal::PaymentFailed { invoice: one.latest_invoice_url.clone() })
            }
            _ => Err(Refusal::ChangeBySeller),
        }
    }

    /// The page on which the account's subscription is ended: what is left is the default plan.
    pub(super) async fn cancel(
        &self,
        account: &Account,
        return_url: &str,
    ) -> Result<Chosen, Refusal> {
        self.must_belong().await?;
        let mut live = Vec::new();
        for customer in account.access.own_customers() {
            let listed = self.worker.subscriptions_of(&customer).await?;
            let listed = listed.ok_or_else(|| missing(&customer))?;
            live.extend(listed.into_iter().filter(|it| self.may_be_ended(account, it)));
        }
        match live.as_slice() {
            [] if account.access.plan
                == self.worker.catalog.default_plan().map(|it| it.id.clone()) =>
            {
                Err(Refusal::SameOffer)
            }
            [] => Err(Refusal::NothingBought),
            [one] => {
                if let Some(at) = one.ends_at() {
                    return Err(Refusal::ChangeScheduled { ends: true, at: Some(at) });
                }
                // What is scheduled is on the portal's first page, beside the end.
                let flow = one.next.is_none().then(|| PortalFlow::Cancel(one.id.clone()));
                self.page(Via::Cancel, &one.customer, flow, return_url).await
            }
            // Each is ended for itself, on the portal's first page.
            [first, ..] => self.page(Via::Cancel, &first.customer, None, return_url).await,
        }
    }

    fn may_be_ended(&self, account: &Account, subscription: &Subscription) -> bool {
        use SubscriptionStatus::{Canceled, Incomplete, IncompleteExpired};
        let over = matches!(subscription.status, Incomplete | IncompleteExpired | Canceled);
        !over && self.is_ours(account, subscription)
    }

    async fn page(
        &self,
        via: Via,
        customer: &CustomerId,
        flow: Option<PortalFlow>,
        return_url: &str,
    ) -> Result<Chosen, Refusal> {
        let url = self.open_portal(customer, flow, return_url).await.map_err(Refusal::of_page)?;
        Ok(Chosen { via, url })
    }
}
