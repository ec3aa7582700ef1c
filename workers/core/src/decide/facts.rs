//! All that a decision rests on.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_events::SubscriptionId;

use crate::account::{Access, User};
use crate::stripe::{Dispute, InvoiceId, Price, Subscription};

/// What is known of the Cognito user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserFact {
    /// Not read this time: as last seen.
    AsLastSeen,
    /// Read, and there.
    Found {
        /// The user name.
        username: String,
        /// Whether they may sign in.
        enabled: bool,
    },
    /// Read, and not there.
    NotFound {
        /// Whether an event says that they were deleted.
        delete_seen: bool,
    },
}

/// All that a decision rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The access that the ledger has.
    pub access: Access,
    /// The Cognito user as last seen.
    pub last_seen: User,
    /// The subscriptions of all linked customers, as they are now; not those that another
    /// deployment made.
    pub subscriptions: Vec<Subscription>,
    /// Those of them that this deployment's own checkouts made.
    pub proven: BTreeSet<SubscriptionId>,
    /// What was last paid for of those that are past due, where the ledger does not know it yet.
    pub paid_for: BTreeMap<SubscriptionId, Vec<Price>>,
    /// Of the subscriptions that were asked about: the newest paid invoice, where all that was
    /// charged for it was refunded.
    pub refunds: BTreeMap<SubscriptionId, Option<InvoiceId>>,
    /// The disputes that the ledger or an event names, as they are now.
    pub disputes: Vec<Dispute>,
    /// The Cognito user.
    pub user: UserFact,
    /// Whether a key may be made for nothing, or those that are left are kept for those who pay.
    pub room_for_free_key: bool,
}

impl Facts {
    /// Whether somebody wants the account to be closed: it was told that the user was deleted, or an
    /// operator has closed it. A user who is only missing may be in another pool.
    pub(super) fn want_closing(&self) -> bool {
        self.user == UserFact::NotFound { delete_seen: true } || self.access.closed.is_some()
    }
}
