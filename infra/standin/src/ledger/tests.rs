use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{Account, KeyId, KeyRecord, Reason, Slot};
use tollgate_core::ledger::{Claim, Commit, CommitResult, Entry, EventRecord, Outcome};
use tollgate_core::ports::{Class, Ledger};
use tollgate_events::{
    AccountId, CustomerId, ENVELOPE_VERSION, Envelope, EventId, EventRef, Source, Subject, Via,
};

use super::MemoryLedger;
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

async fn take(ledger: &MemoryLedger, account: &str, now: i64) -> Account {
    match ledger.claim(&id(account), at(now), at(now + 60)).await.unwrap() {
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
    let envelope = Envelope {
        v: ENVELOPE_VERSION,
        source: Source::Stripe,
        id: EventId::parse(event_id).unwrap(),
        kind: "invoice.paid".into(),
        subject,
        object: None,
        occurred_at: at(second),
        received_at: at(second),
        livemode: None,
        connect_account: None,
        via: Via::Webhook,
        run: None,
        hint: None,
    };
    EventRecord::of(envelope, outcome, at(second))
}

fn on_customer(event_id: &str, customer_id: &str, outcome: Outcome) -> EventRecord {
    event(event_id, Subject::customer(customer(customer_id)), outcome, 0)
}

#[tokio::test]
async fn a_claim_is_refused_while_a_lease_lives_and_not_after() {
    let ledger = ledger();
    assert_eq!(take(&ledger, "a", 0).await.epoch, 1);
    let refused = ledger.claim(&id("a"), at(59), at(120)).await.unwrap();
    assert_eq!(refused, Claim::Leased { until: at(60) });
    assert_eq!(take(&ledger, "a", 60).await.epoch, 2);
}

#[tokio::test]
async fn a_claim_tells_whether_it_was_found_open_and_opens_nothing() {
    let ledger = ledger();
    let first = take(&ledger, "a", 0).await;
    assert!(!first.open);
    assert_eq!(first.lease_until, Some(at(60)));
    assert!(!ledger.account(&id("a")).await.unwrap().unwrap().open);

    let mut begins = closing(&first, "c1");
    begins.account.begin("pro");
    ledger.commit(&begins).await.unwrap();
    let second = take(&ledger, "a", 60).await;
    assert!(second.open && second.may_have_told("pro"), "what was begun was not committed");
    let mut ends = closing(&second, "c2");
    ends.account.end();
    ledger.commit(&ends).await.unwrap();
    assert!(!take(&ledger, "a", 61).await.open);
}

#[tokio::test]
async fn a_commit_needs_the_newest_epoch() {
    let ledger = ledger();
    let stale = take(&ledger, "a", 0).await;
    let fresh = take(&ledger, "a", 60).await;
    let result = ledger.commit(&closing(&stale, "stale")).await.unwrap();
    assert_eq!(result, CommitResult::Fenced);
    let result = ledger.commit(&closing(&fresh, "fresh")).await.unwrap();
    assert_eq!(result, CommitResult::Committed);
    assert_eq!(ledger.accounts()[0].commit_id.as_deref(), Some("fresh"));
}

#[tokio::test]
async fn a_commit_without_any_claim_is_fenced() {
    let result = ledger().commit(&closing(&Account::new(id("a")), "c")).await.unwrap();
    assert_eq!(result, CommitResult::Fenced);
}

#[tokio::test]
async fn a_repeated_commit_recognises_itself_even_after_a_new_claim() {
    let ledger = ledger();
    let account = take(&ledger, "a", 0).await;
    let mut commit = closing(&account, "c1");
    commit.entry = Some(entry(1));
    commit.records = vec![on_customer("evt_1", "cus_1", Outcome::Applied)];
    ledger.commit(&commit).await.unwrap();
    assert_eq!(ledger.commit(&commit).await.unwrap(), CommitResult::Committed);
    take(&ledger, "a", 1).await;
    assert_eq!(ledger.commit(&commit).await.unwrap(), CommitResult::Committed);
    assert_eq!(ledger.entries(&id("a")).len(), 1);
    assert_eq!(ledger.events()[0].attempts, 1, "nothing was written again");
}

#[tokio::test]
async fn history_is_never_overwritten() {
    let ledger = ledger();
    let account = take(&ledger, "a", 0).await;
    let write = |account: &Account, commit_id, version| {
        let mut commit = closing(account, commit_id);
        commit.entry = Some(entry(version));
        commit
    };
    ledger.commit(&write(&account, "c1", 1)).await.unwrap();
    let account = take(&ledger, "a", 1).await;
    let result = ledger.commit(&write(&account, "c2", 1)).await.unwrap();
    assert_eq!(result, CommitResult::HistoryAhead);
    ledger.commit(&write(&account, "c2", 2)).await.unwrap();
    let newest: Vec<u64> =
        ledger.history(&id("a"), 1).await.unwrap().iter().map(|entry| entry.version).collect();
    assert_eq!(newest, [2]);
    let all: Vec<u64> = ledger.entries(&id("a")).iter().map(|entry| entry.version).collect();
    assert_eq!(all, [1, 2]);
}

#[tokio::test]
async fn an_older_catalog_cannot_commit() {
    let ledger = ledger();
    let commit_with = async |now, revision| {
        let mut account = take(&ledger, "a", now).await;
        account.catalog_revision = revision;
        ledger.commit(&closing(&account, &format!("c{now}"))).await.unwrap()
    };
    assert_eq!(commit_with(0, 7).await, CommitResult::Committed);
    assert_eq!(commit_with(100, 6).await, CommitResult::CatalogOutdated);
    assert_eq!(commit_with(200, 7).await, CommitResult::Committed);
}

#[tokio::test]
async fn a_link_taken_by_another_account_writes_nothing_at_all() {
    let ledger = ledger();
    let mut commit = closing(&take(&ledger, "a", 0).await, "c1");
    commit.link = vec![customer("cus_1")];
    assert_eq!(ledger.commit(&commit).await.unwrap(), CommitResult::Committed);
    let again = Commit { link: commit.link, ..closing(&take(&ledger, "a", 1).await, "c2") };
    assert_eq!(ledger.commit(&again).await.unwrap(), CommitResult::Committed);

    let mut thief = closing(&take(&ledger, "b", 0).await, "c3");
    thief.entry = Some(entry(1));
    thief.link = vec![customer("cus_2"), customer("cus_1")];
    thief.records = vec![on_customer("evt_1", "cus_1", Outcome::Applied)];
    let refused = CommitResult::LinkTaken { customer: customer("cus_1"), account: id("a") };
    assert_eq!(ledger.commit(&thief).await.unwrap(), refused);
    assert_eq!(ledger.account_of(&customer("cus_2")).await.unwrap(), None);
    assert_eq!(ledger.account_of(&customer("cus_1")).await.unwrap(), Some(id("a")));
    assert!(ledger.entries(&id("b")).is_empty());
    assert!(ledger.events().is_empty());
}

#[tokio::test]
async fn a_key_stays_linked_when_the_account_has_another() {
    let ledger = ledger();
    for (now, key) in [(0, "key1"), (1, "key2")] {
        let mut account = take(&ledger, "a", now).await;
        let record = KeyRecord {
            id: KeyId::parse(key).unwrap(),
            generation: 1,
            minted_at: Timestamp::UNIX_EPOCH,
        };
        account.access.keys.insert(Slot::Primary, record);
        ledger.commit(&closing(&account, key)).await.unwrap();
    }
    let keys = ledger.key_links();
    assert_eq!(keys.len(), 2);
    assert!(keys.values().all(|owner| *owner == id("a")));
}

#[tokio::test]
async fn a_record_keeps_its_first_outcome_and_what_once_was_known() {
    let ledger = ledger();
    let mut first = on_customer("evt_1", "cus_1", Outcome::Waiting);
    first.account = Some(id("a"));
    first.version = Some(3);
    first.detail = Some("not linked yet".into());
    let mut second = on_customer("evt_1", "cus_1", Outcome::Unchanged);
    second.at = at(9);
    ledger.record(&[first.clone()]).await.unwrap();
    ledger.record(&[second.clone()]).await.unwrap();

    let stored = ledger.event(&first.event).await.unwrap().unwrap();
    assert_eq!((stored.first_outcome, stored.first_at), (Outcome::Waiting, at(0)));
    assert_eq!((stored.record.outcome, stored.record.at), (Outcome::Unchanged, at(9)));
    assert_eq!((stored.record.account, stored.record.version), (Some(id("a")), Some(3)));
    assert_eq!(stored.record.detail, None, "the last word, not the first");
    assert_eq!(stored.attempts, 2);
}

#[tokio::test]
async fn only_waiting_and_parked_events_are_indexed() {
    let ledger = ledger();
    let by_account = event("evt_4", Subject::account(id("cus_1_not")), Outcome::Parked, 0);
    ledger
        .record(&[
            on_customer("evt_1", "cus_1", Outcome::Waiting),
            on_customer("evt_2", "cus_1", Outcome::Parked),
            on_customer("evt_3", "cus_2", Outcome::Waiting),
            by_account,
            on_customer("evt_5", "cus_1", Outcome::Applied),
        ])
        .await
        .unwrap();
    assert_eq!(stuck_on(&ledger, "cus_1").await, ["evt_1", "evt_2"]);
    assert_eq!(ledger.stuck(None).await.unwrap().items.len(), 4);

    ledger.record(&[on_customer("evt_1", "cus_1", Outcome::Applied)]).await.unwrap();
    assert_eq!(stuck_on(&ledger, "cus_1").await, ["evt_2"]);
    ledger.record(&[on_customer("evt_1", "cus_1", Outcome::Parked)]).await.unwrap();
    assert_eq!(stuck_on(&ledger, "cus_1").await, ["evt_1", "evt_2"]);
}

async fn stuck_on(ledger: &MemoryLedger, customer_id: &str) -> Vec<String> {
    let found = ledger.stuck_on(&customer(customer_id)).await.unwrap();
    found.iter().map(|stored| stored.record.event.id.to_string()).collect()
}

#[tokio::test]
async fn the_due_are_those_whose_time_has_come_earliest_first() {
    let ledger = ledger();
    for (name, review_at) in [("a", Some(20)), ("b", Some(10)), ("c", Some(21)), ("d", None)] {
        let mut account = take(&ledger, name, 0).await;
        account.review_at = review_at.map(at);
        ledger.commit(&closing(&account, name)).await.unwrap();
    }
    let due = ledger.due(at(20), None).await.unwrap();
    assert_eq!(due.items, [(id("b"), at(10)), (id("a"), at(20))]);
    assert_eq!(due.next, None);
}

#[tokio::test]
async fn pages_together_hold_every_item_once_although_items_leave_in_between() {
    let ledger = ledger().with_page_size(2);
    let records: Vec<EventRecord> = (1..=5)
        .map(|n| on_customer(&format!("evt_{n}"), &format!("cus_{}", 9 - n), Outcome::Waiting))
        .collect();
    ledger.record(&records).await.unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        let mut account = take(&ledger, name, 0).await;
        account.review_at = Some(at(5));
        ledger.commit(&closing(&account, name)).await.unwrap();
    }

    let (mut stuck, mut due, mut next) = (vec![], vec![], None);
    loop {
        let page = ledger.stuck(next.as_deref()).await.unwrap();
        for stored in page.items {
            let mut record = stored.record;
            stuck.push(record.event.id.to_string());
            record.outcome = Outcome::Applied;
            ledger.record(&[record]).await.unwrap();
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    loop {
        let page = ledger.due(at(5), next.as_deref()).await.unwrap();
        assert!(page.items.len() <= 2);
        due.extend(page.items.into_iter().map(|(account, _)| account.to_string()));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(stuck, ["evt_1", "evt_2", "evt_3", "evt_4", "evt_5"]);
    assert_eq!(due, ["a", "b", "c", "d", "e"]);
    let class = ledger.due(at(5), Some("no token")).await.unwrap_err().class;
    assert_eq!(class, Class::Invalid);
}

#[tokio::test]
async fn the_dump_holds_what_any_item_says() {
    let ledger = ledger();
    let mut account = take(&ledger, "a", 0).await;
    account.access.hold = Some("needle-1".into());
    let mut commit = closing(&account, "c1");
    let mut written = entry(1);
    written.reason = Reason::OperatorHold { why: "needle-2".into() };
    commit.entry = Some(written);
    let event = EventRef { source: Source::Queue, id: EventId::parse("m-1").unwrap() };
    let unreadable = EventRecord::unreadable(event, "needle-3".into(), "needle-4".into(), at(0));
    commit.records = vec![unreadable];
    ledger.commit(&commit).await.unwrap();
    let text = ledger.dump();
    for needle in ["needle-1", "needle-2", "needle-3", "needle-4"] {
        assert!(text.contains(needle), "{needle}");
    }
}

#[tokio::test]
async fn a_lease_in_the_past_is_no_lease() {
    let ledger = ledger();
    let past = at(0) - SignedDuration::from_secs(1);
    ledger.claim(&id("a"), at(0), past).await.unwrap();
    assert_eq!(take(&ledger, "a", 0).await.epoch, 2);
}
