//! The invariants, checked on a stack at rest by looking at all four systems.
//!
//! Deliberately without `decide`: what an account is entitled to is worked out here
//! from Stripe's state alone, in a few lines that know nothing of events.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use tollgate_core::account::{Account, PlanId, Status, UsagePlanId};
use tollgate_core::catalog::Catalog;
use tollgate_core::ledger::Entry;
use tollgate_core::ports::Ledger;
use tollgate_core::stripe::Price;
use tollgate_events::{AccountId, EventId, EventRef, PriceId, Source};
use tollgate_standin::stripe::Status as Subscribed;
use tollgate_standin::world::{BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE};

use crate::stack::{Stack, TABLE};

/// What a check came to.
#[derive(Debug, Clone)]
pub struct Check {
    /// The invariant.
    pub name: &'static str,
    /// How much was looked at.
    pub looked_at: String,
    /// What breaks it.
    pub violations: Vec<String>,
}

/// Checks a stack at rest. `minted` are the key values that anybody was ever shown.
///
/// # Errors
/// A system cannot be read.
pub async fn check(stack: &Stack, minted: &[String]) -> anyhow::Result<Vec<Check>> {
    let items = scan(stack).await?;
    let (mut accounts, mut histories) = (Vec::new(), BTreeMap::new());
    for id in account_ids(&items) {
        accounts.extend(stack.ledger.account(&id).await?);
        histories.insert(id.clone(), stack.ledger.history(&id, None, 1000).await?);
    }
    Ok(vec![
        access(stack, &accounts),
        keys(stack, &accounts),
        records(stack).await?,
        history(&accounts, &histories),
        secrets(stack, &items, minted),
        links(&items, &accounts, &histories),
    ])
}

/// Every account's history, newest entry first.
type Histories = BTreeMap<AccountId, Vec<Entry>>;

type Item = HashMap<String, AttributeValue>;
type Items = Vec<Item>;

async fn scan(stack: &Stack) -> anyhow::Result<Items> {
    let client = aws_sdk_dynamodb::Client::new(&stack.sdk);
    let pages = client.scan().table_name(TABLE).into_paginator().items().send();
    Ok(pages.collect::<Result<Vec<_>, _>>().await?)
}

fn account_ids(items: &Items) -> BTreeSet<AccountId> {
    let key = |item: &Item| {
        let pk = item.get("pk")?.as_s().ok()?.strip_prefix("ACCOUNT#")?.to_owned();
        AccountId::parse(pk).ok()
    };
    items.iter().filter_map(key).collect()
}

/// Invariant 1: every key is where Stripe's state puts it; ledger and attributes agree.
fn access(stack: &Stack, accounts: &[Account]) -> Check {
    let mut violations = Vec::new();
    for user in stack.world.cognito.users() {
        if !accounts.iter().any(|account| account.id.as_str() == user.sub) {
            violations.push(format!("user {} has no account", user.sub));
        }
    }
    for account in accounts {
        violations.extend(wrong_with(stack, account).map(|what| format!("{}: {what}", account.id)));
    }
    Check {
        name: "1 access is what Stripe's state entitles to, everywhere",
        looked_at: format!("{} accounts", accounts.len()),
        violations,
    }
}

