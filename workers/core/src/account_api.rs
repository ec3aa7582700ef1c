//! What an account's owner may ask: their account, their key, a checkout, the portal.
//!
//! It writes no account: only the event path provisions. A browser that comes back from
//! paying changes nothing, so nobody is provisioned, or missed, by it. What it does write are
//! rows of its own: what is being bought, what was asked for, and how much of a quota was used.

mod checkout;
mod limits;
mod offer;
mod usage;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tollgate_events::{AccountId, CustomerId};

use self::offer::Offer;
pub use self::usage::UsageView;
use crate::account::{Account, PlanId, Status};
use crate::converge::Worker;
use crate::derive::KeyValue;
use crate::ledger::Entry;
use crate::mismatch::Mismatch;
use crate::ports::{ApiGateway, Class, CustomerSeen, Ledger, PortError, Ports, Request, Stripe};
use crate::stripe::{Subscription, SubscriptionStatus};
use crate::words::for_owner;

/// The account API: what it needs besides a worker's ports.
#[derive(Debug)]
pub struct AccountApi<P> {
    /// Ports, catalog and proofs; its binding only compares.
    pub worker: Worker<P>,
    /// Where Stripe's pages send the browser back to.
    return_url: String,
    /// What plans were last sold at.
    offers: Mutex<BTreeMap<PlanId, Offer>>,
}

/// How many history entries an owner sees.
const HISTORY: usize = 20;

/// An account, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountView {
    /// The plan, if there is one.
    pub plan: Option<PlanId>,
    /// Where the account stands.
    pub status: Status,
    /// Why, in words.
    pub reason: String,
    /// When that will be looked at again, if a time is known.
    pub review_at: Option<Timestamp>,
    /// The key's id, if there is a key.
    pub key_id: Option<String>,
    /// The use of the plan's quota in its current period.
    pub usage: Option<UsageView>,
    /// What happened, newest first.
    pub history: Vec<HistoryLine>,
}

/// One change, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryLine {
    /// When.
    pub at: Timestamp,
    /// The plan before.
    pub from: Option<PlanId>,
    /// The plan after.
    pub to: Option<PlanId>,
    /// Where the account stood after.
    pub status: Status,
    /// Why, in words.
    pub reason: String,
}

/// Why a request is refused. The texts are for the owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No account, or no key yet.
    #[error("your account is still being set up; try again in a moment")]
    NotReady,
    /// The account is closed or held.
    #[error("your account is on hold or closed; please contact us")]
    NotAllowed,
    /// No such plan.
    #[error("there is no plan `{0}`")]
    UnknownPlan(String),
    /// Not sold through Checkout.
    #[error("plan `{0}` cannot be bought")]
    NotForSale(PlanId),
    /// One live subscription per account.
    #[error("you have a subscription already; change or cancel it in the billing portal")]
    AlreadySubscribed,
    /// What was bought is not paid yet, or not seen yet.
    #[error("your payment is being processed; this can take some days with a bank debit")]
    PaymentProcessing {
        /// Where it can be paid in another way, should it fail.
        invoice: Option<String>,
    },
    /// Another window of theirs is at it.
    #[error("you have opened another checkout at the same time; go on there, or try again")]
    OtherWindow,
    /// Too many of these requests of one account.
    #[error("you have asked for this too often; try again later")]
    TooMany {
        /// When.
        after: SignedDuration,
    },
    /// Nothing was ever bought.
    #[error("you have not bought anything yet")]
    NothingBought,
    /// All owners together have asked for more than may be asked of API Gateway.
    #[error("many people are asking at the moment; please try again in a few seconds")]
    Busy,
    /// Stripe refuses, and would again: something has to be set up first.
    #[error("this is not possible at the moment; we have been told, and will look into it")]
    Rejected(PortError),
    /// A system is down.
    #[error("something went wrong on our side; please try again")]
    Unavailable(#[from] PortError),
}

impl Refusal {
    /// Of a page that Stripe does not open: what it finds wrong with our request is wrong the
    /// next time too.
    fn of_page(error: PortError) -> Self {
        match error.class {
            Class::Invalid => Self::Rejected(error),
            _ => Self::Unavailable(error),
        }
    }

