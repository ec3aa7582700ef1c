//! What takes its time is waited for in the ledger, and costs no message its life.

use jiff::SignedDuration;
use tollgate_core::account::Status;
use tollgate_core::converge::DRIFT;
use tollgate_core::ledger::{KeyCount, Outcome, StackRecord};
use tollgate_core::policy::{MOST_DEFERRED, Policy};
use tollgate_core::ports::{Class, Ledger, Service};
use tollgate_core::share::Share;
use tollgate_core::sweep::wake;
use tollgate_core::timing::PARKED_REVIEW_AFTER;
use tollgate_events::{AccountId, Envelope, EventId};
use tollgate_operator::Act;
use tollgate_standin::api_gateway::KeyPatch;
use tollgate_standin::stripe::When;

use super::scene::{Refuses, Scene};
use crate::actors::address;
use crate::executor::block_on;

fn outcomes(scene: &Scene, account: &AccountId) -> Vec<Outcome> {
    let events = scene.world.ledger.events().into_iter();
    let of_it = events.filter(|event| event.record.account.as_ref() == Some(account));
    of_it.map(|event| event.record.outcome).collect()
}

fn key_of(scene: &Scene, account: &AccountId) -> String {
    scene.account(account).key().expect("there is one").id.to_string()
}

/// Somebody edits API Gateway.
fn disable_key(scene: &Scene, account: &AccountId) {
    let key = key_of(scene, account);
    scene.world.api_gateway.scene(|model, now| {
        let patch = KeyPatch { enabled: Some(false), ..KeyPatch::default() };
        model.update_api_key(&key, patch, now).map(drop).expect("it is there");
    });
}

fn take_off_plan(scene: &Scene, account: &AccountId) {
    let key = key_of(scene, account);
    let plan = scene.account(account).access.usage_plan.expect("it is on one");
    scene.world.api_gateway.scene(|model, now| {
        model.delete_usage_plan_key(plan.as_str(), &key, now).expect("it is on it");
    });
}

/// Whether the key is accepted, and on a plan.
fn is_served(scene: &Scene, account: &AccountId) -> bool {
    let key = key_of(scene, account);
    scene.world.api_gateway.scene(|model, _| {
        let mut keys = model.keys();
        let key = keys.find(|it| it.id == key).expect("it is there");
        key.enabled && !key.plans.is_empty()
    })
}

/// A throttled control plane and a bad credential alike: no message fails, the account says
/// when it will be looked at again, and everything is made up for then.
#[test]
fn a_refused_call_is_waited_for_and_made_up_for() {
    let throttled = Class::Throttled { after: Some(SignedDuration::from_secs(90)) };
    for (service, class, wait, systemic) in [
        (Service::ApiGateway, throttled, 90, 0),
        (Service::ApiGateway, Class::Throttled { after: None }, 10, 0),
        (Service::ApiGateway, Class::Denied, 300, 1),
        (Service::ApiGateway, Class::LimitExceeded, 900, 1),
        (Service::Cognito, Class::Denied, 300, 1),
        (Service::Stripe, throttled, 90, 0),
    ] {
        let faults = Refuses::new(class, move |call| call.service == service);
        let scene = Scene::under(faults.clone());
        let ann = scene.sign_up("ann");
        scene.buy(&ann, "pro_monthly");
        let events = scene.events();
        faults.switch(true);
        scene.world.gate.take_calls();
        let report = scene.handle(&events);
        let calls = scene.world.gate.take_calls().into_iter();
        assert_eq!(calls.filter(|call| call.service == service).count(), 1, "{class:?}");
        assert_eq!(report.failed, [""; 0], "{service} {class:?}");
        assert_eq!(report.outcomes.get(&Outcome::Deferred), Some(&events.len()));
        assert_eq!(report.systemic, systemic, "{service} {class:?}");
        let waiting = scene.account(&ann);
        let was_refused = matches!(class, Class::Throttled { .. });
        assert_eq!(waiting.open, !was_refused, "what was refused for its rate begins nothing");
        assert!(waiting.lease_until.is_none());
        assert_eq!(waiting.deferred.len(), events.len());
        let wait = SignedDuration::from_secs(wait);
        assert_eq!(waiting.review_at, Some(scene.world.clock.time() + wait));

        faults.switch(false);
        assert_eq!(scene.later(wait), 1);
        assert_eq!(scene.seen(&ann), ("pro".into(), Status::Active, "pro".into()));
        let settled = scene.account(&ann);
        assert!(settled.deferred.is_empty() && !settled.open);
        let outcomes = outcomes(&scene, &ann);
        assert!(outcomes.len() > events.len(), "the sign-up and these");
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Applied));
        let history = scene.world.ledger.entries(&ann);
        let last = history.last().expect("it changed");
        let records = scene.world.ledger.events().into_iter().map(|event| event.record);
        let by_last = records.filter(|record| record.version == Some(last.version));
        assert_eq!(by_last.count(), events.len() + 1, "these, and the wake");
        let cause = &last.cause;
        assert!(events.iter().all(|event| cause.contains(&event.event_ref())), "{cause:?}");
    }
}

