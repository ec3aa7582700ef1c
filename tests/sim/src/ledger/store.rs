//! The table's items and the conditions on writing them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use tollgate_core::account::{Account, KeyId, Status};
use tollgate_core::ledger::{
    Claim, Commit, CommitResult, CustomerLink, Entry, EventRecord, RecordBody, StackRecord,
    StoredEvent,
};
use tollgate_core::person::{PersonId, Remembered};
use tollgate_core::ports::{Counter, UsageSeen};
use tollgate_core::purchase::Purchase;
use tollgate_core::timing::UNFINISHED_REVIEW_AFTER;
use tollgate_events::{AccountId, CustomerId, EventRef, Source};

use crate::planted::Bug;

/// Everything stored, each kind of item under its key.
#[derive(Clone, Default)]
pub(super) struct Store {
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) entries: BTreeMap<AccountId, BTreeMap<u64, Entry>>,
    pub(super) events: BTreeMap<EventRef, StoredEvent>,
    pub(super) links: BTreeMap<CustomerId, AccountId>,
    /// Customers whom an operator has released, and whose they were.
    pub(super) released: BTreeMap<CustomerId, AccountId>,
    pub(super) keys: BTreeMap<KeyId, AccountId>,
    /// The sparse index of waiting and parked events.
    pub(super) unsettled: BTreeMap<String, BTreeSet<EventRef>>,
    pub(super) stack: StackRecord,
    pub(super) memories: BTreeMap<PersonId, Remembered>,
    pub(super) purchases: BTreeMap<AccountId, Purchase>,
    pub(super) usage: BTreeMap<AccountId, UsageSeen>,
    pub(super) counters: BTreeMap<(Counter, Timestamp), u32>,
    /// Links that a planted bug has yet to make.
    pub(super) not_first: BTreeMap<AccountId, Vec<Commit>>,
}

