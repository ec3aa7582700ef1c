//! A backup was restored, and not everything is at rest: workers die, messages come again, and events of
//! acts that the ledger has forgotten arrive.

use jiff::SignedDuration;
use tollgate_core::account::{PlanId, Status};
use tollgate_core::batch::Message;
use tollgate_core::ledger::Outcome;
use tollgate_events::{AccountId, Envelope, Source, cognito};
use tollgate_operator::Act;
use tollgate_standin::world::EVENTS_QUEUE;

use super::rebuild::operators_act as operate;
use super::restored::{ann_on, rest};
use crate::executor::block_on;
use crate::scene::Scene;

const LEASE: SignedDuration = SignedDuration::from_secs(30);

fn keys_of(scene: &Scene, account: &AccountId) -> usize {
    scene.world.api_gateway.scene(|model, _| {
        let theirs = |name: &str| name.contains(account.as_str());
        model.keys().filter(|key| key.name.as_deref().is_some_and(theirs)).count()
    })
}

/// What is there, after something has come that must change nothing of it.
fn stays(scene: &Scene, comes: impl FnOnce()) {
    let before = scene.outside();
    comes();
    scene.deliver_everything();
    assert_eq!(scene.outside(), before);
    assert_eq!(scene.look().stale.len(), 1, "and it is told");
}

/// Whoever finds what a dead worker has claimed judges like everybody, unless it has begun something.
#[test]
fn a_worker_that_has_died_before_its_first_step_excuses_nothing() {
    let (scene, ann, _) = ann_on("pro");
    let backup = scene.world.ledger.back_up();
    operate(&scene, &ann, Act::Hold);
    rest(&scene);
    scene.world.ledger.restore(&backup);
    let now = scene.world.clock.time();
    let ledger = &scene.world.ledger;
    block_on(tollgate_core::ports::Ledger::claim(ledger, &ann, now, now + LEASE)).unwrap();
    scene.pass(LEASE);
    stays(&scene, || {
        let replayed = scene.accepted().into_values().rfind(|it| it.source == Source::Stripe);
        let replayed = Envelope { via: tollgate_events::Via::Replay, ..replayed.unwrap() };
        scene.enqueue(EVENTS_QUEUE, &replayed);
    });
}

/// Released by mistake, and held at once: the event of the release comes once more, and the hold is
/// newer.
#[test]
fn a_release_that_the_ledger_has_forgotten_releases_nobody() {
    let (scene, ann, _) = ann_on("pro");
    let backup = scene.world.ledger.back_up();
    operate(&scene, &ann, Act::Release);
    operate(&scene, &ann, Act::Hold);
    rest(&scene);
    let events = scene.world.ledger.events().into_iter();
    let mut released = events.filter_map(|event| event.record.envelope().cloned());
    let released = released.find(|event| event.kind == "operator.release").unwrap();
    scene.world.ledger.restore(&backup);
    stays(&scene, || scene.enqueue(EVENTS_QUEUE, &released));
}

/// Ben has signed up since, and the worker that gave him his key died before it could delete the
/// message.
#[test]
fn a_sign_up_that_comes_again_makes_no_second_key() {
    for (is_told, again) in [(true, false), (true, true), (false, true)] {
        let (scene, _, _) = ann_on("pro");
        let backup = scene.world.ledger.back_up();
        let ben = scene.world.cognito.sign_up_confirmed("ben", "ben@example.com").unwrap();
        scene.come_to_rest();
        assert_eq!(keys_of(&scene, &ben), 1);
        if !is_told {
            // Cognito had no room for it.
            let name = scene.world.cognito.user_by_id(&ben).unwrap().username.clone();
            let nothing = [("custom:plan".to_owned(), String::new())].into();
            scene.world.cognito.write(&name, nothing).unwrap();
        }
        scene.world.ledger.restore(&backup);
        let is_his = |event: &Envelope| {
            let named = event.subject.account.as_ref().is_some_and(|named| named.id == ben);
            named && event.kind == cognito::SIGN_UP
        };
        let signed_up = scene.accepted().into_values().find(is_his).unwrap();
        let body = signed_up.encode();
        let message = Message { id: "1".into(), group: ben.to_string(), body, again };
        let deadline = scene.world.clock.time() + LEASE;
        let report = block_on(scene.worker.handle(&scene.world.queue(), &[message], deadline));
        assert_eq!(report.outcomes.keys().collect::<Vec<_>>(), [&Outcome::Deferred]);
        assert_eq!((report.systemic, keys_of(&scene, &ben)), (1, 1));
    }
}

/// Closed since, and gone since, and nobody told: what Cognito does not show gets no key.
#[test]
fn nothing_is_made_for_whom_cognito_does_not_show() {
    let (scene, ann, _) = ann_on("pro");
    let backup = scene.world.ledger.back_up();
    operate(&scene, &ann, Act::Close);
    rest(&scene);
    let name = scene.world.cognito.user_by_id(&ann).unwrap().username.clone();
    scene.world.cognito.delete_user(&name).unwrap();
    drop(scene.world.cognito.take_cloudtrail());
    scene.world.ledger.restore(&backup);
    scene.repair();
    scene.deliver_everything();
    assert_eq!(keys_of(&scene, &ann), 0);
    rest(&scene);
    let account = scene.world.ledger.stored(&ann).unwrap();
    assert_eq!((keys_of(&scene, &ann), account.access.status), (0, Status::Closed));
}

/// Granted since, and bought less now: that the key is not on the plan that the ledger told of is
/// found by the first step, and is a reason to look.
#[test]
fn a_grant_is_not_lost_to_a_purchase_of_less() {
    let scene = Scene::default();
    let ann = scene.free();
    rest(&scene);
    let backup = scene.world.ledger.back_up();
    operate(&scene, &ann, Act::Grant { plan: PlanId::parse("pro").unwrap(), until: None });
    rest(&scene);
    scene.world.ledger.restore(&backup);
    stays(&scene, || drop(scene.buy(&ann, "basic")));
}

/// Held at the backup, released since, and buying now: a key that is refused by what the ledger says
/// is looked at first.
#[test]
fn who_was_released_since_is_not_held_again_by_a_purchase() {
    let scene = Scene::default();
    let ann = scene.free();
    operate(&scene, &ann, Act::Hold);
    rest(&scene);
    let backup = scene.world.ledger.back_up();
    operate(&scene, &ann, Act::Release);
    rest(&scene);
    scene.world.ledger.restore(&backup);
    stays(&scene, || drop(scene.buy(&ann, "basic")));
}
