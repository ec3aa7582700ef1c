//! How each of the ledger's items is spelled: keys, attributes, update expressions.
//!
//! The attributes of `STATE` are the fields of [`Account`] under their own names, and those
//! of its access in a map, so that a new field needs no code here, and what a newer build has
//! written beside them survives: writes are updates, of the access too, never replacements. Times that are compared or sorted are RFC 3339 text
//! of one width (milliseconds, UTC), which DynamoDB orders as time.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tollgate_core::account::{Access, Account, KeyId};
use tollgate_core::ledger::{Entry, StackRecord};
use tollgate_core::person::{Memory, PersonId, Remembered};
use tollgate_core::ports::{Counter, UsageSeen};
use tollgate_core::purchase::Purchase;
use tollgate_core::timing::PURCHASE_KEPT_FOR;
use tollgate_events::{AccountId, CustomerId, EventRef};

use super::json::{Item, from_item, to_attribute};
use super::table::{ACCOUNT_SHARDS, DUE, EXPIRES_AT, PK, SK};
pub(crate) use super::update::Update;
pub(crate) use super::values::{instant, instant_of, number, number_of, text, text_of};

/// Partition and sort key of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    pub(crate) fn state(account: &AccountId) -> Self {
        Self { pk: format!("ACCOUNT#{account}"), sk: "STATE".into() }
    }

    /// Zero-padded, so that versions sort as numbers.
    pub(crate) fn entry(account: &AccountId, version: u64) -> Self {
        Self { pk: format!("ACCOUNT#{account}"), sk: format!("{ENTRY_PREFIX}{version:012}") }
    }

    pub(crate) fn event(event: &EventRef) -> Self {
        Self { pk: format!("EVENT#{}#{}", event.source.as_str(), event.id), sk: "EVENT".into() }
    }

    pub(crate) fn customer(customer: &CustomerId) -> Self {
        Self { pk: format!("CUSTOMER#{customer}"), sk: "LINK".into() }
    }

    pub(crate) fn person(person: &PersonId) -> Self {
        Self { pk: format!("PERSON#{person}"), sk: "HELD".into() }
    }

    /// What concerns the whole deployment.
    pub(crate) fn stack() -> Self {
        Self { pk: "STACK".into(), sk: "STATE".into() }
    }

    /// What an account's owner is buying.
    pub(crate) fn purchase(account: &AccountId) -> Self {
        Self { pk: format!("{BUY}{account}"), sk: "BUY".into() }
    }

    /// How much of an account's quota was used.
    pub(crate) fn usage(account: &AccountId) -> Self {
        Self { pk: format!("USE#{account}"), sk: "USE".into() }
    }

    /// A counter in a window of time.
    pub(crate) fn counter(counter: &Counter, window: Timestamp) -> Self {
        let second = window.as_second();
        match counter {
            Counter::Requests { account, request } => {
                let (pk, sk) =
                    (format!("RATE#{account}"), format!("{}#{second}", request.as_str()));
                Self { pk, sk }
            }
            Counter::ControlPlane => {
                Self { pk: "BUDGET#control-plane".into(), sk: second.to_string() }
            }
        }
    }

    pub(crate) fn api_key(key: &KeyId) -> Self {
        Self { pk: format!("KEY#{key}"), sk: "LINK".into() }
    }

    pub(crate) fn attributes(&self) -> Item {
        HashMap::from([(PK.to_owned(), text(&self.pk)), (SK.to_owned(), text(&self.sk))])
    }
}

/// What the sort key of every history entry begins with.
pub(crate) const ENTRY_PREFIX: &str = "ENTRY#";
/// The highest version that an entry's sort key has room for: they sort by it.
pub(crate) const NEWEST: u64 = 999_999_999_999;
/// What the partition key begins with of what an account's owner is buying.
pub(crate) const BUY: &str = "BUY#";
/// What history tells of an account, a map.
pub(crate) const ACCESS: &str = "access";
/// The account that a link points to.
pub(crate) const ACCOUNT: &str = "account";
/// Marks a customer's link that an operator has released; the account is whose it was.
pub(crate) const RELEASED: &str = "released";
/// The claim that holds the lease: recognises our own claim after a lost answer.
pub(crate) const CLAIM_ID: &str = "claim_id";

/// The update that writes the deployment's own item, with the next revision.
pub(crate) fn stack(stack: &StackRecord) -> Update {
    let mut update = Update::default();
    for (name, value) in object(&StackRecord { revision: stack.revision + 1, ..stack.clone() }) {
        update.put(&name, stored(value));
    }
    update
}

/// A field as an attribute. What is nothing is removed; a field that its type leaves out would
/// stand in the item as it was before.
fn stored(value: Value) -> Option<AttributeValue> {
    let is_nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    (!is_nothing).then(|| to_attribute(value))
}

/// The update that writes what an account's owner is buying, with the next revision.
pub(crate) fn purchase(purchase: &Purchase) -> Update {
    let mut update = Update::default();
    for (name, value) in object(&Purchase { revision: purchase.revision + 1, ..purchase.clone() }) {
        update.put(&name, Some(value).filter(|v| !v.is_null()).map(to_attribute));
    }
    expires(&mut update, purchase.at, PURCHASE_KEPT_FOR);
    update
}

/// The update that writes how much of a quota was left, with the next revision.
pub(crate) fn usage(usage: &UsageSeen) -> Update {
    let mut update = Update::default();
    for (name, value) in object(&UsageSeen { revision: usage.revision + 1, ..usage.clone() }) {
        update.put(&name, Some(value).filter(|v| !v.is_null()).map(to_attribute));
    }
    expires(&mut update, usage.asked_at, USAGE_KEPT_FOR);
    update
}

