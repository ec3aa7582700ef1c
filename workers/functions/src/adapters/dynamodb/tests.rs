//! What the ledger on DynamoDB has beside the rules of every ledger: how its items are spelled, what
//! a lost answer leaves, what a transaction and a shard can hold. Each against an embedded DynamoDB
//! through the real SDK; the rules themselves are in the contract suite, which runs on it too.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use tollgate_core::account::{
    Access, Attributes, DisputeMark, Given, Grant, KeyId, KeyRecord, ManagedBy, MintIntent,
    NextOffer, OfferId, PlanId, Reason, RetiringKey, Slot, Status, SubscriptionSeen, User,
};
use tollgate_core::ledger::{Outcome, RecordBody, StepTaken};
use tollgate_core::stripe::{InvoiceId, Price};
use tollgate_core::timing::UNFINISHED_REVIEW_AFTER;
use tollgate_events::{DisputeId, EventId, PriceId, ProductId, Source, Subject, Via};
use tollgate_events::{Envelope, SubscriptionId};

use super::json::to_attribute;
use super::*;
use crate::adapters::clients::stubbed;

const TABLE: &str = "ledger";

/// A ledger on a database of its own, which ends with the test's runtime.
async fn ledger() -> DynamoLedger {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let database = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    let client = Client::new(&stubbed(&url));
    table::create_table(&client, TABLE).await.unwrap();
    DynamoLedger::new(client, TABLE, None)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn account_id(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn customer(id: &str) -> CustomerId {
    CustomerId::parse(id).unwrap()
}

async fn claimed(ledger: &DynamoLedger, id: &str, now: i64) -> Account {
    match ledger.claim(&account_id(id), at(now), at(now + 60)).await.unwrap() {
        Claim::Taken { account } => *account,
        Claim::Leased { until } => panic!("leased until {until}"),
    }
}

/// A commit that releases the account and changes nothing else.
fn release(account: &Account, commit_id: &str) -> Commit {
    let account = Account {
        open: false,
        lease_until: None,
        commit_id: Some(commit_id.into()),
        ..account.clone()
    };
    Commit::of(account)
}

fn entry(version: u64, before: Access, after: Access) -> Entry {
    Entry {
        version,
        at: at(1),
        before,
        reason: after.reason.clone(),
        after,
        cause: vec![EventRef { source: Source::Stripe, id: EventId::parse("evt_1").unwrap() }],
        steps: vec![StepTaken { step: "attach pro".into(), at: at(1) }],
    }
}

fn envelope(id: &str, customer_id: &str) -> Envelope {
    Envelope {
        object: Some("sub_1".into()),
        livemode: Some(false),
        ..Envelope::received(
            Source::Stripe,
            Via::Webhook,
            EventId::parse(id).unwrap(),
            "customer.subscription.updated",
            Subject::customer(customer(customer_id)),
            at(0),
        )
    }
}

fn record(id: &str, outcome: Outcome, seconds: i64) -> EventRecord {
    EventRecord::of(envelope(id, "cus_1"), outcome, at(seconds))
}

fn paid_for() -> Price {
    Price {
        id: PriceId::parse("price_1").ok(),
        lookup_key: Some("pro_monthly".into()),
        product: ProductId::parse("prod_1").ok(),
        quantity: Some(2),
    }
}

/// Every field set, none at its default.
fn full_access(reason: Reason) -> Access {
    let subscription = SubscriptionId::parse("sub_1").unwrap();
    let plan = PlanId::parse("pro").unwrap();
    let key = KeyRecord { id: KeyId::parse("key1").unwrap(), generation: 3, minted_at: at(1) };
    Access {
        plan: Some(plan.clone()),
        usage_plan: Some(tollgate_core::account::UsagePlanId::parse("up-pro").unwrap()),
        status: Status::Held,
        reason,
        given: Some(Given {
            by: subscription.clone(),
            plan: plan.clone(),
            prices: [PriceId::parse("price_1").unwrap()].into(),
            unknown_since: Some(at(10)),
        }),
        to_cancel: [subscription.clone()].into(),
        attributes: Attributes { api_id: Some(key.id.clone()), plan: Some("pro".into()) },
        keys: BTreeMap::from([(Slot::Primary, key)]),
        customers: BTreeSet::from([customer("cus_1"), customer("cus_2")]),
        by_reference: BTreeSet::from([customer("cus_2")]),
        disputes: BTreeMap::from([(DisputeId::parse("dp_1").unwrap(), DisputeMark::Lifted)]),
        grace: BTreeMap::from([(subscription.clone(), at(7))]),
        refunded: BTreeMap::from([(subscription.clone(), InvoiceId::parse("in_1").unwrap())]),
        paid_for: BTreeMap::from([(subscription, vec![paid_for()])]),
        retiring: vec![RetiringKey {
            id: KeyId::parse("key0").unwrap(),
            generation: 2,
            minted_at: Some(at(6)),
            usage_plan: None,
            until: at(8),
        }],
        hold: Some("asked by support".into()),
        closed: Some("asked by the owner".into()),
        grants: vec![Grant { plan, until: Some(at(9)), why: "a friend".into() }],
    }
}

fn every_reason() -> Vec<Reason> {
    let subscription = SubscriptionId::parse("sub_1").unwrap();
    let every = vec![
        Reason::New,
        Reason::DefaultPlan,
        Reason::NoPlan,
        Reason::Subscription { subscription: subscription.clone() },
        Reason::Ending { subscription: subscription.clone(), at: at(5) },
        Reason::Grace { subscription, until: at(6) },
        Reason::UnknownPrice { price: PriceId::parse("price_1").unwrap(), until: None },
        Reason::UnknownPrice { price: PriceId::parse("price_1").unwrap(), until: Some(at(6)) },
        Reason::Grant { until: None },
        Reason::Grant { until: Some(at(7)) },
        Reason::Dispute { dispute: DisputeId::parse("dp_1").unwrap() },
        Reason::OperatorHold { why: "abuse".into() },
        Reason::ClosedByOperator { why: "asked by the owner".into() },
        Reason::KeysRunOut,
        Reason::UserDisabled,
        Reason::UserMissing,
        Reason::UserDeleted,
    ];
    // A new variant does not compile until it is listed above.
    for reason in &every {
        match reason {
            Reason::New | Reason::DefaultPlan | Reason::NoPlan => {}
            Reason::Subscription { .. } | Reason::Ending { .. } | Reason::Grace { .. } => {}
            Reason::UnknownPrice { .. } | Reason::Grant { .. } | Reason::Dispute { .. } => {}
            Reason::OperatorHold { .. } | Reason::ClosedByOperator { .. } => {}
            Reason::UserDisabled | Reason::KeysRunOut => {}
            Reason::UserMissing | Reason::UserDeleted => {}
        }
    }
    every
}

#[tokio::test]
async fn a_full_account_and_its_history_come_back_as_they_were_written() {
    let ledger = ledger().await;
    let mut before = Access::default();
    for (number, reason) in (1..).zip(every_reason()) {
        let mut account = claimed(&ledger, "a", number * 100).await;
        assert_eq!(account.access, before);
        account.access = full_access(reason);
        account.version += 1;
        account.catalog_revision = 4;
        account.review_at = Some(at(1_000_000));
        account.second_looks = 2;
        account.refund_told = true;
        account.several = [SubscriptionId::parse("sub_1").unwrap()].into();
        account.user =
            User::Missing { since: at(3), username: Some("someone".into()), disabled: true };
        account.intent = Some(MintIntent {
            slot: Slot::Primary,
            generation: 4,
            secret_version: 2,
            nonce: "00ff".into(),
        });
        let mut commit = release(&account, &format!("commit-{number}"));
        let entry = entry(account.version, before, account.access.clone());
        commit.entry = Some(entry.clone());
        assert_eq!(ledger.commit(&commit).await.unwrap(), CommitResult::Committed);
        let stored = ledger.account(&account.id).await.unwrap();
        assert_eq!(stored.as_ref(), Some(&commit.account));
        assert_eq!(ledger.history(&account.id, None, 1).await.unwrap(), [entry]);
        before = account.access;
    }
    let history = ledger.history(&account_id("a"), None, 100).await.unwrap();
    let versions: Vec<_> = history.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, (1..=every_reason().len() as u64).rev().collect::<Vec<_>>());
    let link = ledger.get(&Key::api_key(&KeyId::parse("key1").unwrap())).await.unwrap().unwrap();
    assert_eq!(link_owner(&link), Some(account_id("a")));
}

/// A commit writes every field: what is over does not stay as it was.
#[tokio::test]
async fn what_is_over_goes_from_the_item() {
    let ledger = ledger().await;
    let subscription = || SubscriptionId::parse("sub_1").unwrap();
    let mut account = claimed(&ledger, "a", 100).await;
    account.several = [subscription()].into();
    account.may_cancel = [subscription()].into();
    account.person = Some(PersonId::parse("00ff").unwrap());
    account.first_key_at = Some(at(1));
    account.processing = OfferId::parse("pro_monthly").ok();
    account.subscription = Some(SubscriptionSeen {
        next: Some(NextOffer {
            offer: OfferId::parse("basic_monthly").ok(),
            plan: PlanId::parse("basic").ok(),
            at: Some(at(3)),
        }),
        managed_by: ManagedBy::Seller,
        offer: None,
        renews_at: Some(at(2)),
        ends_at: None,
        trial_ends_at: None,
    });
    account.deletion_told = true;
    account.refund_told = true;
    account.released = true;
    account.begin("held");
    let full = release(&account, "full");
    let fields =
        |account: &Account| serde_json::to_value(account).unwrap().as_object().unwrap().len();
    let new = Account::new(account.id.clone());
    assert_eq!(fields(&new), fields(&full.account), "what is left out stays as it was");
    ledger.commit(&full).await.unwrap();
    assert_eq!(ledger.account(&account.id).await.unwrap(), Some(full.account));
    let account = claimed(&ledger, "a", 200).await;
    let account = Account {
        epoch: account.epoch,
        open: true,
        lease_until: account.lease_until,
        ..Account::new(account.id)
    };
    let empty = release(&account, "empty");
    ledger.commit(&empty).await.unwrap();
    assert_eq!(ledger.account(&account.id).await.unwrap(), Some(empty.account));
}

#[tokio::test]
async fn a_claim_repeated_after_a_lost_answer_is_still_ours() {
    let ledger = ledger().await;
    let id = account_id("a");
    let again = |claim_id| claim::claim_as(&ledger, &id, at(0), at(60), claim_id);
    let Claim::Taken { account: first } = again("mine").await.unwrap() else { panic!("leased") };
    // Not open, although it is open by now; of when it was to be looked at, the first attempt
    // has left only what every claim leaves: some minutes after the lease.
    let review_at = Some(at(60) + UNFINISHED_REVIEW_AFTER);
    let account = Box::new(Account { review_at, ..*first });
    assert_eq!(again("mine").await.unwrap(), Claim::Taken { account });
    assert_eq!(again("another").await.unwrap(), Claim::Leased { until: at(60) });
}

#[tokio::test]
async fn a_commit_repeated_after_a_lost_answer_is_recognised() {
    let ledger = ledger().await;
    let account = claimed(&ledger, "a", 0).await;
    let mut commit = release(&account, "mine");
    commit.entry = Some(entry(1, Access::default(), full_access(Reason::New)));
    commit.records.push(record("evt_1", Outcome::Applied, 0));
    assert_eq!(ledger.commit(&commit).await.unwrap(), CommitResult::Committed);
    assert_eq!(ledger.commit(&commit).await.unwrap(), CommitResult::Committed);
    // As after ten minutes, when DynamoDB has forgotten the token.
    let late = commit::commit_as(&ledger, &commit, Some("other".into())).await;
    assert_eq!(late.unwrap(), CommitResult::Committed);
    // And as after another claim.
    claimed(&ledger, "a", 1).await;
    let late = commit::commit_as(&ledger, &commit, Some("another".into())).await;
    assert_eq!(late.unwrap(), CommitResult::Committed);
    let stored = ledger.event(&commit.records[0].event).await.unwrap().unwrap();
    assert_eq!(stored.attempts, 1, "written once");
}

#[tokio::test]
async fn a_commit_that_no_transaction_can_hold_says_so() {
    let ledger = ledger().await;
    let mut commit = release(&claimed(&ledger, "a", 0).await, "c");
    commit.records = (0..100).map(|n| record(&format!("evt_{n}"), Outcome::Applied, 0)).collect();
    let error = ledger.commit(&commit).await.unwrap_err();
    assert_eq!(error.class, Class::Invalid);
    assert!(error.detail.contains("101 items"), "{error}");
    commit.records.pop();
    assert_eq!(ledger.commit(&commit).await.unwrap(), CommitResult::Committed);
}

#[tokio::test]
async fn an_envelope_of_a_newer_version_can_be_shown() {
    let ledger = ledger().await;
    let record = record("evt_1", Outcome::Applied, 0);
    ledger.record(std::slice::from_ref(&record)).await.unwrap();
    let newer = [("v", serde_json::json!(99)), ("new", serde_json::json!({}))];
    let newer = newer.into_iter().map(|(name, value)| (name.to_owned(), to_attribute(value)));
    let update = ledger.client.update_item().table_name(TABLE);
    update
        .set_key(Some(Key::event(&record.event).attributes()))
        .update_expression("SET envelope = :newer")
        .expression_attribute_values(":newer", AttributeValue::M(newer.collect()))
        .send()
        .await
        .unwrap();
    let stored = ledger.event(&record.event).await.unwrap().unwrap();
    assert_eq!(stored.record.body, RecordBody::Unreadable(r#"{"new":{},"v":99}"#.into()));
}

/// All due accounts, and on how many pages.
async fn all_due(
    ledger: &DynamoLedger,
    now: Timestamp,
) -> (BTreeSet<(AccountId, Timestamp)>, usize) {
    let (mut due, mut page, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let found = ledger.due(now, page.as_deref()).await.unwrap();
        due.extend(found.items);
        pages += 1;
        page = found.next;
        if page.is_none() {
            return (due, pages);
        }
    }
}

#[tokio::test]
async fn one_shard_with_many_due_accounts_pages_too() {
    let ledger = ledger().await;
    let shard = |n: &u32| items::state(&due_account(*n)).values[":due_shard"].clone();
    let shards: BTreeSet<_> = (0..40).filter_map(|n| shard(&n).as_s().cloned().ok()).collect();
    assert!(shards.len() > 5, "spread over {shards:?}");
    let first = shard(&0);
    let ids: Vec<_> = (0..).filter(|n| shard(n) == first).take(130).collect();
    for n in &ids {
        let account = claimed(&ledger, &format!("account-{n}"), 0).await;
        let account = Account { epoch: account.epoch, ..due_account(*n) };
        ledger.commit(&release(&account, &format!("commit-{n}"))).await.unwrap();
    }
    let (due, pages) = all_due(&ledger, at(0)).await;
    assert_eq!((due.len(), pages), (130, 3), "100, 30, and none in the later shards");
    let first = ledger.accounts(None).await.unwrap();
    let rest = ledger.accounts(first.next.as_deref()).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len()), (100, 30), "the same shard of `accounts`");
}

fn due_account(n: u32) -> Account {
    Account { review_at: Some(at(0)), ..Account::new(account_id(&format!("account-{n}"))) }
}

#[tokio::test]
async fn events_are_listed_in_the_order_of_their_first_record() {
    const DAY: i64 = 86_400;
    let ledger = ledger().await;
    // More than a page to a shard on the second day, two of a time, and an empty day.
    let times = [0, 1].into_iter().chain((0..600).map(|n| DAY + n / 2)).chain([3 * DAY]);
    let mut seen: Vec<_> = times.zip(0..).map(|(at, n)| (at, format!("evt_{at}_{n}"))).collect();
    let records: Vec<_> = seen.iter().map(|(at, id)| record(id, Outcome::Applied, *at)).collect();
    ledger.record(&records).await.unwrap();
    // Handled again later, an event stays where it was.
    ledger.record(&[record(&seen[0].1, Outcome::Unchanged, 2 * DAY)]).await.unwrap();
    seen.sort();
    assert_eq!(listed(&ledger, at(0), at(3 * DAY)).await, seen);
    seen.retain(|(at, _)| (1..=DAY + 10).contains(at));
    assert_eq!(listed(&ledger, at(1), at(DAY + 10)).await, seen);
}

/// All events between two times, page after page: when they were first seen, and their ids.
async fn listed(ledger: &DynamoLedger, from: Timestamp, to: Timestamp) -> Vec<(i64, String)> {
    let (mut found, mut page) = (Vec::new(), None);
    loop {
        let events = ledger.events(from, to, page.as_deref()).await.unwrap();
        assert!(events.next.is_none() || !events.items.is_empty());
        found.extend(events.items.into_iter().map(|event| {
            let seconds = event.first_at.as_second() - at(0).as_second();
            (seconds, event.record.event.id.to_string())
        }));
        page = events.next;
        if page.is_none() {
            // Of one time, any order will do.
            found.chunk_by_mut(|one, other| one.0 == other.0).for_each(<[_]>::sort);
            return found;
        }
    }
}

#[tokio::test]
async fn finished_events_expire_when_that_is_configured_and_others_business_always() {
    let mut ledger = ledger().await;
    let expiry = async |ledger: &DynamoLedger, record: EventRecord| {
        ledger.record(std::slice::from_ref(&record)).await.unwrap();
        let item = ledger.get(&Key::event(&record.event)).await.unwrap().unwrap();
        items::number_of(&item, table::EXPIRES_AT)
    };
    assert_eq!(expiry(&ledger, record("evt_1", Outcome::Applied, 0)).await, None);
    let month = u64::try_from(at(30 * 86_400).as_second()).unwrap();
    assert_eq!(expiry(&ledger, record("evt_2", Outcome::Ignored, 0)).await, Some(month));
    ledger.retention = Some(SignedDuration::from_hours(24));
    let tomorrow = u64::try_from(at(86_400).as_second()).unwrap();
    assert_eq!(expiry(&ledger, record("evt_1", Outcome::Applied, 0)).await, Some(tomorrow));
    assert_eq!(expiry(&ledger, record("evt_1", Outcome::Parked, 0)).await, None);
    assert_eq!(expiry(&ledger, record("evt_2", Outcome::Ignored, 0)).await, Some(tomorrow));
}

/// What the table holds besides what this build knows survives its commits: of the access too.
#[tokio::test]
async fn an_attribute_of_a_newer_build_survives_a_commit() {
    let ledger = ledger().await;
    let account = claimed(&ledger, "a", 0).await;
    let full = Account { access: full_access(Reason::NoPlan), ..account };
    assert_eq!(ledger.commit(&release(&full, "c1")).await.unwrap(), CommitResult::Committed);
    let update = ledger.client.update_item().table_name(TABLE);
    update
        .set_key(Some(Key::state(&full.id).attributes()))
        .update_expression("SET newer = :yes, access.newer = :yes")
        .expression_attribute_values(":yes", AttributeValue::Bool(true))
        .send()
        .await
        .unwrap();
    let account = claimed(&ledger, "a", 1).await;
    // All that this build knows is taken away.
    let account = Account { access: Access::default(), ..account };
    assert_eq!(ledger.commit(&release(&account, "c2")).await.unwrap(), CommitResult::Committed);
    let item = ledger.get(&Key::state(&account.id)).await.unwrap().unwrap();
    let yes = AttributeValue::Bool(true);
    assert_eq!(item.get("newer"), Some(&yes));
    assert!(!item.contains_key("claim_id") && !item.contains_key("was_open"));
    let access = item.get("access").unwrap().as_m().unwrap();
    assert_eq!(access.get("newer"), Some(&yes));
    assert_eq!(ledger.account(&account.id).await.unwrap().unwrap().access, Access::default());
}

/// Overwrites an attribute with what no build writes.
async fn spoil(ledger: &DynamoLedger, key: &Key, attribute: &str) {
    let update = ledger.client.update_item().table_name(TABLE);
    update
        .set_key(Some(key.attributes()))
        .update_expression("SET #odd = :odd")
        .expression_attribute_names("#odd", attribute)
        .expression_attribute_values(":odd", AttributeValue::Bool(true))
        .send()
        .await
        .unwrap();
}

/// One item that a newer build wrote, or a hand, stops no listing.
#[tokio::test]
async fn an_item_that_cannot_be_read_is_left_out_of_listings_and_told() {
    let ledger = ledger().await;
    for n in 0..3 {
        let account = claimed(&ledger, &format!("account-{n}"), 0).await;
        let account = Account { epoch: account.epoch, ..due_account(n) };
        ledger.commit(&release(&account, &format!("commit-{n}"))).await.unwrap();
        ledger.record(&[record(&format!("evt_{n}"), Outcome::Parked, 0)]).await.unwrap();
    }
    spoil(&ledger, &Key::state(&account_id("account-1")), "access").await;
    spoil(&ledger, &Key::event(&record("evt_1", Outcome::Parked, 0).event), "outcome").await;

    let (mut accounts, mut odd, mut page) = (Vec::new(), Vec::new(), None);
    loop {
        let found = ledger.accounts(page.as_deref()).await.unwrap();
        accounts.extend(found.items);
        odd.extend(found.unreadable);
        page = found.next;
        if page.is_none() {
            break;
        }
    }
    let [row] = &odd[..] else { panic!("{odd:?}") };
    assert_eq!((accounts.len(), row.owner.as_deref()), (2, Some("account-1")));
    assert!(row.to_string().contains("ACCOUNT#account-1"), "{row}");
    assert_eq!(all_due(&ledger, at(0)).await.0.len(), 2);
    let unsettled = ledger.unsettled(None).await.unwrap();
    assert_eq!((unsettled.items.len(), unsettled.unreadable.len()), (2, 1));
    let events = ledger.events(at(0), at(0), None).await.unwrap();
    assert_eq!((events.items.len(), events.unreadable.len()), (2, 1));
    assert_eq!(ledger.unsettled_on(&customer("cus_1")).await.unwrap().len(), 2);

    // Asked for by name, it is an error: what it says is not nothing.
    let failed = ledger.account(&account_id("account-1")).await.unwrap_err();
    assert_eq!(failed.class, Class::Invalid);
}