/// The first thing that is wrong with an account.
fn wrong_with(stack: &Stack, account: &Account) -> Option<String> {
    let access = &account.access;
    if account.open {
        return Some("it is still open".into());
    }
    // What was not answered leaves its lease to run out, and the row as it is.
    if account.lease_until.is_some_and(|until| until > stack.clock().time()) {
        return Some("it is still leased".into());
    }
    let Some(user) = stack.world.cognito.user_by_sub(account.id.as_str()) else {
        let closed = access.status == Status::Closed && access.keys.is_empty();
        return (!closed).then(|| "its user is gone, but it is not closed".into());
    };
    if access.closed.is_some() {
        let closed = access.status == Status::Closed && access.keys.is_empty();
        return (!closed).then(|| "an operator closed it, but it is not closed".into());
    }
    let functions = stack.functions();
    let catalog = &functions.worker.catalog;
    let entitled = entitled(stack, account, catalog);
    if access.plan != entitled {
        return Some(format!("it has {:?}, but Stripe says {entitled:?}", access.plan));
    }
    let Some(key) = account.key() else { return Some("it has no key".into()) };
    let wanted = entitled.as_ref().and_then(|id| catalog.plan(id)).map(|plan| &plan.usage_plan);
    let is_on: Vec<_> = stack.world.api_gateway.scene(|model, _| {
        let on = model.plans().filter(|plan| plan.keys.contains_key(key.id.as_str()));
        on.map(|plan| plan.id.clone()).collect()
    });
    if is_on.iter().map(String::as_str).ne(wanted.map(UsagePlanId::as_str)) {
        return Some(format!("its key is on {is_on:?}, not on {wanted:?}"));
    }
    let enabled = stack
        .world
        .api_gateway
        .scene(|model, _| model.get_api_key(key.id.as_str()).is_ok_and(|key| key.enabled));
    if enabled != (access.status == Status::Active) {
        return Some(format!("it is {:?}, but its key's enabled is {enabled}", access.status));
    }
    let attribute = |name| user.attribute(name).map(str::to_owned);
    let word = if enabled { entitled.map(|plan| plan.to_string()) } else { Some("held".into()) };
    if attribute("custom:apiid").as_deref() != Some(key.id.as_str())
        || (enabled && attribute("custom:plan") != word)
    {
        return Some("its attributes differ".into());
    }
    None
}

/// The best plan of all subscriptions that Stripe calls live.
fn entitled(stack: &Stack, account: &Account, catalog: &Catalog) -> Option<PlanId> {
    let stripe = stack.world.stripe.account();
    let live = account
        .access
        .customers
        .iter()
        .flat_map(|customer| stripe.subscriptions_of(customer.as_str()))
        .filter(|row| matches!(row.status, Subscribed::Active | Subscribed::Trialing));
    let items = live.flat_map(|row| &row.items).filter(|item| item.quantity != Some(0));
    let prices = items.filter_map(|item| stripe.price(&item.price).ok());
    let plans = prices.filter_map(|price| {
        let price = Price {
            id: PriceId::parse(price.id.clone()).ok(),
            lookup_key: price.lookup_key.clone(),
            ..Price::default()
        };
        catalog.plan_of(&price)
    });
    let best = plans.chain(catalog.default_plan()).max_by_key(|plan| plan.rank);
    best.map(|plan| plan.id.clone())
}

/// Invariant 2: one key for each account and generation, each named by its account.
fn keys(stack: &Stack, accounts: &[Account]) -> Check {
    let named: BTreeSet<&str> =
        accounts.iter().filter_map(Account::key).map(|key| key.id.as_str()).collect();
    let ours: BTreeMap<String, Vec<String>> = stack.world.api_gateway.scene(|model, _| {
        let mut ours: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in model.keys() {
            let name = key.name.clone().filter(|name| name.starts_with("tollgate/"));
            if let Some(name) = name {
                ours.entry(name).or_default().push(key.id.clone());
            }
        }
        ours
    });
    let twice = ours.iter().filter(|(_, ids)| ids.len() > 1);
    let mut violations: Vec<_> = twice.map(|(name, _)| format!("{name} exists twice")).collect();
    let nameless = ours.values().flatten().filter(|id| !named.contains(id.as_str()));
    violations.extend(nameless.map(|id| format!("key {id} belongs to no account")));
    let looked_at = format!("{} keys", ours.len());
    Check { name: "2 one key for each account and generation", looked_at, violations }
}

