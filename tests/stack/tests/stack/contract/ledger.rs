//! The ledger: claims, commits, records and indexes, as DynamoDB's conditions keep them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tollgate_core::account::{
    Access, Account, KeyId, KeyRecord, OfferId, PlanId, Reason, Slot, Status, UsagePlanId,
};
use tollgate_core::ledger::{
    Blast, Claim, Commit, CommitResult, CustomerLink, Entry, EventRecord, KeyCount, Outcome,
    RecordBody, StackRecord, StepTaken, StoredEvent,
};
use tollgate_core::ports::{Class, Counter, Ledger as _, Ports as _, Request, UsageSeen};
use tollgate_core::purchase::Purchase;
use tollgate_core::timing::UNFINISHED_REVIEW_AFTER;
use tollgate_events::{AccountId, CustomerId, Envelope, EventId, EventRef, Source, Subject, Via};

use super::face::{Face, Stand};

/// So many seconds after a time that is good for all.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(super) fn customer(id: &str) -> CustomerId {
    CustomerId::parse(id).unwrap()
}

pub(super) fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn event(id: &str) -> EventRef {
    EventRef { source: Source::Stripe, id: EventId::parse(id).unwrap() }
}

/// The record of an event about a customer.
fn record(id: &str, customer_id: &str, outcome: Outcome, seconds: i64) -> EventRecord {
    let envelope = Envelope {
        livemode: Some(false),
        ..Envelope::received(
            Source::Stripe,
            Via::Webhook,
            EventId::parse(id).unwrap(),
            "invoice.paid",
            Subject::customer(customer(customer_id)),
            at(0),
        )
    };
    EventRecord::of(envelope, outcome, at(seconds))
}

/// A commit as a worker makes it: closed, the lease given back, an id of its own.
pub(super) fn closing(account: &Account, commit_id: &str) -> Commit {
    let account = Account {
        open: false,
        lease_until: None,
        commit_id: Some(commit_id.to_owned()),
        ..account.clone()
    };
    Commit::of(account)
}

/// A commit that gives the account a plan, as its next version.
fn changing(account: &Account, commit_id: &str) -> Commit {
    let mut commit = closing(account, commit_id);
    commit.account.version += 1;
    commit.account.access = Access {
        plan: Some(PlanId::parse("pro").unwrap()),
        status: Status::Active,
        reason: Reason::DefaultPlan,
        keys: [(Slot::Primary, key(&account.id))].into(),
        ..Access::default()
    };
    commit.entry = Some(Entry {
        version: commit.account.version,
        at: at(1),
        before: account.access.clone(),
        after: commit.account.access.clone(),
        cause: vec![event("evt_1")],
        reason: Reason::DefaultPlan,
        steps: vec![StepTaken { step: "attach pro".into(), at: at(1) }],
    });
    commit
}

fn key(account: &AccountId) -> KeyRecord {
    let id = KeyId::parse(format!("key-of-{account}")).unwrap();
    KeyRecord { id, generation: 1, minted_at: at(0) }
}

fn names(events: &[StoredEvent]) -> BTreeSet<&str> {
    events.iter().map(|stored| stored.record.event.id.as_str()).collect()
}

impl<F: Face> Stand<F> {
    /// Claims for a minute.
    async fn claim(&self, id: &str, now: i64) -> Claim {
        self.ports.ledger().claim(&account(id), at(now), at(now + 60)).await.unwrap()
    }

    async fn claimed(&self, id: &str, now: i64) -> Account {
        match self.claim(id, now).await {
            Claim::Taken { account } => *account,
            Claim::Leased { until } => panic!("leased until {until}"),
        }
    }

    async fn commit(&self, commit: &Commit) -> CommitResult {
        self.ports.ledger().commit(commit).await.unwrap()
    }

    async fn stored(&self, id: &str) -> Option<Account> {
        self.ports.ledger().account(&account(id)).await.unwrap()
    }

    async fn record(&self, records: &[EventRecord]) {
        self.ports.ledger().record(records).await.unwrap();
    }

    async fn recorded(&self, id: &str) -> Option<StoredEvent> {
        self.ports.ledger().event(&event(id)).await.unwrap()
    }

    async fn history(&self, id: &str, limit: usize) -> Vec<u64> {
        let entries = self.ports.ledger().history(&account(id), None, limit).await.unwrap();
        entries.iter().map(|entry| entry.version).collect()
    }
}

