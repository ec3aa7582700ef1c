//! Who may not buy any more cannot pay on a page that was opened before, and what begins all the
//! same is cancelled and told.

use jiff::SignedDuration;
use tollgate_core::account::Status;
use tollgate_core::account_api::AccountApi;
use tollgate_core::ledger::Outcome;
use tollgate_core::ports::Class;
use tollgate_events::{AccountId, CustomerId, Envelope, Via};
use tollgate_operator::{Act, accept_blast};
use tollgate_standin::stripe::{NewSession, SessionStatus, Status as Subscribed, SubscriptionData};

use super::scene::{Refuses, Scene};
use crate::executor::block_on;
use crate::market::buy;
use crate::owner::Owner;
use crate::scene::Fault;
use crate::workers::{reads_only, worker_on};

/// Ann has an open page of ours; the scene, she, and the session.
fn about_to_buy() -> (Scene, AccountId, String) {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let session = clicks(&scene, &ann);
    (scene, ann, session)
}

fn clicks(scene: &Scene, id: &AccountId) -> String {
    let api = AccountApi::new(reads_only(worker_on(&scene.world)), "https://shop.invalid");
    let url = block_on(api.checkout(id, "pro")).expect("nothing fails");
    url.rsplit('/').next().expect("it ends in the session").to_owned()
}

fn status_of(scene: &Scene, session: &str) -> SessionStatus {
    scene.world.stripe.account().session(session).expect("it was opened").status
}

/// How often Stripe was asked for sessions, or to expire one.
fn calls_about_sessions(scene: &Scene) -> usize {
    let calls = scene.world.gate.take_calls().into_iter();
    calls.filter(|call| call.operation.contains("/v1/checkout/sessions")).count()
}

fn delete_user(scene: &Scene, name: &str) {
    scene.world.cognito.delete_user(name).expect("they are there");
    assert_eq!(scene.handle(&scene.told_of_the_pool()).failed, [""; 0]);
}

/// Everything that Stripe has to tell is delivered; what it told.
fn deliver(scene: &Scene) -> Vec<Envelope> {
    let events = scene.events();
    for events in events.chunks(10) {
        assert_eq!(scene.handle(events).failed, [""; 0]);
    }
    events
}

fn subscribed(scene: &Scene, subscription: &str) -> Subscribed {
    scene.world.stripe.account().subscription(subscription).expect("it was bought").status
}

fn last_steps(scene: &Scene, id: &AccountId) -> Vec<String> {
    let entries = scene.world.ledger.entries(id);
    let steps = &entries.last().expect("it has a history").steps;
    steps.iter().map(|it| it.step.clone()).collect()
}

#[test]
fn an_open_page_is_shut_when_the_account_is_closed_or_held() {
    let shuts: [fn(&Scene, &AccountId); 3] = [
        |scene, ann| drop(scene.operate(ann, Act::Hold)),
        |scene, ann| drop(scene.operate(ann, Act::Close)),
        |scene, _| delete_user(scene, "ann"),
    ];
    for shut in shuts {
        let (scene, ann, session) = about_to_buy();
        scene.world.gate.take_calls();
        shut(&scene, &ann);
        assert_eq!(status_of(&scene, &session), SessionStatus::Expired);
        assert_eq!(calls_about_sessions(&scene), 2, "to find it, and to expire it");
        let told = format!("expire checkout session {session}");
        assert!(last_steps(&scene, &ann).contains(&told), "it is in the history");
    }
}

/// Whoever clicks before their account is there loses nothing by its being made.
#[test]
fn a_page_stays_open_when_its_account_is_made() {
    let scene = Scene::new();
    let ann = scene.world.cognito.sign_up_confirmed("ann", "ann@example.com").expect("free");
    let session = clicks(&scene, &ann);
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert_eq!(scene.account(&ann).access.status, Status::Active);
    assert_eq!(status_of(&scene, &session), SessionStatus::Open);
}

/// A session that cannot be read holds up no closing; a Stripe that does not answer does.
#[test]
fn a_session_that_cannot_be_read_holds_up_no_closing() {
    for (class, closes) in [(Class::Invalid, true), (Class::Unavailable, false)] {
        let faults = Refuses::new(class, |call| call.operation == "GET /v1/checkout/sessions");
        let scene = Scene::under(faults.clone());
        let ann = scene.sign_up("ann");
        clicks(&scene, &ann);
        scene.act(&ann, Act::Close).expect("the ledger is up");
        faults.switch(true);
        scene.handle(&scene.wakes());
        assert_eq!(scene.account(&ann).access.status == Status::Closed, closes, "{class:?}");
    }
}

