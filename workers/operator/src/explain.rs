//! Why an account has the access that it has: each change in words, with the events behind it.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_core::account::{Access, DisputeMark, Grant, PlanId, UsagePlanId};
use tollgate_core::ledger::{Entry, StoredEvent};
use tollgate_core::ports::{Ledger, PortResult};
use tollgate_events::{AccountId, EventRef};

/// An event that woke the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Which one.
    pub event: EventRef,
    /// Its record; it may have expired.
    pub record: Option<StoredEvent>,
}

/// One line of history, and what was behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What changed, when, and what was done.
    pub entry: Entry,
    /// The events.
    pub causes: Vec<Cause>,
}

/// An account's history, newest first, at most `limit` changes, each with its events.
///
/// # Errors
/// The ledger failed.
pub async fn history<L: Ledger>(
    ledger: &L,
    account: &AccountId,
    limit: usize,
) -> PortResult<Vec<Change>> {
    let mut changes = Vec::new();
    for entry in ledger.history(account, None, limit).await? {
        let mut causes = Vec::new();
        for event in &entry.cause {
            causes.push(Cause { event: event.clone(), record: ledger.event(event).await? });
        }
        changes.push(Change { entry, causes });
    }
    Ok(changes)
}

/// What is different, in words; the reason is told apart from it.
pub fn changes(before: &Access, after: &Access) -> Vec<String> {
    let mut told = Vec::new();
    if before.plan != after.plan {
        told.push(format!("plan {} → {}", plan(&before.plan), plan(&after.plan)));
    } else if before.usage_plan != after.usage_plan {
        let name =
            |it: &Option<UsagePlanId>| it.as_ref().map_or("none".into(), ToString::to_string);
        told.push(format!("usage plan {} → {}", name(&before.usage_plan), name(&after.usage_plan)));
    }
    if before.status != after.status {
        told.push(format!("{} → {}", before.status, after.status));
    }
    keys(before, after, &mut told);
    let customer = |verb: &'static str| move |it: &_| format!("{it} {verb}");
    told.extend(after.customers.difference(&before.customers).map(customer("linked")));
    told.extend(before.customers.difference(&after.customers).map(customer("unlinked")));
    disputes(before, after, &mut told);
    grants(&before.grants, &after.grants, &mut told);
    match (&before.hold, &after.hold) {
        (None, Some(_)) => told.push("held by an operator".into()),
        (Some(_), None) => told.push("released by an operator".into()),
        _ => {}
    }
    match (&before.closed, &after.closed) {
        (None, Some(_)) => told.push("closed by an operator".into()),
        (Some(_), None) => told.push("opened again by an operator".into()),
        _ => {}
    }
    let late = |access: &Access| access.grace.keys().cloned().collect::<BTreeSet<_>>();
    let (were, are) = (late(before), late(after));
    told.extend(are.difference(&were).map(|it| format!("{it} past due")));
    told.extend(were.difference(&are).map(|it| format!("{it} no longer past due")));
    let back = after.refunded.iter().filter(|(id, it)| before.refunded.get(*id) != Some(it));
    told.extend(back.map(|(id, invoice)| format!("{invoice} of {id} refunded")));
    let over = before.refunded.keys().filter(|id| !after.refunded.contains_key(*id));
    told.extend(over.map(|id| format!("refund of {id} over")));
    if told.is_empty() && before.attributes != after.attributes {
        told.push("attributes".into());
    }
    told
}

fn plan(plan: &Option<PlanId>) -> String {
    plan.as_ref().map_or("none".into(), ToString::to_string)
}

fn keys(before: &Access, after: &Access, told: &mut Vec<String>) {
    for (slot, key) in &after.keys {
        match before.keys.get(slot) {
            Some(was) if was.id == key.id => {}
            Some(was) => told.push(format!("key {} → {}", was.id, key.id)),
            None => told.push(format!("key {} made", key.id)),
        }
    }
    let gone = before.keys.iter().filter(|(slot, _)| !after.keys.contains_key(slot));
    let retires = |id| after.retiring.iter().any(|key| key.id == id);
    let gone = gone.filter(|(_, key)| !retires(key.id.clone()));
    told.extend(gone.map(|(_, key)| format!("key {} deleted", key.id)));
    let retiring = |access: &Access| {
        let keys = access.retiring.iter().map(|key| (key.id.clone(), key.until));
        keys.collect::<BTreeMap<_, _>>()
    };
    let (were, are) = (retiring(before), retiring(after));
    let new = are.iter().filter(|(id, until)| were.get(id) != Some(until));
    told.extend(new.map(|(id, until)| format!("key {id} ends at {until:.0}")));
    let ended = were.keys().filter(|id| !are.contains_key(id));
    told.extend(ended.map(|id| format!("key {id} deleted")));
}

