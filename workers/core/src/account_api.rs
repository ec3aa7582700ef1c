//! What an account's owner may ask: their account, their key, a checkout, the portal.
//!
//! It writes no account: only the event path provisions. A browser that comes back from
//! paying changes nothing, so nobody is provisioned, or missed, by it. What it does write are
//! rows of its own: what is being bought, what was asked for, and how much of a quota was used.

mod checkout;
mod limits;
mod offer;
mod plans;
mod purchase;
mod refusal;
mod usage;
mod views;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tollgate_events::{AccountId, CustomerId};

use self::offer::Sale;
pub use self::offer::Wanted;
pub use self::plans::{
    OfferView, PlanView, PlansView, PriceView, QuotaView, SellerView, ThrottleView,
};
pub use self::refusal::{ProblemCode, Refusal};
pub use self::usage::UsageView;
use self::views::DEFAULT_SLOT;
pub use self::views::{
    Abilities, AccountView, Chosen, HistoryItem, HistoryView, KeyShown, KeyStatus, KeyView,
    KeysView, MOST_ENTRIES, Mode, PurchaseState, PurchaseView, RetiringView, Via,
};
use crate::account::{Account, OfferId, Status};
use crate::converge::Worker;
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
    /// What each offer was last sold at.
    sales: Mutex<BTreeMap<OfferId, Sale>>,
}

impl<P> AccountApi<P> {
    /// The account API on a worker, whose binding only compares.
    pub fn new(worker: Worker<P>, return_url: impl Into<String>) -> Self {
        Self { worker, return_url: return_url.into(), sales: Mutex::default() }
    }

    fn sales(&self) -> MutexGuard<'_, BTreeMap<OfferId, Sale>> {
        self.sales.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Ports> AccountApi<P> {
    /// `GET /account`. With the id of a Checkout session, what became of that purchase is asked of
    /// Stripe.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn overview(
        &self,
        id: &AccountId,
        checkout: Option<&str>,
    ) -> Result<AccountView, Refusal> {
        self.admit(id, Request::Overview).await?;
        let account = self.account_or_new(id).await?;
        let purchase = self.purchase(&account, checkout).await?;
        let usage = self.usage(&account).await?;
        let Account { version, subscription, access, .. } = &account;
        Ok(AccountView {
            version: *version,
            mode: Mode::of(self.worker.livemode),
            plan: access.plan.clone(),
            status: access.status,
            reason: for_owner(access, subscription.as_ref()),
            subscription: subscription.clone(),
            purchase,
            usage,
            can: Abilities::of(&account),
        })
    }

    /// `GET /account/history`: what the owner can see of the changes, newest first, of at most
    /// [`MOST_ENTRIES`].
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn history(
        &self,
        id: &AccountId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<HistoryView, Refusal> {
        self.admit(id, Request::History).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let entries = self.worker.ports.ledger().history(id, before, limit).await?;
        Ok(HistoryView::of(&entries, limit))
    }

    /// `GET /account/keys`: the keys, without their values.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn keys(&self, id: &AccountId) -> Result<KeysView, Refusal> {
        self.admit(id, Request::Keys).await?;
        Ok(KeysView::of(&self.account_or_new(id).await?))
    }

    /// `GET /account/keys/{slot}/value`: read live from API Gateway, never kept.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn key(&self, id: &AccountId, slot: &str) -> Result<KeyShown, Refusal> {
        self.admit(id, Request::Key).await?;
        if slot != DEFAULT_SLOT {
            return Err(Refusal::NoSuchSlot);
        }
        let account = self.account(id).await?.ok_or(Refusal::NotReady)?;
        if account.access.status == Status::Closed {
            return Err(Refusal::Closed);
        }
        let key = account.key().ok_or(Refusal::NotReady)?;
        if !self.may_call().await? {
            return Err(Refusal::Busy);
        }
        let value = self.worker.ports.api_gateway().key_value(&key.id).await?;
        let value = value.ok_or(Refusal::NotReady)?;
        Ok(KeyShown { value, generation: key.generation })
    }

    /// `POST /account/portal`: the URL of a Stripe billing portal session.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn portal(&self, id: &AccountId) -> Result<String, Refusal> {
        self.admit(id, Request::Portal).await?;
        let account = self.account_or_new(id).await?;
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

    /// The account. Whoever has signed in has one, or is about to: their sign-in has woken it.
    async fn account_or_new(&self, id: &AccountId) -> Result<Account, PortError> {
        Ok(self.account(id).await?.unwrap_or_else(|| Account::new(id.clone())))
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