pub(super) async fn a_claim_is_refused_while_a_lease_lives<F: Face>(stand: Stand<F>) {
    assert_eq!(stand.claimed("a", 0).await.epoch, 1);
    assert_eq!(stand.claim("a", 59).await, Claim::Leased { until: at(60) });
    assert_eq!(stand.claimed("b", 59).await.epoch, 1);
    assert_eq!(stand.claimed("a", 60).await.epoch, 2);
}

pub(super) async fn one_of_two_claims_at_once_is_taken<F: Face>(stand: Stand<F>) {
    let (one, other) = tokio::join!(stand.claim("a", 0), stand.claim("a", 0));
    let leased = Claim::Leased { until: at(60) };
    assert!((one == leased) != (other == leased), "{one:?} {other:?}");
}

pub(super) async fn a_claim_makes_the_account<F: Face>(stand: Stand<F>) {
    assert_eq!(stand.stored("a").await, None);
    let claimed = stand.claimed("a", 0).await;
    let new = Account { epoch: 1, lease_until: Some(at(60)), ..Account::new(account("a")) };
    assert_eq!(claimed, new);
    let review_at = Some(at(60) + UNFINISHED_REVIEW_AFTER);
    assert_eq!(stand.stored("a").await, Some(Account { review_at, ..new }));
}

pub(super) async fn whoever_does_not_commit_is_due_after_the_lease<F: Face>(stand: Stand<F>) {
    let mut commit = closing(&stand.claimed("a", 0).await, "c-1");
    commit.account.review_at = Some(at(500));
    stand.commit(&commit).await;
    let claimed = stand.claimed("a", 100).await;
    assert_eq!(claimed.review_at, Some(at(500)), "what was known before is not forgotten");
    let due = async |now| stand.ports.ledger().due(at(now), None).await.unwrap().items;
    assert!(due(459).await.is_empty());
    assert_eq!(due(460).await, [(account("a"), at(160) + UNFINISHED_REVIEW_AFTER)]);
    stand.commit(&closing(&claimed, "c-2")).await;
    assert!(due(460).await.is_empty());
}

pub(super) async fn the_stacks_own_item_has_one_writer_at_a_time<F: Face>(stand: Stand<F>) {
    let ledger = stand.ports.ledger();
    let empty = ledger.stack().await.unwrap();
    assert_eq!(empty, StackRecord::default());
    let keys = Some(KeyCount { count: 7, at: at(1) });
    let blast = Blast { since: Some(at(2)), count: 3, stopped: true, ..Blast::default() };
    let written = StackRecord { keys, paying: 5, blast, ..empty.clone() };
    assert!(ledger.put_stack(&written).await.unwrap());
    assert!(!ledger.put_stack(&empty).await.unwrap(), "another was faster");
    let read = ledger.stack().await.unwrap();
    assert_eq!(read, StackRecord { revision: 1, ..written });
    assert!(ledger.put_stack(&StackRecord { keys: None, ..read.clone() }).await.unwrap());
    assert!(!ledger.put_stack(&read).await.unwrap(), "another was faster");
    assert_eq!(ledger.stack().await.unwrap(), StackRecord { revision: 2, keys: None, ..read });
}

pub(super) async fn what_is_being_bought_has_one_writer_at_a_time<F: Face>(stand: Stand<F>) {
    let (ledger, ann) = (stand.ports.ledger(), account("ann"));
    assert_eq!(ledger.purchase(&ann).await.unwrap(), None);
    let offer = OfferId::parse("pro_monthly").unwrap();
    let first = Purchase::default().click(&offer, "nonce-1", at(1)).unwrap();
    let other = Purchase::default().click(&offer, "nonce-2", at(1)).unwrap();
    assert!(ledger.put_purchase(&ann, &first).await.unwrap());
    assert!(!ledger.put_purchase(&ann, &other).await.unwrap(), "another window was faster");
    let read = ledger.purchase(&ann).await.unwrap().unwrap();
    assert_eq!(read, Purchase { revision: 1, ..first });
    let over = Purchase { attempt: None, customer: Some(customer("John Doe")), ..read.clone() };
    assert!(ledger.put_purchase(&ann, &over).await.unwrap());
    assert!(!ledger.put_purchase(&ann, &read).await.unwrap(), "another window was faster");
    let stored = ledger.purchase(&ann).await.unwrap();
    assert_eq!(stored, Some(Purchase { revision: 2, ..over }));
    assert_eq!(ledger.purchase(&account("ben")).await.unwrap(), None);
    assert_eq!(stand.stored("ann").await, None, "it is no account");
}

