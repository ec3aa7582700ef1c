//! What a rebuild came to.

use jiff::Timestamp;
use tollgate_core::account::{PlanId, Status};
use tollgate_core::ports::LeftOut;
use tollgate_events::{AccountId, CustomerId};

/// An account that was written back, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Which one.
    pub account: AccountId,
    /// The plan that its key is on.
    pub plan: Option<PlanId>,
    /// Where it stands.
    pub status: Status,
    /// Its key was disabled and nothing says why: it is held until an operator releases it.
    pub held: bool,
    /// Its plan, where nothing explains it: granted until an operator revokes that.
    pub granted: Option<PlanId>,
    /// Customers with our proof whom the ledger has linked to somebody else, or an operator has
    /// released.
    pub taken: Vec<CustomerId>,
    /// Customers with our proof who pay for more than the account has, by its key and by its user's
    /// word: released, for a person to link.
    pub disowned: Vec<CustomerId>,
}

/// What a rebuild came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Accounts that the ledger knows: they were left as they are.
    pub known: usize,
    /// Accounts written back, or that would be.
    pub rebuilt: usize,
    /// Accounts of which the ledger was older than the world: they were, or would be, written as they
    /// are.
    pub stale: usize,
    /// Those written that have their plan from a subscription.
    pub paying: usize,
    /// Those that are held, because their key was disabled.
    pub held: usize,
    /// Those that have a grant, because nothing explains their plan.
    pub granted: usize,
    /// Those that a rebuild had decided, and nobody else: they were, or would be, decided again.
    pub again: usize,
    /// Accounts on more than the default plan, written or known.
    pub on_more: usize,
    /// Customers linked.
    pub customers: usize,
    /// Live subscriptions whose owner by our proof has less, by their key and by their user's word,
    /// and owes it to no later purchase: an operator may have released their customer. They are
    /// released, and not linked.
    pub disowned: usize,
    /// Those with a customer whom the ledger has linked to somebody else, or an operator has
    /// released. Only writing tells.
    pub taken: usize,
    /// Accounts that somebody was at: run it again.
    pub busy: usize,
    /// Accounts that were not written back, because a row of theirs cannot be read: what it says
    /// is not known, and that is not nothing. Their events wait, and their keys stay as they are.
    pub left: usize,
    /// Rows of any of the four systems that cannot be read. Whose they are is left, as far as
    /// that can be read.
    pub unreadable: LeftOut,
    /// Replaced keys that still work, until the longest overlap of a rotation is over.
    pub retiring: usize,
    /// Since when the oldest of them does.
    pub retiring_since: Option<Timestamp>,
    /// Other keys of ours besides an account's newest.
    pub other_keys: usize,
    /// Owners of keys of ours whom the ledger does not know.
    pub owners: usize,
    /// Keys of ours whose owner is not in the pool.
    pub keys_without_user: usize,
    /// Customers who pay for a plan of the catalog, whom no account of the ledger has, and
    /// whose subscriptions do not name their account with our proof.
    pub unproven: usize,
    /// Live subscriptions that name their account with our proof.
    pub proven: usize,
    /// Live subscriptions that bear this stack's name, and a proof that the secrets did not make.
    pub broken: usize,
    /// Customers who pay for a plan of the catalog, and whose account is known.
    pub owned: usize,
    /// The parts in which the accounts were looked at.
    pub parts: usize,
    /// The most accounts and subscriptions held in memory at once.
    pub held_at_most: usize,
}
