//! The accounts that are held in memory at once, and what is needed to match them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use tollgate_events::{AccountId, CustomerId};

use super::compare::SeenAccount;
use super::keys::{KeySeen, Keys};
use super::part::Part;
use crate::account::Account;

/// The accounts of a part.
pub(super) struct Window {
    pub(super) part: Part,
    /// In their order, so that one comparison is as the other. An account that has been compared leaves
    /// its place.
    pub(super) accounts: BTreeMap<AccountId, Option<Box<SeenAccount>>>,
    /// Customers of the part, as an account is: those that any account is linked to.
    pub(super) linked: HashSet<CustomerId>,
    /// Accounts that the ledger has, and that cannot be read.
    pub(super) unreadable: HashSet<AccountId>,
}

impl Window {
    pub(super) fn new(part: Part) -> Self {
        let (linked, unreadable) = (HashSet::new(), HashSet::new());
        Self { part, accounts: BTreeMap::new(), linked, unreadable }
    }

    /// Takes what belongs to the part.
    pub(super) fn add(&mut self, account: Account, read_at: Timestamp) {
        let customers = account.access.customers.iter();
        let linked = customers.filter(|customer| self.part.holds(customer.as_str()));
        self.linked.extend(linked.cloned());
        if self.part.holds(account.id.as_str()) {
            let seen = SeenAccount {
                account,
                read_at,
                subscriptions: Vec::new(),
                disputes: Vec::new(),
                has_unreadable: false,
                key: KeySeen::Gone,
                accepted: BTreeSet::new(),
                newer: None,
            };
            self.accounts.insert(seen.account.id.clone(), Some(Box::new(seen)));
        }
    }

    /// Halves the part until it is small enough; the other halves are for later.
    pub(super) fn shrink(&mut self, at_once: usize, later: &mut Vec<Part>) {
        while self.accounts.len().max(self.linked.len()) > at_once.max(1) {
            later.push(self.part.halve());
            let part = self.part;
            self.accounts.retain(|id, _| part.holds(id.as_str()));
            self.linked.retain(|customer| part.holds(customer.as_str()));
        }
    }

    /// Every account takes the key that it names.
    pub(super) fn take_keys(&mut self, keys: &mut Keys) {
        for seen in self.accounts.values_mut().flatten() {
            seen.key = keys.take(seen.account.key());
            seen.accepted = keys.take_retiring(&mut seen.account.access.retiring);
            seen.newer = keys.newer_of(&seen.account.id);
        }
    }

    /// Whose each linked customer is, as far as the accounts are held.
    pub(super) fn by_customer(&self) -> HashMap<CustomerId, AccountId> {
        let accounts = self.accounts.values().flatten().map(|seen| &seen.account);
        let pairs = accounts.flat_map(|account| {
            account.access.customers.iter().map(|customer| (customer.clone(), account.id.clone()))
        });
        pairs.collect()
    }
}
