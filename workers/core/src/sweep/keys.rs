//! API Gateway's keys, all of them: read once, matched to accounts by their ids.
//!
//! AWS allows 10,000 keys in an account and Region, and does not raise that: this is as
//! much as is ever held. <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>

use std::collections::{BTreeSet, HashMap};

use crate::timing::NEW_KEY_MAY_HIDE;
use jiff::Timestamp;
use tollgate_events::AccountId;

use super::{Drift, Orphan};
use crate::account::{Account, KeyId, KeyRecord, Known, RetiringKey, Slot, UsagePlanId};
use crate::key_name::{KeyName, key_name, key_owner, key_prefix, read_key_name};
use crate::ports::ApiKey;

/// How many orphans are listed in a report, and looked up again before they are called so.
pub const ORPHANS_LISTED: usize = 100;

/// A key as the listings show it.
#[derive(Debug)]
struct Key {
    /// Its name, when it is ours: others' are nobody's business.
    name: Option<String>,
    enabled: bool,
    /// One, mostly: a set would take three times as much for each of ten thousand keys.
    plans: Vec<UsagePlanId>,
    created_at: Option<Timestamp>,
}

/// Who knows whoever a key of ours is named after.
#[derive(Debug, Clone, Default)]
struct KeyOwner {
    /// Their newest key, with its generation.
    there: Option<(u32, KeyId)>,
    in_ledger: bool,
    /// The generation of the key that the ledger names as theirs.
    newest: Option<u32>,
    /// The newest generation of which the ledger knows.
    known: u32,
    in_pool: bool,
    /// The ledger has an account of theirs that cannot be read: which keys it names is not known.
    unreadable: bool,
}

impl KeyOwner {
    /// What a key of theirs is that no account has taken; `None` where something else tells of it,
    /// or nothing can be said.
    fn drift(&self, name: Option<&KeyName>, in_use: bool) -> Option<Drift> {
        let generation = name.and_then(|name| name.slot.and(name.generation));
        let is_newer = in_use && generation > Some(self.known);
        match self {
            Self { unreadable: true, .. } => None,
            Self { in_pool: true, in_ledger: false, .. } => Some(Drift::UnknownOwner),
            // Its account is told as one of which the ledger is stale.
            Self { in_pool: true, in_ledger: true, .. } if is_newer => None,
            _ if name.is_some_and(|name| name.is_replaced_by(self.newest)) => Some(Drift::Replaced),
            _ => Some(Drift::Orphan),
        }
    }
}

/// An account's key, as the listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeySeen {
    /// It is not there, or the account has none.
    Gone,
    /// It was made when the listing had begun, or just before: the next sweep sees it.
    TooNew,
    /// It is there.
    There {
        /// Whether it is accepted.
        enabled: bool,
        /// The catalog's usage plans that it is on.
        plans: Vec<UsagePlanId>,
    },
}

/// All keys that no account has taken yet.
#[derive(Debug)]
pub(super) struct Keys {
    listed_at: Timestamp,
    stack: String,
    prefix: String,
    keys: HashMap<KeyId, Key>,
    owners: HashMap<AccountId, KeyOwner>,
}

impl Keys {
    /// No keys yet; `listed_at` is before the first page was read.
    pub(super) fn new(stack: &str, listed_at: Timestamp) -> Self {
        Self {
            listed_at,
            stack: stack.to_owned(),
            prefix: key_prefix(stack),
            keys: HashMap::new(),
            owners: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, key: ApiKey) {
        let ApiKey { id, name, enabled, created_at, .. } = key;
        let name = Some(name).filter(|name| name.starts_with(&self.prefix));
        if let Some(read) = name.as_ref().and_then(|name| read_key_name(&self.stack, name)) {
            let owner = self.owners.entry(read.account).or_default();
            let this = read.slot.and(read.generation).map(|generation| (generation, id.clone()));
            owner.there = owner.there.take().max(this);
        }
        self.keys.insert(id, Key { name, enabled, plans: Vec::new(), created_at });
    }

    /// Notes that a key is on a plan. One that was made since the keys were listed is not
    /// known, and nothing is said of it.
    pub(super) fn put_on(&mut self, plan: &UsagePlanId, key: &KeyId) {
        if let Some(key) = self.keys.get_mut(key) {
            key.plans.push(plan.clone());
        }
    }

    /// Notes that the ledger knows an account.
    pub(super) fn saw_account(&mut self, account: &Account) {
        if let Some(owner) = self.owners.get_mut(&account.id) {
            owner.in_ledger |= account.known() == Known::Decided;
            owner.newest = account.key().map(|key| key.generation);
            owner.known = account.newest_generation();
        }
    }

    /// Notes that the ledger has an account that cannot be read.
    pub(super) fn saw_unreadable(&mut self, account: &AccountId) {
        if let Some(owner) = self.owners.get_mut(account) {
            owner.unreadable = true;
        }
    }

    /// Notes that the pool has a user.
    pub(super) fn saw_user(&mut self, id: &AccountId) {
        if let Some(owner) = self.owners.get_mut(id) {
            owner.in_pool = true;
        }
    }

    /// How many there are, and how many of them are ours.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.keys.len(), self.keys.values().filter(|key| key.name.is_some()).count())
    }