pub(super) async fn a_counter_stops_at_its_limit<F: Face>(stand: Stand<F>) {
    let ledger = stand.ports.ledger();
    let of = |id: &str, request| Counter::Requests { account: account(id), request };
    let count = async |counter: &Counter, window| {
        let one = || ledger.count(counter, at(window), 3);
        let counted = tokio::join!(one(), one(), one(), one(), one());
        let (a, b, c, d, e) = counted;
        [a, b, c, d, e].into_iter().filter(|counted| *counted.as_ref().unwrap()).count()
    };
    let counter = of("a", Request::Key);
    assert_eq!(count(&counter, 0).await, 3, "all at once");
    assert!(!ledger.count(&counter, at(0), 3).await.unwrap());
    assert_eq!(count(&counter, 60).await, 3, "another window");
    for other in [of("a", Request::Overview), of("b", Request::Key), Counter::ControlPlane] {
        assert_eq!(count(&other, 0).await, 3, "{other:?}");
    }
}

pub(super) async fn what_was_used_has_one_writer_at_a_time<F: Face>(stand: Stand<F>) {
    let (ledger, ann) = (stand.ports.ledger(), account("ann"));
    assert_eq!(ledger.usage_seen(&ann).await.unwrap(), None);
    let begun = UsageSeen {
        revision: 0,
        usage_plan: UsagePlanId::parse("up-pro").unwrap(),
        key: key(&ann).id,
        left: None,
        asked_at: at(1),
    };
    assert!(ledger.put_usage_seen(&ann, &begun).await.unwrap());
    assert!(!ledger.put_usage_seen(&ann, &begun).await.unwrap(), "another was faster");
    let seen = UsageSeen { revision: 1, left: Some((17, at(2))), ..begun };
    assert!(ledger.put_usage_seen(&ann, &seen).await.unwrap());
    let stored = ledger.usage_seen(&ann).await.unwrap();
    assert_eq!(stored, Some(UsageSeen { revision: 2, ..seen }));
}

pub(super) async fn a_claim_tells_whether_it_found_the_account_open<F: Face>(stand: Stand<F>) {
    let mut begins = closing(&stand.claimed("a", 0).await, "c1");
    begins.account.begin("pro");
    assert_eq!(stand.commit(&begins).await, CommitResult::Committed);
    let second = stand.claimed("a", 60).await;
    assert!(second.open && second.may_have_told("pro"), "what was begun was not committed");
    assert!(!second.may_have_told("held"));
    let mut ends = closing(&second, "c2");
    ends.account.end();
    assert_eq!(stand.commit(&ends).await, CommitResult::Committed);
    let third = stand.claimed("a", 61).await;
    assert!(!third.open && third.begun.is_empty());
    assert!(!stand.claimed("a", 121).await.open, "a claim alone begins nothing");
}

pub(super) async fn the_epoch_fences_a_commit<F: Face>(stand: Stand<F>) {
    let stale = stand.claimed("a", 0).await;
    let fresh = stand.claimed("a", 60).await;
    let mut late = changing(&stale, "late");
    late.link.push(customer("cus_1"));
    late.records.push(record("evt_1", "cus_1", Outcome::Applied, 61));
    assert_eq!(stand.commit(&late).await, CommitResult::Fenced);
    let review_at = fresh.lease_until.map(|until| until + UNFINISHED_REVIEW_AFTER);
    assert_eq!(stand.stored("a").await, Some(Account { review_at, ..fresh.clone() }));
    assert!(stand.history("a", 10).await.is_empty());
    assert_eq!(stand.recorded("evt_1").await, None);
    assert_eq!(stand.ports.ledger().account_of(&customer("cus_1")).await.unwrap(), None);
    assert_eq!(stand.commit(&changing(&fresh, "c2")).await, CommitResult::Committed);
}

pub(super) async fn a_commit_without_a_claim_is_fenced<F: Face>(stand: Stand<F>) {
    let never_claimed = Account::new(account("a"));
    assert_eq!(stand.commit(&closing(&never_claimed, "c1")).await, CommitResult::Fenced);
    assert_eq!(stand.stored("a").await, None);
}