#[test]
fn who_has_not_clicked_for_a_day_costs_no_call() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let ben = scene.sign_up("ben");
    clicks(&scene, &ben);
    scene.world.stripe.advance_to(scene.world.clock.time() + SignedDuration::from_hours(25));
    scene.world.gate.take_calls();
    for id in [&ann, &ben] {
        scene.operate(id, Act::Hold);
        assert_eq!(scene.account(id).access.status, Status::Held);
    }
    assert_eq!(calls_about_sessions(&scene), 0);
}

/// The seller has a session of his own for the same customer.
#[test]
fn another_sellers_page_stays_open() {
    let (scene, ann, session) = about_to_buy();
    let theirs = {
        let mut stripe = scene.world.stripe.account();
        let customer = stripe.session(&session).expect("it is open").customer.clone();
        let price = stripe.price_by_lookup_key("basic_monthly").expect("it is sold").id.clone();
        let new = NewSession { customer, ..NewSession::for_price(&price) };
        stripe.open_checkout(new).expect("it is sold")
    };
    scene.operate(&ann, Act::Close);
    assert_eq!(status_of(&scene, &session), SessionStatus::Expired);
    assert_eq!(status_of(&scene, &theirs), SessionStatus::Open);
    // Released, she buys on a page of her own.
    scene.operate(&ann, Act::Release);
    assert_ne!(clicks(&scene, &ann), session);
}

/// The page was opened in the moment of the closing, or by somebody else's hand.
#[test]
fn what_begins_on_a_closed_account_is_cancelled_and_told() {
    let closings: [fn(&Scene, &AccountId); 2] =
        [|scene, ann| drop(scene.operate(ann, Act::Close)), |scene, _| delete_user(scene, "ann")];
    for close in closings {
        let scene = Scene::new();
        let ann = scene.sign_up("ann");
        close(&scene, &ann);
        let late = scene.buy(&ann, "pro_monthly");
        let events = deliver(&scene);
        assert_eq!(subscribed(&scene, &late), Subscribed::Canceled);
        assert_eq!(last_steps(&scene, &ann), [format!("cancel subscription {late}")]);
        let of = |event: &Envelope| {
            let recorded = scene.world.ledger.events().into_iter().map(|it| it.record);
            recorded.into_iter().find(|it| it.event == event.event_ref()).expect("on record")
        };
        let told = of(&events[0]);
        assert_eq!(told.outcome, Outcome::Parked, "a person has to give the money back");
        let detail = told.detail.unwrap_or_default();
        assert!(detail.contains(&late) && detail.contains("refund in Stripe"), "{detail}");
        // Once it is dealt with, a replay settles it.
        deliver(&scene);
        let again = |event: &Envelope| Envelope {
            via: Via::Replay,
            run: Some("again".into()),
            ..event.clone()
        };
        let replayed: Vec<_> = events.iter().map(again).collect();
        assert_eq!(scene.handle(&replayed).failed, [""; 0]);
        assert_eq!(of(&events[0]).outcome, Outcome::Unchanged);
    }
}

/// The worker is killed when it has cancelled, and before it tells of it.
#[test]
fn what_was_cancelled_and_not_told_is_told() {
    let late = |crash: Option<usize>| {
        let scene = crate::scene::Scene::default();
        let ann = scene.free();
        scene.operate(&Act::Close);
        let bought = scene.buy(&ann, "pro");
        let before = scene.world.gate.count();
        if let Some(call) = crash {
            scene.arm(call, Fault::KilledAfter);
        }
        scene.come_to_rest();
        let calls = scene.world.gate.calls_since(before);
        let cancel = calls.iter().position(|it| it.operation == "DELETE /v1/subscriptions/{id}");
        let steps = scene.world.ledger.entries(&ann).into_iter().flat_map(|it| it.steps);
        let step = format!("cancel subscription {}", bought.subscription);
        let steps = steps.filter(|it| it.step == step).count();
        let events = scene.world.ledger.events().into_iter();
        let parked = events.filter(|it| it.record.outcome == Outcome::Parked).count();
        (cancel.expect("it is cancelled") + 1, (steps, parked))
    };
    let (call, calm) = late(None);
    assert!(calm.0 == 1 && calm.1 > 0, "{calm:?}");
    let (steps, parked) = late(Some(call)).1;
    assert!(steps == 1 && parked > 0, "{steps} {parked}");
}

