//! How the record of an event is spelled: what several writers tell of it is kept together.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use tollgate_core::ledger::{EventRecord, Outcome, RecordBody, StoredEvent};
use tollgate_events::{AccountId, EventId, EventRef, Source};

use super::items::{
    ACCOUNT, Key, Update, expiry, fnv1a, instant, number, object, read, recent_shard_name, text,
    text_of,
};
use super::json::{Item, from_attribute, to_attribute};
use super::table::{EXPIRES_AT, RECENT, RECENT_SHARDS, UNSETTLED};

/// All records of one event in one batch: a transaction may touch an item only once.
#[derive(Debug)]
pub(crate) struct Upsert<'a> {
    first: &'a EventRecord,
    last: &'a EventRecord,
    account: Option<&'a AccountId>,
    version: Option<u64>,
    attempts: u64,
}

/// One upsert for each event, in the order of the events' names.
pub(crate) fn merge(records: &[EventRecord]) -> Vec<Upsert<'_>> {
    let mut merged: BTreeMap<&EventRef, Upsert<'_>> = BTreeMap::new();
    for record in records {
        merged
            .entry(&record.event)
            .and_modify(|upsert| {
                upsert.last = record;
                upsert.account = record.account.as_ref().or(upsert.account);
                upsert.version = record.version.or(upsert.version);
                upsert.attempts += 1;
            })
            .or_insert_with(|| Upsert::of(record));
    }
    merged.into_values().collect()
}

impl<'a> Upsert<'a> {
    /// One record.
    pub(crate) fn of(record: &'a EventRecord) -> Self {
        Self {
            first: record,
            last: record,
            account: record.account.as_ref(),
            version: record.version,
            attempts: 1,
        }
    }

    /// The record's key.
    pub(crate) fn key(&self) -> Key {
        Key::event(&self.last.event)
    }

    /// The update: what was first stays, an account once known is not forgotten, the rest
    /// is as it was handled last. An unsettled record has no end, whatever the retention: it
    /// waits for a person.
    pub(crate) fn update(&self, retention: Option<SignedDuration>) -> Update {
        let (record, mut update) = (self.last, Update::default());
        update.set("source", text(record.event.source.as_str()));
        update.set("id", text(record.event.id.as_str()));
        update.set("outcome", text(record.outcome.as_str()));
        update.set("at", instant(record.at));
        // Who did it and why stays, whatever follows from an operator's act.
        if record.detail.is_some() || record.event.source != Source::Operator {
            update.put("detail", record.detail.clone().map(text));
        }
        if let Some(account) = self.account {
            update.set(ACCOUNT, text(account.as_str()));
        }
        if let Some(version) = self.version {
            update.set("version", number(version));
        }
        match &record.body {
            RecordBody::Envelope(envelope) => {
                update.set("envelope", to_attribute(Value::Object(object(envelope))));
                update.remove("unreadable");
                update.put(UNSETTLED.hash, record.unsettled_on().map(text));
            }
            // An envelope that is there stays, and by whom it is found.
            RecordBody::Unreadable(kept) => {
                update.set("unreadable", text(kept));
                match record.unsettled_on() {
                    Some(on) => update.set_first(UNSETTLED.hash, text(on)),
                    None => update.remove(UNSETTLED.hash),
                }
            }
        }
        update.set_first("first_outcome", text(self.first.outcome.as_str()));
        update.set_first("first_at", instant(self.first.at));
        update.set_first(RECENT.hash, recent_shard(self.first));
        update.raise("attempts", self.attempts);
        let end = record.expires_at(retention);
        update.put(EXPIRES_AT, end.map(expiry));
        update
    }
}

/// The condition of an event's record on an update: it is not there, waits for somebody, or was
/// last handled before then.
pub(crate) fn unless_settled(update: &mut Update, since: Timestamp) -> String {
    let (outcome, at) = (update.name("outcome"), update.name("at"));
    let since = update.value("since", instant(since));
    let unsettled = [Outcome::Waiting, Outcome::Parked]
        .map(|it| update.value(it.as_str(), text(it.as_str())))
        .join(", ");
    format!("attribute_not_exists({outcome}) OR {outcome} IN ({unsettled}) OR {at} < {since}")
}

fn recent_shard(record: &EventRecord) -> AttributeValue {
    let shard = fnv1a(record.event.id.as_str()) % u64::from(RECENT_SHARDS);
    recent_shard_name(&record.at.strftime("%Y-%m-%d").to_string(), shard as u8)
}

/// Reads an `EVENT` item.
pub(crate) fn read_event(item: &Item) -> Result<StoredEvent, serde_json::Error> {
    #[derive(Deserialize)]
    struct Fields {
        source: Source,
        id: EventId,
        outcome: Outcome,
        at: Timestamp,
        detail: Option<String>,
        account: Option<AccountId>,
        version: Option<u64>,
        first_outcome: Outcome,
        first_at: Timestamp,
        attempts: u64,
    }
    let fields: Fields = read(item)?;
    let record = EventRecord {
        event: EventRef { source: fields.source, id: fields.id },
        body: read_body(item),
        outcome: fields.outcome,
        detail: fields.detail,
        account: fields.account,
        version: fields.version,
        at: fields.at,
    };
    let (first_outcome, first_at) = (fields.first_outcome, fields.first_at);
    Ok(StoredEvent { record, first_outcome, first_at, attempts: fields.attempts })
}

/// What an older build could not read is the newest of it, once this one can. What only a newer one
/// can read comes back as its text: it can be shown, and not acted on.
fn read_body(item: &Item) -> RecordBody {
    let kept = text_of(item, "unreadable").map(str::to_owned);
    let envelope = item.get("envelope").map(|it| from_attribute(it).to_string());
    let mut bodies = kept.into_iter().chain(envelope).map(RecordBody::kept).collect::<Vec<_>>();
    let readable = bodies.iter().position(|body| matches!(body, RecordBody::Envelope(_)));
    match bodies.is_empty() {
        true => RecordBody::Unreadable(String::new()),
        false => bodies.swap_remove(readable.unwrap_or(0)),
    }
}