fn disputes(before: &Access, after: &Access, told: &mut Vec<String>) {
    let was = |it: &BTreeMap<_, DisputeMark>, id| it.get(id).copied();
    for (id, mark) in &after.disputes {
        match (was(&before.disputes, id), mark) {
            (was, mark) if was == Some(*mark) => {}
            (_, DisputeMark::Holding) => told.push(format!("dispute {id} holds")),
            (_, DisputeMark::Lifted) => told.push(format!("dispute {id} lifted")),
            (_, DisputeMark::Elsewhere) => {
                told.push(format!("dispute {id} went with its customer"));
            }
        }
    }
    let over = before.disputes.keys().filter(|id| !after.disputes.contains_key(id));
    told.extend(over.map(|id| format!("dispute {id} over")));
}

fn grants(before: &[Grant], after: &[Grant], told: &mut Vec<String>) {
    for grant in after.iter().filter(|grant| !before.contains(grant)) {
        told.push(match grant.until {
            Some(until) => format!("{} granted until {until:.0}", grant.plan),
            None => format!("{} granted", grant.plan),
        });
    }
    let ended = before.iter().filter(|grant| !after.contains(grant));
    told.extend(ended.map(|grant| format!("grant of {} ended", grant.plan)));
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tollgate_events::{CustomerId, DisputeId, SubscriptionId};

    use super::*;
    use tollgate_core::account::{KeyId, KeyRecord, RetiringKey, Slot, Status};
    use tollgate_core::stripe::InvoiceId;

    fn access(change: impl FnOnce(&mut Access)) -> Access {
        let mut access = Access::default();
        change(&mut access);
        access
    }

    #[test]
    fn every_part_of_the_access_has_words() {
        let key = |id: &str, generation| {
            let (id, minted_at) = (KeyId::parse(id).unwrap(), Timestamp::UNIX_EPOCH);
            BTreeMap::from([(Slot::Primary, KeyRecord { id, generation, minted_at })])
        };
        let dispute = |mark| BTreeMap::from([(DisputeId::parse("dp_1").unwrap(), mark)]);
        let pro = PlanId::parse("pro").unwrap();
        let none = Access::default();
        let planned = access(|it| it.plan = Some(pro.clone()));
        let on = access(|it| it.usage_plan = Some(UsagePlanId::parse("u1").unwrap()));
        let active = access(|it| it.status = Status::Active);
        let one = access(|it| it.keys = key("k1", 1));
        let two = access(|it| it.keys = key("k2", 2));
        let linked = access(|it| it.customers.extend(CustomerId::parse("cus_1")));
        let holding = access(|it| it.disputes = dispute(DisputeMark::Holding));
        let lifted = access(|it| it.disputes = dispute(DisputeMark::Lifted));
        let until = Some(Timestamp::UNIX_EPOCH);
        let granted = access(|it| it.grants = vec![Grant { plan: pro, until, why: "w".into() }]);
        let held = access(|it| it.hold = Some("why".into()));
        let closed = access(|it| it.closed = Some("why".into()));
        let rotated = access(|it| {
            let (id, until) = (KeyId::parse("k1").unwrap(), Timestamp::UNIX_EPOCH);
            let (minted_at, usage_plan) = (None, None);
            it.retiring.push(RetiringKey { id, generation: 1, minted_at, usage_plan, until });
        });
        let late = SubscriptionId::parse("sub_1").unwrap();
        let late = access(|it| it.grace = BTreeMap::from([(late, Timestamp::UNIX_EPOCH)]));
        let id = SubscriptionId::parse("sub_1").unwrap();
        let invoice = InvoiceId::parse("in_1").unwrap();
        let refunded = access(|it| it.refunded = BTreeMap::from([(id, invoice)]));
        let written = access(|it| it.attributes.plan = Some("pro".into()));
        for (before, after, told) in [
            (&none, &none, ""),
            (&none, &planned, "plan none → pro"),
            (&none, &on, "usage plan none → u1"),
            (&none, &active, "new → active"),
            (&none, &one, "key k1 made"),
            (&one, &two, "key k1 → k2"),
            (&two, &none, "key k2 deleted"),
            (&none, &linked, "cus_1 linked"),
            (&linked, &none, "cus_1 unlinked"),
            (&none, &holding, "dispute dp_1 holds"),
            (&holding, &lifted, "dispute dp_1 lifted"),
            (&lifted, &none, "dispute dp_1 over"),
            (&none, &granted, "pro granted until 1970-01-01T00:00:00Z"),
            (&granted, &none, "grant of pro ended"),
            (&none, &held, "held by an operator"),
            (&held, &none, "released by an operator"),
            (&none, &closed, "closed by an operator"),
            (&closed, &none, "opened again by an operator"),
            (&one, &rotated, "key k1 ends at 1970-01-01T00:00:00Z"),
            (&rotated, &none, "key k1 deleted"),
            (&none, &late, "sub_1 past due"),
            (&late, &none, "sub_1 no longer past due"),
            (&none, &refunded, "in_1 of sub_1 refunded"),
            (&refunded, &none, "refund of sub_1 over"),
            (&none, &written, "attributes"),
        ] {
            assert_eq!(changes(before, after).join(", "), told);
        }
    }
}