/// Invariant 3: every event that is acted on has a record, and nothing is left behind.
async fn records(stack: &Stack) -> anyhow::Result<Check> {
    let acted_on: Vec<String> = {
        let stripe = stack.world.stripe.account();
        let needed =
            stripe.events().filter(|event| tollgate_events::stripe::ACTED_ON.contains(&event.kind));
        needed.map(|event| event.id.clone()).collect()
    };
    let mut violations = Vec::new();
    for id in &acted_on {
        let event = EventRef { source: Source::Stripe, id: EventId::parse(id.clone())? };
        if stack.ledger.event(&event).await?.is_none() {
            violations.push(format!("{event} has no record"));
        }
    }
    for queue in [EVENTS_QUEUE, BULK_QUEUE].into_iter().chain(DEAD_LETTER_QUEUES) {
        let left = stack.world.sqs.len(queue);
        if left > 0 {
            violations.push(format!("{left} messages are left in {queue}"));
        }
    }
    let looked_at = format!("{} events", acted_on.len());
    Ok(Check { name: "3 every accepted event is on record", looked_at, violations })
}

/// Invariant 4: history has no gap and no fork, and ends with what the account is.
fn history(accounts: &[Account], histories: &Histories) -> Check {
    let mut violations = Vec::new();
    for (id, entries) in histories {
        let version = accounts.iter().find(|account| account.id == *id).map(|it| it.version);
        if version != Some(entries.first().map_or(0, |entry| entry.version)) {
            violations.push(format!("{id}: the newest entry is not the state's"));
        }
        for pair in entries.windows(2) {
            let gap = pair[0].version != pair[1].version + 1 || pair[0].before != pair[1].after;
            violations.extend(gap.then(|| format!("{id}: a gap at {}", pair[0].version)));
        }
    }
    let looked_at = format!("{} entries", histories.values().map(Vec::len).sum::<usize>());
    Check { name: "4 history has no gap and no fork", looked_at, violations }
}

/// Invariant 7: no key's value is in the ledger or in the log of calls.
fn secrets(stack: &Stack, items: &Items, minted: &[String]) -> Check {
    let ledger = format!("{items:?}");
    let log = format!("{:?}", stack.world.calls.since(0));
    let found = minted.iter().filter(|value| ledger.contains(*value) || log.contains(*value));
    Check {
        name: "7 no key's value is written anywhere",
        looked_at: format!("{} values in {} items", minted.len(), items.len()),
        violations: found.map(|_| "a key's value was found".to_owned()).collect(),
    }
}

/// Invariant 8: a customer is one account's, which knows it, and leaves it by an operator's act
/// alone.
fn links(items: &Items, accounts: &[Account], histories: &Histories) -> Check {
    let text = |item: &Item, name: &str| Some(item.get(name)?.as_s().ok()?.clone());
    let linked = items.iter().filter(|item| !item.contains_key("released")).filter_map(|item| {
        let customer = text(item, "pk")?.strip_prefix("CUSTOMER#")?.to_owned();
        Some((customer, text(item, "account")?))
    });
    let linked: BTreeSet<(String, String)> = linked.collect();
    let known = accounts.iter().flat_map(|account| {
        let customers = account.access.customers.iter();
        customers.map(|customer| (customer.to_string(), account.id.to_string()))
    });
    let known: BTreeSet<(String, String)> = known.collect();
    let differ = linked.symmetric_difference(&known);
    let differ = differ.map(|(customer, id)| format!("{customer}: link and account {id} differ"));
    let mut violations: Vec<_> = differ.collect();
    for (id, entries) in histories {
        for entry in entries {
            let left = entry.before.customers.difference(&entry.after.customers).filter(|it| {
                let act = format!("unlink customer {it}");
                entry.steps.iter().all(|taken| taken.step != act)
            });
            violations.extend(left.map(|customer| format!("{customer} left {id} by itself")));
        }
    }
    Check {
        name: "8 a customer is one account's, until an operator says so",
        looked_at: format!("{} customers", linked.len()),
        violations,
    }
}
