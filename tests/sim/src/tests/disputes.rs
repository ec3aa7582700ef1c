//! Disputes of which no event came: an outage of more than thirty days, after which there are none
//! to replay.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use tollgate_core::account::{DisputeMark, Status};
use tollgate_core::sweep::Drift;
use tollgate_core::timing::DISPUTES_OF;
use tollgate_events::{AccountId, DisputeId};

use super::rebuild::operators_act;
use crate::scene::Scene;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What Stripe has to tell is never delivered.
fn lose_events(scene: &Scene) {
    drop(scene.world.stripe.account().take_pending());
}

fn status(scene: &Scene, account: &AccountId) -> Status {
    scene.world.ledger.stored(account).unwrap().access.status
}

/// How often Stripe was asked for disputes: in bulk, and one by one.
fn asked(scene: &Scene) -> (usize, usize) {
    let calls = scene.world.gate.take_calls();
    let count = |operation| calls.iter().filter(|call| call.operation == operation).count();
    (count("GET /v1/disputes"), count("GET /v1/disputes/{id}"))
}

#[test]
fn one_that_was_opened_and_one_that_was_won_meanwhile_are_found() {
    let scene = Scene::default();
    let (ann, bought) = scene.payer("ann", "pro");
    let (ben, other) = scene.payer("ben", "pro");
    let won = scene.world.stripe.account().open_dispute(&other.customer).unwrap();
    scene.pass(SignedDuration::from_hours(1));
    scene.come_to_rest();
    assert_eq!(status(&scene, &ben), Status::Held);
    // Another customer's, who is nobody's business.
    let stranger = scene.stranger("pro");
    scene.world.stripe.account().open_dispute(&stranger.customer).unwrap();
    scene.world.stripe.account().open_dispute(&bought.customer).unwrap();
    scene.world.stripe.account().close_dispute(&won, true).unwrap();
    lose_events(&scene);
    scene.pass(DAY);
    lose_events(&scene);
    scene.world.gate.take_calls();
    let report = scene.look();
    assert_eq!(asked(&scene), (1, 0), "one call for all");
    assert_eq!((report.found.get(&Drift::Decision), report.disputes), (Some(&2), 3));
    scene.repair();
    scene.come_to_rest();
    assert_eq!((status(&scene, &ann), status(&scene, &ben)), (Status::Held, Status::Active));
    let found = scene.look().found;
    assert_eq!(found.keys().collect::<Vec<_>>(), [&Drift::Unlinked], "the stranger");
}

/// What is on record is read whatever its age, and what an operator has lifted is not.
#[test]
fn an_old_one_on_record_is_read_by_itself() {
    let scene = Scene::default();
    let (ann, bought) = scene.payer("ann", "pro");
    let (ben, other) = scene.payer("ben", "pro");
    let mut disputes = Vec::new();
    for bought in [&bought, &other] {
        disputes.push(scene.world.stripe.account().open_dispute(&bought.customer).unwrap());
    }
    scene.come_to_rest();
    let lifted = DisputeId::parse(disputes[1].clone()).unwrap();
    operators_act(&scene, &ben, tollgate_operator::Act::LiftDispute { dispute: lifted });
    scene.come_to_rest();
    assert_eq!((status(&scene, &ann), status(&scene, &ben)), (Status::Held, Status::Active));
    for _ in 0..8 {
        scene.pass(DAY * 30);
        scene.come_to_rest();
    }
    assert!(DAY * 240 > DISPUTES_OF);
    scene.world.stripe.account().close_dispute(&disputes[0], true).unwrap();
    lose_events(&scene);
    scene.world.gate.take_calls();
    let report = scene.look();
    assert_eq!((asked(&scene), report.disputes, report.disputes_read), ((1, 1), 0, 1));
    assert_eq!(report.found, [(Drift::Decision, 1)].into());
    scene.repair();
    scene.come_to_rest();
    assert_eq!(status(&scene, &ann), Status::Active);
    let marks = scene.world.ledger.stored(&ben).unwrap().access.disputes;
    assert_eq!(marks.into_values().collect::<Vec<_>>(), [DisputeMark::Lifted]);
    assert_eq!(scene.look().found, BTreeMap::new());
}