impl Store {
    /// The conditional update that begins a convergence.
    pub(super) fn claim(
        &mut self,
        id: &AccountId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Claim {
        let stored = self.accounts.entry(id.clone()).or_insert_with(|| Account::new(id.clone()));
        if let Some(until) = stored.lease_until.filter(|until| *until > now) {
            return Claim::Leased { until };
        }
        stored.epoch += 1;
        let before = Account { lease_until: Some(lease_until), ..stored.clone() };
        stored.lease_until = Some(lease_until);
        stored.review_at = Some(lease_until + UNFINISHED_REVIEW_AFTER);
        Claim::Taken { account: Box::new(before) }
    }

    /// The transaction: all of it or nothing.
    pub(super) fn commit(
        &mut self,
        commit: &Commit,
        planted: impl Fn(Bug) -> bool,
    ) -> CommitResult {
        if let Err(refused) = self.check(commit, &planted) {
            return refused;
        }
        let id = &commit.account.id;
        self.accounts.insert(id.clone(), commit.account.clone());
        if let Some(entry) = &commit.entry {
            self.put_entry(id, entry);
        }
        for customer in &commit.link {
            self.released.remove(customer);
            self.links.insert(customer.clone(), id.clone());
        }
        for customer in &commit.unlink {
            self.links.remove(customer);
            self.released.insert(customer.clone(), id.clone());
        }
        self.keys
            .extend(commit.account.access.keys.values().map(|key| (key.id.clone(), id.clone())));
        for memory in &commit.memories {
            self.memories.remove(&memory.person);
            self.memories.extend(memory.keep.clone().map(|keep| (memory.person.clone(), keep)));
        }
        for record in &commit.records {
            self.upsert(record);
        }
        if planted(Bug::TombstoneDeleted) && commit.account.access.status == Status::Closed {
            self.accounts.remove(id);
            self.entries.remove(id);
        }
        CommitResult::Committed
    }

    pub(super) fn put_entry(&mut self, account: &AccountId, entry: &Entry) {
        self.entries.entry(account.clone()).or_default().insert(entry.version, entry.clone());
    }

    /// The transaction's conditions, in the order in which the answer names them. A commit
    /// that stands already is answered so, and nothing of it is written again.
    fn check(&self, commit: &Commit, planted: impl Fn(Bug) -> bool) -> Result<(), CommitResult> {
        let Some(stored) = self.accounts.get(&commit.account.id) else {
            return Err(CommitResult::Fenced);
        };
        if stored.commit_id.is_some() && stored.commit_id == commit.account.commit_id {
            return Err(CommitResult::Committed);
        }
        if stored.catalog_revision > commit.account.catalog_revision {
            return Err(CommitResult::CatalogOutdated);
        }
        if stored.epoch != commit.account.epoch && !planted(Bug::NoFence) {
            return Err(CommitResult::Fenced);
        }
        if self.overwrites_history(commit) && !planted(Bug::NoFence) {
            return Err(CommitResult::HistoryAhead);
        }
        let mut changed = commit.link.iter().chain(&commit.unlink);
        let taken = changed.find_map(|customer| {
            let owner = self.links.get(customer).filter(|owner| **owner != commit.account.id)?;
            Some((customer.clone(), owner.clone()))
        });
        if let Some((customer, account)) = taken.filter(|_| !planted(Bug::LinkOverwritten)) {
            return Err(CommitResult::LinkTaken { customer, account });
        }
        let released = commit.link.iter().find(|customer| self.released.contains_key(*customer));
        match released.filter(|_| !commit.by_operator) {
            Some(customer) => Err(CommitResult::LinkReleased { customer: customer.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn link_of(&self, customer: &CustomerId) -> CustomerLink {
        match (self.links.get(customer), self.released.get(customer)) {
            (Some(account), _) => CustomerLink::Account(account.clone()),
            (None, Some(from)) => CustomerLink::Released { from: from.clone() },
            (None, None) => CustomerLink::Unlinked,
        }
    }

    fn overwrites_history(&self, commit: &Commit) -> bool {
        let written = self.entries.get(&commit.account.id);
        let versions = commit.entry.as_ref().zip(written);
        versions.is_some_and(|(entry, written)| written.contains_key(&entry.version))
    }

    /// Writes an event record: the first outcome and time stay, the count goes up,
    /// an account once known is not forgotten.
    pub(super) fn upsert(&mut self, record: &EventRecord) {
        let old = self.events.remove(&record.event);
        if let Some(key) = old.as_ref().and_then(|old| old.record.unsettled_on()) {
            self.leave_index(&key, &record.event);
        }
        let body = read_again(&record.body, old.as_ref());
        let stored = match old {
            None => StoredEvent {
                record: EventRecord { body, ..record.clone() },
                first_outcome: record.outcome,
                first_at: record.at,
                attempts: 1,
            },
            Some(old) => StoredEvent {
                record: EventRecord {
                    body,
                    detail: record.detail.clone().or_else(|| {
                        old.record.detail.filter(|_| record.event.source == Source::Operator)
                    }),
                    account: record.account.clone().or(old.record.account),
                    version: record.version.or(old.record.version),
                    ..record.clone()
                },
                attempts: old.attempts + 1,
                ..old
            },
        };
        if let Some(key) = stored.record.unsettled_on() {
            self.unsettled.entry(key).or_default().insert(record.event.clone());
        }
        self.events.insert(record.event.clone(), stored);
    }

    /// Whether an event was handled since then, and waits for nobody.
    pub(super) fn is_settled(&self, event: &EventRef, since: Timestamp) -> bool {
        let record = self.events.get(event).map(|stored| &stored.record);
        record.is_some_and(|record| !record.outcome.is_unsettled() && record.at >= since)
    }

    fn leave_index(&mut self, key: &str, event: &EventRef) {
        if let Some(events) = self.unsettled.get_mut(key) {
            events.remove(event);
            if events.is_empty() {
                self.unsettled.remove(key);
            }
        }
    }

    /// The deployment's own item, if nobody was faster.
    pub(super) fn put_stack(&mut self, stack: &StackRecord) -> bool {
        let ours = self.stack.revision == stack.revision;
        if ours {
            self.stack = StackRecord { revision: stack.revision + 1, ..stack.clone() };
        }
        ours
    }

    /// What an account's owner is buying, if nobody was faster.
    pub(super) fn put_purchase(&mut self, account: &AccountId, purchase: &Purchase) -> bool {
        let stored = self.purchases.get(account).map_or(0, |stored| stored.revision);
        let ours = stored == purchase.revision;
        if ours {
            let next = Purchase { revision: purchase.revision + 1, ..purchase.clone() };
            self.purchases.insert(account.clone(), next);
        }
        ours
    }

    /// How much of a quota was left, if nobody was faster.
    pub(super) fn put_usage(&mut self, account: &AccountId, usage: &UsageSeen) -> bool {
        let stored = self.usage.get(account).map_or(0, |stored| stored.revision);
        let ours = stored == usage.revision;
        if ours {
            let next = UsageSeen { revision: usage.revision + 1, ..usage.clone() };
            self.usage.insert(account.clone(), next);
        }
        ours
    }

    /// One more, if there are not as many already.
    pub(super) fn count(&mut self, counter: &Counter, window: Timestamp, most: u32) -> bool {
        let count = self.counters.entry((counter.clone(), window)).or_default();
        let below = *count < most;
        *count += u32::from(below);
        below
    }

    /// Its parts one after another, without a tree in between: it is written for every seed.
    pub(super) fn dump(&self) -> String {
        let accounts: Vec<&Account> = self.accounts.values().collect();
        let entries: Vec<(&AccountId, Vec<&Entry>)> =
            self.entries.iter().map(|(id, entries)| (id, entries.values().collect())).collect();
        let events: Vec<_> = self.events.values().map(dump_event).collect();
        let people = (&self.links, &self.released, &self.keys, &self.memories);
        let whole = (accounts, entries, events, people, &self.stack, &self.purchases);
        serde_json::to_string(&whole).expect("what is stored is written as JSON")
    }
}

fn dump_event(stored: &StoredEvent) -> impl Serialize {
    let StoredEvent { record, first_outcome, first_at, attempts } = stored;
    let (envelope, unreadable) = match &record.body {
        RecordBody::Envelope(envelope) => (Some(envelope), None),
        RecordBody::Unreadable(text) => (None, Some(text)),
    };
    let body = (&record.event, envelope, unreadable);
    let became = (&record.outcome, &record.detail, &record.account, record.version, record.at);
    (body, became, first_outcome, first_at, attempts)
}

/// What is kept of a body: one that cannot be read takes nothing from an envelope.
fn read_again(body: &RecordBody, old: Option<&StoredEvent>) -> RecordBody {
    let RecordBody::Unreadable(text) = body else { return body.clone() };
    match (RecordBody::kept(text.clone()), old.map(|old| &old.record.body)) {
        (RecordBody::Unreadable(_), Some(RecordBody::Envelope(envelope))) => {
            RecordBody::Envelope(envelope.clone())
        }
        (kept, _) => kept,
    }
}
