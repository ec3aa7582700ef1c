//! A user who is gone, and nobody has said so.

use jiff::SignedDuration;
use tollgate_core::account::{Status, User};
use tollgate_core::converge::DRIFT;
use tollgate_core::ledger::Outcome;
use tollgate_core::sweep::wake;
use tollgate_events::Envelope;
use tollgate_standin::stripe::{Card, NewCustomer, SubscriptionData};
use tollgate_standin::world::EVENTS_QUEUE;

use super::scene::Scene;

/// It shows when Cognito is to be told of a purchase: the same run looks for the user and
/// decides again, and an hour later the account is closed.
#[test]
fn whoever_cannot_be_told_is_looked_for_at_once() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    scene.world.cognito.delete_user("ann").unwrap();
    scene.world.clock.advance(SignedDuration::from_mins(10));
    scene.world.gate.take_calls();
    let report = scene.handle(&scene.events());
    assert_eq!(report.failed, [""; 0]);
    assert!(report.outcomes.into_keys().eq([Outcome::Applied]));
    let calls = scene.world.gate.take_calls().into_iter().map(|call| call.operation);
    let calls: Vec<_> = calls.skip_while(|it| *it != "AdminUpdateUserAttributes").collect();
    let again = ["GET /v1/subscriptions", "AdminGetUser", "ListUsers", "TransactWriteItems"];
    assert_eq!(calls[1..], again);
    assert_eq!(scene.seen(&ann), ("pro".into(), Status::Active, "-".into()), "one look may lag");
    let hour = SignedDuration::from_hours(1);
    assert_eq!(scene.account(&ann).review_at, Some(scene.world.clock.time() + hour));
    scene.later(hour);
    assert_eq!(scene.seen(&ann).1, Status::Closed);
}

fn has_enabled_key(scene: &crate::scene::Scene) -> bool {
    scene.world.api_gateway.scene(|model, _| model.keys().any(|key| key.enabled))
}

/// The events are delivered. Ann's user is deleted as soon as a worker has disabled her key, and what
/// is to happen `meanwhile` does.
fn goes_when_disabled(scene: &crate::scene::Scene, meanwhile: impl Fn()) {
    scene.collect();
    let mut is_gone = false;
    scene.deliver(EVENTS_QUEUE, &mut || {
        if !is_gone && !has_enabled_key(scene) {
            scene.world.cognito.delete_user("ann").expect("they are there");
            meanwhile();
            is_gone = true;
        }
    });
    assert!(is_gone);
}

/// An administrator disables a user and deletes them at once, while a worker is at it. Until it is
/// certain that they are gone, nothing is given back.
#[test]
fn whoever_was_disabled_and_is_missing_stays_disabled() {
    let scene = crate::scene::Scene::default();
    let ann = scene.free();
    scene.world.cognito.disable_user("ann").expect("they are there");
    goes_when_disabled(&scene, || ());
    let account = scene.world.ledger.accounts().remove(0);
    assert_eq!((account.id, account.access.status), (ann, Status::Disabled));
    assert!(matches!(account.user, User::Missing { disabled: true, .. }), "{:?}", account.user);
    assert!(!has_enabled_key(&scene));
}

/// A bank gives in, and the user is gone, while the key is being disabled for the dispute: it is
/// decided again, by what the key is by now.
#[test]
fn what_is_decided_again_goes_by_what_was_done_already() {
    let scene = crate::scene::Scene::default();
    let bought = scene.paying("pro");
    let dispute = scene.world.stripe.account().open_dispute(&bought.customer).expect("it is paid");
    goes_when_disabled(&scene, || {
        scene.world.stripe.account().close_dispute(&dispute, true).expect("it is open");
    });
    assert_eq!(scene.world.ledger.accounts()[0].access.status, Status::Active);
    assert!(has_enabled_key(&scene));
}

