//! What operators have done and have tried to do, for whoever judges it.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::World;
use jiff::Timestamp;
use tollgate_core::account::{PlanId, Status};
use tollgate_core::ledger::Entry;
use tollgate_core::ports::Ports as _;
use tollgate_events::{AccountId, CustomerId, DisputeId};
use tollgate_operator::{Act, ActError, ActReceipt, Operate, OperatorAct};

/// What operators have done to an account, as far as it got through.
#[derive(Debug, Default)]
pub struct Operated {
    /// By the version that the account had after each.
    pub acts: Vec<(u64, Act)>,
    /// Whether a rotation of its key was ever tried.
    pub rotated: bool,
    /// Whether to close it was: whoever was killed afterwards does not know that it came through.
    pub may_be_closed: bool,
}

/// What an account's acts come to.
#[derive(Debug, Default)]
pub struct Standing {
    /// The account is held.
    pub held: bool,
    /// The account is closed.
    pub closed: bool,
    /// Plans that are granted, and until when.
    pub grants: BTreeMap<PlanId, Vec<Option<Timestamp>>>,
    /// Disputes that hold no more.
    pub lifted: BTreeSet<DisputeId>,
}

impl Operated {
    /// Whether it was ever closed.
    pub fn closed(&self) -> bool {
        self.acts.iter().any(|(_, act)| *act == Act::Close)
    }

    /// Whether it was ever released.
    pub fn releases(&self) -> bool {
        self.acts.iter().any(|(_, act)| *act == Act::Release)
    }

    /// Whether the last thing that came about, as the account's version says, is that its key is to be
    /// rotated.
    pub fn rotates_at(&self, version: u64) -> bool {
        let rotates = |act: &Act| matches!(act, Act::RotateKey { .. });
        self.acts.iter().any(|(at, act)| *at == version && rotates(act))
    }

    /// The plans that were ever granted.
    pub fn granted(&self) -> impl Iterator<Item = &str> {
        self.acts.iter().filter_map(|(_, act)| match act {
            Act::Grant { plan, .. } => Some(plan.as_str()),
            _ => None,
        })
    }

    /// What all acts come to, in the order in which they were committed.
    pub fn standing(&self) -> Standing {
        self.standing_since(0)
    }

    /// What the acts come to that an account's version `since` knows nothing of.
    pub fn standing_since(&self, since: u64) -> Standing {
        let mut acts: Vec<_> = self.acts.iter().filter(|(version, _)| *version >= since).collect();
        acts.sort_by_key(|(version, _)| *version);
        let mut standing = Standing::default();
        acts.into_iter().for_each(|(_, act)| standing.note(act));
        standing
    }
}

impl Standing {
    fn note(&mut self, act: &Act) {
        match act {
            Act::Hold => self.held = true,
            Act::Release => (self.held, self.closed) = (false, false),
            Act::Close => {
                (self.held, self.closed) = (false, true);
                self.grants.clear();
            }
            Act::Grant { plan, until } => {
                self.grants.entry(plan.clone()).or_default().push(*until);
            }
            Act::RevokeGrant { plan } => drop(self.grants.remove(plan)),
            Act::LiftDispute { dispute } => {
                self.lifted.insert(dispute.clone());
            }
            // Who is linked to whom is the ledger's to say; what must not be is seen elsewhere.
            Act::Forget | Act::RotateKey { .. } | Act::Link { .. } | Act::Unlink { .. } => {}
        }
    }
}

/// What operators have tried to do with customers.
#[derive(Debug, Default)]
pub struct Moves {
    /// Links to accounts.
    pub linked: BTreeSet<(CustomerId, AccountId)>,
    /// Releases.
    pub unlinked: BTreeSet<CustomerId>,
    /// Disputes that were lifted where their customer had been before: what holds since is the
    /// ledger's to say.
    pub lifted_elsewhere: BTreeSet<DisputeId>,
}

impl Moves {
    /// Whether an operator has ever tried to link or release a customer.
    pub fn touched(&self, customer: &str) -> bool {
        self.unlinked.iter().any(|id| id.as_str() == customer)
            || self.linked.iter().any(|(id, _)| id.as_str() == customer)
    }

    /// Whether an operator has ever tried to link a customer to an account.
    pub fn links(&self, customer: &str, account: &AccountId) -> bool {
        self.linked.iter().any(|(id, to)| id.as_str() == customer && to == account)
    }
}

/// An operator's process: it needs the ledger and the queue.
pub(crate) async fn act(
    world: &World,
    account: &AccountId,
    act: &OperatorAct,
) -> Result<ActReceipt, ActError> {
    let (queue, ledger) = (world.queue(), &world.ledger);
    let operate = Operate { ledger, queue: &queue, clock: &world.clock, entropy: world.entropy() };
    operate.act(account, act).await
}

/// Whether an account that was closed for its user's absence is opened again.
pub(crate) fn reopens(entry: &Entry) -> bool {
    entry.before.status == Status::Closed
        && entry.before.closed.is_none()
        && entry.after.status != Status::Closed
}
