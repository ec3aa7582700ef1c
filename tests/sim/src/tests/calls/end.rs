//! How a world has ended: all that must not depend on what went wrong on the way.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret;
use serde_json::{Value, json, to_value};
use tollgate_core::account::{Access, Account};
use tollgate_core::ledger::{Entry, EventRecord, StoredEvent, is_wake};
use tollgate_events::Source;
use tollgate_standin::api_gateway::Key;
use tollgate_standin::world::{BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE};

use crate::run::WORKER_TIME;
use crate::scene::Scene;

/// Every key's value by its id.
pub(super) type Values = BTreeMap<String, String>;

pub(super) fn values(scene: &Scene) -> Values {
    let of = |key: &Key| (key.id.clone(), key.value.expose_secret().to_owned());
    scene.world.api_gateway.scene(|model, _| model.keys().map(of).collect())
}

/// The end, as one value. Times at which something was done are left out, and so are
/// the values of new keys, which are drawn anew; a key from before must keep its own.
pub(super) fn end(scene: &Scene, before: &Values) -> Value {
    json!({
        "accounts": accounts(scene),
        "history": history(scene),
        "keys": keys(scene, before),
        "users": users(scene),
        "links": scene.world.ledger.links(),
        "key links": scene.world.ledger.key_links(),
        "events": events(scene),
        "stripe": stripe(scene),
    })
}

/// The end in a few words.
pub(super) fn summary(scene: &Scene) -> String {
    let users = scene.world.cognito.users();
    let word = users.first().and_then(|user| user.attribute("custom:plan")).unwrap_or("gone");
    let plan_of = |usage_plan: &String| {
        let plans = scene.worker.catalog.plans();
        let plan = plans.iter().find(|plan| plan.usage_plan.as_str() == usage_plan);
        plan.map_or_else(|| usage_plan.clone(), |plan| plan.id.to_string())
    };
    let keys = scene.world.api_gateway.scene(|model, _| {
        let key = |key: &Key| {
            let plans: Vec<_> = key.plans.iter().map(plan_of).collect();
            plans.join("+") + if key.enabled { "" } else { ", refused" }
        };
        model.keys().map(key).collect::<Vec<_>>()
    });
    let key = if keys.is_empty() { "no key".to_owned() } else { keys.join(" and ") };
    let events = scene.world.ledger.events().into_iter().map(|event| event.record.outcome);
    let unsettled: Vec<_> = events.filter(|outcome| outcome.is_unsettled()).collect();
    let unsettled =
        unsettled.first().map(|outcome| format!(", {} {}", unsettled.len(), outcome.as_str()));
    format!("{word}: {key}{}", unsettled.unwrap_or_default())
}

fn accounts(scene: &Scene) -> Value {
    // Who has written something that was not answered keeps its lease to the end.
    let latest = scene.world.clock.time() + WORKER_TIME;
    let is_leased = |account: &Account| account.lease_until.is_some_and(|until| until > latest);
    let accounts = scene.world.ledger.accounts().into_iter().map(|account| {
        json!({
            "id": account.id, "version": account.version, "open": account.open,
            "leased": is_leased(&account), "intent": account.intent.is_some(),
            "review_at": account.review_at, "user": account.user, "access": access(&account.access),
        })
    });
    accounts.collect()
}

fn access(access: &Access) -> Value {
    let mut access = access.clone();
    access.keys.values_mut().for_each(|key| key.minted_at = crate::world::dawn());
    for key in &mut access.retiring {
        key.until = crate::world::dawn();
        key.minted_at = None;
    }
    to_value(access).unwrap()
}

/// What each entry tells: its reason, and the access that it led to.
fn history(scene: &Scene) -> Value {
    let accounts = scene.world.ledger.accounts().into_iter();
    let entries = accounts.flat_map(|account| scene.world.ledger.entries(&account.id));
    entries.map(|entry| json!([entry.reason, access(&entry.after)])).collect()
}