/// What the limit held back is let through, and a day passes.
fn an_operator_accepts(scene: &Scene) {
    let until = scene.world.clock.time() + SignedDuration::from_hours(48);
    assert_eq!(block_on(accept_blast(&scene.world.ledger, until)), Ok(true));
    scene.later(SignedDuration::from_hours(25));
}

/// Nobody is linked to an account whose user is gone, so what the limit holds back is known by
/// its own id.
#[test]
fn what_the_limit_holds_back_is_cancelled_when_an_operator_accepts() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    delete_user(&scene, "ann");
    let late: Vec<_> = (0..11).map(|_| scene.buy(&ann, "pro_monthly")).collect();
    deliver(&scene);
    let live = || {
        let is_live = |id: &&String| subscribed(&scene, id) != Subscribed::Canceled;
        late.iter().filter(is_live).cloned().collect::<Vec<_>>()
    };
    let waits = scene.account(&ann).access.to_cancel;
    assert_eq!(live(), waits.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(waits.len(), 1, "ten a day");
    an_operator_accepts(&scene);
    assert_eq!((live().len(), scene.account(&ann).access.to_cancel.len()), (0, 0));
}

/// An operator has linked the customer to another account since: what they pay is that one's.
#[test]
fn what_is_another_accounts_since_is_not_cancelled() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    delete_user(&scene, "ann");
    (0..11).for_each(|_| drop(scene.buy(&ann, "pro_monthly")));
    deliver(&scene);
    let waits = scene.account(&ann).access.to_cancel.pop_first().expect("ten a day").to_string();
    let row = scene.world.stripe.account().subscription(&waits).expect("it was bought").clone();
    let customer = CustomerId::parse(row.customer).expect("it is an id");
    let ben = scene.sign_up("ben");
    scene.operate(&ben, Act::Link { customer });
    an_operator_accepts(&scene);
    assert_eq!(subscribed(&scene, &waits), Subscribed::Active);
    assert_eq!(scene.account(&ann).access.to_cancel, [].into());
    assert_eq!(scene.seen(&ben).0, "pro");
}

/// The worker is killed when it is about to cancel, and the customer is released before it comes
/// again.
#[test]
fn what_is_nobodys_by_an_operators_word_is_not_cancelled() {
    let late = |crash: Option<usize>| {
        let scene = crate::scene::Scene::default();
        let ann = scene.free();
        scene.operate(&Act::Close);
        let bought = scene.buy(&ann, "pro");
        let before = scene.world.gate.count();
        if let Some(call) = crash {
            scene.arm(call, Fault::KilledBefore);
            scene.meanwhile(|scene| {
                let customer =
                    scene.world.stripe.account().customers().next().map(|it| it.id.clone());
                let customer = CustomerId::parse(customer.expect("one has bought")).expect("an id");
                scene.operate_watched(&Act::Unlink { customer }, &mut || ());
            });
        }
        scene.come_to_rest();
        let calls = scene.world.gate.calls_since(before);
        let cancel = calls.iter().position(|it| it.operation == "DELETE /v1/subscriptions/{id}");
        let row = scene.world.stripe.account().subscription(&bought.subscription).cloned();
        (cancel, row.expect("it was bought").status)
    };
    let (cancel, calm) = late(None);
    assert_eq!(calm, Subscribed::Canceled);
    let call = cancel.expect("it is cancelled") + 1;
    assert_eq!(late(Some(call)), (None, Subscribed::Active));
}

/// The same customer has paid for Ben, whose account nobody knows yet.
#[test]
fn what_names_another_account_is_not_cancelled() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    delete_user(&scene, "ann");
    let ben = scene.world.cognito.sign_up_confirmed("ben", "b@example.com").expect("it is free");
    let of_ben = buy(&scene.world, &scene.worker.deriver, &ben, "pro_monthly");
    let of_ann = {
        let mut stripe = scene.world.stripe.account();
        let customer = stripe.subscription(&of_ben).expect("it is new").customer.clone();
        let price = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
        let metadata = scene.worker.deriver.name(&ann).to_metadata();
        let data = SubscriptionData { metadata, ..SubscriptionData::default() };
        stripe.subscribe(&customer, &[&price], data).expect("it is sold")
    };
    let mut events = scene.events();
    events.retain(|event| event.object.as_ref() == Some(&of_ann));
    assert_eq!(scene.handle(&events).failed, [""; 0]);
    assert_eq!(subscribed(&scene, &of_ann), Subscribed::Canceled);
    assert_eq!(subscribed(&scene, &of_ben), Subscribed::Active);
}