/// What was begun, or found begun, is looked at when the wait is over, though the call itself was
/// refused and had no effect: the ledger does not know it.
#[test]
fn what_may_differ_from_the_ledger_stays_open_while_it_waits() {
    let throttled = Class::Throttled { after: None };
    for begun in ["by a dead worker", "by hand", "by this worker"] {
        let faults = Refuses::new(throttled, move |call| match begun {
            "by this worker" => call.operation == "AdminUpdateUserAttributes",
            _ => call.service == Service::ApiGateway,
        });
        let scene = Scene::under(faults.clone());
        let ann = scene.sign_up("ann");
        let bought = scene.buy(&ann, "basic_monthly");
        assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
        scene.world.clock.advance(SignedDuration::from_mins(5));
        let customer = scene.account(&ann).access.customers.first().expect("hers").to_string();
        let mut dispute = None;
        let events = match begun {
            "by this worker" => {
                let mut stripe = scene.world.stripe.account();
                dispute = Some(stripe.open_dispute(&customer).expect("she paid"));
                drop(stripe);
                scene.events()
            }
            "by hand" => {
                take_off_plan(&scene, &ann);
                vec![wake(DRIFT, ann.clone(), None, scene.world.clock.time())]
            }
            _ => {
                disable_key(&scene, &ann);
                let lease = SignedDuration::from_secs(27);
                scene.left_begun(&ann, "held", lease);
                scene.world.clock.advance(lease);
                let note = [("note".to_owned(), "new".to_owned())].into();
                scene.world.stripe.account().set_metadata(&bought, &note).expect("it is live");
                scene.events()
            }
        };
        faults.switch(true);
        let report = scene.handle(&events);
        assert_eq!(report.outcomes.keys().collect::<Vec<_>>(), [&Outcome::Deferred], "{begun}");
        // Of what somebody did by hand no worker has begun anything; the look waits in the account.
        let account = scene.account(&ann);
        assert_eq!(account.open, begun != "by hand", "{begun}");
        faults.switch(false);
        if let Some(dispute) = dispute {
            scene.world.stripe.account().close_dispute(&dispute, true).expect("it is open");
        }
        scene.later(SignedDuration::from_mins(5));
        assert!(is_served(&scene, &ann), "{begun}");
        assert!(!scene.account(&ann).open, "{begun}");
    }
}

/// A worker dies and its message is lost as well: the claim itself left word.
#[test]
fn an_account_that_nobody_finished_is_due_after_its_lease() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    drop(scene.events());
    let now = scene.world.clock.time();
    let lease = SignedDuration::from_secs(27);
    block_on(scene.world.ledger.claim(&ann, now, now + lease)).expect("nothing fails");
    assert_eq!(scene.later(lease + SignedDuration::from_secs(299)), 0);
    assert_eq!(scene.later(SignedDuration::from_secs(1)), 1);
    assert!(!scene.account(&ann).open);
}

