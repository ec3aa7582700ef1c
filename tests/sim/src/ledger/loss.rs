//! What is left when a part of the table is lost.

use std::collections::BTreeSet;

use tollgate_core::ledger::StackRecord;

use super::store::Store;

impl Store {
    /// Of the accounts, with all that is theirs, only those are left that are kept. What is nobody's
    /// stays: records of events, what is remembered of persons, the deployment's own item.
    pub(super) fn keep_accounts(&mut self, mut keep: impl FnMut() -> bool) {
        let lost: BTreeSet<_> = self.accounts.keys().filter(|_| !keep()).cloned().collect();
        self.accounts.retain(|id, _| !lost.contains(id));
        self.entries.retain(|id, _| !lost.contains(id));
        self.links.retain(|_, id| !lost.contains(id));
        self.released.retain(|_, id| !lost.contains(id));
        self.keys.retain(|_, id| !lost.contains(id));
        self.purchases.retain(|id, _| !lost.contains(id));
        self.usage.retain(|id, _| !lost.contains(id));
    }

    /// Of all items, only those are left that are kept: an account may be gone and its history there.
    pub(super) fn keep_items(&mut self, mut keep: impl FnMut() -> bool) {
        self.accounts.retain(|_, _| keep());
        self.entries.values_mut().for_each(|entries| entries.retain(|_, _| keep()));
        self.links.retain(|_, _| keep());
        self.released.retain(|_, _| keep());
        self.keys.retain(|_, _| keep());
        self.memories.retain(|_, _| keep());
        self.purchases.retain(|_, _| keep());
        self.usage.retain(|_, _| keep());
        self.events.retain(|_, _| keep());
        let events = &self.events;
        self.unsettled.values_mut().for_each(|on| on.retain(|event| events.contains_key(event)));
        self.unsettled.retain(|_, on| !on.is_empty());
        if !keep() {
            self.stack = StackRecord::default();
        }
    }
}