    /// Takes the key that an account names.
    pub(super) fn take(&mut self, record: Option<&KeyRecord>) -> KeySeen {
        let Some(record) = record else { return KeySeen::Gone };
        match self.keys.remove(&record.id) {
            Some(Key { enabled, plans, .. }) => KeySeen::There { enabled, plans },
            None if self.listed_at.duration_since(record.minted_at) < NEW_KEY_MAY_HIDE => {
                KeySeen::TooNew
            }
            None => KeySeen::Gone,
        }
    }

    /// Takes the keys that an account has replaced, notes which plan each is on, and tells which are
    /// accepted. Of one that is not shown nothing is said: it is new, or somebody has deleted what was
    /// to be deleted.
    pub(super) fn take_retiring(&mut self, retiring: &mut [RetiringKey]) -> BTreeSet<KeyId> {
        let mut accepted = BTreeSet::new();
        for old in retiring {
            if let Some(key) = self.keys.remove(&old.id) {
                old.usage_plan = key.plans.first().cloned();
                accepted.extend(key.enabled.then(|| old.id.clone()));
            }
        }
        accepted
    }

    /// The newest key of an account, where the ledger does not know of it and it may be in use: it is
    /// on a usage plan.
    pub(super) fn newer_of(&self, account: &AccountId) -> Option<KeyId> {
        let owner = self.owners.get(account)?;
        let (generation, id) = owner.there.as_ref()?;
        let in_use = self.keys.get(id).is_some_and(|key| !key.plans.is_empty());
        (in_use && *generation > owner.known).then(|| id.clone())
    }

    /// Of how many owners of keys of ours the ledger or the pool knows something.
    pub(super) fn known_owners(&self) -> usize {
        let known = |owner: &&KeyOwner| owner.in_ledger || owner.in_pool || owner.unreadable;
        self.owners.values().filter(known).count()
    }

    /// What is left of ours when every account has taken its own, by id: replaced where its account
    /// names a newer one, and else an orphan, unless the pool has its owner and the ledger knows
    /// nothing of them.
    pub(super) fn nobodys(self) -> Vec<(Drift, Orphan)> {
        let Self { keys, owners, stack, .. } = self;
        let nobody = KeyOwner::default();
        let of = |name: &str| key_owner(&stack, name).and_then(|owner| owners.get(&owner));
        let ours = keys.into_iter().filter_map(|(id, key)| {
            let Key { name, plans, created_at, .. } = key;
            let name = name?;
            let owner = of(&name).unwrap_or(&nobody);
            let drift = owner.drift(read_key_name(&stack, &name).as_ref(), !plans.is_empty())?;
            Some((drift, Orphan { id, name, created_at }))
        });
        let mut left: Vec<_> = ours.collect();
        left.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
        left
    }
}

/// Whether an account names a key: by its id, by an intent that has just made it, or as one
/// that it has replaced.
pub fn names(stack: &str, account: &Account, key: &Orphan) -> bool {
    let by_intent = account.intent.as_ref().is_some_and(|intent| {
        key.name == key_name(stack, &account.id, intent.slot, intent.generation)
    });
    let by_id = account.access.keys.get(&Slot::Primary).is_some_and(|own| own.id == key.id);
    let retiring = account.access.retiring.iter().any(|own| own.id == key.id);
    by_intent || by_id || retiring
}
