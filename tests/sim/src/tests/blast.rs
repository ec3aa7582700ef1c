//! The blast limit: what nothing explains takes ten paid plans a day, and then waits for a
//! person; what an event, a time or an operator explains goes on.

use crate::world::World;
use jiff::SignedDuration;
use tollgate_core::account::{PlanId, Status};
use tollgate_core::catalog::{Catalog, CatalogFile};
use tollgate_core::converge::{DRIFT, Worker};
use tollgate_core::ledger::{Blast, KeyCount, Outcome, StackRecord};
use tollgate_core::ports::{Class, Ledger, Service};
use tollgate_core::sweep::wake;
use tollgate_events::{AccountId, Envelope};
use tollgate_operator::{Act, accept_blast};
use tollgate_standin::stripe::{Card, When};

use super::scene::{Refuses, Scene};
use crate::executor::block_on;
use crate::workers::worker_on;

/// A catalog in which what is sold as pro is basic: a mistake, with a new revision.
pub(super) fn demoting(world: &World) -> Catalog {
    let text = world.plans_toml.replace("revision = 1", "revision = 2");
    let text = text.replace("lookup_keys = [\"basic_monthly\"]", "lookup_keys = [\"x\"]");
    let text = text.replace("\"pro_monthly\"", "\"y\"").replace("\"x\"", "\"pro_monthly\"");
    CatalogFile::parse(&text).expect("it is a catalog").catalog
}

fn mistaken(scene: &Scene) -> Worker<World> {
    Worker { catalog: demoting(&scene.world), ..worker_on(&scene.world) }
}

pub(super) fn drift(scene: &Scene, ids: &[AccountId], run: &str) -> Vec<Envelope> {
    let now = scene.world.clock.time();
    ids.iter().map(|id| wake(DRIFT, id.clone(), Some(run.into()), now)).collect()
}