/// Ten sign-ups at once and one call a second: the batch does what it can before its lease
/// ends, and the rest waits.
#[test]
fn what_the_budget_has_no_room_for_waits() {
    let mut scene = Scene::new();
    let policy = Policy { control_plane_calls_per_second: 1, ..Policy::default() };
    scene.worker.share = Share::of(&policy, 2);
    let ids: Vec<_> = (0..10)
        .map(|n| {
            scene.world.cognito.sign_up_confirmed(&format!("u{n}"), &address(&format!("u{n}")))
        })
        .map(|id| id.expect("the name is free"))
        .collect();
    let report = scene.handle(&scene.events());
    assert_eq!(report.failed, [""; 0]);
    let (done, put_off) = (Outcome::Applied, Outcome::Deferred);
    let count = |outcome| report.outcomes.get(&outcome).copied().unwrap_or(0);
    assert!(count(done) >= 2 && count(put_off) >= 2, "{:?}", report.outcomes);
    assert_eq!(count(done) + count(put_off), 10);
    for _ in 0..30 {
        scene.later(SignedDuration::from_secs(60));
    }
    assert!(ids.iter().all(|id| scene.seen(id) == ("free".into(), Status::Active, "free".into())));
}

/// A call that is refused for its rate makes the next ones to that service dearer, and no others.
#[test]
fn what_is_refused_for_its_rate_makes_its_services_calls_dearer() {
    let waits = |refuses: Option<Service>| {
        let throttled = Class::Throttled { after: None };
        let faults = Refuses::new(throttled, move |call| Some(call.service) == refuses);
        let scene = Scene::under(faults.clone());
        let ann = scene.sign_up("ann");
        scene.buy(&ann, "pro_monthly");
        let events = scene.events();
        faults.switch(true);
        assert_eq!(scene.handle(&events).failed, [""; 0]);
        let (now, share) = (scene.world.clock.time(), &scene.worker.share);
        [&share.calls, &share.stripe].map(|pace| pace.take(10_000, now).as_secs_f64())
    };
    let calm = waits(None);
    for (service, prices) in [(Service::ApiGateway, [2.0, 1.0]), (Service::Stripe, [1.0, 2.0])] {
        let refused = waits(Some(service));
        for place in 0..2 {
            let price = refused[place] / calm[place];
            assert!((price - prices[place]).abs() < 0.1, "{service}: {calm:?} {refused:?}");
        }
    }
}

/// What Stripe's share has no room for before the lease ends waits in the accounts.
#[test]
fn what_stripes_share_has_no_room_for_waits() {
    let mut scene = Scene::new();
    let ids: Vec<_> = (0..10).map(|n| scene.sign_up(&format!("u{n}"))).collect();
    let bought: Vec<_> = ids.iter().map(|id| scene.buy(id, "pro_monthly")).collect();
    for events in scene.events().chunks(10) {
        assert_eq!(scene.handle(events).failed, [""; 0]);
    }
    // A call in ten seconds: four at once, and two that the lease is long enough to wait for.
    scene.worker.share = Share::of(&Policy::default(), 150);
    let note = [("note".to_owned(), "renewed".to_owned())].into();
    for id in &bought {
        scene.world.stripe.account().set_metadata(id, &note).expect("it is live");
    }
    let report = scene.handle(&scene.events());
    let expected = [(Outcome::Unchanged, 6), (Outcome::Deferred, 4)];
    assert_eq!(report.outcomes, expected.into());
    assert!(ids.iter().all(|id| !scene.account(id).open), "nothing was begun");
}

/// While an account waits it keeps so many events and no more: then all of them come again.
#[test]
fn an_account_keeps_forty_events_that_wait() {
    for (number, kept) in [(MOST_DEFERRED, MOST_DEFERRED), (MOST_DEFERRED + 1, 0)] {
        let throttled = Class::Throttled { after: None };
        let faults = Refuses::new(throttled, |call| call.service == Service::ApiGateway);
        let scene = Scene::under(faults.clone());
        let ann = scene.sign_up("ann");
        scene.buy(&ann, "pro_monthly");
        let event = scene.events().remove(0);
        let id = |n| EventId::parse(format!("evt_{n}")).expect("it is an id");
        let events: Vec<_> = (0..number).map(|n| Envelope { id: id(n), ..event.clone() }).collect();
        faults.switch(true);
        assert_eq!(scene.handle(&events).failed.len(), number - kept);
        assert_eq!(scene.account(&ann).deferred.len(), kept);
    }
}

