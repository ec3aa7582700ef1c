//! What an account's owner may ask: their account, their key, a checkout, the portal.
//!
//! Read-only towards the ledger: only the event path provisions. A browser that comes
//! back from paying changes nothing, so nobody is provisioned, or missed, by it.

use jiff::Timestamp;
use serde::Serialize;
use tollgate_events::{AccountId, CustomerId, PriceId, digest};

use crate::account::{Account, PlanId, Status};
use crate::catalog::{Plan, Quota};
use crate::converge::Worker;
use crate::derive::KeyValue;
use crate::ledger::{CustomerLink, Entry};
use crate::mismatch::Mismatch;
use crate::ports::{
    ApiGateway, CheckoutRecord, Class, Clock, CustomerSeen, Ledger, NewCheckout, PortError, Ports,
    Service, Stripe,
};
use crate::stripe::{Subscription, SubscriptionStatus};

/// The account API: what it needs besides a worker's ports.
#[derive(Debug)]
pub struct AccountApi<P> {
    /// Ports, catalog and proofs; its binding only compares.
    pub worker: Worker<P>,
    /// Where Stripe's pages send the browser back to.
    pub return_url: String,
}

/// How often within a day a seller may delete an account's customer until it cannot buy.
const MOST_DELETED_IN_A_DAY: u32 = 10;

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

/// The use of a quota. Best effort, as API Gateway's quotas are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UsageView {
    /// Requests so far.
    pub used: u64,
    /// Requests left.
    pub remaining: u64,
    /// Requests in a period.
    pub limit: u32,
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
    /// Nothing was ever bought.
    #[error("you have not bought anything yet")]
    NothingBought,
    /// A system is down.
    #[error("something went wrong on our side; please try again")]
    Unavailable(#[from] PortError),
}

impl<P: Ports> AccountApi<P> {
    /// `GET /account`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn overview(&self, id: &AccountId) -> Result<AccountView, Refusal> {
        let account = self.account(id).await?.ok_or(Refusal::NotReady)?;
        let history = self.worker.ports.ledger().history(id, HISTORY).await?;
        let usage = self.usage(&account).await?;
        let access = &account.access;
        Ok(AccountView {
            plan: access.plan.clone(),
            status: access.status,
            reason: access.reason.to_string(),
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
        let account = self.account(id).await?.ok_or(Refusal::NotReady)?;
        if account.access.status == Status::Closed {
            return Err(Refusal::NotAllowed);
        }
        let key = account.key().ok_or(Refusal::NotReady)?;
        let value = self.worker.ports.api_gateway().key_value(&key.id).await?;
        value.ok_or(Refusal::NotReady)
    }

    /// `POST /account/checkout`: the URL of a Stripe Checkout session for a plan. One open
    /// session, and one live subscription, per account.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn checkout(&self, id: &AccountId, plan: &str) -> Result<String, Refusal> {
        let plan = self.plan(plan)?;
        let account = self.account(id).await?.unwrap_or_else(|| Account::new(id.clone()));
        if matches!(account.access.status, Status::Closed | Status::Held) {
            return Err(Refusal::NotAllowed);
        }
        self.must_belong().await?;
        for customer in &account.access.customers {
            if self.is_subscribed(&account, customer).await? {
                return Err(Refusal::AlreadySubscribed);
            }
        }
        let price = self.price(plan).await?;
        let customer = self.customer(&account).await?;
        let sessions = self.worker.ports.stripe().checkouts(&customer).await?;
        let sessions = sessions.ok_or_else(|| missing(&customer))?;
        if let Some(url) = self.reopen(id, &sessions, &price).await? {
            return Ok(url);
        }
        // Of a price that is not there, Stripe says so itself.
        let metered = self.worker.ports.stripe().is_metered(&price).await? == Some(true);
        let checkout = NewCheckout {
            account: self.worker.deriver.name(id),
            metered,
            success_url: self.return_url.clone(),
            cancel_url: self.return_url.clone(),
            // Two clicks at once see the same number of sessions and get the same one.
            idempotency_key: idempotency_key(id, &customer, (&price, metered), sessions.len()),
            customer,
            price,
        };
        let session = self.worker.ports.stripe().create_checkout(&checkout).await?;
        session.url.ok_or(Refusal::NotReady)
    }