pub(super) async fn a_commit_writes_everything_at_once<F: Face>(stand: Stand<F>) {
    let mut commit = changing(&stand.claimed("a", 0).await, "c1");
    commit.link.push(customer("cus_1"));
    commit.records.push(record("evt_1", "cus_1", Outcome::Applied, 1));
    assert_eq!(stand.commit(&commit).await, CommitResult::Committed);
    assert_eq!(stand.stored("a").await, Some(commit.account));
    let history = stand.ports.ledger().history(&account("a"), None, 10).await.unwrap();
    assert_eq!(history, [commit.entry.unwrap()]);
    let owner = stand.ports.ledger().account_of(&customer("cus_1")).await.unwrap();
    assert_eq!(owner, Some(account("a")));
    assert_eq!(stand.recorded("evt_1").await.unwrap().record, commit.records[0]);
}

pub(super) async fn a_link_that_is_taken_moves_nothing<F: Face>(stand: Stand<F>) {
    let mut first = closing(&stand.claimed("a", 0).await, "c1");
    first.link.extend([customer("cus_1"), customer("cus_1")]);
    assert_eq!(stand.commit(&first).await, CommitResult::Committed, "named twice");
    let claimed = stand.claimed("b", 0).await;
    let mut second = changing(&claimed, "c2");
    second.link.extend([customer("cus_2"), customer("cus_1")]);
    let taken = CommitResult::LinkTaken { customer: customer("cus_1"), account: account("a") };
    assert_eq!(stand.commit(&second).await, taken);
    assert_eq!(stand.ports.ledger().account_of(&customer("cus_2")).await.unwrap(), None);
    assert!(stand.history("b", 10).await.is_empty());
    let mut again = closing(&stand.claimed("a", 1).await, "c3");
    again.link.push(customer("cus_1"));
    assert_eq!(stand.commit(&again).await, CommitResult::Committed, "its own link");
}

pub(super) async fn a_released_link_is_an_operators_to_give<F: Face>(stand: Stand<F>) {
    let cus = customer("cus_1");
    let taken = CommitResult::LinkTaken { customer: cus.clone(), account: account("a") };
    let released = CommitResult::LinkReleased { customer: cus.clone() };
    let (link, unlink) = (true, false);
    let steps = [
        ("a", link, false, CommitResult::Committed),
        ("b", unlink, true, taken.clone()),
        ("b", link, true, taken),
        ("a", unlink, true, CommitResult::Committed),
        ("a", link, false, released.clone()),
        ("b", link, false, released),
        ("b", link, true, CommitResult::Committed),
        ("b", link, false, CommitResult::Committed),
    ];
    for (now, (id, links, by_operator, expected)) in (0..).zip(steps) {
        let claimed = stand.claimed(id, 100 * now).await;
        let mut commit = Commit { by_operator, ..closing(&claimed, &format!("c{now}")) };
        if links { &mut commit.link } else { &mut commit.unlink }.push(cus.clone());
        assert_eq!(stand.commit(&commit).await, expected, "{now}");
        let owner = match now {
            0..3 => CustomerLink::Account(account("a")),
            3..6 => CustomerLink::Released { from: account("a") },
            _ => CustomerLink::Account(account("b")),
        };
        assert_eq!(stand.ports.ledger().link_of(&cus).await.unwrap(), owner, "{now}");
        let account_of = stand.ports.ledger().account_of(&cus).await.unwrap();
        assert_eq!(account_of, owner.account(), "{now}");
    }
    let nobodys = stand.ports.ledger().link_of(&customer("cus_2")).await.unwrap();
    assert_eq!(nobodys, CustomerLink::Unlinked);
}

/// Ids that sellers chose: with what separates something somewhere, of other letters, and as long
/// as can be.
pub(super) fn odd_ids() -> Vec<String> {
    let odd = [
        "John Doe",
        "Zoë Ü",
        "..",
        "a/b#c,d?e=f&g+h",
        "\\\"'%20",
        "\u{202e}\u{ffff}",
        "CUSTOMER#x",
    ];
    let long = ["1", "2"].map(|last| format!("{}{last}", "ü".repeat(120)));
    odd.map(str::to_owned).into_iter().chain(long).collect()
}

