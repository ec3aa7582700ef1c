//! What concerns the whole deployment: what the limits have counted, and what an operator has
//! accepted or stopped.

use crate::timing::BLAST_WINDOW;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tollgate_events::{AccountId, SubscriptionId};

use crate::policy::{BLAST_AT_LEAST, BLAST_PERCENT};

/// What concerns the whole deployment: one item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackRecord {
    /// Raised by every write, and the condition of the next: 0 for none yet.
    #[serde(default)]
    pub revision: u64,
    /// The API keys of the account and Region, everybody's; `None` until a sweep has counted.
    #[serde(default)]
    pub keys: Option<KeyCount>,
    /// Accounts on a plan that is paid for, as the last sweep counted them.
    #[serde(default)]
    pub paying: u64,
    /// Accounts that pay for several subscriptions of ours, the first that the last sweep met.
    #[serde(default)]
    pub several: Vec<AccountId>,
    /// What has been taken from paying accounts, and nothing explained.
    #[serde(default)]
    pub blast: Blast,
    /// Subscriptions that were cancelled in Stripe.
    #[serde(default)]
    pub cancellations: Blast,
    /// An operator has stopped all losses: why.
    #[serde(default)]
    pub frozen: Option<String>,
    /// The Stripe account that it belongs to, `acct_…`; `None` until somebody could read it.
    #[serde(default)]
    pub stripe_account: Option<String>,
    /// The id of the user pool that it belongs to.
    #[serde(default)]
    pub pool: Option<String>,
}

/// How many API keys there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCount {
    /// Counted by the sweep, and raised by the workers since.
    pub count: u64,
    /// When the sweep counted.
    pub at: Timestamp,
}

/// A limit's account: how many times it was done in a day what is limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blast {
    /// When the day began.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// How many, since then.
    #[serde(default)]
    pub count: u64,
    /// The subscriptions that were counted last: whoever was interrupted is counted once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<SubscriptionId>,
    /// The limit was hit; only an operator ends that.
    #[serde(default)]
    pub stopped: bool,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// Until when an operator has accepted any number.
    #[serde(default)]
    pub accepted_until: Option<Timestamp>,
}

impl StackRecord {
    /// Counts one more account that is to lose what it pays for, or to be closed, and nothing
    /// explains it: what to write, and whether it may. Once it may not, nobody may until an
    /// operator accepts.
    pub fn lose(&self, now: Timestamp, closes: bool) -> (Self, bool) {
        let (blast, allowed) = self.blast.count(now, self.blast_limit(closes));
        (Self { blast, ..self.clone() }, allowed)
    }

    /// Counts one more subscription that is to be cancelled, in the same way.
    pub fn cancel(&self, now: Timestamp, subscription: &SubscriptionId) -> (Self, bool) {
        if self.cancellations.recent.contains(subscription) {
            return (self.clone(), true);
        }
        let (mut cancellations, allowed) = self.cancellations.count(now, blast_limit(self.paying));
        if allowed {
            cancellations.recent.insert(0, subscription.clone());
            cancellations.recent.truncate(MOST_RECENT);
        }
        (Self { cancellations, ..self.clone() }, allowed)
    }

    /// How many accounts may lose in a day what they pay for, or be closed.
    pub fn blast_limit(&self, closes: bool) -> u64 {
        let keys = self.keys.map_or(0, |keys| keys.count);
        let of = if closes { keys.max(self.paying) } else { self.paying };
        blast_limit(of)
    }

    /// An operator has looked and accepts what is to come until then.
    #[must_use]
    pub fn accept(&self, until: Timestamp) -> Self {
        let accepted = Blast { accepted_until: Some(until), ..Blast::default() };
        Self { blast: accepted.clone(), cancellations: accepted, ..self.clone() }
    }
}

impl Blast {
    /// Counts one more: what to write, and whether it may be done.
    fn count(&self, now: Timestamp, limit: u64) -> (Self, bool) {
        let mut next = self.clone();
        if self.accepted_until.is_some_and(|until| now < until) {
            return (next, true);
        }
        let day_is_over = |since: Timestamp| now.duration_since(since) >= BLAST_WINDOW;
        if !self.stopped && self.since.is_none_or(day_is_over) {
            next = Self { since: Some(now), ..Self::default() };
        }
        let allowed = !next.stopped && next.count < limit;
        next.count += u64::from(allowed);
        if !allowed && !next.stopped {
            next.stopped_at = Some(now);
        }
        next.stopped = !allowed;
        (next, allowed)
    }
}

/// How many of so many may be taken away before a person must have looked.
pub fn blast_limit(of: u64) -> u64 {
    BLAST_AT_LEAST.max(of.saturating_mul(BLAST_PERCENT) / 100)
}

/// How many of those counted last are remembered: more than are ever cancelled at once.
const MOST_RECENT: usize = 20;
