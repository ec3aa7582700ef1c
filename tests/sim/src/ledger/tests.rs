use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{Account, Reason};
use tollgate_core::ledger::{Claim, Commit, Entry, EventRecord, Outcome};
use tollgate_core::ports::{Class, Ledger};
use tollgate_events::{AccountId, CustomerId, Envelope, EventId, EventRef, Source, Subject, Via};

use super::MemoryLedger;
use crate::executor::block_on;
use crate::gate::Gate;

fn ledger() -> MemoryLedger {
    MemoryLedger::new(Gate::default())
}

fn id(text: &str) -> AccountId {
    AccountId::parse(text).unwrap()
}

fn customer(text: &str) -> CustomerId {
    CustomerId::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn take(ledger: &MemoryLedger, account: &str, now: i64) -> Account {
    match block_on(ledger.claim(&id(account), at(now), at(now + 60))).unwrap() {
        Claim::Taken { account } => *account,
        Claim::Leased { until } => panic!("leased until {until}"),
    }
}

/// A commit as a worker makes it: closed, lease given back, a commit id of its own.
fn closing(account: &Account, commit_id: &str) -> Commit {
    let account = Account {
        open: false,
        lease_until: None,
        commit_id: Some(commit_id.into()),
        ..account.clone()
    };
    Commit::of(account)
}

fn entry(version: u64) -> Entry {
    Entry {
        version,
        at: at(0),
        before: Default::default(),
        after: Default::default(),
        cause: vec![],
        reason: Reason::DefaultPlan,
        steps: vec![],
    }
}

fn event(event_id: &str, subject: Subject, outcome: Outcome, second: i64) -> EventRecord {
    let envelope = Envelope::received(
        Source::Stripe,
        Via::Webhook,
        EventId::parse(event_id).unwrap(),
        "invoice.paid",
        subject,
        at(second),
    );
    EventRecord::of(envelope, outcome, at(second))
}

fn on_customer(event_id: &str, customer_id: &str, outcome: Outcome) -> EventRecord {
    event(event_id, Subject::customer(customer(customer_id)), outcome, 0)
}

#[test]
fn pages_together_hold_every_item_once_although_items_leave_in_between() {
    let ledger = ledger().with_page_size(2);
    let records: Vec<EventRecord> = (1..=5)
        .map(|n| on_customer(&format!("evt_{n}"), &format!("cus_{}", 9 - n), Outcome::Waiting))
        .collect();
    block_on(ledger.record(&records)).unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        let mut account = take(&ledger, name, 0);
        account.review_at = Some(at(5));
        block_on(ledger.commit(&closing(&account, name))).unwrap();
    }

    let (mut unsettled, mut due, mut next) = (vec![], vec![], None);
    loop {
        let page = block_on(ledger.unsettled(next.as_deref())).unwrap();
        for stored in page.items {
            let mut record = stored.record;
            unsettled.push(record.event.id.to_string());
            record.outcome = Outcome::Applied;
            block_on(ledger.record(&[record])).unwrap();
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    loop {
        let page = block_on(ledger.due(at(5), next.as_deref())).unwrap();
        assert!(page.items.len() <= 2);
        due.extend(page.items.into_iter().map(|(account, _)| account.to_string()));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(unsettled, ["evt_1", "evt_2", "evt_3", "evt_4", "evt_5"]);
    assert_eq!(due, ["a", "b", "c", "d", "e"]);
    let class = block_on(ledger.due(at(5), Some("no token"))).unwrap_err().class;
    assert_eq!(class, Class::Invalid);
}

#[test]
fn the_dump_holds_what_any_item_says() {
    let ledger = ledger();
    let mut account = take(&ledger, "a", 0);
    account.access.hold = Some("needle-1".into());
    let mut commit = closing(&account, "c1");
    let mut written = entry(1);
    written.reason = Reason::OperatorHold { why: "needle-2".into() };
    commit.entry = Some(written);
    let event = EventRef { source: Source::Queue, id: EventId::parse("m-1").unwrap() };
    let unreadable = EventRecord::unreadable(event, "needle-3".into(), "needle-4".into(), at(0));
    commit.records = vec![unreadable];
    block_on(ledger.commit(&commit)).unwrap();
    let text = ledger.dump();
    for needle in ["needle-1", "needle-2", "needle-3", "needle-4"] {
        assert!(text.contains(needle), "{needle}");
    }
}

#[test]
fn a_lease_in_the_past_is_no_lease() {
    let ledger = ledger();
    let past = at(0) - SignedDuration::from_secs(1);
    block_on(ledger.claim(&id("a"), at(0), past)).unwrap();
    assert_eq!(take(&ledger, "a", 0).epoch, 2);
}