/// Fourteen accounts on pro, at rest.
pub(super) fn fourteen(scene: &Scene) -> (Vec<AccountId>, Vec<String>) {
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

pub(super) fn on_pro(scene: &Scene, ids: &[AccountId]) -> usize {
    ids.iter().filter(|id| scene.seen(id).0 == "pro").count()
}

/// Time passes, and the sweep runs for half an hour.
pub(super) fn passes(scene: &Scene, by: SignedDuration) {
    scene.world.clock.advance(by);
    for _ in 0..30 {
        scene.later(SignedDuration::from_secs(60));
    }
}

/// Lets every account be looked at, in as many batches and with as much time as it takes.
pub(super) fn look_at_all(scene: &Scene, events: &[Envelope]) -> usize {
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
    scene.worker = mistaken(&scene);
    let parked = look_at_all(&scene, &drift(&scene, &ids, "1"));
    assert_eq!((on_pro(&scene, &ids), parked), (4, 4));
    let stack = block_on(scene.world.ledger.stack()).expect("nothing fails");
    assert!(stack.blast.stopped);

    // The day after, it is still stopped; the accounts are as they were, and say so.
    scene.world.clock.advance(SignedDuration::from_hours(30));
    assert_eq!(look_at_all(&scene, &drift(&scene, &ids, "2")), 4);
    let held_back = ids.iter().find(|id| scene.seen(id).0 == "pro").expect("there are four");
    assert_eq!(scene.seen(held_back), ("pro".into(), Status::Active, "pro".into()));
    assert!(!scene.account(held_back).open);

    // Work that was begun and not ended stays so.
    scene.left_begun(held_back, "pro", SignedDuration::from_millis(1));
    scene.world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(look_at_all(&scene, &drift(&scene, std::slice::from_ref(held_back), "open")), 1);
    assert!(scene.account(held_back).open);

    // What an account's own event says goes on.
    let place = ids.iter().position(|id| id == held_back).expect("it is one of them");
    scene.worker = worker_on(&scene.world);
    scene.world.stripe.account().cancel(&bought[place], When::Now).expect("it is live");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert_eq!(scene.seen(held_back).0, "free");

    // An operator accepts.
    let until = scene.world.clock.time() + SignedDuration::from_hours(1);
    assert!(block_on(accept_blast(&scene.world.ledger, until)).expect("nothing fails"));
    scene.worker = mistaken(&scene);
    assert_eq!(look_at_all(&scene, &drift(&scene, &ids, "3")), 0);
    assert_eq!(on_pro(&scene, &ids), 0);
}

#[test]
fn a_hundredth_of_many_paying_accounts_is_more_than_ten() {
    let mut scene = Scene::new();
    let (ids, _) = fourteen(&scene);
    let stack = block_on(scene.world.ledger.stack()).expect("nothing fails");
    let stack = StackRecord { paying: 1_300, ..stack };
    assert!(block_on(scene.world.ledger.put_stack(&stack)).expect("nothing fails"));
    scene.worker = mistaken(&scene);
    look_at_all(&scene, &drift(&scene, &ids, "1"));
    assert_eq!(on_pro(&scene, &ids), 1);
}

/// Who pays is counted against who pays, who is closed against all who have a key.
#[test]
fn a_closing_is_counted_against_all_who_have_a_key() {
    for (closes, lost) in [(true, 13), (false, 10)] {
        let mut scene = Scene::new();
        let (ids, _) = fourteen(&scene);
        let keys = Some(KeyCount { count: 1_300, at: scene.world.clock.time() });
        let stack = block_on(scene.world.ledger.stack()).expect("nothing fails");
        assert!(
            block_on(scene.world.ledger.put_stack(&StackRecord { keys, ..stack }))
                .expect("nothing fails")
        );
        if closes {
            scene.worker.ports.cognito = Scene::new().world.cognito.clone();
        } else {
            scene.worker = mistaken(&scene);
        }
        look_at_all(&scene, &drift(&scene, &ids, "1"));
        passes(&scene, SignedDuration::from_hours(2));
        assert_eq!(on_pro(&scene, &ids), 14 - lost, "{closes}");
    }
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
    let faults =
        Refuses::new(Class::Throttled { after: None }, |call| call.service == Service::ApiGateway);
    let mut scene = Scene::under(faults.clone());
    let (ids, _) = fourteen(&scene);
    scene.worker = mistaken(&scene);
    faults.switch(true);
    for run in 0..12 {
        look_at_all(&scene, &drift(&scene, &ids[..1], &run.to_string()));
    }
    let stack = block_on(scene.world.ledger.stack()).expect("nothing fails");
    assert_eq!((stack.blast.count, stack.blast.stopped), (1, false));
    let stopped = StackRecord { blast: Blast { stopped: true, ..stack.blast.clone() }, ..stack };
    assert!(block_on(scene.world.ledger.put_stack(&stopped)).expect("nothing fails"));
    faults.switch(false);
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
    scene.worker = mistaken(&scene);
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
fn a_wrong_pool_closes_ten_of_those_who_do_not_pay() {
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

// ------------------------------------------------------------ what is explained

/// Whatever is on its way from Stripe and Cognito is lost.
pub(super) fn lost(scene: &Scene) {
    drop(scene.events());
}

pub(super) fn handle_all(scene: &Scene) {
    look_at_all(scene, &scene.events());
}

/// Everybody cancels for the end of the period, and what tells of the end is lost.
#[test]
fn an_end_that_was_known_is_not_held_back() {
    let scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    for id in &bought {
        scene.world.stripe.account().cancel(id, When::PeriodEnd).expect("it is live");
    }
    handle_all(&scene);
    assert_eq!(on_pro(&scene, &ids), 14);
    scene.world.clock.advance(SignedDuration::from_hours(31 * 24));
    lost(&scene);
    passes(&scene, SignedDuration::from_hours(1));
    assert_eq!(on_pro(&scene, &ids), 0);
}

/// Nobody's card pays any more, and what tells of that after the first time is lost.
#[test]
fn a_grace_period_that_is_over_is_not_held_back() {
    let scene = Scene::new();
    let (ids, _) = fourteen(&scene);
    for id in &ids {
        let customers = scene.account(id).access.customers;
        let customer = customers.first().expect("they bought").as_str();
        scene.world.stripe.account().set_card(customer, Card::Declines).expect("they are there");
    }
    scene.world.clock.advance(SignedDuration::from_hours(31 * 24 + 2));
    handle_all(&scene);
    assert_eq!(on_pro(&scene, &ids), 14, "in their grace period");
    scene.world.clock.advance(SignedDuration::from_hours(7 * 24));
    lost(&scene);
    passes(&scene, SignedDuration::from_hours(1));
    assert_eq!(on_pro(&scene, &ids), 0);
}

#[test]
fn a_grant_that_is_over_is_not_held_back() {
    let scene = Scene::new();
    let ids: Vec<_> = (0..14).map(|n| scene.sign_up(&format!("u{n}"))).collect();
    let until = Some(scene.world.clock.time() + SignedDuration::from_hours(24));
    for id in &ids {
        let plan = PlanId::parse("pro").expect("it is an id");
        scene.operate(id, Act::Grant { plan, until });
        scene.world.clock.advance(SignedDuration::from_secs(60));
    }
    assert_eq!(on_pro(&scene, &ids), 14);
    passes(&scene, SignedDuration::from_hours(24));
    assert_eq!(on_pro(&scene, &ids), 0);
}

/// Everybody cancels at once, and Stripe's list shows it only when it is looked at again.
#[test]
fn a_second_look_is_not_held_back() {
    let scene = Scene::new();
    scene.world.stripe.set_read_lag(SignedDuration::from_secs(50));
    let (ids, bought) = fourteen(&scene);
    for id in &bought {
        scene.world.stripe.account().cancel(id, When::Now).expect("it is live");
    }
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert_eq!(on_pro(&scene, &ids), 14);
    passes(&scene, SignedDuration::ZERO);
    assert_eq!(on_pro(&scene, &ids), 0);
}

/// Upgrades of which nobody heard take nothing from anybody.
#[test]
fn an_upgrade_is_never_held_back() {
    let scene = Scene::new();
    let ids: Vec<_> = (0..14).map(|n| scene.sign_up(&format!("u{n}"))).collect();
    let bought: Vec<_> = ids.iter().map(|id| scene.buy(id, "basic_monthly")).collect();
    handle_all(&scene);
    for id in &bought {
        let mut stripe = scene.world.stripe.account();
        let pro = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
        stripe.change_price(id, &pro).expect("it is live");
    }
    lost(&scene);
    assert_eq!(look_at_all(&scene, &drift(&scene, &ids, "1")), 0);
    assert_eq!(on_pro(&scene, &ids), 14);
}

/// A wrong catalog is why, even where an event of the account's own wakes it; but who cancels
/// while there is a new one does it themselves.
#[test]
fn a_catalog_is_not_explained_by_an_event_that_comes_by() {
    let mut scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    scene.worker = mistaken(&scene);
    for id in &bought {
        let note = [("note".to_owned(), "a word".to_owned())].into();
        scene.world.stripe.account().set_metadata(id, &note).expect("it is live");
    }
    handle_all(&scene);
    assert_eq!(on_pro(&scene, &ids), 4);

    let mut scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    scene.worker = mistaken(&scene);
    for id in &bought {
        scene.world.stripe.account().cancel(id, When::Now).expect("it is live");
    }
    handle_all(&scene);
    assert_eq!(on_pro(&scene, &ids), 0);
}
