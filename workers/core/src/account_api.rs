//! What an account's owner may ask: their account, their key, a checkout, the portal.
//!
//! It writes no account: only the event path provisions. A browser that comes back from
//! paying changes nothing, so nobody is provisioned, or missed, by it. What it does write are
//! rows of its own: what is being bought, what was asked for, and how much of a quota was used.

mod change;
mod checkout;
mod limits;
mod offer;
mod plans;
mod portal;
mod purchase;
mod refresh;
mod refusal;
mod returning;
mod standing;
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
pub use self::portal::Flow;
pub use self::refusal::{ProblemCode, Refusal};
pub use self::returning::Returning;
pub use self::usage::UsageView;
use self::views::DEFAULT_SLOT;
pub use self::views::{
    Abilities, AccountView, Chosen, HistoryItem, HistoryView, KeyShown, KeyStatus, KeyView,
    KeysView, MOST_ENTRIES, Mode, PurchaseState, PurchaseView, RetiringView, Via,
};
use crate::account::{Account, OfferId, Status};
use crate::converge::Worker;
use crate::mismatch::Mismatch;
use crate::ports::{ApiGateway, Ledger, PortError, Ports, Request};
use crate::stripe::{Subscription, SubscriptionStatus};
use crate::words::for_owner;

/// The account API: what it needs besides a worker's ports.
#[derive(Debug)]
pub struct AccountApi<P> {
    /// Ports, catalog and proofs; its binding only compares.
    pub worker: Worker<P>,
    /// Where Stripe's pages send the browser back to.
    returning: Returning,
    /// What each offer was last sold at.
    sales: Mutex<BTreeMap<OfferId, Sale>>,
}

impl<P> AccountApi<P> {
    /// The account API on a worker, whose binding only compares.
    pub fn new(worker: Worker<P>, returning: impl Into<Returning>) -> Self {
        Self { worker, returning: returning.into(), sales: Mutex::default() }
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