/// A federated user's name is free again after a deletion: what is to be told to whoever had it
/// is not told to whoever has it.
#[test]
fn who_has_the_name_by_now_is_told_nothing() {
    let scene = Scene::new();
    let sign_in = || {
        let id = scene.world.cognito.federated_sign_in("Google", "1", "a@example.com").unwrap();
        (id, scene.events())
    };
    let (gone, events) = sign_in();
    assert_eq!(scene.handle(&events).failed, [""; 0]);
    scene.world.cognito.delete_user("Google_1").unwrap();
    let (namesake, _) = sign_in();
    scene.buy(&gone, "pro_monthly");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    let user = scene.world.cognito.user_by_id(&namesake).expect("they are there");
    assert_eq!(user.attribute("custom:plan"), Some("free"), "they are looked at instead");
    let own = scene.account(&namesake).key().expect("they have one").id.to_string();
    assert_eq!(user.attribute("custom:apiid"), Some(own.as_str()));
    scene.later(SignedDuration::from_hours(1));
    assert_eq!(scene.seen(&gone).1, Status::Closed);
}

/// Whoever is deleted and pays all the same has a person look at it.
#[test]
fn a_payment_on_a_deleted_users_account_is_seen() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.world.cognito.delete_user("ann").unwrap();
    for _ in 0..2 {
        let now = scene.world.clock.time();
        assert_eq!(scene.handle(&[wake(DRIFT, ann.clone(), None, now)]).failed, [""; 0]);
        scene.later(SignedDuration::from_hours(1));
    }
    assert_eq!(scene.seen(&ann).1, Status::Closed);
    scene.buy(&ann, "pro_monthly");
    let report = scene.handle(&scene.events());
    assert_eq!((report.failed.len(), report.outcomes[&Outcome::Parked]), (0, 4));
    let events = scene.world.ledger.events().into_iter().map(|event| event.record);
    let told = events.filter(|record| record.outcome == Outcome::Parked);
    // Nobody wanted an end: she may be there again.
    assert!(told.filter_map(|it| it.detail).all(|it| it.contains("account close WHO")));
}

/// Nobody is linked to a closed account, and what is disputed was paid on one all the same: it waits
/// for a person, who may release the account.
#[test]
fn a_dispute_of_who_pays_on_a_closed_account_is_not_ignored() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.world.cognito.delete_user("ann").unwrap();
    assert_eq!(scene.handle(&scene.told_of_the_pool()).failed, [""; 0]);
    assert_eq!(scene.seen(&ann).1, Status::Closed);
    let customer = {
        let mut stripe = scene.world.stripe.account();
        let customer = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&customer, Card::Pays).unwrap();
        let price = stripe.price_by_lookup_key("pro_monthly").unwrap().id.clone();
        let metadata = scene.worker.deriver.name(&ann).to_metadata();
        let data = SubscriptionData { metadata, ..SubscriptionData::default() };
        stripe.subscribe(&customer, &[&price], data).unwrap();
        customer
    };
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    scene.world.stripe.account().open_dispute(&customer).unwrap();
    let events = scene.events();
    let is_of_it = |event: &&Envelope| event.kind.starts_with("charge.dispute.");
    let events: Vec<_> = events.iter().filter(is_of_it).cloned().collect();
    // Longer than what was bought before may not be shown, and than a link is waited for.
    scene.world.clock.advance(SignedDuration::from_hours(2));
    let report = scene.handle(&events);
    assert_eq!(report.outcomes, [(Outcome::Parked, events.len())].into());
}

/// Cognito's list lags: whoever has just signed up is looked for again in a minute, not in an hour.
#[test]
fn who_signs_up_and_is_not_listed_yet_is_looked_for_again_soon() {
    let scene = Scene::new();
    scene.world.cognito.set_list_lag(SignedDuration::from_secs(30));
    let ann = scene.world.cognito.sign_up_confirmed("ann", "ann@example.com").unwrap();
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert!(scene.account(&ann).key().is_none());
    let soon = SignedDuration::from_mins(1);
    assert_eq!(scene.account(&ann).review_at, Some(scene.world.clock.time() + soon));
    assert_eq!(scene.later(soon), 1);
    assert_eq!(scene.seen(&ann), ("free".into(), Status::Active, "free".into()));
}