    /// `POST /account/portal`: the URL of a Stripe billing portal session.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn portal(&self, id: &AccountId) -> Result<String, Refusal> {
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
                url => return Ok(url?),
            }
        }
        Err(Refusal::NothingBought)
    }

    /// The account's customers: of several, the one who pays is the one to show.
    async fn payers_first<'a>(&self, account: &'a Account) -> Result<Vec<&'a CustomerId>, Refusal> {
        let mut customers: Vec<_> = account.access.customers.iter().collect();
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

    fn plan(&self, id: &str) -> Result<&Plan, Refusal> {
        let unknown = || Refusal::UnknownPlan(id.chars().take(64).collect());
        let id = PlanId::parse(id).map_err(|_| unknown())?;
        self.worker.catalog.plan(&id).ok_or_else(unknown)
    }

    async fn price(&self, plan: &Plan) -> Result<PriceId, Refusal> {
        if let Some(key) = plan.lookup_keys.first()
            && let Some(price) = self.worker.ports.stripe().price_by_lookup_key(key).await?
        {
            return Ok(price);
        }
        plan.prices.first().cloned().ok_or_else(|| Refusal::NotForSale(plan.id.clone()))
    }

    /// Whether a customer has a subscription of ours that is paid, or owed. What else the seller
    /// sells them is in nobody's way.
    async fn is_subscribed(
        &self,
        account: &Account,
        customer: &CustomerId,
    ) -> Result<bool, PortError> {
        let boundary = self.worker.boundary();
        let given = account.access.given.as_ref();
        let ours = |it: &Subscription| {
            boundary.is_sold(it)
                || boundary.made_for(it.named.as_ref()).is_some()
                || given.is_some_and(|given| given.by == it.id)
        };
        let subscriptions = self.worker.subscriptions_of(customer).await?;
        let subscriptions = subscriptions.ok_or_else(|| missing(customer))?;
        let mut ours = subscriptions.iter().filter(|it| ours(it));
        Ok(ours.any(|subscription| match subscription.status {
            SubscriptionStatus::Incomplete
            | SubscriptionStatus::IncompleteExpired
            | SubscriptionStatus::Canceled => false,
            SubscriptionStatus::Trialing
            | SubscriptionStatus::Active
            | SubscriptionStatus::PastDue
            | SubscriptionStatus::Unpaid
            | SubscriptionStatus::Paused
            | SubscriptionStatus::Other(_)
            | SubscriptionStatus::Unreadable => true,
        }))
    }

    /// The account's customer, a new one where there is none, or none that the seller has
    /// not deleted in Stripe. Within a day, Stripe's idempotency gives the one that it gave last:
    /// if an operator has unlinked that one, what it pays would come to nobody.
    async fn customer(&self, account: &Account) -> Result<CustomerId, Refusal> {
        let stripe = self.worker.ports.stripe();
        for customer in &account.access.customers {
            match stripe.customer(customer).await? {
                CustomerSeen::There(_) => return Ok(customer.clone()),
                CustomerSeen::Missing => return Err(missing(customer).into()),
                CustomerSeen::Deleted => {}
            }
        }
        let made = self.new_customer(account).await?;
        match self.worker.ports.ledger().link_of(&made).await? {
            CustomerLink::Account(owner) if owner != account.id => Err(Refusal::NotAllowed),
            CustomerLink::Released { .. } => Err(Refusal::NotAllowed),
            CustomerLink::Account(_) | CustomerLink::Nobodys => Ok(made),
        }
    }

    /// A customer who can pay: one whom Stripe gave before may have been deleted since.
    async fn new_customer(&self, account: &Account) -> Result<CustomerId, PortError> {
        let (stripe, name) = (self.worker.ports.stripe(), self.worker.deriver.name(&account.id));
        for attempt in 0..MOST_DELETED_IN_A_DAY {
            let made = stripe.create_customer(&name, attempt).await?;
            match stripe.customer(&made).await? {
                CustomerSeen::There(_) => return Ok(made),
                CustomerSeen::Deleted => {}
                CustomerSeen::Missing => break,
            }
        }
        Err(PortError {
            service: Service::Stripe,
            operation: "POST /v1/customers",
            class: Class::Unavailable,
            detail: "it gave no customer who is there".to_owned(),
        })
    }

    /// Keeps the open session for the same price; expires every other of ours.
    async fn reopen(
        &self,
        id: &AccountId,
        sessions: &[CheckoutRecord],
        price: &PriceId,
    ) -> Result<Option<String>, PortError> {
        let boundary = self.worker.boundary();
        let ours = sessions.iter().filter(|session| boundary.opened_for(id, session));
        let mut kept = None;
        for session in ours.filter(|session| session.status == "open") {
            if kept.is_none() && session.price.as_ref() == Some(price) {
                kept.clone_from(&session.url);
            } else {
                self.worker.ports.stripe().expire_checkout(&session.id).await?;
            }
        }
        Ok(kept)
    }

    /// The use of the current period: API Gateway counts by day, and what remains is that
    /// of the newest day.
    async fn usage(&self, account: &Account) -> Result<Option<UsageView>, PortError> {
        let access = &account.access;
        let plan = access.plan.as_ref().and_then(|id| self.worker.catalog.plan(id));
        let (Some(key), Some(usage_plan), Some(Quota { limit, .. })) =
            (account.key(), &access.usage_plan, plan.and_then(|plan| plan.quota))
        else {
            return Ok(None);
        };
        let today = self.worker.ports.clock().now().strftime("%Y-%m-%d").to_string();
        let first = format!("{}-01", &today[..7]);
        let gateway = self.worker.ports.api_gateway();
        let usage = gateway.usage(usage_plan, &key.id, &first, &today).await?;
        // What a period has left is the same whichever period it is; days only add up to a month.
        let remaining = usage.map_or(u64::from(limit), |usage| usage.remaining);
        let used = u64::from(limit).saturating_sub(remaining);
        Ok(Some(UsageView { used, remaining, limit }))
    }
}

/// One key for each price that a customer may buy and each session that they had by then: a digest,
/// because an id of Stripe's is longer and of other characters than a key may be.
/// <https://docs.stripe.com/api/idempotent_requests>
fn idempotency_key(
    account: &AccountId,
    customer: &CustomerId,
    (price, metered): (&PriceId, bool),
    sessions: usize,
) -> String {
    // With a quantity it was refused, and that is what the same key would give again.
    let quantity = if metered { "" } else { "\n1" };
    // No id has a line break: what stands between two of them is no part of one.
    let what = digest(&format!("{account}\n{customer}\n{price}\n{sessions}{quantity}"));
    format!("tollgate-checkout-{what}")
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
    HistoryLine {
        at: entry.at,
        from: entry.before.plan,
        to: entry.after.plan,
        status: entry.after.status,
        reason: entry.after.reason.to_string(),
    }
}
