//! The ledger itself, and what tests may look at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tollgate_core::account::{Account, KeyId};
use tollgate_core::ledger::{Entry, StackRecord, StoredEvent};
use tollgate_core::person::{PersonId, Remembered};
use tollgate_events::{AccountId, CustomerId};

use super::store::Store;
use crate::gate::Gate;

/// How many items a page of an index has, unless told otherwise.
pub const PAGE_SIZE: usize = 100;

/// How far an account is: who holds it until when, and what was committed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Whose.
    pub account: AccountId,
    /// Raised by each claim.
    pub epoch: u64,
    /// Until when the last claim holds it, unless it was given back.
    pub lease_until: Option<Timestamp>,
    /// The newest commit.
    pub commit: Option<String>,
}

/// The whole table as it was at a time.
#[derive(Clone)]
pub struct Backup(Store);

/// The ledger; clones share what is stored.
#[derive(Clone)]
pub struct MemoryLedger {
    pub(super) gate: Gate,
    pub(super) page_size: usize,
    store: Arc<Mutex<Store>>,
    lagging: Arc<Mutex<Option<Store>>>,
}

impl MemoryLedger {
    /// An empty ledger behind a gate.
    pub fn new(gate: Gate) -> Self {
        Self { gate, page_size: PAGE_SIZE, store: Arc::default(), lagging: Arc::default() }
    }

    /// The same ledger with another page size (at least 1), for tests of paging.
    #[must_use]
    pub fn with_page_size(self, page_size: usize) -> Self {
        Self { page_size: page_size.max(1), ..self }
    }

    /// Changes the deployment's own item, as somebody else would.
    pub fn change_stack(&self, change: impl FnOnce(&mut StackRecord)) {
        let mut store = self.lock();
        let mut stack = store.stack.clone();
        change(&mut stack);
        store.put_stack(&stack);
    }

    /// The deployment's own item, as it is stored.
    pub fn stored_stack(&self) -> StackRecord {
        self.lock().stack.clone()
    }

    /// The table is deleted, and made anew.
    pub fn lose_everything(&self) {
        *self.lock() = Store::default();
        self.release_indexes();
    }

    /// A backup of the table as it is.
    pub fn back_up(&self) -> Backup {
        Backup(self.lock().clone())
    }

    /// The table is deleted, and made from a backup: nothing tells it from one that was always there.
    pub fn restore(&self, backup: &Backup) {
        *self.lock() = backup.0.clone();
        self.release_indexes();
    }

    /// Of the accounts, with all that is theirs, only those are left that are kept.
    pub fn keep_accounts(&self, keep: impl FnMut() -> bool) {
        self.lock().keep_accounts(keep);
        self.release_indexes();
    }

    /// Of all items, only those are left that are kept.
    pub fn keep_items(&self, keep: impl FnMut() -> bool) {
        self.lock().keep_items(keep);
        self.release_indexes();
    }

    /// From now on the indexes answer as of now, until this is called again.
    pub fn hold_indexes(&self) {
        let now = self.lock().clone();
        *self.lagging.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// From now on the indexes answer as of when they are asked.
    pub fn release_indexes(&self) {
        *self.lagging.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Every account's mark, by id.
    pub fn marks(&self) -> Vec<Mark> {
        let mark = |account: &Account| Mark {
            account: account.id.clone(),
            epoch: account.epoch,
            lease_until: account.lease_until,
            commit: account.commit_id.clone(),
        };
        self.lock().accounts.values().map(mark).collect()
    }

    /// Every account, by id.
    pub fn accounts(&self) -> Vec<Account> {
        self.lock().accounts.values().cloned().collect()
    }

    /// An account as it is stored.
    pub fn stored(&self, account: &AccountId) -> Option<Account> {
        self.lock().accounts.get(account).cloned()
    }

    /// An account's history, oldest first.
    pub fn entries(&self, account: &AccountId) -> Vec<Entry> {
        self.lock().entries.get(account).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Every event record, by source and id.
    pub fn events(&self) -> Vec<StoredEvent> {
        self.lock().events.values().cloned().collect()
    }

    /// Whose each linked customer is.
    pub fn links(&self) -> BTreeMap<CustomerId, AccountId> {
        self.lock().links.clone()
    }

    /// Customers whom an operator has released, and whose each was.
    pub fn released(&self) -> BTreeMap<CustomerId, AccountId> {
        self.lock().released.clone()
    }

    /// What is remembered of persons.
    pub fn memories(&self) -> BTreeMap<PersonId, Remembered> {
        self.lock().memories.clone()
    }

    /// Whose each key is that any account ever had.
    pub fn key_links(&self) -> BTreeMap<KeyId, AccountId> {
        self.lock().keys.clone()
    }

    /// All that is stored, as JSON: to be searched for what must not be there.
    pub fn dump(&self) -> String {
        self.lock().dump()
    }

    /// Reads an index.
    pub(super) fn index<T>(&self, read: impl FnOnce(&Store) -> T) -> T {
        match &*self.lagging.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(store) => read(store),
            None => read(&self.lock()),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
