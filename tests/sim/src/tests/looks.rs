//! What API Gateway refuses or does not show is looked at a few times, and then comes again.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use tollgate_core::account::{Slot, Status};
use tollgate_core::catalog::CatalogFile;
use tollgate_core::converge::DRIFT;
use tollgate_core::ledger::Outcome;
use tollgate_core::policy::Policy;
use tollgate_core::ports::Class;
use tollgate_core::share::Share;
use tollgate_core::sweep::wake;
use tollgate_events::{Envelope, Via};
use tollgate_operator::Act;
use tollgate_standin::api_gateway::{ApiStage, NewPlan};
use tollgate_standin::stripe::When;

use super::scene::{Refuses, Scene};
use crate::workers::worker_on;

/// One try, and five after a look each.
const TRIES: usize = 6;

fn calls(scene: &Scene, operation: &str) -> usize {
    let calls = scene.world.gate.calls();
    calls.iter().filter(|call| call.operation == operation).count()
}

fn replayed(events: Vec<Envelope>) -> Vec<Envelope> {
    let again = |event| Envelope { via: Via::Replay, hint: None, ..event };
    events.into_iter().map(again).collect()
}

/// "Another call is changing it": a look says whether it is, and the pauses before it grow. The key
/// is new, and nobody misses it: one that was on another plan is tried until the lease ends.
#[test]
fn a_conflict_is_looked_at_and_tried_again_a_few_times() {
    let faults = Refuses::new(Class::Conflict, |call| call.operation == "CreateUsagePlanKey");
    let mut scene = Scene::under(faults.clone());
    // No other wait shall count.
    let policy = Policy { control_plane_calls_per_second: 10, ..Policy::default() };
    scene.worker.share = Share::of(&policy, 1);
    let ann = scene.world.cognito.sign_up_confirmed("ann", "a@example.com").expect("free");
    let events = scene.events();
    faults.switch(true);
    scene.world.gate.take_calls();
    let begun = scene.world.clock.time();
    assert_eq!(scene.handle(&events).failed.len(), events.len(), "they come again");
    assert_eq!(calls(&scene, "CreateUsagePlanKey"), TRIES);
    assert_eq!(calls(&scene, "GetApiKeys"), TRIES - 1);
    let waited = scene.world.clock.time().duration_since(begun).as_millis();
    let (least, most) = (50 * 31, (50 + 255) * 31);
    assert!((least..=most).contains(&waited), "{waited} ms");

    faults.switch(false);
    scene.world.clock.advance(SignedDuration::from_secs(30));
    assert_eq!(scene.handle(&events).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), ("free".into(), Status::Active, "free".into()));
}

/// API Gateway hides a new key for up to a minute: it is not taken for deleted.
#[test]
fn a_key_that_is_not_shown_yet_is_looked_for_a_few_times() {
    let scene = Scene::new();
    scene.world.api_gateway.set_read_lag(SignedDuration::from_secs(58));
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    let events = replayed(scene.events());
    scene.world.gate.take_calls();
    assert_eq!(scene.handle(&events).failed.len(), events.len(), "they come again");
    assert_eq!(calls(&scene, "GetApiKey"), TRIES);
    assert_eq!(calls(&scene, "CreateApiKey"), 0);

    scene.world.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(scene.handle(&events).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), ("pro".into(), Status::Active, "pro".into()));
    assert_eq!(scene.world.api_gateway.scene(|model, _| model.keys().count()), 1);
}

/// It was asked for within the minute, and the answer took its time: that the minute is over when it
/// comes proves nothing.
#[test]
fn a_key_that_was_hidden_when_it_was_asked_for_is_not_taken_for_deleted() {
    let scene = Scene::new();
    scene.world.api_gateway.set_read_lag(SignedDuration::from_secs(58));
    let ann = scene.sign_up("ann");
    let key = scene.account(&ann).key().cloned();
    scene.world.clock.advance(SignedDuration::from_secs(50));
    let look = wake(DRIFT, ann.clone(), None, scene.world.clock.time());
    let report = scene.handle_after("GetApiKey", &[look], || {
        scene.world.clock.advance(SignedDuration::from_secs(15));
    });
    assert_eq!(report.failed, [""; 0]);
    assert_eq!(scene.account(&ann).key().cloned(), key);
    assert_eq!(scene.world.api_gateway.scene(|model, _| model.keys().count()), 1);
}

