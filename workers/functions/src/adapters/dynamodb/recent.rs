//! Events in the order in which they were first recorded: a day has several shards, each in
//! order, and they are merged here.

use std::array::from_fn;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_core::ledger::StoredEvent;
use tollgate_core::ports::{Class, Page, PortResult};

use super::items::{self, recent_shard_name};
use super::json::{Item, from_item, to_attribute};
use super::pages::map_page;
use super::table::{PK, RECENT, RECENT_SHARDS, SK};
use super::{DynamoLedger, operation, read_event};

const SHARDS: usize = RECENT_SHARDS as usize;

/// Where a page begins: a day, and of each of its shards the last item that was returned.
/// Callers see it as opaque text.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    day: Date,
    after: [Option<Value>; SHARDS],
}

/// What one query of a shard came to.
struct Shard {
    items: Vec<Item>,
    /// There is more in it after its last item.
    more: bool,
}

/// One page of the port's listing. Days without events are passed over, so that an empty
/// page means the end.
pub(super) async fn events(
    ledger: &DynamoLedger,
    from: Timestamp,
    to: Timestamp,
    page: Option<&str>,
) -> PortResult<Page<StoredEvent>> {
    let mut cursor = Cursor::begin(from, page)?;
    let last_day = day_of(to);
    while cursor.day <= last_day {
        let between = [items::instant(from), items::instant(to)];
        let shards = query(ledger, &cursor, &between).await?;
        let items = cursor.take(shards);
        if !items.is_empty() {
            let next = (cursor.day <= last_day).then(|| cursor.encode());
            return Ok(map_page(Page::whole(items, next), read_event));
        }
    }
    Ok(Page::whole(Vec::new(), None))
}

async fn query(
    ledger: &DynamoLedger,
    cursor: &Cursor,
    between: &[AttributeValue; 2],
) -> PortResult<Vec<Shard>> {
    let day = cursor.day.to_string();
    let query = async |(shard, after): (u8, &Option<Value>)| {
        let hash = recent_shard_name(&day, shard);
        let start = after.clone().and_then(item_of);
        let (items, last) = ledger.partition(RECENT, &hash, Some(between.clone()), start).await?;
        PortResult::Ok(Shard { items, more: last.is_some() })
    };
    try_join_all((0..).zip(&cursor.after).map(query)).await
}

impl Cursor {
    fn begin(from: Timestamp, page: Option<&str>) -> PortResult<Self> {
        let Some(page) = page else { return Ok(Self::on(day_of(from))) };
        serde_json::from_str(page).map_err(|_| {
            operation("Query").error(Class::Invalid, "the page token is not one of the ledger's")
        })
    }

    fn on(day: Date) -> Self {
        Self { day, after: from_fn(|_| None) }
    }

    fn encode(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// Merges what the shards returned, as far as no shard could have something in between,
    /// and goes on behind it.
    fn take(&mut self, shards: Vec<Shard>) -> Vec<Item> {
        // A shard that has more knows nothing of what comes after its last item.
        let last = |shard: &Shard| shard.items.last().map(first_at).filter(|_| shard.more);
        let bound = shards.iter().filter_map(last).min();
        let mut merged = Vec::new();
        for (after, shard) in self.after.iter_mut().zip(shards) {
            let within = |item: &Item| bound.as_ref().is_none_or(|bound| first_at(item) <= *bound);
            let taken: Vec<Item> = shard.items.into_iter().take_while(within).collect();
            if let Some(item) = taken.last() {
                *after = Some(key_of(item));
            }
            merged.extend(taken);
        }
        merged.sort_by_cached_key(|item| {
            (first_at(item), items::text_of(item, PK).map(str::to_owned))
        });
        if bound.is_none() {
            *self = Self::on(self.day.saturating_add(1.day()));
        }
        merged
    }
}

fn day_of(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

/// The text as it is stored: it sorts as time does.
fn first_at(item: &Item) -> String {
    items::text_of(item, RECENT.range).unwrap_or_default().to_owned()
}

/// The key of an item in the index, as the next query wants it.
fn key_of(item: &Item) -> Value {
    let names = [PK, SK, RECENT.hash, RECENT.range];
    let key = names.into_iter().filter_map(|name| Some((name.to_owned(), item.get(name)?.clone())));
    Value::Object(from_item(&key.collect()))
}

fn item_of(key: Value) -> Option<Item> {
    let Value::Object(key) = key else { return None };
    Some(key.into_iter().map(|(name, value)| (name, to_attribute(value))).collect())
}
