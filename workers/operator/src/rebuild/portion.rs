//! What is held in memory at once while the ledger is rebuilt.

use std::collections::{HashMap, HashSet};

use tollgate_core::account::Account;
use tollgate_core::stripe::Subscription;
use tollgate_core::sweep::Part;
use tollgate_events::{AccountId, CustomerId};

/// A part of the accounts: those that the ledger knows, and the subscriptions of the others.
pub(super) struct Portion {
    part: Part,
    at_once: usize,
    /// Whether each is on more than the default plan.
    known: HashMap<AccountId, bool>,
    /// Accounts that the ledger has, and that are to be written.
    lost: HashMap<AccountId, Account>,
    /// Customers of the part, as an account is: those that any account is linked to.
    linked: HashSet<CustomerId>,
    /// Whose a customer is, where nothing was decided about the account: by its link, or by a
    /// subscription that names it.
    waiting: HashMap<CustomerId, AccountId>,
    subscriptions: HashMap<AccountId, Vec<Subscription>>,
    /// Customers who pay for a plan, and whose account is not known, and is.
    unproven: HashSet<CustomerId>,
    owned: HashSet<CustomerId>,
    /// Accounts of which not everything can be read.
    left: HashSet<AccountId>,
    given: usize,
    pub(super) held_at_most: usize,
}

impl Portion {
    pub(super) fn new(part: Part, at_once: usize) -> Self {
        Self {
            part,
            at_once: at_once.max(1),
            known: HashMap::new(),
            lost: HashMap::new(),
            linked: HashSet::new(),
            waiting: HashMap::new(),
            subscriptions: HashMap::new(),
            unproven: HashSet::new(),
            owned: HashSet::new(),
            left: HashSet::new(),
            given: 0,
            held_at_most: 0,
        }
    }

    /// Takes note of what belongs to the part: of an account that is to be written, or of one that
    /// is known, and on more than the default plan or not.
    pub(super) fn add(&mut self, account: Account, known: Option<bool>, later: &mut Vec<Part>) {
        let customers = &account.access.customers;
        let own = customers.iter().filter(|customer| self.part.holds(customer.as_str()));
        self.linked.extend(own.cloned());
        if self.part.holds(account.id.as_str()) {
            if let Some(on_more) = known {
                self.known.insert(account.id, on_more);
            } else {
                let pair = |customer: &CustomerId| (customer.clone(), account.id.clone());
                self.waiting.extend(customers.iter().map(pair));
                self.lost.insert(account.id.clone(), account);
            }
        }
        self.shrink(later);
    }

    /// The ledger has an account, and it cannot be read: it is left as it is.
    pub(super) fn add_unreadable(&mut self, account: AccountId, later: &mut Vec<Part>) {
        if self.part.holds(account.as_str()) {
            self.known.insert(account, false);
            self.shrink(later);
        }
    }

    /// Not everything of an account can be read: nothing is written of it.
    pub(super) fn leave(&mut self, account: AccountId) {
        if self.lacks(&account) {
            self.left.insert(account);
        }
    }

    /// Whether not everything of an account can be read.
    pub(super) fn leaves(&self, account: &AccountId) -> bool {
        self.left.contains(account)
    }

    /// How many accounts of the part the ledger knows.
    pub(super) fn known(&self) -> usize {
        self.known.len()
    }

    /// How many of them are on more than the default plan.
    pub(super) fn known_on_more(&self) -> usize {
        self.known.values().filter(|on_more| **on_more).count()
    }

    /// Whether a user of the part is not known.
    pub(super) fn lacks(&self, id: &AccountId) -> bool {
        self.part.holds(id.as_str()) && !self.known.contains_key(id)
    }

    /// The account that a customer is linked to or names, where nothing was decided about it.
    pub(super) fn linked_to(&self, customer: &CustomerId) -> Option<AccountId> {
        self.waiting.get(customer).cloned()
    }

    /// A subscription of the customer names its account.
    pub(super) fn names(&mut self, customer: CustomerId, owner: AccountId) {
        if self.lacks(&owner) {
            self.waiting.entry(customer).or_insert(owner);
        }
    }

    /// The linked customers of accounts of which no subscription is known.
    pub(super) fn unlisted(&self) -> Vec<(CustomerId, AccountId)> {
        let of = |(_, owner): &(&CustomerId, &AccountId)| {
            self.lacks(owner) && !self.subscriptions.contains_key(*owner)
        };
        let linked = self.waiting.iter().filter(of);
        let mut linked: Vec<_> = linked.map(|(it, owner)| (it.clone(), owner.clone())).collect();
        linked.sort();
        linked
    }

    /// Notes a customer who pays for a plan: whether their account is told, or the ledger knows it.
    pub(super) fn pays(&mut self, customer: &CustomerId, told: bool, later: &mut Vec<Part>) {
        if self.part.holds(customer.as_str()) {
            let owned = told || self.linked.contains(customer);
            let place = if owned { &mut self.owned } else { &mut self.unproven };
            place.insert(customer.clone());
            self.shrink(later);
        }
    }

    /// How many customers of the part nothing tells the account of.
    pub(super) fn unproven(&self) -> usize {
        self.unproven.len()
    }

    /// How many customers of the part pay for a plan, and something tells the account of.
    pub(super) fn owned(&self) -> usize {
        self.owned.len()
    }

    /// A subscription is its account's, if that is to be rebuilt.
    pub(super) fn give(
        &mut self,
        owner: AccountId,
        subscription: Subscription,
        later: &mut Vec<Part>,
    ) {
        if self.lacks(&owner) {
            self.subscriptions.entry(owner).or_default().push(subscription);
            self.given += 1;
            self.shrink(later);
        }
    }

    /// What the ledger has of an account, and its subscriptions.
    pub(super) fn take(&mut self, id: &AccountId) -> (Option<Account>, Vec<Subscription>) {
        (self.lost.remove(id), self.subscriptions.remove(id).unwrap_or_default())
    }

    /// Halves the part until it is small enough; the other halves are for later.
    fn shrink(&mut self, later: &mut Vec<Part>) {
        while self.held() > self.at_once {
            later.push(self.part.halve());
            let part = self.part;
            self.known.retain(|id, _| part.holds(id.as_str()));
            self.lost.retain(|id, _| part.holds(id.as_str()));
            self.linked.retain(|customer| part.holds(customer.as_str()));
            self.waiting.retain(|_, id| part.holds(id.as_str()));
            self.unproven.retain(|customer| part.holds(customer.as_str()));
            self.owned.retain(|customer| part.holds(customer.as_str()));
            self.left.retain(|id| part.holds(id.as_str()));
            self.subscriptions.retain(|id, _| part.holds(id.as_str()));
            self.given = self.subscriptions.values().map(Vec::len).sum();
        }
        self.held_at_most = self.held_at_most.max(self.held());
    }

    fn held(&self) -> usize {
        let customers = self.linked.len().max(self.unproven.len()).max(self.owned.len());
        self.known.len().max(self.lost.len()).max(customers).max(self.given)
    }
}