#[test]
fn what_is_parked_is_looked_at_in_a_day_or_when_it_was_due() {
    let faults = Refuses::new(Class::Invalid, |call| call.service == Service::Stripe);
    let scene = Scene::under(faults.clone());
    let ann = scene.sign_up("ann");
    let bought = scene.buy(&ann, "pro_monthly");
    let hour = SignedDuration::from_hours(1);
    let end = scene.world.clock.time() + hour;
    scene.world.stripe.account().cancel(&bought, When::At(end)).expect("it is live");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert_eq!(scene.account(&ann).review_at, Some(end));

    let note = [("note".to_owned(), "a word".to_owned())].into();
    scene.world.stripe.account().set_metadata(&bought, &note).expect("it is live");
    faults.switch(true);
    let parked = scene.handle(&scene.events()).outcomes;
    assert!(parked.into_keys().eq([Outcome::Parked]));
    assert_eq!(scene.account(&ann).review_at, Some(end));
    assert_eq!(scene.later(hour), 1);
    let tomorrow = scene.world.clock.time() + PARKED_REVIEW_AFTER;
    assert_eq!(scene.account(&ann).review_at, Some(tomorrow));
}

/// Whatever becomes of the account, a person is told.
#[test]
fn an_early_fraud_warning_is_on_record() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    let customer = scene.account(&ann).access.customers.first().expect("they bought").clone();
    scene.world.stripe.account().warn_of_fraud(customer.as_str()).expect("they have paid");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    let events = scene.world.ledger.events().into_iter().map(|event| event.record);
    let told: Vec<_> = events.filter_map(|record| record.detail).collect();
    assert!(told.iter().any(|detail| detail.contains("warns of fraud")), "{told:?}");
    assert_eq!(scene.seen(&ann).1, Status::Active);
}

// ------------------------------------------------------------- the reserve

#[test]
fn the_last_keys_are_kept_for_those_who_pay() {
    let scene = Scene::new();
    let carol = scene.sign_up("carol");
    scene.world.clock.advance(SignedDuration::from_mins(5));
    let full = StackRecord {
        keys: Some(KeyCount { count: 9_500, at: scene.world.clock.time() }),
        ..block_on(scene.world.ledger.stack()).expect("nothing fails")
    };
    assert!(block_on(scene.world.ledger.put_stack(&full)).expect("nothing fails"));
    let (ann, bob) = (scene.sign_up("ann"), scene.sign_up("bob"));
    assert_eq!(scene.seen(&ann), ("free".into(), Status::WaitingForKey, "waiting".into()));
    assert!(scene.account(&ann).key().is_none());

    // Who has one keeps it.
    scene.world.clock.advance(SignedDuration::from_mins(2));
    let look = wake(DRIFT, carol.clone(), None, scene.world.clock.time());
    scene.world.gate.take_calls();
    assert_eq!(scene.handle(&[look]).failed, [""; 0]);
    assert_eq!(scene.seen(&carol).1, Status::Active);
    let calls = scene.world.gate.take_calls().into_iter().map(|call| call.operation);
    assert_eq!(calls.filter(|operation| *operation == "GetItem").count(), 0, "nobody counts");

    // Ann pays, and has a key at once.
    scene.buy(&ann, "basic_monthly");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), ("basic".into(), Status::Active, "basic".into()));

    // Bob waits until there is room.
    let hour = SignedDuration::from_hours(1);
    assert_eq!(scene.later(hour), 1);
    assert_eq!(scene.seen(&bob).1, Status::WaitingForKey);
    let stack = block_on(scene.world.ledger.stack()).expect("nothing fails");
    assert_eq!(stack.keys.map(|keys| keys.count), Some(9_502), "Carol's and Ann's");
    let keys = Some(KeyCount { count: 9_499, at: scene.world.clock.time() });
    assert!(
        block_on(scene.world.ledger.put_stack(&StackRecord { keys, ..stack }))
            .expect("nothing fails")
    );
    assert_eq!(scene.later(hour), 1);
    assert_eq!(scene.seen(&bob), ("free".into(), Status::Active, "free".into()));
}

