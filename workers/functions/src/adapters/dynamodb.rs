//! The ledger on DynamoDB: one table, conditional writes, no scans of the table.
//!
//! Claims and commits are single requests, so that DynamoDB itself decides races.
//! The SDK repeats a request whose answer was lost; both writes recognise their own
//! earlier success (see [`DynamoLedger`]). Nothing here decides about access.

mod claim;
mod commit;
mod events;
mod items;
mod json;
mod pages;
mod recent;
pub mod table;
#[cfg(test)]
mod tests;
mod update;
mod values;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{Account, KeyId};
use tollgate_core::ledger::{
    Claim, Commit, CommitResult, CustomerLink, Entry, EventRecord, StackRecord, StoredEvent,
};
use tollgate_core::person::{PersonId, Remembered};
use tollgate_core::ports::{
    Class, Counter, Ledger, Page, PortError, PortResult, Service, UsageSeen,
};
use tollgate_core::purchase::Purchase;
use tollgate_events::{AccountId, CustomerId, EventRef};

use self::items::Key;
use self::json::Item;
use self::pages::{Cursor, map_page};
use self::table::{ACCOUNTS, DUE, Index, PK, SK, UNSETTLED};
use super::error::{Operation, readable};
use super::system::SystemEntropy;

/// How many items a page of an index has at most; also what `BatchGetItem` takes.
const PAGE: i32 = 100;
/// How often the rest of a batch is asked for: beyond 16 MB, or when DynamoDB is busy, it
/// answers with a part.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>
const BATCH_TRIES: usize = 5;

pub(crate) fn operation(name: &'static str) -> Operation {
    Operation { service: Service::Ledger, name }
}

/// The ledger port on a DynamoDB table.
///
/// # Lost answers
/// A claim writes a random id into the item. Repeated by the SDK after a lost answer,
/// it fails on its own lease, finds its own id in the item that DynamoDB returns with
/// the failure, and is taken after all.
///
/// A commit carries `commit_id` as its `ClientRequestToken`, which DynamoDB remembers
/// for ten minutes, and in `STATE`, which it refuses to write twice with the same id:
/// later repetitions find their own id there. Commit ids must be unique in the Region.
///
/// # Retries
/// The SDK repeats lost and throttled requests, but never a cancelled transaction:
/// conflicts and throttling inside one come back as [`Class::Conflict`] and
/// [`Class::Throttled`], for the error policy.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
#[derive(Debug, Clone)]
pub struct DynamoLedger {
    client: Client,
    table: String,
    retention: Option<SignedDuration>,
    entropy: SystemEntropy,
}

impl DynamoLedger {
    /// The ledger in a table. Event records other than unsettled ones expire after
    /// `retention`, if that is given and the table's TTL is on.
    pub fn new(
        client: Client,
        table: impl Into<String>,
        retention: Option<SignedDuration>,
    ) -> Self {
        Self { client, table: table.into(), retention, entropy: SystemEntropy }
    }