pub(super) async fn links_and_records_take_any_customers_id<F: Face>(stand: Stand<F>) {
    for (n, id) in odd_ids().iter().enumerate() {
        let (owner, event) = (format!("a{n}"), format!("evt_{n}"));
        stand.record(&[record(&event, id, Outcome::Waiting, 0)]).await;
        let mut commit = closing(&stand.claimed(&owner, 0).await, &format!("c{n}"));
        commit.link.push(customer(id));
        commit.account.access.customers.insert(customer(id));
        assert_eq!(stand.commit(&commit).await, CommitResult::Committed);
    }
    let ledger = stand.ports.ledger();
    for (n, id) in odd_ids().iter().enumerate() {
        let owner = account(&format!("a{n}"));
        assert_eq!(ledger.account_of(&customer(id)).await.unwrap(), Some(owner.clone()), "{id}");
        let stored = ledger.account(&owner).await.unwrap().unwrap();
        assert_eq!(stored.access.customers, [customer(id)].into(), "{id}");
        let unsettled = ledger.unsettled_on(&customer(id)).await.unwrap();
        assert_eq!(names(&unsettled), [&*format!("evt_{n}")].into(), "{id}");
    }
}

pub(super) async fn a_key_tells_whose_it_is_and_was<F: Face>(stand: Stand<F>) {
    let ledger = stand.ports.ledger();
    let key = key(&account("a")).id;
    assert_eq!(ledger.account_of_key(&key).await.unwrap(), None);
    let commit = changing(&stand.claimed("a", 0).await, "c1");
    assert_eq!(stand.commit(&commit).await, CommitResult::Committed);
    assert_eq!(ledger.account_of_key(&key).await.unwrap(), Some(account("a")));
    let mut gone = changing(&stand.claimed("a", 1).await, "c2");
    gone.account.access.keys.clear();
    gone.entry.as_mut().unwrap().after.keys.clear();
    assert_eq!(stand.commit(&gone).await, CommitResult::Committed);
    assert_eq!(ledger.account_of_key(&key).await.unwrap(), Some(account("a")));
}

pub(super) async fn a_lost_response_is_recognised_by_commit_id<F: Face>(stand: Stand<F>) {
    let mut commit = closing(&stand.claimed("a", 0).await, "c1");
    commit.records.push(record("evt_1", "cus_1", Outcome::Unchanged, 1));
    for _ in 0..2 {
        assert_eq!(stand.commit(&commit).await, CommitResult::Committed);
    }
    assert_eq!(stand.recorded("evt_1").await.unwrap().attempts, 1, "written once");
    let claimed = stand.claimed("a", 1).await;
    assert_eq!(stand.commit(&commit).await, CommitResult::Committed, "after another claim too");
    let stored = stand.stored("a").await.unwrap();
    assert_eq!(stored.lease_until, claimed.lease_until, "and it undoes nothing");
}

pub(super) async fn a_newer_catalog_is_not_overruled<F: Face>(stand: Stand<F>) {
    let mut newer = closing(&stand.claimed("a", 0).await, "c1");
    newer.account.catalog_revision = 8;
    assert_eq!(stand.commit(&newer).await, CommitResult::Committed);
    let mut older = closing(&stand.claimed("a", 1).await, "c2");
    older.account.catalog_revision = 7;
    assert_eq!(stand.commit(&older).await, CommitResult::CatalogOutdated);
    older.account.catalog_revision = 8;
    assert_eq!(stand.commit(&older).await, CommitResult::Committed);
}

pub(super) async fn a_newer_catalog_is_named_before_a_lost_claim<F: Face>(stand: Stand<F>) {
    let stale = stand.claimed("a", 0).await;
    let mut newer = closing(&stand.claimed("a", 60).await, "c1");
    newer.account.catalog_revision = 8;
    assert_eq!(stand.commit(&newer).await, CommitResult::Committed);
    assert_eq!(stand.commit(&closing(&stale, "c2")).await, CommitResult::CatalogOutdated);
}

pub(super) async fn history_is_never_overwritten<F: Face>(stand: Stand<F>) {
    let first = changing(&stand.claimed("a", 0).await, "c1");
    assert_eq!(stand.commit(&first).await, CommitResult::Committed);
    let mut fork = changing(&stand.claimed("a", 1).await, "c2");
    fork.account.version = 1;
    let entry = fork.entry.as_mut().unwrap();
    (entry.version, entry.reason) = (1, Reason::NoPlan);
    assert_eq!(stand.commit(&fork).await, CommitResult::HistoryAhead);
    let history = stand.ports.ledger().history(&account("a"), None, 10).await.unwrap();
    assert_eq!(history, [first.entry.unwrap()]);
}

