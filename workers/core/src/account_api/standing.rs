//! What stands in the way of a purchase: a subscription that is there, a payment under way.

use tollgate_events::CustomerId;

use super::{AccountApi, Refusal, missing};
use crate::account::Account;
use crate::ports::{Class, CustomerSeen, PortError, Ports, RecentCheckout, Stripe};
use crate::stripe::{Subscription, SubscriptionStatus};

/// What those who pay for an account have.
pub(super) enum Standing {
    /// Nothing that is paid, owed, or being paid.
    Free,
    /// Live subscriptions of ours.
    Has(Vec<Subscription>),
    /// Whoever was about to pay is deleted.
    Gone,
}

impl<P: Ports> AccountApi<P> {
    /// What the account's own customers and the one about to pay have of ours.
    pub(super) async fn standing(
        &self,
        account: &Account,
        customer: &CustomerId,
    ) -> Result<Standing, Refusal> {
        let own = account.access.own_customers();
        let mut ours = Vec::new();
        for other in own.iter().filter(|it| *it != customer) {
            let listed = self.worker.subscriptions_of(other).await?;
            ours.extend(listed.ok_or_else(|| missing(other))?);
        }
        let Some(listed) = self.worker.ports.stripe().subscriptions(customer).await? else {
            self.must_be_gone(account, customer).await?;
            return Ok(Standing::Gone);
        };
        ours.extend(listed);
        let mut live = Vec::new();
        for one in ours.into_iter().filter(|it| self.is_ours(account, it)) {
            if stands(&one.status, one.latest_invoice_url.as_ref())? {
                live.push(one);
            }
        }
        Ok(if live.is_empty() { Standing::Free } else { Standing::Has(live) })
    }

    /// Why Stripe has nothing of a customer: they were deleted. One whom nobody has linked may
    /// be missing too, in a sandbox that was wiped.
    pub(super) async fn must_be_gone(
        &self,
        account: &Account,
        customer: &CustomerId,
    ) -> Result<(), PortError> {
        match self.worker.ports.stripe().customer(customer).await? {
            CustomerSeen::Deleted => Ok(()),
            CustomerSeen::Missing if !account.access.customers.contains(customer) => Ok(()),
            CustomerSeen::Missing => Err(missing(customer)),
            CustomerSeen::There(_) => {
                Err(PortError { class: Class::Unavailable, ..missing(customer) })
            }
        }
    }
}

/// That what was bought in these sessions is over. One whose subscription is not known yet has
/// been paid a moment ago.
pub(super) fn must_be_settled(sessions: &[RecentCheckout]) -> Result<(), Refusal> {
    for complete in sessions.iter().filter(|it| it.session.status == "complete") {
        match &complete.bought {
            // The customer's list does not have it, or it is not ours to change any more.
            Some(bought) if stands(&bought.status, bought.invoice_url.as_ref())? => {
                return Err(Refusal::ChangeBySeller);
            }
            Some(_) => {}
            None => return Err(Refusal::PaymentProcessing { invoice: None }),
        }
    }
    Ok(())
}

/// Whether a subscription of ours stands in the way of another; one that is being paid is waited for.
fn stands(status: &SubscriptionStatus, invoice: Option<&String>) -> Result<bool, Refusal> {
    match status {
        SubscriptionStatus::IncompleteExpired | SubscriptionStatus::Canceled => Ok(false),
        // The invoice can be paid in another way, should this one fail.
        SubscriptionStatus::Incomplete => {
            Err(Refusal::PaymentProcessing { invoice: invoice.cloned() })
        }
        SubscriptionStatus::Trialing
        | SubscriptionStatus::Active
        | SubscriptionStatus::PastDue
        | SubscriptionStatus::Unpaid
        | SubscriptionStatus::Paused
        | SubscriptionStatus::Other(_)
        | SubscriptionStatus::Unreadable => Ok(true),
    }
}
