//! What takes its time is waited for in the ledger, and costs no message its life.

use jiff::SignedDuration;
use tollgate_billing::account::Status;
use tollgate_billing::catalog::CatalogFile;
use tollgate_billing::control_plane::ControlPlane;
use tollgate_billing::converge::{DRIFT, Worker};
use tollgate_billing::ledger::{Blast, KeyCount, Outcome, StackRecord};
use tollgate_billing::ops::{Act, accept_blast};
use tollgate_billing::policy::Policy;
use tollgate_billing::ports::{Class, Ledger, Service};
use tollgate_billing::sweep::wake;
use tollgate_events::{AccountId, Envelope};

use super::scene::{Refuses, Scene};
use crate::executor::block_on;
use crate::run::worker_on;

fn outcomes(scene: &Scene, account: &AccountId) -> Vec<Outcome> {
    let events = scene.world.ledger.events().into_iter();
    let of_it = events.filter(|event| event.record.account.as_ref() == Some(account));
    of_it.map(|event| event.record.outcome).collect()
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
        let weather = Refuses::new(class, move |call| call.service == service);
        let scene = Scene::under(weather.clone());
        let ann = scene.sign_up("ann");
        scene.buy(&ann, "pro_monthly");
        let events = scene.events();
        weather.switch(true);
        scene.world.gate.take_calls();
        let report = scene.handle(&events);
        let calls = scene.world.gate.take_calls().into_iter();
        assert_eq!(calls.filter(|call| call.service == service).count(), 1, "{class:?}");
        assert_eq!(report.failed, [""; 0], "{service} {class:?}");
        assert_eq!(report.outcomes.get(&Outcome::Deferred), Some(&events.len()));
        assert_eq!(report.systemic, systemic, "{service} {class:?}");
        let waiting = scene.account(&ann);
        assert!(waiting.open && waiting.lease_until.is_none());
        assert_eq!(waiting.deferred.len(), events.len());
        let wait = SignedDuration::from_secs(wait);
        assert_eq!(waiting.review_at, Some(scene.world.clock.time() + wait));

        weather.switch(false);
        assert_eq!(scene.later(wait), 1);
        assert_eq!(scene.seen(&ann), ("pro".into(), Status::Active, "pro".into()));
        let settled = scene.account(&ann);
        assert!(settled.deferred.is_empty() && !settled.open);
        assert!(outcomes(&scene, &ann).iter().all(|outcome| *outcome == Outcome::Applied));
        let history = scene.world.ledger.entries(&ann);
        let cause = &history.last().expect("it changed").cause;
        assert!(events.iter().all(|event| cause.contains(&event.event_ref())), "{cause:?}");
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
    block_on(scene.world.ledger.claim(&ann, now, now + lease)).expect("the weather is fair");
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
    scene.worker.control_plane = ControlPlane::share(&policy, 2);
    let ids: Vec<_> = (0..10)
        .map(|n| scene.world.cognito.sign_up_confirmed(&format!("u{n}"), "u@example.com"))
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

// ---------------------------------------------------------- the blast limit

/// A catalog in which what is sold as pro is basic: a mistake, with a new revision.
fn demoting(scene: &Scene) -> Worker<tollgate_standin::world::World> {
    let text = scene.world.plans_toml.replace("revision = 1", "revision = 2");
    let text = text.replace("lookup_keys = [\"basic_monthly\"]", "lookup_keys = [\"x\"]");
    let text = text.replace("\"pro_monthly\"", "\"y\"").replace("\"x\"", "\"pro_monthly\"");
    let file = CatalogFile::parse(&text).expect("it is a catalog");
    Worker { catalog: file.catalog, ..worker_on(&scene.world) }
}

fn drift(scene: &Scene, ids: &[AccountId], run: &str) -> Vec<Envelope> {
    let now = scene.world.clock.time();
    ids.iter().map(|id| wake(DRIFT, id.clone(), Some(run.into()), now)).collect()
}

/// Fourteen accounts on pro, at rest.
fn fourteen(scene: &Scene) -> (Vec<AccountId>, Vec<String>) {
    let ids: Vec<_> = (0..14).map(|n| scene.sign_up(&format!("u{n}"))).collect();
    let bought = ids.iter().map(|id| scene.buy(id, "pro_monthly")).collect();
    for events in scene.events().chunks(10) {
        assert_eq!(scene.handle(events).failed, [""; 0]);
    }
    for _ in 0..30 {
        scene.later(SignedDuration::from_secs(60));
    }
    assert!(ids.iter().all(|id| scene.seen(id).0 == "pro"));
    (ids, bought)
}

fn on_pro(scene: &Scene, ids: &[AccountId]) -> usize {
    ids.iter().filter(|id| scene.seen(id).0 == "pro").count()
}

/// Lets every account be looked at, in as many batches and with as much time as it takes.
fn look_at_all(scene: &Scene, events: &[Envelope]) -> usize {
    let mut parked = 0;
    for batch in events.chunks(5) {
        scene.world.clock.advance(SignedDuration::from_secs(60));
        let report = scene.handle(batch);
        assert_eq!(report.failed, [""; 0]);
        parked += report.outcomes.get(&Outcome::Parked).copied().unwrap_or(0);
    }
    parked
}

#[test]
fn a_wrong_catalog_takes_ten_plans_and_then_waits_for_an_operator() {
    let mut scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    scene.worker = demoting(&scene);
    let parked = look_at_all(&scene, &drift(&scene, &ids, "1"));
    assert_eq!((on_pro(&scene, &ids), parked), (4, 4));
    let stack = block_on(scene.world.ledger.stack()).expect("the weather is fair");
    assert!(stack.blast.stopped);

    // The day after, it is still stopped; the accounts are as they were, and say so.
    scene.world.clock.advance(SignedDuration::from_hours(30));
    assert_eq!(look_at_all(&scene, &drift(&scene, &ids, "2")), 4);
    let held_back = ids.iter().find(|id| scene.seen(id).0 == "pro").expect("there are four");
    assert_eq!(scene.seen(held_back), ("pro".into(), Status::Active, "pro".into()));
    assert!(!scene.account(held_back).open);

    // What an account's own event says goes on.
    let place = ids.iter().position(|id| id == held_back).expect("it is one of them");
    scene.worker = worker_on(&scene.world);
    let when = tollgate_standin::stripe::When::Now;
    scene.world.stripe.account().cancel(&bought[place], when).expect("it is live");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert_eq!(scene.seen(held_back).0, "free");

    // An operator accepts.
    let until = scene.world.clock.time() + SignedDuration::from_hours(1);
    assert!(block_on(accept_blast(&scene.world.ledger, until)).expect("fair"));
    scene.worker = demoting(&scene);
    assert_eq!(look_at_all(&scene, &drift(&scene, &ids, "3")), 0);
    assert_eq!(on_pro(&scene, &ids), 0);
}

#[test]
fn a_hundredth_of_many_paying_accounts_is_more_than_ten() {
    let mut scene = Scene::new();
    let (ids, _) = fourteen(&scene);
    let stack = StackRecord { paying: 1_300, ..StackRecord::default() };
    assert!(block_on(scene.world.ledger.put_stack(&stack)).expect("fair"));
    scene.worker = demoting(&scene);
    look_at_all(&scene, &drift(&scene, &ids, "1"));
    assert_eq!(on_pro(&scene, &ids), 1);
}

/// A pool in which nobody is found: looked at twice, an hour apart, and closed only ten times.
#[test]
fn a_wrong_pool_closes_no_business() {
    let mut scene = Scene::new();
    let (ids, _) = fourteen(&scene);
    // A deployment with another pool: everybody is missing there.
    let elsewhere = Scene::new();
    let mut world = scene.world.clone();
    world.cognito = elsewhere.world.cognito.clone();
    scene.worker.ports = world;
    look_at_all(&scene, &drift(&scene, &ids, "1"));
    assert_eq!(on_pro(&scene, &ids), 14, "one look is not enough");
    for _ in 0..30 {
        scene.later(SignedDuration::from_mins(5));
    }
    assert_eq!(on_pro(&scene, &ids), 4);
    let kept = ids.iter().find(|id| scene.seen(id).0 == "pro").expect("there are four");
    assert!(scene.account(kept).key().is_some());
}

/// Begun under a closed control plane, tried again and again: it is counted once, and once
/// begun it is brought to its end, whatever has stopped in the meantime.
#[test]
fn what_was_let_through_is_counted_once() {
    let weather =
        Refuses::new(Class::Throttled { after: None }, |call| call.service == Service::ApiGateway);
    let mut scene = Scene::under(weather.clone());
    let (ids, _) = fourteen(&scene);
    scene.worker = demoting(&scene);
    weather.switch(true);
    for run in 0..12 {
        look_at_all(&scene, &drift(&scene, &ids[..1], &run.to_string()));
    }
    let stack = block_on(scene.world.ledger.stack()).expect("fair");
    assert_eq!((stack.blast.count, stack.blast.stopped), (1, false));
    let stopped = StackRecord { blast: Blast { stopped: true, ..stack.blast.clone() }, ..stack };
    assert!(block_on(scene.world.ledger.put_stack(&stopped)).expect("fair"));
    weather.switch(false);
    look_at_all(&scene, &drift(&scene, &ids, "again"));
    assert_eq!(on_pro(&scene, &ids), 13, "the one that was begun, and no other");
}

#[test]
fn an_outdated_catalog_touches_nothing() {
    let mut scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    let newer = |worker: &mut Worker<_>, revision| worker.catalog.revision = revision;
    newer(&mut scene.worker, 5);
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    scene.worker = demoting(&scene);
    scene.world.gate.take_calls();
    let wake = drift(&scene, std::slice::from_ref(&ann), "1");
    scene.world.clock.advance(SignedDuration::from_secs(60));
    let report = scene.handle(&wake);
    assert_eq!(
        (report.failed.len(), report.systemic),
        (1, 1),
        "a person must deploy the newer one"
    );
    let calls = scene.world.gate.take_calls();
    assert!(calls.iter().all(|call| call.service == Service::Ledger), "{calls:?}");
    assert_eq!(scene.seen(&ann).0, "pro");
}

/// Nobody pays here, and a wrong pool closes nobody but ten either.
#[test]
fn a_wrong_pool_does_not_close_those_who_do_not_pay() {
    let mut scene = Scene::new();
    let ids: Vec<_> = (0..14).map(|n| scene.sign_up(&format!("u{n}"))).collect();
    let mut world = scene.world.clone();
    world.cognito = Scene::new().world.cognito.clone();
    scene.worker.ports = world;
    look_at_all(&scene, &drift(&scene, &ids, "1"));
    for _ in 0..30 {
        scene.later(SignedDuration::from_mins(5));
    }
    let closed = ids.iter().filter(|id| scene.seen(id).1 == Status::Closed);
    assert_eq!(closed.count(), 10);
}

// ------------------------------------------------------------- the reserve

#[test]
fn the_last_keys_are_kept_for_those_who_pay() {
    let scene = Scene::new();
    let full = StackRecord {
        keys: Some(KeyCount { count: 9_500, at: scene.world.clock.time() }),
        ..StackRecord::default()
    };
    assert!(block_on(scene.world.ledger.put_stack(&full)).expect("fair"));
    let (ann, bob) = (scene.sign_up("ann"), scene.sign_up("bob"));
    assert_eq!(scene.seen(&ann), ("free".into(), Status::WaitingForKey, "waiting".into()));
    assert!(scene.account(&ann).key().is_none());

    // Ann pays, and has a key at once.
    scene.buy(&ann, "basic_monthly");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), ("basic".into(), Status::Active, "basic".into()));

    // Bob waits until there is room.
    let hour = SignedDuration::from_hours(1);
    assert_eq!(scene.later(hour), 1);
    assert_eq!(scene.seen(&bob).1, Status::WaitingForKey);
    let stack = block_on(scene.world.ledger.stack()).expect("fair");
    assert_eq!(stack.keys.map(|keys| keys.count), Some(9_501), "Ann's key is counted");
    let keys = Some(KeyCount { count: 9_499, at: scene.world.clock.time() });
    assert!(block_on(scene.world.ledger.put_stack(&StackRecord { keys, ..stack })).expect("fair"));
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
    let plane = ControlPlane::share(&policy, 5);
    let begin = scene.world.clock.time();
    let keys = Some(KeyCount { count: 80, at: begin });
    let full = StackRecord { keys, ..StackRecord::default() };
    assert!(block_on(ledger.put_stack(&full)).expect("fair"));
    scene.world.gate.take_calls();
    let has_room = |seconds| {
        let at = begin + SignedDuration::from_secs(seconds);
        let room = block_on(plane.has_room(ledger, at)).expect("fair");
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
    let stack = block_on(ledger.stack()).expect("fair");
    assert_eq!(stack.keys.map(|keys| keys.count), Some(82));
    scene.world.gate.take_calls();
    assert_eq!(has_room(120), (true, vec!["GetItem"]));
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
    let pro = || tollgate_billing::account::PlanId::parse("pro").expect("it is an id");
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
