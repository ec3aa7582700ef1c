//! Bulk reading: one listing after another, page by page, each page after a pause, so that nobody
//! else is starved. The comparison and the rebuild of the ledger read the world by it.
//!
//! Not here: what is read of one account, and the account API's reads.

use jiff::{SignedDuration, Timestamp};

use crate::account::{Account, KeyId, UsagePlanId};
use crate::budget::Caller;
use crate::policy::Policy;
use crate::ports::{
    ApiGateway, ApiKey, Clock, Ledger, Page, PlanStages, PortResult, Ports, Stripe, UserRecord,
    Users,
};
use crate::stripe::{Dispute, Subscription};
use crate::timing::GAP;

/// What long work is at, in this order; accounts, subscriptions and users for each part of the
/// accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScanStage {
    /// API Gateway's keys.
    Keys,
    /// The keys on the catalog's usage plans.
    KeysOnPlans,
    /// The ledger's accounts.
    Accounts,
    /// Stripe's subscriptions.
    Subscriptions,
    /// Stripe's disputes, once.
    Disputes,
    /// Cognito's users.
    Users,
    /// Orphaned keys that were looked at once more, and deleted unless something spoke for them.
    Orphans,
}

/// What is told of long work while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress<T> {
    /// So many more things were gone through: a page, mostly.
    Through(ScanStage, usize),
    /// Something came of it.
    Found(T),
}

/// Hears how far long work is, and what comes of it as it is made, so that nobody must hold it all.
pub type ProgressSink<'a, T> = &'a mut (dyn FnMut(Progress<T>) + Send);

/// Where a listing has come to.
#[derive(Debug)]
pub struct Pages(Option<Option<String>>);

impl Pages {
    /// At the first page.
    pub fn start() -> Self {
        Self(Some(None))
    }

    /// The token by which the next page is asked for, which the first does not have; `None` after
    /// the last page.
    pub fn turn(&mut self) -> Option<Option<String>> {
        self.0.take()
    }

    /// Goes on to where this page says that the next begins, and gives the page back.
    pub fn past<T>(&mut self, mut page: Page<T>) -> Page<T> {
        self.0 = page.next.take().map(Some);
        page
    }
}

/// The listings of all four systems, by whoever reads them in bulk.
pub struct Scan<'a, P, T> {
    ports: &'a P,
    /// Between two calls of API Gateway: that is the caller's share of the control plane.
    gap: SignedDuration,
    sink: ProgressSink<'a, T>,
}

impl<'a, P: Ports, T> Scan<'a, P, T> {
    /// For this caller, who tells the sink how far it is.
    pub fn of(ports: &'a P, caller: Caller, policy: &Policy, sink: ProgressSink<'a, T>) -> Self {
        Self { ports, gap: caller.per_call(policy), sink }
    }

    /// Tells of something that came of it.
    pub fn found(&mut self, what: T) {
        (self.sink)(Progress::Found(what));
    }

    /// Every key of the account and Region, whosever it is.
    ///
    /// # Errors
    /// The call failed; so with each listing.
    pub async fn keys(&mut self, at: &mut Pages) -> PortResult<Option<Page<ApiKey>>> {
        let Some(token) = at.turn() else { return Ok(None) };
        self.ports.clock().sleep(self.gap).await;
        let page = self.ports.api_gateway().all_keys(token.as_deref()).await?;
        Ok(Some(self.through(ScanStage::Keys, at, page)))
    }

    /// Every usage plan. There are few: nobody is told.
    ///
    /// # Errors
    /// The call failed.
    pub async fn usage_plans(&mut self, at: &mut Pages) -> PortResult<Option<Page<PlanStages>>> {
        let Some(token) = at.turn() else { return Ok(None) };
        self.ports.clock().sleep(self.gap).await;
        let page = self.ports.api_gateway().all_plans(token.as_deref()).await?;
        Ok(Some(at.past(page)))
    }

    /// The keys on a usage plan.
    ///
    /// # Errors
    /// The call failed.
    pub async fn keys_on(
        &mut self,
        plan: &UsagePlanId,
        at: &mut Pages,
    ) -> PortResult<Option<Page<KeyId>>> {
        let Some(token) = at.turn() else { return Ok(None) };
        self.ports.clock().sleep(self.gap).await;
        let page = self.ports.api_gateway().keys_on(plan, token.as_deref()).await?;
        Ok(Some(self.through(ScanStage::KeysOnPlans, at, page)))
    }

    /// The ledger's accounts, without a pause: nobody else needs its capacity.
    ///
    /// # Errors
    /// The call failed.
    pub async fn accounts(&mut self, at: &mut Pages) -> PortResult<Option<Page<Account>>> {
        let Some(token) = at.turn() else { return Ok(None) };
        let page = self.ports.ledger().accounts(token.as_deref()).await?;
        Ok(Some(self.through(ScanStage::Accounts, at, page)))
    }

    /// Everybody's subscriptions, without those that are over and those on test clocks.
    ///
    /// # Errors
    /// The call failed.
    pub async fn subscriptions(
        &mut self,
        at: &mut Pages,
    ) -> PortResult<Option<Page<Subscription>>> {
        let page = self.subscriptions_again(at).await?;
        if let Some(page) = &page {
            (self.sink)(Progress::Through(ScanStage::Subscriptions, page.items.len()));
        }
        Ok(page)
    }

    /// The same where they are listed a second time: nobody is told twice.
    ///
    /// # Errors
    /// The call failed.
    pub async fn subscriptions_again(
        &mut self,
        at: &mut Pages,
    ) -> PortResult<Option<Page<Subscription>>> {
        let Some(token) = at.turn() else { return Ok(None) };
        self.pause().await;
        Ok(Some(at.past(self.ports.stripe().all_subscriptions(token.as_deref()).await?)))
    }

    /// Everybody's disputes that were opened since `from`.
    ///
    /// # Errors
    /// The call failed.
    pub async fn disputes(
        &mut self,
        from: Timestamp,
        at: &mut Pages,
    ) -> PortResult<Option<Page<Dispute>>> {
        let Some(token) = at.turn() else { return Ok(None) };
        self.pause().await;
        let page = self.ports.stripe().all_disputes(from, token.as_deref()).await?;
        Ok(Some(self.through(ScanStage::Disputes, at, page)))
    }

    /// The pool's users.
    ///
    /// # Errors
    /// The call failed.
    pub async fn users(&mut self, at: &mut Pages) -> PortResult<Option<Page<UserRecord>>> {
        let Some(token) = at.turn() else { return Ok(None) };
        self.pause().await;
        let page = self.ports.users().all_users(token.as_deref()).await?;
        Ok(Some(self.through(ScanStage::Users, at, page)))
    }

    /// The pause before a call to Stripe or Cognito that is made for one of many.
    pub async fn pause(&self) {
        self.ports.clock().sleep(GAP).await;
    }

    fn through<I>(&mut self, stage: ScanStage, at: &mut Pages, page: Page<I>) -> Page<I> {
        (self.sink)(Progress::Through(stage, page.items.len()));
        at.past(page)
    }
}