    /// One word for whoever programs against the account API. Stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotReady => "not_ready",
            Self::NotAllowed => "not_allowed",
            Self::UnknownPlan(_) => "unknown_plan",
            Self::NotForSale(_) => "not_for_sale",
            Self::AlreadySubscribed => "already_subscribed",
            Self::NothingBought => "nothing_bought",
            Self::PaymentProcessing { .. } => "payment_processing",
            Self::OtherWindow => "other_window",
            Self::TooMany { .. } => "too_many_requests",
            Self::Rejected(_) => "not_configured",
            Self::Busy | Self::Unavailable(_) => "unavailable",
        }
    }

    /// After how many seconds it may go otherwise, where that is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany { after } => {
                u64::try_from(after.as_millis()).ok().map(|millis| millis.div_ceil(1000))
            }
            Self::NotReady | Self::Busy | Self::Unavailable(_) => Some(5),
            _ => None,
        }
    }

    /// What the seller must do where Stripe refuses for good.
    pub fn mend(&self) -> Option<&'static str> {
        let Self::Rejected(error) = self else { return None };
        let told = error.detail.to_lowercase();
        let mends = MENDS.iter().find(|(word, _)| told.contains(word));
        Some(mends.map_or("Stripe's own words say what is wrong", |(_, mend)| mend))
    }
}

/// What Stripe's refusals of our requests have in them, and what mends each.
const MENDS: [(&str, &str); 4] = [
    (
        "currenc",
        "the customer pays in another currency, and Stripe takes one for each customer: give \
         the price a currency option, or end what they pay for in the other currency",
    ),
    (
        "configuration",
        "save the settings of the customer portal once, in the mode of the key: \
         https://dashboard.stripe.com/settings/billing/portal",
    ),
    (
        "tax",
        "automatic tax needs the customer's address: give the customer one in the dashboard, or \
         turn automatic tax off",
    ),
    ("inactive", "the price is archived: make it active, or give its lookup key to another"),
];

impl<P> AccountApi<P> {
    /// The account API on a worker, whose binding only compares.
    pub fn new(worker: Worker<P>, return_url: impl Into<String>) -> Self {
        Self { worker, return_url: return_url.into(), offers: Mutex::default() }
    }

    fn offers(&self) -> MutexGuard<'_, BTreeMap<PlanId, Offer>> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Ports> AccountApi<P> {
    /// `GET /account`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn overview(&self, id: &AccountId) -> Result<AccountView, Refusal> {
        self.admit(id, Request::Overview).await?;
        let account = self.account(id).await?.ok_or(Refusal::NotReady)?;
        let history = self.worker.ports.ledger().history(id, HISTORY).await?;
        let usage = self.usage(&account).await?;
        let access = &account.access;
        Ok(AccountView {
            plan: access.plan.clone(),
            status: access.status,
            reason: for_owner(&access.reason, access.plan.as_ref(), account.renews_at),
            review_at: account.review_at,
            key_id: account.key().map(|key| key.id.to_string()),
            usage,
            history: history.into_iter().filter(shows).map(line).collect(),
        })
    }

    /// `GET /account/key`: the value, read live from API Gateway, never kept.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn key(&self, id: &AccountId) -> Result<KeyValue, Refusal> {
        self.admit(id, Request::Key).await?;
        let account = self.account(id).await?.ok_or(Refusal::NotReady)?;
        if account.access.status == Status::Closed {
            return Err(Refusal::NotAllowed);
        }
        let key = account.key().ok_or(Refusal::NotReady)?;
        if !self.may_call().await? {
            return Err(Refusal::Busy);
        }
        let value = self.worker.ports.api_gateway().key_value(&key.id).await?;
        value.ok_or(Refusal::NotReady)
    }

    /// `POST /account/portal`: the URL of a Stripe billing portal session.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn portal(&self, id: &AccountId) -> Result<String, Refusal> {
        self.admit(id, Request::Portal).await?;
        let account = self.account(id).await?.ok_or(Refusal::NotReady)?;
        if account.access.customers.is_empty() {
            return Err(Refusal::NothingBought);
        }
        self.must_belong().await?;
        for customer in self.payers_first(&account).await? {
            match self.worker.ports.stripe().create_portal(customer, &self.return_url).await {
                // Refused as unknown: one whom the seller has deleted, and so the next.
                Err(error) if error.class == Class::NotFound => {
                    self.must_be_deleted(customer, error).await?;
                }
                url => return url.map_err(Refusal::of_page),
            }
        }
        Err(Refusal::NothingBought)
    }

    /// The account's customers: of several, the one who pays is the one to show.
    async fn payers_first<'a>(&self, account: &'a Account) -> Result<Vec<&'a CustomerId>, Refusal> {
        let own = account.access.own_customers();
        let customers = account.access.customers.iter();
        let mut customers: Vec<_> = customers.filter(|it| own.contains(*it)).collect();
        if customers.len() > 1 {
            for place in 0..customers.len() {
                if self.is_subscribed(account, customers[place]).await? {
                    customers.swap(0, place);
                    break;
                }
            }
        }
        Ok(customers)
    }

    /// Why Stripe would not have a customer, unless it is that they were deleted.
    async fn must_be_deleted(
        &self,
        customer: &CustomerId,
        refused: PortError,
    ) -> Result<(), PortError> {
        match self.worker.ports.stripe().customer(customer).await? {
            CustomerSeen::Deleted => Ok(()),
            CustomerSeen::Missing => Err(missing(customer)),
            CustomerSeen::There(_) => Err(refused),
        }
    }

    /// Nothing is sold or shown by another Stripe account than the stack's.
    async fn must_belong(&self) -> Result<(), PortError> {
        Ok(self.worker.binding.check(&self.worker.ports).await?)
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, PortError> {
        self.worker.ports.ledger().account(id).await
    }

    /// Whether a customer has a subscription of ours that is not over.
    async fn is_subscribed(
        &self,
        account: &Account,
        customer: &CustomerId,
    ) -> Result<bool, PortError> {
        let subscriptions = self.worker.subscriptions_of(customer).await?;
        let subscriptions = subscriptions.ok_or_else(|| missing(customer))?;
        let over = |it: &Subscription| {
            use SubscriptionStatus::{Canceled, Incomplete, IncompleteExpired};
            matches!(it.status, Incomplete | IncompleteExpired | Canceled)
        };
        Ok(subscriptions.iter().any(|it| self.is_ours(account, it) && !over(it)))
    }

    /// Whether a subscription is this deployment's. What else the seller sells to the same
    /// customer is in nobody's way.
    fn is_ours(&self, account: &Account, subscription: &Subscription) -> bool {
        let boundary = self.worker.boundary();
        let given = account.access.given.as_ref();
        boundary.is_sold(subscription)
            || boundary.made_for(subscription.named.as_ref()).is_some()
            || given.is_some_and(|given| given.by == subscription.id)
    }
}

