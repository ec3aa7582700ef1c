//! A stack belongs to one Stripe account and one pool: who comes first says so, others are
//! refused before anything is decided, and asking costs a call an hour.

use std::collections::BTreeSet;

use crate::ledger::MemoryLedger;
use crate::world::World;
use jiff::SignedDuration;
use tollgate_core::account::Status;
use tollgate_core::converge::DRIFT;
use tollgate_core::ledger::{Outcome, StackRecord};
use tollgate_core::ports::{Class, Ledger, PortResult, Service};
use tollgate_core::sweep::{ACCOUNTS_AT_ONCE, DriftReport, DriftSweep, wake};
use tollgate_events::AccountId;
use tollgate_operator::{Rebuild, RebuildReport};
use tollgate_standin::cognito::PoolConfig;
use tollgate_standin::stripe::When;
use tollgate_standin::world::{BULK_QUEUE, POOL_ID};

use super::scene::{Refuses, Scene};
use super::wrong_key::{elsewhere, handle_all, on_pro, on_record, paying};
use crate::executor::block_on;
use crate::workers::worker_on;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const MONTH: SignedDuration = SignedDuration::from_hours(31 * 24 + 2);

fn stack(scene: &Scene) -> StackRecord {
    block_on(scene.world.ledger.stack()).expect("nothing fails")
}

fn bound_to(scene: &Scene) -> (Option<String>, Option<String>) {
    let stack = stack(scene);
    (stack.stripe_account, stack.pool)
}

/// As a stack is that was there before it was written down what it belongs to.
fn forget(scene: &Scene) {
    scene.world.ledger.change_stack(|stack| (stack.stripe_account, stack.pool) = (None, None));
}

/// A stack that is new, or was there before it was written down what it belongs to.
fn unbound() -> Scene {
    let scene = Scene::new();
    forget(&scene);
    scene
}

fn account_of(world: &World) -> String {
    world.stripe.account().settings_mut().account_id.clone()
}

/// The same world with another user pool, in which nobody is.
fn another_pool(world: &World) -> World {
    world.clone().with_pool(PoolConfig::tollgate("us-east-1_Elsewhere"))
}

fn look_at(scene: &Scene, ids: &[AccountId], run: &str) {
    let now = scene.world.clock.time();
    let drift = ids.iter().map(|id| wake(DRIFT, id.clone(), Some(run.into()), now));
    for batch in drift.collect::<Vec<_>>().chunks(10) {
        assert_eq!(scene.handle(batch).failed, [""; 0]);
        scene.world.clock.advance(SignedDuration::from_secs(60));
    }
}

pub(super) fn compare(scene: &Scene, world: &World, acts: bool) -> PortResult<DriftReport> {
    let queue = world.queue();
    let sweep = DriftSweep {
        ports: world,
        queue: &queue,
        catalog: &scene.worker.catalog,
        policy: &scene.worker.policy,
        stack: &scene.worker.stack,
        at_once: ACCOUNTS_AT_ONCE,
    };
    block_on(async { if acts { sweep.run().await } else { sweep.look(&mut |_| ()).await } })
}

fn rebuild(scene: &Scene, world: &World, writes: bool) -> PortResult<RebuildReport> {
    let stale = BTreeSet::new();
    let rebuild = Rebuild {
        stale: &stale,
        ports: world,
        catalog: &scene.worker.catalog,
        policy: &scene.worker.policy,
        deriver: &scene.worker.deriver,
        stack: &scene.worker.stack,
        by: "olga",
        at_once: ACCOUNTS_AT_ONCE,
    };
    let heard = &mut |_| ();
    block_on(async { if writes { rebuild.run(heard).await } else { rebuild.look(heard).await } })
}

#[test]
fn whoever_first_meets_what_the_ledger_knows_says_what_the_stack_belongs_to() {
    let mut scene = unbound();
    let ann = scene.sign_up("ann");
    assert_eq!(bound_to(&scene), (None, None), "nothing was known before her");
    look_at(&scene, std::slice::from_ref(&ann), "1");
    assert_eq!(bound_to(&scene), (None, Some(POOL_ID.into())), "Stripe is not asked for her");
    scene.buy(&ann, "pro_monthly");
    handle_all(&scene);
    let bound = (Some(account_of(&scene.world)), Some(POOL_ID.into()));
    assert_eq!(bound_to(&scene), bound);
    // And no other after it.
    for world in [elsewhere(&scene.world, true), another_pool(&scene.world)] {
        scene.worker = worker_on(&world);
        look_at(&scene, std::slice::from_ref(&ann), "2");
        assert_eq!(bound_to(&scene), bound);
    }
}