pub(super) async fn history_comes_newest_first<F: Face>(stand: Stand<F>) {
    for version in 0..12 {
        let claimed = stand.claimed("a", version).await;
        let commit = changing(&claimed, &format!("c{version}"));
        assert_eq!(stand.commit(&commit).await, CommitResult::Committed);
    }
    assert_eq!(stand.history("a", 3).await, [12, 11, 10]);
    assert_eq!(stand.history("a", 100).await, (1..=12).rev().collect::<Vec<_>>());
    assert!(stand.history("b", 3).await.is_empty());
    // A page goes on below the last one's oldest, wherever that is.
    for (before, limit, versions) in [
        (Some(10), 3, vec![9, 8, 7]),
        (Some(3), 5, vec![2, 1]),
        (Some(1), 5, vec![]),
        (Some(0), 5, vec![]),
        (Some(u64::MAX), 2, vec![12, 11]),
    ] {
        let page = stand.ports.ledger().history(&account("a"), before, limit).await.unwrap();
        let page: Vec<_> = page.iter().map(|entry| entry.version).collect();
        assert_eq!(page, versions, "before {before:?}");
    }
}

pub(super) async fn reads_see_the_last_write<F: Face>(stand: Stand<F>) {
    for round in 0..5 {
        let mut commit = changing(&stand.claimed("a", round).await, &format!("c{round}"));
        let linked = customer(&format!("cus_{round}"));
        commit.link.push(linked.clone());
        commit.records.push(record(&format!("evt_{round}"), "cus_1", Outcome::Applied, round));
        stand.commit(&commit).await;
        assert_eq!(stand.stored("a").await, Some(commit.account.clone()));
        let owner = stand.ports.ledger().account_of(&linked).await.unwrap();
        assert_eq!(owner, Some(account("a")));
        assert!(stand.recorded(&format!("evt_{round}")).await.is_some());
        assert_eq!(stand.history("a", 1).await, [commit.account.version]);
    }
}

pub(super) async fn a_record_keeps_its_first_outcome<F: Face>(stand: Stand<F>) {
    stand.record(&[record("evt_1", "cus_1", Outcome::Waiting, 0)]).await;
    let parked = EventRecord {
        detail: Some("nobody's".into()),
        ..record("evt_1", "cus_1", Outcome::Parked, 5)
    };
    stand.record(std::slice::from_ref(&parked)).await;
    let stored = stand.recorded("evt_1").await.unwrap();
    let expected = StoredEvent {
        record: parked,
        first_outcome: Outcome::Waiting,
        first_at: at(0),
        attempts: 2,
    };
    assert_eq!(stored, expected);
    stand.record(&[record("evt_1", "cus_1", Outcome::Applied, 9)]).await;
    assert_eq!(stand.recorded("evt_1").await.unwrap().record.detail, None, "no error is left");
}

pub(super) async fn an_account_once_known_is_not_forgotten<F: Face>(stand: Stand<F>) {
    let known = EventRecord {
        account: Some(account("a")),
        version: Some(3),
        ..record("evt_1", "cus_1", Outcome::Applied, 0)
    };
    stand.record(&[known]).await;
    stand.record(&[record("evt_1", "cus_1", Outcome::Parked, 1)]).await;
    let stored = stand.recorded("evt_1").await.unwrap().record;
    assert_eq!((stored.account, stored.version), (Some(account("a")), Some(3)));
}

pub(super) async fn two_records_of_one_event_count_twice<F: Face>(stand: Stand<F>) {
    let twice = [
        record("evt_1", "cus_1", Outcome::Waiting, 0),
        record("evt_1", "cus_1", Outcome::Applied, 1),
    ];
    stand.record(&twice).await;
    let mut commit = closing(&stand.claimed("a", 0).await, "c1");
    commit.records.extend(twice.clone());
    stand.commit(&commit).await;
    let stored = stand.recorded("evt_1").await.unwrap();
    assert_eq!((stored.attempts, stored.first_outcome), (4, Outcome::Waiting));
    assert_eq!(stored.record, twice[1]);
}