    async fn get(&self, key: &Key) -> PortResult<Option<Item>> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = request.set_key(Some(key.attributes())).send().await;
        Ok(answer.map_err(|error| operation("GetItem").sdk(&error))?.item)
    }

    /// The items with these keys, at most [`PAGE`] of them, in any order.
    async fn get_all(&self, keys: &[Item]) -> PortResult<Vec<Item>> {
        let operation = operation("BatchGetItem");
        let incomplete = |error: BuildError| operation.error(Class::Invalid, error.to_string());
        let key =
            |item: &Item| [PK, SK].map(|name| Some((name.to_owned(), item.get(name)?.clone())));
        let keys = keys.iter().map(|item| key(item).into_iter().flatten().collect()).collect();
        let request = KeysAndAttributes::builder().consistent_read(true).set_keys(Some(keys));
        let mut wanted =
            HashMap::from([(self.table.clone(), request.build().map_err(incomplete)?)]);
        let mut items = Vec::new();
        for _ in 0..BATCH_TRIES {
            if wanted.values().all(|wanted| wanted.keys().is_empty()) {
                return Ok(items);
            }
            let request = self.client.batch_get_item().set_request_items(Some(wanted));
            let answer = request.send().await.map_err(|error| operation.sdk(&error))?;
            items.extend(answer.responses.into_iter().flat_map(HashMap::into_values).flatten());
            wanted = answer.unprocessed_keys.unwrap_or_default();
        }
        let left = "DynamoDB keeps leaving keys of the batch unprocessed";
        Err(operation.error(Class::Throttled { after: None }, left))
    }

    /// Updates an item if its revision is still the known one, 0 for none yet.
    async fn revise(&self, key: &Key, mut update: items::Update, known: u64) -> PortResult<bool> {
        let revision = update.name("revision");
        let condition = match known {
            0 => format!("attribute_not_exists({revision})"),
            known => format!("{revision} = {}", update.value("known", items::number(known))),
        };
        self.update_if(key, update, condition).await
    }

    /// Updates an item on a condition; `false` where that does not hold.
    async fn update_if(
        &self,
        key: &Key,
        update: items::Update,
        condition: String,
    ) -> PortResult<bool> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .update_expression(update.expression())
            .condition_expression(condition)
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values(Some(update.values))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(operation("UpdateItem").sdk(&error)),
            },
        }
    }

    async fn upsert(&self, upsert: &events::Upsert<'_>) -> PortResult<()> {
        let update = upsert.update(self.retention);
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(upsert.key().attributes()))
            .update_expression(update.expression())
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values(Some(update.values))
            .send()
            .await
            .map_err(|error| operation("UpdateItem").sdk(&error))?;
        Ok(())
    }

    /// One query of an index's partition, all of it or what lies between two bounds: its
    /// items, and the last key if there is more.
    async fn partition(
        &self,
        index: Index,
        hash: &AttributeValue,
        between: Option<[AttributeValue; 2]>,
        start: Option<Item>,
    ) -> PortResult<(Vec<Item>, Option<Item>)> {
        let bounds = if between.is_some() { " AND #range BETWEEN :from AND :to" } else { "" };
        let mut request = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(index.name)
            .limit(PAGE)
            .key_condition_expression(format!("#hash = :hash{bounds}"))
            .expression_attribute_names("#hash", index.hash)
            .expression_attribute_values(":hash", hash.clone())
            .set_exclusive_start_key(start);
        if let Some([from, to]) = between {
            request = request
                .expression_attribute_names("#range", index.range)
                .expression_attribute_values(":from", from)
                .expression_attribute_values(":to", to);
        }
        let answer = request.send().await.map_err(|error| operation("Query").sdk(&error))?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }

    /// One page over all shards of an index, shard by shard. Empty shards are passed
    /// over, so that an empty page means the end.
    async fn sharded(
        &self,
        index: Index,
        shards: &[AttributeValue],
        between: Option<[AttributeValue; 2]>,
        page: Option<&str>,
    ) -> PortResult<Page<Item>> {
        let mut cursor = Cursor::decode(page)?;
        while let Some(hash) = shards.get(cursor.shard) {
            let (items, last) =
                self.partition(index, hash, between.clone(), cursor.start()).await?;
            cursor = match last {
                Some(last) => Cursor::after(cursor.shard, &last),
                None => Cursor { shard: cursor.shard + 1, after: None },
            };
            if !items.is_empty() {
                let next = (cursor.shard < shards.len()).then(|| cursor.encode());
                return Ok(Page::whole(items, next));
            }
        }
        Ok(Page::whole(Vec::new(), None))
    }
}