/// Reads how much of a quota was left.
pub(crate) fn read_usage(item: &Item) -> Result<UsageSeen, serde_json::Error> {
    read(item)
}

/// The update that adds one to a counter, and its condition.
pub(crate) fn count(window: Timestamp, most: u32) -> (Update, String) {
    let mut update = Update::default();
    update.raise("count", 1);
    expires(&mut update, window, COUNTER_KEPT_FOR);
    let (count, most) = (update.name("count"), update.value("most", number(most.into())));
    (update, format!("attribute_not_exists({count}) OR {count} < {most}"))
}

/// For how long a counter is kept after its window began: no window is as long.
const COUNTER_KEPT_FOR: SignedDuration = SignedDuration::from_hours(1);
/// For how long it is kept how much of a quota was left.
const USAGE_KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What is written so long after a time is forgotten.
fn expires(update: &mut Update, time: Timestamp, after: SignedDuration) {
    let end = time.saturating_add(after).expect("a duration has no calendar");
    update.set(EXPIRES_AT, expiry(end));
}

/// Reads what an account's owner is buying.
pub(crate) fn read_purchase(item: &Item) -> Result<Purchase, serde_json::Error> {
    read(item)
}

/// Reads the deployment's own item.
pub(crate) fn read_stack(item: &Item) -> Result<StackRecord, serde_json::Error> {
    read(item)
}

/// The update that writes an account's state and ends what its claim noted.
pub(crate) fn state(account: &Account) -> Update {
    let mut update = Update::default();
    for (name, value) in object(account) {
        match name.as_str() {
            "lease_until" => update.put(&name, account.lease_until.map(instant)),
            name if name == DUE.range => update.put(name, account.review_at.map(instant)),
            ACCESS => {}
            _ => update.put(&name, stored(value)),
        }
    }
    // Each field for itself: the account's claim has seen to it that there is a map.
    for (name, value) in object(&account.access) {
        update.put_in(ACCESS, &name, stored(value));
    }
    update.put(DUE.hash, account.review_at.map(|_| account_shard(&account.id)));
    update.remove(CLAIM_ID);
    update
}

/// The access of an account of which nothing is known yet.
pub(crate) fn no_access() -> AttributeValue {
    let fields = object(&Access::default()).into_iter();
    AttributeValue::M(fields.filter_map(|(name, it)| Some((name, stored(it)?))).collect())
}

/// The shard of `due` and of `accounts` that an account is in. Stable for ever: it is stored.
pub(crate) fn account_shard(account: &AccountId) -> AttributeValue {
    account_shard_name((fnv1a(account.as_str()) % u64::from(ACCOUNT_SHARDS)) as u8)
}

/// How a shard of `due` and of `accounts` is spelled.
pub(crate) fn account_shard_name(shard: u8) -> AttributeValue {
    text(format!("{shard:02}"))
}

/// How a shard of a day of `recent` is spelled.
pub(crate) fn recent_shard_name(day: &str, shard: u8) -> AttributeValue {
    text(format!("{day}#{shard}"))
}

/// FNV-1a, 64 bits: spreads ids over shards, and means nothing else.
/// <http://www.isthe.com/chongo/tech/comp/fnv/>
pub(super) fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A history entry as an item.
pub(crate) fn entry(account: &AccountId, entry: &Entry) -> Item {
    let mut item = Key::entry(account, entry.version).attributes();
    item.extend(object(entry).into_iter().map(|(name, value)| (name, to_attribute(value))));
    item
}

/// A link as an item.
pub(crate) fn link(key: &Key, account: &AccountId) -> Item {
    let mut item = key.attributes();
    item.insert(ACCOUNT.to_owned(), text(account.as_str()));
    item
}

/// A customer's link as an item that an operator has released.
pub(crate) fn released(customer: &CustomerId, account: &AccountId) -> Item {
    let mut item = link(&Key::customer(customer), account);
    item.insert(RELEASED.to_owned(), AttributeValue::Bool(true));
    item
}

/// What is remembered of a person, or that nothing is: then DynamoDB deletes the item.
pub(crate) fn memory(memory: &Memory) -> Item {
    let mut item = Key::person(&memory.person).attributes();
    let fields = memory.keep.iter().flat_map(object);
    item.extend(fields.map(|(name, value)| (name, to_attribute(value))));
    let end = match &memory.keep {
        Some(remembered) => remembered.until,
        None => Some(memory.at),
    };
    item.extend(end.map(|end| (EXPIRES_AT.to_owned(), expiry(end))));
    item
}

/// Reads what is remembered of a person.
pub(crate) fn read_memory(item: &Item) -> Result<Option<Remembered>, serde_json::Error> {
    if item.contains_key(ACCOUNT) { read(item).map(Some) } else { Ok(None) }
}

/// When DynamoDB may delete an item: whole seconds since 1970.
pub(super) fn expiry(end: Timestamp) -> AttributeValue {
    AttributeValue::N(end.as_second().to_string())
}

/// Reads a `STATE` item; attributes that this build does not know are skipped.
pub(crate) fn read_account(item: &Item) -> Result<Account, serde_json::Error> {
    read(item)
}

/// Reads an `ENTRY` item.
pub(crate) fn read_entry(item: &Item) -> Result<Entry, serde_json::Error> {
    read(item)
}

pub(super) fn read<T: serde::de::DeserializeOwned>(item: &Item) -> Result<T, serde_json::Error> {
    serde_json::from_value(Value::Object(from_item(item)))
}

pub(super) fn object<T: serde::Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("the ledger's types are structs with text keys and whole numbers"),
    }
}