pub(super) async fn what_cannot_be_read_is_kept_as_it_came<F: Face>(stand: Stand<F>) {
    let unreadable =
        EventRecord::unreadable(event("evt_1"), "not JSON".into(), "malformed".into(), at(0));
    stand.record(std::slice::from_ref(&unreadable)).await;
    let stored = stand.recorded("evt_1").await.unwrap();
    assert_eq!(stored.record.body, RecordBody::Unreadable("not JSON".into()));
    assert_eq!(stored.record, unreadable);
    assert_eq!(names(&stand.ports.ledger().unsettled(None).await.unwrap().items), ["evt_1"].into());
}

pub(super) async fn what_cannot_be_read_takes_no_envelope_away<F: Face>(stand: Stand<F>) {
    let good = record("evt_1", "cus_1", Outcome::Waiting, 0);
    stand.record(std::slice::from_ref(&good)).await;
    let newer = r#"{"v":99,"source":"stripe","id":"evt_1"}"#;
    let unreadable =
        |text: &str| EventRecord::unreadable(event("evt_1"), text.into(), "newer".into(), at(1));
    stand.record(&[unreadable(newer)]).await;
    let stored = stand.recorded("evt_1").await.unwrap().record;
    assert_eq!((&stored.body, stored.outcome), (&good.body, Outcome::Parked));
    let on_1 = stand.ports.ledger().unsettled_on(&customer("cus_1")).await.unwrap();
    assert_eq!(names(&on_1), ["evt_1"].into());
    // Another worker could not read it, and this one can: it is the newer.
    let RecordBody::Envelope(envelope) = good.body else { panic!("it is one") };
    let moved = Envelope { received_at: at(2), ..*envelope };
    stand.record(&[unreadable(&moved.encode())]).await;
    let stored = stand.recorded("evt_1").await.unwrap().record;
    assert_eq!((stored.envelope(), stored.outcome), (Some(&moved), Outcome::Parked));
    stand.record(&[record("evt_1", "cus_1", Outcome::Applied, 3)]).await;
    let stored = stand.recorded("evt_1").await.unwrap().record;
    assert_eq!(stored, record("evt_1", "cus_1", Outcome::Applied, 3));
    assert!(stand.ports.ledger().unsettled(None).await.unwrap().items.is_empty());
}

pub(super) async fn what_was_handled_since_is_not_parked<F: Face>(stand: Stand<F>) {
    let ledger = stand.ports.ledger();
    let park = async |now| {
        let parked = record("evt_1", "cus_1", Outcome::Parked, now);
        ledger.record_unless_settled(&parked, at(10)).await.unwrap()
    };
    assert!(park(11).await, "it is not on record");
    assert!(park(12).await, "it waits for a person");
    assert_eq!(stand.recorded("evt_1").await.unwrap().attempts, 2);
    stand.record(&[record("evt_1", "cus_1", Outcome::Applied, 13)]).await;
    assert!(!park(14).await, "it was handled after that");
    let stored = stand.recorded("evt_1").await.unwrap();
    assert_eq!((stored.record.outcome, stored.attempts), (Outcome::Applied, 3));
    stand.record(&[record("evt_1", "cus_1", Outcome::Unchanged, 9)]).await;
    assert!(park(15).await, "it was handled before that");
    assert_eq!(stand.recorded("evt_1").await.unwrap().record.outcome, Outcome::Parked);
}

pub(super) async fn waiting_and_parked_events_are_found_by_customer<F: Face>(stand: Stand<F>) {
    stand
        .record(&[
            record("evt_1", "cus_1", Outcome::Waiting, 0),
            record("evt_2", "cus_1", Outcome::Parked, 0),
            record("evt_3", "cus_1", Outcome::Ignored, 0),
            record("evt_4", "cus_2", Outcome::Waiting, 0),
        ])
        .await;
    let ledger = stand.ports.ledger();
    let on_1 = ledger.unsettled_on(&customer("cus_1")).await.unwrap();
    assert_eq!(names(&on_1), ["evt_1", "evt_2"].into());
    stand.record(&[record("evt_1", "cus_1", Outcome::Applied, 1)]).await;
    let on_1 = ledger.unsettled_on(&customer("cus_1")).await.unwrap();
    assert_eq!(names(&on_1), ["evt_2"].into());
    let all = ledger.unsettled(None).await.unwrap();
    assert_eq!((names(&all.items), all.next), (["evt_2", "evt_4"].into(), None));
}

