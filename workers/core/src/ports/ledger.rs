//! The ledger.

use std::future::Future;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tollgate_events::{AccountId, CustomerId, EventRef};

use super::failure::PortResult;
use super::page::Page;
use crate::account::{Account, KeyId, UsagePlanId};
use crate::ledger::{
    Claim, Commit, CommitResult, CustomerLink, Entry, EventRecord, StackRecord, StoredEvent,
};
use crate::person::{PersonId, Remembered};
use crate::purchase::Purchase;

/// What an account's owner asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    /// Their account.
    Overview,
    /// What became of a purchase.
    Purchase,
    /// What happened to their account.
    History,
    /// Their keys, without a value.
    Keys,
    /// Their key's value.
    Key,
    /// The billing portal.
    Portal,
    /// A look at their account.
    Refresh,
}

impl Request {
    /// Its name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Purchase => "purchase",
            Self::History => "history",
            Self::Keys => "keys",
            Self::Key => "key",
            Self::Portal => "portal",
            Self::Refresh => "refresh",
        }
    }
}

/// What is counted, anew in each window of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// An owner's requests.
    Requests {
        /// Whose.
        account: AccountId,
        /// For what.
        request: Request,
    },
    /// The account API's calls of API Gateway's control plane, for everybody.
    ControlPlane,
}

/// How much of a key's quota was left when it was asked for last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageSeen {
    /// Raised by every write, and the condition of the next: 0 for none yet.
    pub revision: u64,
    /// On which plan.
    pub usage_plan: UsagePlanId,
    /// Which key.
    pub key: KeyId,
    /// How many requests were left, and when.
    #[serde(default)]
    pub left: Option<(u64, Timestamp)>,
    /// When somebody set out to ask.
    pub asked_at: Timestamp,
}

impl UsageSeen {
    /// Whether it is of this key on this plan.
    pub fn is_of(&self, usage_plan: &UsagePlanId, key: &KeyId) -> bool {
        (&self.usage_plan, &self.key) == (usage_plan, key)
    }
}

/// The ledger. Reads are strongly consistent, except where an index is named.
pub trait Ledger: Send + Sync {
    /// Claims an account: raises the epoch, takes the lease, and returns the account as it was (with
    /// our epoch and lease).
    /// Makes the account when there is none. Refused while another's lease lives.
    /// Until a commit says otherwise, the account is due
    /// [`UNFINISHED_REVIEW_AFTER`](crate::timing::UNFINISHED_REVIEW_AFTER) the lease: whatever
    /// becomes of this invocation, somebody looks again.
    fn claim(
        &self,
        account: &AccountId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> impl Future<Output = PortResult<Claim>> + Send;

    /// Writes all of a [`Commit`] or nothing, if the epoch is still the claim's.
    fn commit(&self, commit: &Commit) -> impl Future<Output = PortResult<CommitResult>> + Send;

    /// Upserts event records that change no account.
    fn record(&self, records: &[EventRecord]) -> impl Future<Output = PortResult<()>> + Send;

    /// Upserts a record, unless the event was handled after `since` and waits for nobody; tells
    /// whether it did. It needs no right to read.
    fn record_unless_settled(
        &self,
        record: &EventRecord,
        since: Timestamp,
    ) -> impl Future<Output = PortResult<bool>> + Send;

    /// Whose a customer is, was, or is not.
    fn link_of(
        &self,
        customer: &CustomerId,
    ) -> impl Future<Output = PortResult<CustomerLink>> + Send;

    /// Whose a customer is.
    fn account_of(
        &self,
        customer: &CustomerId,
    ) -> impl Future<Output = PortResult<Option<AccountId>>> + Send {
        async { Ok(self.link_of(customer).await?.account()) }
    }

    /// Whose an API key is, or was when it was there: the ledger has every key's id that it ever
    /// committed.
    fn account_of_key(
        &self,
        key: &KeyId,
    ) -> impl Future<Output = PortResult<Option<AccountId>>> + Send;

    /// What is remembered of a person, as last written: its time may be over.
    fn remembered(
        &self,
        person: &PersonId,
    ) -> impl Future<Output = PortResult<Option<Remembered>>> + Send;

    /// An account, without claiming it.
    fn account(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = PortResult<Option<Account>>> + Send;

    /// An account's history, newest first, at most `limit` entries: from the newest on, or from
    /// below the version `before`.
    fn history(
        &self,
        account: &AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> impl Future<Output = PortResult<Vec<Entry>>> + Send;

    /// An event's record.
    fn event(
        &self,
        event: &EventRef,
    ) -> impl Future<Output = PortResult<Option<StoredEvent>>> + Send;

    /// The waiting and parked events of a customer (index; may lag).
    fn unsettled_on(
        &self,
        customer: &CustomerId,
    ) -> impl Future<Output = PortResult<Vec<StoredEvent>>> + Send;

    /// All waiting and parked events, one page (index; may lag).
    fn unsettled(
        &self,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<StoredEvent>>> + Send;

    /// Events first recorded from `from` up to and with `to`, in that order, one page
    /// (index; may lag).
    fn events(
        &self,
        from: Timestamp,
        to: Timestamp,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<StoredEvent>>> + Send;

    /// Accounts whose `review_at` has come, each with that time, one page (index; may lag).
    fn due(
        &self,
        now: Timestamp,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<(AccountId, Timestamp)>>> + Send;

    /// What concerns the whole deployment; the default when nothing was written yet.
    fn stack(&self) -> impl Future<Output = PortResult<StackRecord>> + Send;

    /// Writes it with the next revision, if its `revision` is still the stored one; `false`
    /// when somebody else was faster.
    fn put_stack(&self, stack: &StackRecord) -> impl Future<Output = PortResult<bool>> + Send;

    /// What an account's owner is buying.
    fn purchase(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = PortResult<Option<Purchase>>> + Send;

    /// Writes it with the next revision, if its `revision` is still the stored one; `false`
    /// when somebody else was faster. It is forgotten [`PURCHASE_KEPT_FOR`](crate::timing::PURCHASE_KEPT_FOR) after
    /// the last click.
    fn put_purchase(
        &self,
        account: &AccountId,
        purchase: &Purchase,
    ) -> impl Future<Output = PortResult<bool>> + Send;

    /// Adds one to a counter that is zero when a window begins, if it stands below `most` in it;
    /// `false` when it does not.
    fn count(
        &self,
        counter: &Counter,
        window: Timestamp,
        most: u32,
    ) -> impl Future<Output = PortResult<bool>> + Send;

    /// How much of an account's quota was left when it was asked for last.
    fn usage_seen(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = PortResult<Option<UsageSeen>>> + Send;

    /// Writes it with the next revision, if its `revision` is still the stored one; `false`
    /// when somebody else was faster.
    fn put_usage_seen(
        &self,
        account: &AccountId,
        usage: &UsageSeen,
    ) -> impl Future<Output = PortResult<bool>> + Send;

    /// All accounts, closed ones too, one page. Which there are comes from an index and
    /// may lag; what each is like is as last written.
    fn accounts(
        &self,
        page: Option<&str>,
    ) -> impl Future<Output = PortResult<Page<Account>>> + Send;
}
