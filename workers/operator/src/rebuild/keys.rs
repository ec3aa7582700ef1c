//! The keys that are there.

use std::collections::HashMap;

use jiff::Timestamp;
use tollgate_core::account::{KeyId, UsagePlanId};
use tollgate_events::AccountId;

/// A key of ours, as the listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundKey {
    pub(super) id: KeyId,
    pub(super) generation: u32,
    pub(super) enabled: bool,
    pub(super) created_at: Option<Timestamp>,
    pub(super) plans: Vec<UsagePlanId>,
}

/// The keys of one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundKeys {
    pub(super) newest: FoundKey,
    pub(super) older: Vec<FoundKey>,
}

impl FoundKeys {
    pub(super) fn add(&mut self, mut key: FoundKey) {
        if (key.generation, &key.id) > (self.newest.generation, &self.newest.id) {
            std::mem::swap(&mut self.newest, &mut key);
        }
        self.older.push(key);
    }
}

/// The keys of each owner.
pub(super) type Keys = HashMap<AccountId, FoundKeys>;