/// The count is asked for once a minute, and told what was made since; until then, every other
/// instance is taken to have made as many keys as this one.
#[test]
fn what_is_left_is_counted_once_a_minute() {
    let scene = Scene::new();
    let ledger = &scene.world.ledger;
    let policy = Policy { key_quota: 100, key_reserve: 10, ..Policy::default() };
    let plane = Share::of(&policy, 5);
    let begin = scene.world.clock.time();
    let keys = Some(KeyCount { count: 80, at: begin });
    ledger.change_stack(|stack| stack.keys = keys);
    scene.world.gate.take_calls();
    let has_room = |seconds| {
        let at = begin + SignedDuration::from_secs(seconds);
        let room = block_on(plane.room(ledger, at)).expect("nothing fails").is_some();
        let calls = scene.world.gate.take_calls().into_iter().map(|call| call.operation);
        (room, calls.collect::<Vec<_>>())
    };
    assert_eq!(has_room(0), (true, vec!["GetItem"]));
    assert_eq!(has_room(59), (true, vec![]));
    plane.minted();
    assert_eq!(has_room(59), (true, vec![]), "80 and five are less than 90");
    plane.minted();
    assert_eq!(has_room(59), (false, vec![]), "80 and ten are not");
    assert_eq!(has_room(60), (true, vec!["GetItem", "UpdateItem"]), "there were two");
    let stack = block_on(ledger.stack()).expect("nothing fails");
    assert_eq!(stack.keys.map(|keys| keys.count), Some(82));
    scene.world.gate.take_calls();
    assert_eq!(has_room(120), (true, vec!["GetItem"]));
}

/// Several accounts are seen to at once, and none may have made its key yet.
#[test]
fn keys_that_are_about_to_be_made_take_room() {
    let scene = Scene::new();
    let ledger = &scene.world.ledger;
    let policy = Policy { key_quota: 100, key_reserve: 10, ..Policy::default() };
    let plane = Share::of(&policy, 1);
    let begin = scene.world.clock.time();
    ledger.change_stack(|stack| stack.keys = Some(KeyCount { count: 88, at: begin }));
    let room = || block_on(plane.room(ledger, begin)).expect("nothing fails");
    let (first, second) = (room(), room());
    assert!(first.is_some() && second.is_some(), "88 and two are 90");
    assert!(room().is_none());
    drop(first);
    assert!(room().is_some(), "it was not made after all");
}

// ---------------------------------------------------------- operators' acts

#[test]
fn an_operators_acts_are_on_record_with_who_and_why() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let act = |act| {
        scene.world.clock.advance(SignedDuration::from_secs(60));
        assert!(scene.operate(&ann, act).changed);
        scene.seen(&ann)
    };
    let pro = || tollgate_core::account::PlanId::parse("pro").expect("it is an id");
    let active = |plan: &str| (plan.to_owned(), Status::Active, plan.to_owned());
    let held = |plan: &str| (plan.to_owned(), Status::Held, "held".to_owned());
    assert_eq!(act(Act::Hold), held("free"));
    assert_eq!(act(Act::Grant { plan: pro(), until: None }), held("pro"), "a hold beats all");
    assert_eq!(act(Act::Release), active("pro"));
    assert_eq!(act(Act::RevokeGrant { plan: pro() }), active("free"));
    let events = scene.world.ledger.events().into_iter().map(|event| event.record);
    let told: Vec<_> = events.filter(|it| it.event.id.as_str().starts_with("op_")).collect();
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|it| it.detail.as_deref() == Some("otto: a story")), "{told:?}");
    let entries = scene.world.ledger.entries(&ann);
    let causes = entries.iter().flat_map(|entry| &entry.cause);
    let causes = causes.filter(|cause| cause.id.as_str().starts_with("op_"));
    assert_eq!(causes.count(), 8, "each act, and what followed from it");
}