fn keys(scene: &Scene, before: &Values) -> Value {
    scene.world.api_gateway.scene(|model, _| {
        let keys = model.keys().map(|key| {
            let value = match before.get(&key.id) {
                None => "new",
                Some(value) if value == key.value.expose_secret() => "kept",
                Some(_) => "another",
            };
            json!([key.id, key.name, key.description, key.enabled, key.plans, value])
        });
        keys.collect()
    })
}

fn users(scene: &Scene) -> Value {
    let users = scene.world.cognito.users().into_iter().map(|user| {
        let attribute = |name| user.attribute(name).map(str::to_owned);
        json!([user.id, user.enabled, attribute("custom:apiid"), attribute("custom:plan")])
    });
    users.collect()
}

/// Every event on record. A redelivery may find done what a lost first attempt did, so
/// applied and unchanged are the same here: settled. An operator does again what seemed
/// to fail, each time as an event of its own: these are the same if they are of one type.
fn events(scene: &Scene) -> Value {
    let events = scene.world.ledger.events().into_iter();
    let events = events.filter(|event| !event.record.envelope().is_some_and(is_wake));
    let name = |record: &EventRecord| match record.envelope() {
        Some(envelope) if envelope.source == Source::Operator => envelope.kind.clone(),
        _ => record.event.to_string(),
    };
    let line = |event: StoredEvent| {
        let record = event.record;
        let unsettled = record.outcome.is_unsettled().then(|| record.outcome.as_str());
        (name(&record), record.account, unsettled.unwrap_or("settled"))
    };
    let lines: BTreeSet<_> = events.map(line).collect();
    to_value(lines).unwrap()
}

/// Every subscription's status, and how often one ended.
fn stripe(scene: &Scene) -> Value {
    let stripe = scene.world.stripe.account();
    let customers = stripe.customers().map(|customer| customer.id.clone());
    let rows = customers.flat_map(|customer| stripe.subscriptions_of(&customer));
    let rows: Vec<_> = rows.map(|row| json!([row.id, row.status.as_str()])).collect();
    let ended = stripe.events().filter(|event| event.kind == "customer.subscription.deleted");
    json!({ "subscriptions": rows, "ended": ended.count() })
}

/// What is wrong with an end by itself, whatever it is compared with.
pub(super) fn flaws(scene: &Scene) -> Vec<String> {
    let mut flaws = Vec::new();
    let queues = [EVENTS_QUEUE, BULK_QUEUE].into_iter().chain(DEAD_LETTER_QUEUES);
    let full = queues.filter(|queue| !scene.world.sqs.is_empty(queue));
    flaws.extend(full.map(|queue| format!("{queue} is not empty")));
    let records: BTreeSet<_> =
        scene.world.ledger.events().into_iter().map(|event| event.record.event).collect();
    for (event, envelope) in scene.accepted() {
        if !is_wake(&envelope) && !records.contains(&event) {
            flaws.push(format!("{event} has no record"));
        }
    }
    for account in scene.world.ledger.accounts() {
        flaws.extend(history_flaw(&account, &scene.world.ledger.entries(&account.id)));
    }
    let (mut names, mut keys) = (BTreeSet::new(), 0);
    scene.world.api_gateway.scene(|model, _| {
        keys = model.keys().count();
        names.extend(model.keys().map(|key| key.name.clone()));
    });
    if names.len() != keys {
        flaws.push(format!("a key was made twice: {keys} keys of {names:?}"));
    }
    flaws
}

/// A gap or a fork in an account's history, or an end that the state does not show.
fn history_flaw(account: &Account, entries: &[Entry]) -> Option<String> {
    let mut last = Access::default();
    for (version, entry) in (1..).zip(entries) {
        if (entry.version, &entry.before) != (version, &last) {
            return Some(format!("entry {version} of history does not follow the one before"));
        }
        last = entry.after.clone();
    }
    let ends = (account.version, &account.access) == (entries.len() as u64, &last);
    (!ends).then(|| "the state is not what history ends with".into())
}
