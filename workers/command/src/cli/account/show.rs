//! `tollgate account show`: the account as the ledger has it, without personal data.

use serde_json::{Value, json};
use tollgate_core::account::{Access, Account, DisputeMark, KeyRecord, RetiringKey, User};
use tollgate_core::ledger::Entry;
use tollgate_core::ports::{Clock, Ledger};
use tollgate_core::text::one_line;
use tollgate_core::words::for_owner;
use tollgate_events::{Envelope, SubscriptionId};

use crate::cli::table::fields;
use crate::cli::{Context, Exit, Failure, Io, who};

pub(super) async fn run<C: Clock>(
    name: &str,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let ledger = context.ledger().await?;
    let account = who::account(name, context, &ledger).await?;
    let last = ledger.history(&account.id, None, 1).await?.pop();
    let now = context.clock.now();
    let leased = account.lease_until.is_some_and(|until| until > now);
    if context.json {
        writeln!(io.out, "{:#}", document(&account, last.as_ref(), leased))?;
    } else {
        fields(&rows(&account, last.as_ref(), leased), io)?;
    }
    Ok(Exit::Done)
}

/// What there is to say, one value to a line.
fn rows(account: &Account, last: Option<&Entry>, leased: bool) -> Vec<(&'static str, String)> {
    let access = &account.access;
    let mut rows = vec![("Account", account.id.to_string())];
    let plan = access.plan.as_ref().map_or("none".to_owned(), ToString::to_string);
    rows.extend([
        ("Plan", plan),
        ("Status", access.status.to_string()),
        ("Reason", access.reason.to_string()),
        ("Owner reads", owner_reads(account)),
    ]);
    let several =
        |label, values: Vec<String>| (!values.is_empty()).then(|| (label, values.join("\n")));
    rows.extend(several("Key", access.keys.values().map(key).collect()));
    rows.extend(several("Old keys", access.retiring.iter().map(retiring).collect()));
    rows.extend(access.usage_plan.iter().map(|it| ("Usage plan", it.to_string())));
    let customers = access.customers.iter().map(|id| match access.by_reference.contains(id) {
        true => format!("{id} by a payment link's reference alone"),
        false => id.to_string(),
    });
    rows.extend(several("Customers", customers.collect()));
    rows.extend(several("Pays for", account.several.iter().map(ToString::to_string).collect()));
    let disputes = access.disputes.iter().map(|(id, mark)| format!("{id} {}", word(*mark)));
    rows.extend(several("Disputes", disputes.collect()));
    let grace = access.grace.iter();
    let grace = grace.map(|(id, since)| format!("{id}, seen since {since:.0}{}", paid(access, id)));
    rows.extend(several("Past due", grace.collect()));
    let refunded = access.refunded.iter().map(|(id, invoice)| format!("{id}, {invoice}"));
    rows.extend(several("Refunded", refunded.collect()));
    let grants = access.grants.iter().map(|grant| match grant.until {
        Some(until) => format!("{} until {until:.0} ({})", grant.plan, one_line(&grant.why)),
        None => format!("{} ({})", grant.plan, one_line(&grant.why)),
    });
    rows.extend(several("Grants", grants.collect()));
    rows.extend(access.hold.iter().map(|why| ("Hold", one_line(why).into_owned())));
    rows.extend(access.closed.iter().map(|why| ("Closed", one_line(why).into_owned())));
    rows.push(("User", user(&account.user)));
    rows.extend(account.review_at.iter().map(|at| ("Next look", format!("{at:.0}"))));
    rows.extend(several("Deferred", account.deferred.iter().map(deferred).collect()));
    rows.extend(last.iter().map(|it| ("Last change", format!("{}, at {:.0}", it.version, it.at))));
    rows.extend(at_work(account, leased).map(|text| ("At work", text)));
    rows
}

fn key(key: &KeyRecord) -> String {
    format!("{}, generation {}, made {:.0}", key.id, key.generation, key.minted_at)
}

fn retiring(key: &RetiringKey) -> String {
    format!("{}, generation {}, until {:.0}", key.id, key.generation, key.until)
}

fn word(mark: DisputeMark) -> &'static str {
    match mark {
        DisputeMark::Holding => "holds",
        DisputeMark::Lifted => "lifted by an operator",
        DisputeMark::Elsewhere => "of a customer who is not linked to it",
    }
}

/// Without the user's name, which may be an e-mail address.
fn user(user: &User) -> String {
    match user {
        User::Unseen => "not seen yet".to_owned(),
        User::Present { enabled: true, .. } => "there".to_owned(),
        User::Present { enabled: false, .. } => "disabled".to_owned(),
        User::Missing { since, .. } => format!("not found since {since:.0}"),
        User::Deleted => "deleted".to_owned(),
    }
}

fn deferred(event: &Envelope) -> String {
    format!("{} {}", event.event_ref(), event.kind)
}

/// What was last paid for of a past-due subscription: its grace keeps no more.
fn paid(access: &Access, late: &SubscriptionId) -> String {
    match access.paid_for.get(late).map(Vec::as_slice) {
        None => String::new(),
        Some([]) => ", nothing was ever paid".to_owned(),
        Some(prices) => {
            let names: Vec<_> = prices.iter().map(|price| price.name().to_string()).collect();
            format!(", last paid for {}", names.join(", "))
        }
    }
}

fn at_work(account: &Account, leased: bool) -> Option<String> {
    let until = account.lease_until.map_or_else(String::new, |until| format!("{until:.0}"));
    match (leased, account.open) {
        (true, _) => Some(format!("somebody has the account, until {until} at the latest")),
        (false, true) => {
            Some("a convergence was not finished: the next one looks at it all".into())
        }
        (false, false) => None,
    }
}

/// What the account's owner is told.
fn owner_reads(account: &Account) -> String {
    for_owner(&account.access, account.subscription.as_ref()).text
}

fn document(account: &Account, last: Option<&Entry>, leased: bool) -> Value {
    let access = &account.access;
    let disputes = access.disputes.iter();
    let disputes = disputes.map(|(id, mark)| json!({ "dispute": id, "state": mark }));
    let grace = access.grace.iter();
    let grace = grace.map(|(id, since)| {
        json!({ "subscription": id, "since": since, "paid_for": access.paid_for.get(id) })
    });
    json!({
        "account": account.id,
        "plan": access.plan,
        "status": access.status,
        "reason": access.reason.to_string(),
        "owner_reads": owner_reads(account),
        "keys": access.keys.values().collect::<Vec<_>>(),
        "old_keys": access.retiring,
        "usage_plan": access.usage_plan,
        "customers": access.customers,
        "by_reference": access.by_reference,
        "several_subscriptions": account.several,
        "disputes": disputes.collect::<Vec<_>>(),
        "past_due": grace.collect::<Vec<_>>(),
        "refunded": access.refunded,
        "grants": access.grants,
        "hold": access.hold,
        "closed": access.closed,
        "user": user(&account.user),
        "review_at": account.review_at,
        "deferred": account.deferred.iter().map(deferred).collect::<Vec<_>>(),
        "version": account.version,
        "changed_at": last.map(|entry| entry.at),
        "leased_until": account.lease_until.filter(|_| leased),
        "open": account.open,
    })
}