/// What was mended, and what is known anew, is told as a change; what was found as it should be is
/// none.
#[test]
fn only_what_a_look_changes_is_told_as_a_change() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let bought = scene.buy(&ann, "pro_monthly");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    scene.world.clock.advance(SignedDuration::from_mins(5));
    let access = scene.account(&ann).access;
    let key = access.keys[&Slot::Primary].id.clone();
    let usage_plan = access.usage_plan.expect("she has a plan");
    scene.world.api_gateway.scene(|model, now| {
        let off = model.delete_usage_plan_key(usage_plan.as_str(), key.as_str(), now);
        off.expect("it is there");
    });
    for outcome in [Outcome::Applied, Outcome::Unchanged] {
        let now = scene.world.clock.time();
        let report = scene.handle(&[wake(DRIFT, ann.clone(), None, now)]);
        assert_eq!(report.outcomes, [(outcome, 1)].into());
    }
    scene.world.stripe.account().cancel(&bought, When::PeriodEnd).expect("it is live");
    let events = scene.events();
    let report = scene.handle(&events);
    assert_eq!(report.outcomes, [(Outcome::Applied, events.len())].into(), "it ends some day");
}

/// Somebody has deleted the replaced key: nothing is due when it would have ended.
#[test]
fn a_replaced_key_that_is_gone_is_not_looked_for_in_its_time() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.operate(&ann, Act::RotateKey { overlap: SignedDuration::from_hours(24) });
    let account = scene.account(&ann);
    let old = account.access.retiring.first().expect("it works on").clone();
    assert_eq!(account.review_at, Some(old.until));
    scene.world.api_gateway.scene(|model, now| {
        model.delete_api_key(old.id.as_str(), now).expect("it is there");
    });
    scene.world.clock.advance(SignedDuration::from_mins(5));
    let now = scene.world.clock.time();
    assert_eq!(scene.handle(&[wake(DRIFT, ann.clone(), None, now)]).failed, [""; 0]);
    let account = scene.account(&ann);
    assert_eq!((account.access.retiring, account.review_at), (Vec::new(), None));
}

/// A key may be on other plans: the seller's, for other stages. They are left alone; one that an
/// older catalog of ours has put it on is not.
#[test]
fn the_sellers_own_usage_plans_are_left_alone() {
    let mut scene = Scene::new();
    let plan = |name: &str| {
        let stage = ApiStage { stage: name.to_owned(), ..scene.world.stage() };
        let new = NewPlan { name: name.into(), stages: [stage].into(), ..NewPlan::default() };
        scene.world.api_gateway.scene(|model, _| model.create_usage_plan(new).unwrap().id)
    };
    let (own, older) = (plan("admin"), plan("older"));
    let free = scene.worker.catalog.default_plan().expect("there is one").usage_plan.to_string();
    let text = scene.world.plans_toml.replace(&free, &older);
    scene.worker.catalog = CatalogFile::parse(&text).expect("it is a catalog").catalog;
    let ann = scene.sign_up("ann");
    let key = scene.account(&ann).key().expect("she has one").id.to_string();
    scene.world.api_gateway.scene(|model, now| {
        model.create_usage_plan_key(&own, &key, now).unwrap();
    });
    let on = |scene: &Scene| -> BTreeSet<_> {
        scene.world.api_gateway.scene(|model, _| {
            let mut keys = model.keys();
            keys.find(|it| it.id == key).expect("it is there").plans.iter().cloned().collect()
        })
    };
    assert_eq!(on(&scene), [older, own.clone()].into());

    scene.worker = worker_on(&scene.world);
    scene.worker.catalog.revision = 2;
    scene.world.clock.advance(SignedDuration::from_mins(5));
    let now = scene.world.clock.time();
    assert_eq!(scene.handle(&[wake(DRIFT, ann.clone(), None, now)]).failed, [""; 0]);
    assert_eq!(on(&scene), [free, own].into());
}