pub(super) async fn unsettled_events_come_in_pages<F: Face>(stand: Stand<F>) {
    let on = |n| if n < 120 { "cus_1" } else { "cus_2" };
    let waiting = |n| record(&format!("evt_{n}"), on(n), Outcome::Waiting, n);
    let records: Vec<_> = (0..150).map(waiting).collect();
    stand.record(&records).await;
    let (mut found, mut page) = (Vec::new(), None);
    loop {
        let next = stand.ports.ledger().unsettled(page.as_deref()).await.unwrap();
        assert!(next.items.len() <= 100);
        found.extend(next.items);
        page = next.next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!((found.len(), names(&found).len()), (150, 150));
    let of_one = stand.ports.ledger().unsettled_on(&customer("cus_1")).await.unwrap();
    let expected: Vec<_> = (0..120).map(|n| format!("evt_{n}")).collect();
    assert_eq!(names(&of_one), expected.iter().map(String::as_str).collect(), "of one, all");
}

pub(super) async fn accounts_are_due_when_their_time_has_come<F: Face>(stand: Stand<F>) {
    for (id, review_at) in [("a", Some(at(100))), ("b", Some(at(101))), ("c", None)] {
        let mut commit = closing(&stand.claimed(id, 0).await, &format!("c-{id}"));
        commit.account.review_at = review_at;
        stand.commit(&commit).await;
    }
    let due = async |now| stand.ports.ledger().due(at(now), None).await.unwrap().items;
    assert!(due(99).await.is_empty());
    assert_eq!(due(100).await, [(account("a"), at(100))]);
    let mut done = closing(&stand.claimed("a", 100).await, "c-2");
    done.account.review_at = None;
    stand.commit(&done).await;
    assert!(due(100).await.is_empty());
}

pub(super) async fn due_accounts_come_in_pages<F: Face>(stand: Stand<F>) {
    let expected: BTreeSet<_> = (0..120).map(|n| account(&format!("sub-{n}"))).collect();
    for id in &expected {
        let mut commit = closing(&stand.claimed(id.as_str(), 0).await, &format!("c-{id}"));
        commit.account.review_at = Some(at(10));
        stand.commit(&commit).await;
    }
    let (mut found, mut page) = (Vec::new(), None);
    loop {
        let next = stand.ports.ledger().due(at(10), page.as_deref()).await.unwrap();
        found.extend(next.items.into_iter().map(|(id, _)| id));
        page = next.next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), expected.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
}

pub(super) async fn all_accounts_come_in_pages_as_last_written<F: Face>(stand: Stand<F>) {
    let mut expected = BTreeMap::new();
    for n in 0..120 {
        let claimed = stand.claimed(&format!("sub-{n}"), 0).await;
        let commit = changing(&claimed, &format!("c-{n}"));
        stand.commit(&commit).await;
        expected.insert(commit.account.id.clone(), commit.account);
    }
    // Claimed and never committed: it is an account nevertheless.
    let claimed = stand.claimed("sub-left", 0).await;
    let review_at = claimed.lease_until.map(|until| until + UNFINISHED_REVIEW_AFTER);
    let left = Account { review_at, ..claimed };
    expected.insert(left.id.clone(), left);
    stand.record(&[record("evt_1", "cus_1", Outcome::Parked, 0)]).await;
    let (mut found, mut page) = (Vec::new(), None);
    loop {
        let next = stand.ports.ledger().accounts(page.as_deref()).await.unwrap();
        assert!(next.items.len() <= 100);
        found.extend(next.items);
        page = next.next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), expected.len());
    let found: BTreeMap<_, _> = found.into_iter().map(|it| (it.id.clone(), it)).collect();
    assert_eq!(found, expected);
}

pub(super) async fn a_foreign_page_is_invalid<F: Face>(stand: Stand<F>) {
    let refused = stand.ports.ledger().accounts(Some("no page")).await.unwrap_err();
    assert_eq!(refused.class, Class::Invalid);
    let refused = stand.ports.ledger().unsettled(Some("no page")).await.unwrap_err();
    assert_eq!(refused.class, Class::Invalid);
    let refused = stand.ports.ledger().due(at(0), Some("no page")).await.unwrap_err();
    assert_eq!(refused.class, Class::Invalid);
}
