//! The ledger's port: each call passes the gate under DynamoDB's name for it.

use std::ops::Bound;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tollgate_core::account::{Account, KeyId};
use tollgate_core::ledger::{
    Blast, Claim, Commit, CommitResult, CustomerLink, Entry, EventRecord, StackRecord, StoredEvent,
};
use tollgate_core::person::{PersonId, Remembered};
use tollgate_core::ports::{Class, Counter, Ledger, Page, PortResult, Service, UsageSeen};
use tollgate_core::purchase::Purchase;
use tollgate_events::{AccountId, CustomerId, EventRef};

use super::MemoryLedger;
use super::store::Store;
use crate::gate::failure;
use crate::planted::Bug;

impl Ledger for MemoryLedger {
    async fn claim(
        &self,
        account: &AccountId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> PortResult<Claim> {
        let (this, id) = (self.clone(), account.clone());
        let act = move || Ok(this.claim_as_planted(&id, now, lease_until));
        self.gate.pass_write(Service::Ledger, "UpdateItem", account.as_str(), act).await
    }

    async fn commit(&self, commit: &Commit) -> PortResult<CommitResult> {
        let (owned, late) = self.commit_as_planted(commit);
        let this = self.clone();
        let act = move || {
            let (mut store, planted) = (this.lock(), |bug| this.gate.has(bug));
            Ok(match planted(Bug::LinkNotFirst) && !owned.by_operator {
                true => store.commit_with_links(&owned, planted),
                false => store.commit(&owned, planted),
            })
        };
        let subject = format!("{} {}", commit.account.id, purpose(commit));
        let result =
            self.gate.pass_write(Service::Ledger, "TransactWriteItems", subject, act).await?;
        if let Some(entry) = late.filter(|_| result == CommitResult::Committed) {
            let act = || {
                self.lock().put_entry(&commit.account.id, &entry);
                Ok(())
            };
            self.gate.pass(Service::Ledger, "PutItem", commit.account.id.as_str(), act).await?;
        }
        Ok(result)
    }

    async fn record(&self, records: &[EventRecord]) -> PortResult<()> {
        let subject: Vec<String> = records.iter().map(|record| record.event.to_string()).collect();
        let (this, records) = (self.clone(), records.to_vec());
        let act = move || {
            let mut store = this.lock();
            let kept = |record: &&EventRecord| {
                !record.outcome.is_unsettled() || !this.gate.has(Bug::ParkedNotRecorded)
            };
            records.iter().filter(kept).for_each(|record| store.upsert(record));
            Ok(())
        };
        self.gate.pass_write(Service::Ledger, "TransactWriteItems", subject.join(" "), act).await
    }

    async fn record_unless_settled(
        &self,
        record: &EventRecord,
        since: Timestamp,
    ) -> PortResult<bool> {
        let (this, owned) = (self.clone(), record.clone());
        let act = move || {
            let mut store = this.lock();
            let settled = store.is_settled(&owned.event, since);
            if !settled && !this.gate.has(Bug::ParkedNotRecorded) {
                store.upsert(&owned);
            }
            Ok(!settled)
        };
        let subject = record.event.to_string();
        self.gate.pass_write(Service::Ledger, "UpdateItem", subject, act).await
    }

    async fn link_of(&self, customer: &CustomerId) -> PortResult<CustomerLink> {
        let act = || Ok(self.lock().link_of(customer));
        self.gate.pass(Service::Ledger, "GetItem", customer.as_str(), act).await
    }

    async fn account_of_key(&self, key: &KeyId) -> PortResult<Option<AccountId>> {
        let act = || Ok(self.lock().keys.get(key).cloned());
        self.gate.pass(Service::Ledger, "GetItem", key.as_str(), act).await
    }

    async fn remembered(&self, person: &PersonId) -> PortResult<Option<Remembered>> {
        let act = || {
            let found = self.lock().memories.get(person).cloned();
            Ok(found.filter(|_| !self.gate.has(Bug::PersonForgotten)))
        };
        self.gate.pass(Service::Ledger, "GetItem", "person", act).await
    }

    async fn account(&self, account: &AccountId) -> PortResult<Option<Account>> {
        let act = || Ok(self.lock().accounts.get(account).cloned());
        self.gate.pass(Service::Ledger, "GetItem", account.as_str(), act).await
    }

    async fn history(
        &self,
        account: &AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> PortResult<Vec<Entry>> {
        let act = || {
            let store = self.lock();
            let entries = store.entries.get(account).into_iter();
            let entries = entries.flat_map(|entries| entries.values().rev());
            let older = entries.filter(|entry| before.is_none_or(|before| entry.version < before));
            Ok(older.take(limit).cloned().collect())
        };
        self.gate.pass(Service::Ledger, "Query", account.as_str(), act).await
    }

    async fn event(&self, event: &EventRef) -> PortResult<Option<StoredEvent>> {
        let act = || Ok(self.lock().events.get(event).cloned());
        self.gate.pass(Service::Ledger, "GetItem", event.to_string(), act).await
    }

    async fn unsettled_on(&self, customer: &CustomerId) -> PortResult<Vec<StoredEvent>> {
        let act = || {
            Ok(self.index(|store| {
                let found = store.unsettled.get(customer.as_str()).into_iter().flatten();
                found.filter_map(|event| store.events.get(event)).cloned().collect()
            }))
        };
        self.gate.pass(Service::Ledger, "Query", customer.as_str(), act).await
    }

    async fn unsettled(&self, page: Option<&str>) -> PortResult<Page<StoredEvent>> {
        let act = || {
            let after: Option<EventRef> = read_token("Scan", page)?;
            Ok(self.index(|store| {
                let mut found: Vec<&EventRef> = store.unsettled.values().flatten().collect();
                found.sort();
                let rest = found.into_iter().filter(|event| after.as_ref() < Some(*event)).cloned();
                let page = self.page(rest);
                let items = page.items.iter().filter_map(|event| store.events.get(event)).cloned();
                let next = page.next.filter(|_| !self.gate.has(Bug::SecondPageLost));
                Page::whole(items.collect(), next)
            }))
        };
        // The index, as it is deployed.
        self.gate.pass(Service::Ledger, "Scan", "stuck", act).await
    }

    async fn events(
        &self,
        from: Timestamp,
        to: Timestamp,
        page: Option<&str>,
    ) -> PortResult<Page<StoredEvent>> {
        let act = || {
            let after: Option<(Timestamp, EventRef)> = read_token("Query", page)?;
            Ok(self.index(|store| {
                let within = |event: &StoredEvent| from <= event.first_at && event.first_at <= to;
                let events = store.events.iter().filter(|(_, event)| within(event));
                let mut found: Vec<_> = events.map(|(id, event)| (event.first_at, id)).collect();
                found.sort();
                let rest = found.into_iter().map(|(at, id)| (at, id.clone()));
                let page = self.page(rest.filter(|key| after.as_ref() < Some(key)));
                let items = page.items.iter().filter_map(|(_, id)| store.events.get(id)).cloned();
                Page::whole(items.collect(), page.next)
            }))
        };
        self.gate.pass(Service::Ledger, "Query", "recent", act).await
    }

    async fn due(
        &self,
        now: Timestamp,
        page: Option<&str>,
    ) -> PortResult<Page<(AccountId, Timestamp)>> {
        let act = || {
            let after: Option<(Timestamp, AccountId)> = read_token("Query", page)?;
            let mut found: Vec<(Timestamp, AccountId)> = self.index(|store| store.due(now));
            if self.gate.has(Bug::DueNeverRead) {
                found.clear();
            }
            found.sort();
            let rest = found.into_iter().filter(|item| after.as_ref() < Some(item));
            let Page { items, next, .. } = self.page(rest);
            Ok(Page::whole(items.into_iter().map(|(at, id)| (id, at)).collect(), next))
        };
        self.gate.pass(Service::Ledger, "Query", "due", act).await
    }

    async fn stack(&self) -> PortResult<StackRecord> {
        let act = || Ok(self.lock().stack.clone());
        self.gate.pass(Service::Ledger, "GetItem", "stack", act).await
    }

    async fn put_stack(&self, stack: &StackRecord) -> PortResult<bool> {
        let mut stack = stack.clone();
        if self.gate.has(Bug::BlastNotKept) {
            stack.blast = Blast::default();
        }
        let act = || Ok(self.lock().put_stack(&stack));
        self.gate.pass(Service::Ledger, "UpdateItem", "stack", act).await
    }

    async fn purchase(&self, account: &AccountId) -> PortResult<Option<Purchase>> {
        let act = || Ok(self.lock().purchases.get(account).cloned());
        self.gate.pass(Service::Ledger, "GetItem", format!("{account} purchase"), act).await
    }

    async fn put_purchase(&self, account: &AccountId, purchase: &Purchase) -> PortResult<bool> {
        let (this, id, mut purchase) = (self.clone(), account.clone(), purchase.clone());
        let act = move || {
            let mut store = this.lock();
            if this.gate.has(Bug::PurchaseOverwritten) {
                purchase.revision = store.purchases.get(&id).map_or(0, |it| it.revision);
            }
            Ok(store.put_purchase(&id, &purchase))
        };
        let subject = format!("{account} purchase");
        self.gate.pass_write(Service::Ledger, "UpdateItem", subject, act).await
    }

    async fn count(&self, counter: &Counter, window: Timestamp, most: u32) -> PortResult<bool> {
        let unkept = self.gate.has(Bug::RateNotKept);
        let act = || Ok(unkept || self.lock().count(counter, window, most));
        let subject = match counter {
            Counter::Requests { account, .. } => format!("{account} rate"),
            Counter::ControlPlane => "budget".to_owned(),
        };
        self.gate.pass(Service::Ledger, "UpdateItem", subject, act).await
    }

    async fn usage_seen(&self, account: &AccountId) -> PortResult<Option<UsageSeen>> {
        let act = || Ok(self.lock().usage.get(account).cloned());
        self.gate.pass(Service::Ledger, "GetItem", format!("{account} usage"), act).await
    }

    async fn put_usage_seen(&self, account: &AccountId, usage: &UsageSeen) -> PortResult<bool> {
        let act = || Ok(self.lock().put_usage(account, usage));
        self.gate.pass(Service::Ledger, "UpdateItem", format!("{account} usage"), act).await
    }

    /// As the table has it: an index of keys, then the items themselves.
    async fn accounts(&self, page: Option<&str>) -> PortResult<Page<Account>> {
        let list = || {
            let after: Option<AccountId> = read_token("Query", page)?;
            let store = self.lock();
            let bound = after.map_or(Bound::Unbounded, Bound::Excluded);
            Ok(self.page(store.accounts.range((bound, Bound::Unbounded)).map(|(id, _)| id.clone())))
        };
        let Page { items: ids, next, .. } =
            self.gate.pass(Service::Ledger, "Query", "accounts", list).await?;
        if ids.is_empty() {
            return Ok(Page::whole(Vec::new(), next));
        }
        let read = || {
            let store = self.lock();
            Ok(ids.iter().filter_map(|id| store.accounts.get(id)).cloned().collect())
        };
        let items = self.gate.pass(Service::Ledger, "BatchGetItem", "accounts", read).await?;
        Ok(Page::whole(items, next))
    }
}

impl Store {
    fn due(&self, now: Timestamp) -> Vec<(Timestamp, AccountId)> {
        let due = |account: &Account| account.review_at.filter(|at| *at <= now);
        self.accounts
            .values()
            .filter_map(|account| Some((due(account)?, account.id.clone())))
            .collect()
    }
}

impl MemoryLedger {
    /// One page; its token is its last key, so that items that come and go between
    /// two pages neither repeat nor hide others.
    fn page<T: Serialize>(&self, mut items: impl Iterator<Item = T>) -> Page<T> {
        let page: Vec<T> = items.by_ref().take(self.page_size).collect();
        let more = items.next().is_some();
        let last = page.last().filter(|_| more);
        let next = last.map(|key| serde_json::to_string(key).expect("keys are plain strings"));
        Page::whole(page, next)
    }
}

/// What a commit is for, in a word for the log.
fn purpose(commit: &Commit) -> &'static str {
    match commit {
        Commit { by_operator: true, .. } => "act",
        Commit { link, .. } if !link.is_empty() => "link",
        Commit { entry: None, records, .. } if records.is_empty() && commit.account.open => {
            if commit.account.intent.is_some() {
                "intent"
            } else {
                "begin"
            }
        }
        _ => "commit",
    }
}

fn read_token<T: DeserializeOwned>(
    operation: &'static str,
    token: Option<&str>,
) -> PortResult<Option<T>> {
    token.map(serde_json::from_str).transpose().map_err(|_| {
        let detail = "ValidationException: The provided starting key is invalid";
        failure(Service::Ledger, operation, Class::Invalid, detail)
    })
}