impl Ledger for DynamoLedger {
    async fn claim(
        &self,
        account: &AccountId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> PortResult<Claim> {
        claim::claim(self, account, now, lease_until).await
    }

    async fn commit(&self, commit: &Commit) -> PortResult<CommitResult> {
        commit::commit(self, commit).await
    }

    /// One `UpdateItem` for each event: they promise nothing together, and so need not
    /// pay for a transaction, nor fail like one.
    async fn record(&self, records: &[EventRecord]) -> PortResult<()> {
        let upserts = events::merge(records);
        for some in upserts.chunks(10) {
            try_join_all(some.iter().map(|upsert| self.upsert(upsert))).await?;
        }
        Ok(())
    }

    async fn record_unless_settled(
        &self,
        record: &EventRecord,
        since: Timestamp,
    ) -> PortResult<bool> {
        let upsert = events::Upsert::of(record);
        let mut update = upsert.update(self.retention);
        let condition = events::unless_settled(&mut update, since);
        self.update_if(&upsert.key(), update, condition).await
    }

    async fn link_of(&self, customer: &CustomerId) -> PortResult<CustomerLink> {
        let item = self.get(&Key::customer(customer)).await?;
        item.map_or(Ok(CustomerLink::Unlinked), |item| read_link(&item))
    }

    async fn account_of_key(&self, key: &KeyId) -> PortResult<Option<AccountId>> {
        let Some(item) = self.get(&Key::api_key(key)).await? else { return Ok(None) };
        link_owner(&item).map(Some).ok_or_else(|| unreadable(&item, "its account"))
    }

    async fn remembered(&self, person: &PersonId) -> PortResult<Option<Remembered>> {
        let Some(item) = self.get(&Key::person(person)).await? else { return Ok(None) };
        items::read_memory(&item).map_err(|error| unreadable(&item, error))
    }

    async fn account(&self, account: &AccountId) -> PortResult<Option<Account>> {
        self.get(&Key::state(account)).await?.map(|item| read_account(&item)).transpose()
    }

    async fn history(
        &self,
        account: &AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> PortResult<Vec<Entry>> {
        // Entries are numbered from 1.
        let newest =
            before.map_or(items::NEWEST, |before| before.saturating_sub(1).min(items::NEWEST));
        let mut entries = Vec::new();
        let mut start = None;
        while entries.len() < limit {
            let left = i32::try_from(limit - entries.len()).unwrap_or(i32::MAX);
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .scan_index_forward(false)
                .limit(left)
                .key_condition_expression(format!(
                    "{PK} = :pk AND {SK} BETWEEN :oldest AND :newest"
                ))
                .expression_attribute_values(":pk", items::text(Key::state(account).pk))
                .expression_attribute_values(":oldest", items::text(Key::entry(account, 0).sk))
                .expression_attribute_values(":newest", items::text(Key::entry(account, newest).sk))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| operation("Query").sdk(&error))?;
            for item in answer.items() {
                let entry = items::read_entry(item).map_err(|error| unreadable(item, error))?;
                entries.push(entry);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(entries)
    }

    async fn event(&self, event: &EventRef) -> PortResult<Option<StoredEvent>> {
        self.get(&Key::event(event)).await?.map(|item| read_event(&item)).transpose()
    }

    async fn unsettled_on(&self, customer: &CustomerId) -> PortResult<Vec<StoredEvent>> {
        let shard = [items::text(customer.as_str())];
        let (mut events, mut page) = (Vec::new(), None);
        loop {
            let found = self.sharded(UNSETTLED, &shard, None, page.as_deref()).await?;
            page = found.next.clone();
            events.extend(readable(map_page(found, read_event)));
            if page.is_none() {
                return Ok(events);
            }
        }
    }

    async fn unsettled(&self, page: Option<&str>) -> PortResult<Page<StoredEvent>> {
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .index_name(UNSETTLED.name)
            .limit(PAGE)
            .set_exclusive_start_key(Cursor::decode(page)?.start())
            .send()
            .await
            .map_err(|error| operation("Scan").sdk(&error))?;
        let next = answer.last_evaluated_key.map(|key| Cursor::after(0, &key).encode());
        Ok(map_page(Page::whole(answer.items.unwrap_or_default(), next), read_event))
    }

    async fn events(
        &self,
        from: Timestamp,
        to: Timestamp,
        page: Option<&str>,
    ) -> PortResult<Page<StoredEvent>> {
        recent::events(self, from, to, page).await
    }

    async fn due(
        &self,
        now: Timestamp,
        page: Option<&str>,
    ) -> PortResult<Page<(AccountId, Timestamp)>> {
        let until_now = [items::text("0"), items::instant(now)];
        let page = self.sharded(DUE, &account_shards(), Some(until_now), page).await?;
        Ok(map_page(page, |item| {
            let account = read_account(item)?;
            let review_at = account.review_at.ok_or_else(|| unreadable(item, "no review_at"))?;
            Ok((account.id, review_at))
        }))
    }

    async fn stack(&self) -> PortResult<StackRecord> {
        let Some(item) = self.get(&Key::stack()).await? else { return Ok(StackRecord::default()) };
        items::read_stack(&item).map_err(|error| unreadable(&item, error))
    }

    async fn put_stack(&self, stack: &StackRecord) -> PortResult<bool> {
        self.revise(&Key::stack(), items::stack(stack), stack.revision).await
    }

    async fn purchase(&self, account: &AccountId) -> PortResult<Option<Purchase>> {
        let Some(item) = self.get(&Key::purchase(account)).await? else { return Ok(None) };
        items::read_purchase(&item).map(Some).map_err(|error| unreadable(&item, error))
    }

    async fn put_purchase(&self, account: &AccountId, purchase: &Purchase) -> PortResult<bool> {
        let update = items::purchase(purchase);
        self.revise(&Key::purchase(account), update, purchase.revision).await
    }

    async fn count(&self, counter: &Counter, window: Timestamp, most: u32) -> PortResult<bool> {
        let (update, condition) = items::count(window, most);
        self.update_if(&Key::counter(counter, window), update, condition).await
    }

    async fn usage_seen(&self, account: &AccountId) -> PortResult<Option<UsageSeen>> {
        let Some(item) = self.get(&Key::usage(account)).await? else { return Ok(None) };
        items::read_usage(&item).map(Some).map_err(|error| unreadable(&item, error))
    }

    async fn put_usage_seen(&self, account: &AccountId, usage: &UsageSeen) -> PortResult<bool> {
        self.revise(&Key::usage(account), items::usage(usage), usage.revision).await
    }

    async fn accounts(&self, page: Option<&str>) -> PortResult<Page<Account>> {
        let page = self.sharded(ACCOUNTS, &account_shards(), None, page).await?;
        let page = Page::whole(self.get_all(&page.items).await?, page.next);
        Ok(map_page(page, read_account))
    }
}

fn account_shards() -> Vec<AttributeValue> {
    (0..table::ACCOUNT_SHARDS).map(items::account_shard_name).collect()
}

fn read_account(item: &Item) -> PortResult<Account> {
    items::read_account(item).map_err(|error| unreadable(item, error))
}

fn read_event(item: &Item) -> PortResult<StoredEvent> {
    events::read_event(item).map_err(|error| unreadable(item, error))
}

/// A customer's link: an account's, or released by an operator.
fn read_link(item: &Item) -> PortResult<CustomerLink> {
    let account = link_owner(item).ok_or_else(|| unreadable(item, "its account"))?;
    Ok(if item.contains_key(items::RELEASED) {
        CustomerLink::Released { from: account }
    } else {
        CustomerLink::Account(account)
    })
}

fn link_owner(item: &Item) -> Option<AccountId> {
    AccountId::parse(items::text_of(item, items::ACCOUNT)?).ok()
}

/// An item that this build cannot read: written by a newer one, or by hand.
fn unreadable(item: &Item, why: impl std::fmt::Display) -> PortError {
    let key = [PK, SK].map(|name| items::text_of(item, name).unwrap_or("?"));
    let detail = format!("the item {} / {} cannot be read: {why}", key[0], key[1]);
    operation("read").error(Class::Invalid, detail)
}
