//! What is known of a loss of the ledger, and of what there was before: for whoever recovers it, and
//! for whoever judges that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tollgate_core::account::{Access, Account};
use tollgate_core::halt::Halt;
use tollgate_core::key_name::key_owner;
use tollgate_core::sweep::{Finding, FindingAbout};
use tollgate_events::{AccountId, CustomerId};
use tollgate_operator::{Act, REBUILT_GRANT};
use tollgate_standin::api_gateway::Key;

/// The invariant that is judged here.
pub(crate) const RECOVERY: u8 = 13;

/// What an act's version is raised by when the ledger has been lost since: its accounts may begin
/// anew.
pub(crate) const SINCE_THE_LOSS: u64 = 1_000_000;

/// What is known of a loss, and of what there was before.
pub(crate) struct Recovery {
    /// When the table was lost.
    pub(crate) lost_at: Timestamp,
    /// Since when the ledger knows nothing of what happened.
    pub(crate) since: Timestamp,
    /// Every account as it was when it was lost.
    pub(crate) before: BTreeMap<AccountId, Account>,
    /// Every key of ours that there was then or since, by its id.
    pub(crate) keys: BTreeMap<String, Made>,
    /// Whom an operator had held or closed, and who was not served: until an operator tries to
    /// release them.
    pub(crate) shut: BTreeSet<AccountId>,
    /// Whom the ledger holds as of then, and nothing in the world says that somebody has released them
    /// since: that stood in the ledger alone.
    pub(crate) held_again: BTreeSet<AccountId>,
    /// On which plan each account's keys opened the API.
    pub(crate) had: BTreeMap<AccountId, usize>,
    /// What each account's user was told.
    pub(crate) told: BTreeMap<AccountId, String>,
    /// Whose key an operator has tried to rotate since.
    pub(crate) rotated: BTreeSet<AccountId>,
    /// What the last comparison told.
    pub(crate) listed: Listed,
}

impl Recovery {
    /// Whoever tries this may get through.
    pub(crate) fn tries(&mut self, account: &AccountId, act: &Act) {
        match act {
            Act::Release => drop(self.shut.remove(account)),
            Act::RotateKey { .. } => drop(self.rotated.insert(account.clone())),
            _ => {}
        }
    }

    /// Whether the ledger named a key, or does not have to: it was made since.
    pub(crate) fn is_known(&self, id: &str, made: &Made) -> bool {
        let named = self.before.get(&made.owner).is_some_and(|account| {
            let mut keys = account.access.keys.values().map(|key| &key.id);
            keys.any(|key| key.as_str() == id)
        });
        named || made.at > self.lost_at
    }
}

/// What a comparison has told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed {
    /// Accounts of which anything was found: themselves, their keys.
    pub(crate) accounts: BTreeSet<AccountId>,
    /// Customers of whom anything was found.
    pub(crate) customers: BTreeSet<CustomerId>,
    /// What holds losses back.
    pub(crate) halts: Vec<Halt>,
}

impl Listed {
    pub(crate) fn add(&mut self, stack: &str, finding: &Finding) {
        match &finding.about {
            FindingAbout::Account(account) => drop(self.accounts.insert(account.clone())),
            FindingAbout::Customer(customer) => drop(self.customers.insert(customer.clone())),
            FindingAbout::Key(key) => self.accounts.extend(key_owner(stack, &key.name)),
        }
    }
}

/// What a step of the runbook has told.
pub(crate) struct StepReport {
    pub(crate) line: String,
    pub(crate) listed: Option<Listed>,
}

/// A key of ours, as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// Whose.
    pub(crate) owner: AccountId,
    /// Which of theirs.
    pub(crate) generation: u32,
    /// When.
    pub(crate) at: Timestamp,
}

impl Made {
    pub(crate) fn of(key: &Key) -> Option<Self> {
        let mut name = key.name.as_deref()?.strip_prefix("tollgate/sim/")?.split('/');
        let owner = AccountId::parse(name.next()?).ok()?;
        let generation = name.nth(1)?.parse().ok()?;
        Some(Self { owner, generation, at: key.created })
    }

    /// Whether it came after another of the same owner.
    pub(crate) fn is_after(&self, other: &Self) -> bool {
        (self.generation, self.at) > (other.generation, other.at)
    }
}

/// Whether a key opens the API.
pub(crate) fn opens(key: &Key) -> bool {
    key.enabled && !key.plans.is_empty()
}

/// Whether a rebuild has told of a grant.
pub(crate) fn is_guessed(access: &Access) -> bool {
    access.grants.iter().any(|grant| grant.why == REBUILT_GRANT)
}
