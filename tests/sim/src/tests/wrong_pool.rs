//! A wrong user pool, in the days in which only the limit protects the stack: whom it closed comes
//! back by a release, as they were. The runbook's chapter promises it.

use jiff::SignedDuration;
use tollgate_core::account::{Access, PlanId, Status};
use tollgate_core::policy::PlanThen;
use tollgate_core::sweep::Drift;
use tollgate_events::{AccountId, CustomerId};
use tollgate_operator::Act;

use super::binding::compare;
use super::blast::{drift, handle_all, look_at_all, passes};
use super::by_reference::stranger_pays;
use super::scene::Scene;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Everybody is looked for in a pool in which nobody is, and looked for again; then it is the
/// right one.
fn is_lost(scene: &mut Scene, ids: &[AccountId]) {
    let right = scene.worker.ports.clone();
    scene.worker.ports.cognito = Scene::new().world.cognito.clone();
    look_at_all(scene, &drift(scene, ids, "1"));
    passes(scene, HOUR * 2);
    scene.worker.ports = right;
    assert!(ids.iter().all(|id| scene.account(id).access.status == Status::Closed));
}

/// As the runbook says; and once more, by somebody who did not see the answer of the first time.
fn is_released(scene: &Scene, id: &AccountId) {
    for _ in 0..2 {
        scene.act(id, Act::Release).expect("nothing fails");
    }
    assert_eq!(scene.handle(&scene.wakes()).failed, [""; 0]);
    passes(scene, SignedDuration::ZERO);
}

/// What is theirs, whatever key they have; and what their user is told.
fn theirs(scene: &Scene, id: &AccountId) -> (Access, String) {
    let (_, _, word) = scene.seen(id);
    let mut access = scene.account(id).access;
    access.keys.clear();
    (access.usage_plan, access.attributes.api_id) = (None, None);
    (access, word)
}

fn works(scene: &Scene, id: &AccountId) -> bool {
    let key = scene.account(id).key().map(|key| key.id.to_string());
    let is_it = |id: &String| Some(id) == key.as_ref();
    scene.world.api_gateway.scene(|model, _| model.keys().any(|it| is_it(&it.id) && it.enabled))
}

fn customer_of(scene: &Scene, id: &AccountId) -> CustomerId {
    scene.account(id).access.customers.first().expect("they pay").clone()
}

fn grant(plan: &str, until: Option<SignedDuration>, scene: &Scene) -> Act {
    let plan = PlanId::parse(plan).expect("it is an id");
    Act::Grant { plan, until: until.map(|until| scene.world.clock.time() + until) }
}

#[test]
fn whom_a_wrong_pool_closed_comes_back_as_they_were() {
    let mut scene = Scene::new();
    scene.worker.policy.on_full_refund = PlanThen::End;
    scene.worker.policy.trust_payment_links = true;
    let names = ["held", "granted", "both", "disputed", "lifted", "refunded", "linked", "banned"];
    let ids = names.map(|name| scene.sign_up(name));
    let [held, granted, both, disputed, lifted, refunded, linked, banned] = &ids;
    for id in [held, disputed, lifted, refunded, banned] {
        scene.buy(id, "pro_monthly");
    }
    handle_all(&scene);
    passes(&scene, HOUR);
    stranger_pays(&scene, linked, "pro_monthly");
    for id in [disputed, lifted] {
        let customer = customer_of(&scene, id);
        scene.world.stripe.account().open_dispute(customer.as_str()).expect("they have paid");
    }
    let subscription = scene.account(refunded).access.given.expect("they pay").by;
    scene.world.stripe.account().refund_latest(subscription.as_str()).expect("they have paid");
    handle_all(&scene);
    let dispute = scene.account(lifted).access.disputes.keys().next().expect("it holds").clone();
    for (id, act) in [
        (held, Act::Hold),
        (granted, grant("pro", None, &scene)),
        (both, grant("basic", Some(HOUR * 24 * 30), &scene)),
        (both, Act::Hold),
        (lifted, Act::LiftDispute { dispute }),
        (banned, Act::Close),
    ] {
        scene.operate(id, act);
        scene.world.clock.advance(SignedDuration::from_secs(60));
    }
    handle_all(&scene);
    passes(&scene, HOUR);
    let before = ids.each_ref().map(|id| theirs(&scene, id));
    let holds = before.iter().filter(|(access, _)| access.status == Status::Held);
    assert_eq!(holds.count(), 3);

    is_lost(&mut scene, &ids);
    // Nobody takes for the pool's doing what was an operator's.
    let reason = scene.account(banned).access.reason.to_string();
    assert_eq!(reason, "closed by an operator: a story");
    let compared = compare(&scene, &scene.world, false).expect("it is the stack's");
    assert_eq!(compared.found, [(Drift::UserIsBack, 7)].into());
    for id in &ids[..7] {
        is_released(&scene, id);
    }
    for ((id, before), name) in ids[..7].iter().zip(before).zip(names) {
        let works_again = before.0.status == Status::Active;
        assert_eq!((theirs(&scene, id), works(&scene, id)), (before, works_again), "{name}");
    }
    assert_eq!(scene.account(banned).access.status, Status::Closed);
}

/// A release that comes too early: the pool is wrong still, and an hour later it has closed them
/// once more.
#[test]
fn whoever_is_released_in_the_wrong_pool_loses_nothing_by_it() {
    let mut scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.operate(&ann, grant("pro", None, &scene));
    scene.operate(&ann, Act::Hold);
    let before = theirs(&scene, &ann);
    is_lost(&mut scene, std::slice::from_ref(&ann));
    let right = scene.worker.ports.clone();
    scene.worker.ports.cognito = Scene::new().world.cognito.clone();
    is_released(&scene, &ann);
    passes(&scene, HOUR * 2);
    assert_eq!(scene.account(&ann).access.status, Status::Closed);
    scene.worker.ports = right;
    is_released(&scene, &ann);
    assert_eq!((theirs(&scene, &ann), works(&scene, &ann)), (before, false));
    // Then a release is what it says.
    scene.operate(&ann, Act::Release);
    assert_eq!(scene.seen(&ann), ("pro".into(), Status::Active, "pro".into()));
    assert!(works(&scene, &ann));
}

/// Whoever is deleted indeed leaves what operators gave and took; only their own closing ends that.
#[test]
fn a_tombstone_has_holds_and_grants_unless_an_operator_closed_it() {
    let kept = |scene: &Scene, id: &AccountId| {
        let access = scene.account(id).access;
        assert_eq!(access.status, Status::Closed);
        (access.hold.is_some(), access.grants.len())
    };
    let scene = Scene::new();
    let ids = ["ann", "ben"].map(|name| scene.sign_up(name));
    for id in &ids {
        scene.operate(id, grant("pro", None, &scene));
        scene.operate(id, Act::Hold);
        scene.world.clock.advance(SignedDuration::from_secs(60));
    }
    scene.world.cognito.delete_self("ann").expect("they are there");
    assert_eq!(scene.handle(&scene.told_of_the_pool()).failed, [""; 0]);
    scene.operate(&ids[1], Act::Close);
    assert_eq!((kept(&scene, &ids[0]), kept(&scene, &ids[1])), ((true, 1), (false, 0)));
}