/// What is wrong from the first day on binds nothing either.
#[test]
fn a_wrong_key_or_pool_that_comes_first_binds_nothing() {
    let mut scene = Scene::new();
    let ids = paying(&scene, 12);
    let bound = (Some(account_of(&scene.world)), Some(POOL_ID.to_owned()));
    let met = [(elsewhere(&scene.world, true), (None, bound.1.clone()))];
    let met = met.into_iter().chain([(another_pool(&scene.world), (bound.0.clone(), None))]);
    for (world, met) in met {
        forget(&scene);
        scene.worker = worker_on(&world);
        look_at(&scene, &ids[..2], "1");
        compare(&scene, &world, true).expect("it belongs to nothing");
        assert_eq!(bound_to(&scene), met);
        compare(&scene, &scene.world, true).expect("it belongs to nothing else");
        assert_eq!(bound_to(&scene), bound);
    }
    assert_eq!(on_pro(&scene, &ids), 12);
}

#[test]
fn a_key_that_may_not_read_its_account_serves_as_ever() {
    let scene = unbound();
    scene.world.stripe.account().settings_mut().restricted_keys_read_account = false;
    let ids = paying(&scene, 2);
    scene.world.stripe.advance_to(scene.world.clock.time() + MONTH);
    assert_eq!(handle_all(&scene).systemic, 0);
    assert_eq!(on_pro(&scene, &ids), 2);
    assert!(compare(&scene, &scene.world, true).expect("it is the stack's").woken.is_empty());
    assert_eq!(bound_to(&scene), (None, Some(POOL_ID.into())));
    // Later it may, and whoever looks next writes it down.
    scene.world.stripe.account().settings_mut().restricted_keys_read_account = true;
    compare(&scene, &scene.world, true).expect("it is the stack's");
    assert_eq!(bound_to(&scene).0, Some(account_of(&scene.world)));
}

/// With another pool everybody seems to be gone, those who pay and those who do not.
#[test]
fn another_pool_closes_nobody() {
    let mut scene = Scene::new();
    let mut ids = paying(&scene, 12);
    ids.extend((0..12).map(|n| scene.sign_up(&format!("free-{n}"))));
    let before: Vec<_> = ids.iter().map(|id| scene.account(id).access).collect();
    scene.worker = worker_on(&another_pool(&scene.world));
    for round in 0..5 {
        look_at(&scene, &ids, &round.to_string());
        scene.later(HOUR);
    }
    scene.world.stripe.advance_to(scene.world.clock.time() + MONTH);
    assert!(handle_all(&scene).systemic >= 12);
    let after: Vec<_> = ids.iter().map(|id| scene.account(id).access).collect();
    assert_eq!(after, before, "nothing was decided");
    assert_eq!(stack(&scene).blast, Default::default());
    scene.worker = worker_on(&scene.world);
    for _ in 0..3 {
        scene.later(HOUR);
    }
    assert_eq!(on_pro(&scene, &ids), 12);
    assert_eq!((on_record(&scene, Outcome::Deferred), on_record(&scene, Outcome::Parked)), (0, 0));
    assert!(ids.iter().all(|id| !scene.account(id).open && scene.account(id).key().is_some()));
}

/// How often Stripe was asked whose the key is, and the ledger what the stack belongs to.
fn asked(scene: &Scene) -> (usize, usize) {
    let calls = scene.world.gate.take_calls();
    let count = |operation: &str, subject: &str| {
        let asks = calls.iter().filter(|it| it.operation == operation && it.subject == subject);
        asks.count()
    };
    (count("GET /v1/account", ""), count("GetItem", "stack"))
}

#[test]
fn an_instance_asks_once_an_hour() {
    let mut scene = Scene::new();
    let ann = scene.sign_up("ann");
    let bought = scene.buy(&ann, "pro_monthly");
    handle_all(&scene);
    scene.world.clock.advance(HOUR);
    asked(&scene);
    let look = |scene: &Scene| {
        scene.world.clock.advance(SignedDuration::from_secs(1));
        let note = [("note".to_owned(), scene.world.clock.time().to_string())].into();
        scene.world.stripe.account().set_metadata(&bought, &note).expect("it is live");
        assert_eq!(handle_all(scene).systemic, 0);
        asked(scene)
    };
    assert_eq!(look(&scene), (1, 1), "the hour is over");
    assert_eq!(look(&scene), (0, 0));
    scene.world.clock.advance(SignedDuration::from_mins(59));
    assert_eq!(look(&scene), (0, 0));
    scene.worker = worker_on(&scene.world);
    assert_eq!(look(&scene), (1, 1), "another instance");
    assert_eq!(look(&scene), (0, 0));
}