/// Stripe does not know a customer of the account.
fn missing(customer: &CustomerId) -> PortError {
    Mismatch::Customer(customer.clone()).into()
}

/// Whether an entry changed anything that its owner can see; a link by itself does not.
fn shows(entry: &Entry) -> bool {
    (&entry.before.plan, entry.before.status) != (&entry.after.plan, entry.after.status)
}

fn line(entry: Entry) -> HistoryLine {
    let reason = for_owner(&entry.after.reason, entry.after.plan.as_ref(), None);
    HistoryLine {
        at: entry.at,
        from: entry.before.plan,
        to: entry.after.plan,
        status: entry.after.status,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Service;

    #[test]
    fn whoever_may_try_again_is_told_when() {
        let too_many = |millis| Refusal::TooMany { after: SignedDuration::from_millis(millis) };
        assert_eq!([1, 1_000, 1_001].map(|it| too_many(it).retry_after()), [1, 1, 2].map(Some));
        let (service, operation, detail) = (Service::Stripe, "GET", String::new());
        let down = PortError { service, operation, class: Class::Unavailable, detail };
        for soon in [Refusal::NotReady, Refusal::Busy, Refusal::Unavailable(down.clone())] {
            assert_eq!(soon.retry_after(), Some(5), "{soon}");
        }
        for never in [Refusal::NotAllowed, Refusal::AlreadySubscribed, Refusal::Rejected(down)] {
            assert_eq!(never.retry_after(), None, "{never}");
        }
    }

    #[test]
    fn the_seller_is_told_what_mends_what_stripe_refuses() {
        let mend = |detail: &str| {
            let (service, operation, detail) = (Service::Stripe, "POST", detail.to_owned());
            let error = PortError { service, operation, class: Class::Invalid, detail };
            Refusal::of_page(error).mend()
        };
        for (told, mends) in [
            ("No configuration provided", "settings of the customer portal"),
            ("You cannot combine currencies on a single customer", "a currency option"),
            ("Automatic tax calculation needs an address", "turn automatic tax off"),
            ("The price specified is inactive", "the price is archived"),
            ("Something else", "Stripe's own words"),
        ] {
            assert!(mend(told).is_some_and(|mend| mend.contains(mends)), "{told}");
        }
        assert_eq!(Refusal::Busy.mend(), None);
    }
}