/// Stripe fails, or the ledger: it is not known whose the key is, and asked again.
#[test]
fn what_could_not_be_asked_is_not_believed() {
    for (service, operation) in [(Service::Stripe, "GET /v1/account"), (Service::Ledger, "GetItem")]
    {
        let faults = Refuses::new(Class::Unavailable, move |call| {
            call.operation == operation && (service == Service::Stripe || call.subject == "stack")
        });
        let mut scene = Scene::under(faults.clone());
        let ann = scene.sign_up("ann");
        let bought = scene.buy(&ann, "pro_monthly");
        handle_all(&scene);
        scene.world.stripe.account().cancel(&bought, When::Now).expect("it is live");
        let events = scene.events();
        scene.worker = worker_on(&elsewhere(&scene.world, true));
        faults.switch(true);
        for _ in 0..2 {
            assert_eq!(scene.handle(&events).failed.len(), events.len(), "they come again");
            scene.world.clock.advance(SignedDuration::from_mins(3));
        }
        faults.switch(false);
        assert_eq!(scene.handle(&events).systemic, 1, "and then it does not fit");
        assert_eq!(scene.seen(&ann).0, "pro");
    }
}

/// Who has never paid anything is served while Stripe is down, by an instance that has never
/// asked Stripe.
#[test]
fn a_sign_up_needs_no_stripe() {
    let faults = Refuses::new(Class::Unavailable, |call| call.service == Service::Stripe);
    let scene = Scene::under(faults.clone());
    faults.switch(true);
    let ann = scene.sign_up("ann");
    assert_eq!(scene.seen(&ann), ("free".into(), Status::Active, "free".into()));
}

#[test]
fn the_comparison_refuses_and_wakes_nobody() {
    let scene = Scene::new();
    let ids = paying(&scene, 12);
    for world in [elsewhere(&scene.world, true), another_pool(&scene.world)] {
        for acts in [true, false] {
            let before = stack(&scene);
            let refused = compare(&scene, &world, acts).expect_err("it is another's");
            assert_eq!(refused.class, Class::Denied, "{refused}");
            assert!(refused.detail.contains("belongs to"), "{refused}");
            assert_eq!(stack(&scene), before, "it notes nothing either");
        }
    }
    assert!(scene.world.sqs.receive(BULK_QUEUE, 10).expect("it is there").is_empty());
    assert_eq!(on_pro(&scene, &ids), 12);
}

/// Looking binds nothing, comparing does, when there is somebody to be met.
#[test]
fn the_comparison_says_what_a_stack_belongs_to() {
    let scene = unbound();
    compare(&scene, &scene.world, true).expect("it belongs to nothing");
    assert_eq!(bound_to(&scene), (None, None), "nobody is there");
    paying(&scene, 2);
    forget(&scene);
    compare(&scene, &scene.world, false).expect("it belongs to nothing");
    assert_eq!(bound_to(&scene), (None, None));
    compare(&scene, &scene.world, true).expect("it belongs to nothing");
    assert_eq!(bound_to(&scene), (Some(account_of(&scene.world)), Some(POOL_ID.into())));
}

#[test]
fn a_rebuild_takes_no_other_account_or_pool_for_the_stacks() {
    let mut scene = Scene::new();
    let ids = paying(&scene, 2);
    for world in [elsewhere(&scene.world, true), another_pool(&scene.world)] {
        for writes in [true, false] {
            let refused = rebuild(&scene, &world, writes).expect_err("it is another's");
            assert_eq!(refused.class, Class::Denied, "{refused}");
        }
    }
    // The table is lost, and with it what the stack belongs to.
    scene.world.ledger = MemoryLedger::new(scene.world.gate.clone());
    scene.worker = worker_on(&scene.world);
    assert_eq!(rebuild(&scene, &scene.world, false).expect("it belongs to nothing").rebuilt, 2);
    assert_eq!(bound_to(&scene), (None, None), "looking binds nothing");
    assert_eq!(rebuild(&scene, &scene.world, true).expect("it belongs to nothing").rebuilt, 2);
    assert_eq!(bound_to(&scene), (Some(account_of(&scene.world)), Some(POOL_ID.into())));
    assert_eq!(on_pro(&scene, &ids), 2);
}
