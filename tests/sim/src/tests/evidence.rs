//! What nothing explains counts, whoever woke the account; what Stripe says itself, a deletion
//! that was told, an operator and a time that was known go on. Cancelling has a limit of its own.

use jiff::SignedDuration;
use tollgate_core::account::Status;
use tollgate_core::catalog::CatalogFile;
use tollgate_core::ledger::{Outcome, StackRecord};
use tollgate_core::ports::Ledger;
use tollgate_events::{AccountId, Envelope, Via};
use tollgate_operator::{Act, accept_blast};
use tollgate_standin::stripe::{Card, Status as Subscribed, When};

use super::blast::{drift, fourteen, handle_all, look_at_all, lost, on_pro, passes};
use super::scene::Scene;
use crate::executor::block_on;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn stack(scene: &Scene) -> StackRecord {
    block_on(scene.world.ledger.stack()).expect("nothing fails")
}

/// Every subscription has an event that tells nothing new: a note in its metadata.
fn renew(scene: &Scene, bought: &[String], note: &str) {
    for id in bought {
        let note = [("note".to_owned(), note.to_owned())].into();
        scene.world.stripe.account().set_metadata(id, &note).expect("it is live");
    }
}

fn live(scene: &Scene, bought: &[String]) -> usize {
    let stripe = scene.world.stripe.account();
    let live =
        |id: &&String| stripe.subscription(id).is_ok_and(|row| row.status == Subscribed::Active);
    bought.iter().filter(live).count()
}

/// The worker's Stripe key is of another account of the same mode: it knows none of the
/// subscriptions. The webhooks are right.
#[test]
fn a_wrong_stripe_key_takes_nothing_whatever_wakes_the_accounts() {
    let mut scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    let right = scene.worker.ports.clone();
    scene.worker.ports.stripe = Scene::new().world.stripe;
    renew(&scene, &bought, "renewed");
    let events = scene.events();
    let report = scene.handle(&events);
    assert_eq!((report.failed.len(), report.systemic > 0), (0, true), "a person must act");
    assert_eq!(on_pro(&scene, &ids), 14);
    look_at_all(&scene, &drift(&scene, &ids, "1"));
    assert_eq!((on_pro(&scene, &ids), stack(&scene).blast.count), (14, 0));

    scene.worker.ports = right;
    passes(&scene, SignedDuration::from_hours(2));
    assert_eq!(on_pro(&scene, &ids), 14);
    assert!(ids.iter().all(|id| !scene.account(id).open), "it heals by itself");
}

/// A pool in which nobody is found, and a month of ordinary renewals.
#[test]
fn a_wrong_pool_closes_ten_whatever_renews_and_cancels_nothing() {
    let mut scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    let right = scene.worker.ports.clone();
    scene.worker.ports.cognito = Scene::new().world.cognito.clone();
    look_at_all(&scene, &drift(&scene, &ids, "1"));
    for day in 0..31 {
        scene.world.clock.advance(DAY);
        renew(&scene, &bought, &day.to_string());
        handle_all(&scene);
        passes(&scene, SignedDuration::ZERO);
    }
    let closed: Vec<_> =
        ids.iter().filter(|id| scene.account(id).access.status == Status::Closed).collect();
    assert_eq!((closed.len(), on_pro(&scene, &ids)), (10, 4));
    assert_eq!(live(&scene, &bought), 14, "nobody has ended a subscription");
    assert_eq!(scene.account(closed[0]).access.to_cancel.len(), 1, "it waits for a word");

    // The way back: the right pool, and a release of each.
    scene.worker.ports = right;
    for id in closed {
        scene.operate(id, Act::Release);
        scene.world.clock.advance(SignedDuration::from_secs(60));
    }
    passes(&scene, DAY);
    assert_eq!(on_pro(&scene, &ids), 14);
}

/// An operator who knows that the users are gone ends what they pay for.
#[test]
fn who_was_closed_by_absence_is_cancelled_at_an_operators_word_or_when_it_is_told() {
    let scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    for name in ["u0", "u1"] {
        scene.world.cognito.delete_user(name).expect("they are there");
    }
    let late = scene.told_of_the_pool();
    look_at_all(&scene, &drift(&scene, &ids[..2], "1"));
    passes(&scene, SignedDuration::from_hours(2));
    assert_eq!((on_pro(&scene, &ids), live(&scene, &bought)), (12, 14));
    scene.operate(&ids[0], Act::Close);
    assert_eq!(live(&scene, &bought), 13);
    assert_eq!(scene.handle(&late).failed, [""; 0]);
    assert_eq!(live(&scene, &bought), 12);
}

/// The last retry fails: Stripe tells of it by two events, and each may come first.
#[test]
fn the_last_retrys_two_events_are_explained_in_either_order() {
    for backwards in [false, true] {
        let scene = Scene::new();
        let (ids, bought) = fourteen(&scene);
        for id in &bought {
            scene.world.stripe.account().cancel(id, When::Now).expect("it is live");
        }
        let mut events = scene.events();
        if backwards {
            events.reverse();
        }
        // One at a time: none is helped by the other.
        for event in &events {
            assert_eq!(scene.handle(std::slice::from_ref(event)).failed, [""; 0]);
            scene.world.clock.advance(SignedDuration::from_secs(20));
        }
        assert_eq!((on_pro(&scene, &ids), stack(&scene).blast.count), (0, 0));
    }
}

/// The endpoint was down for four days, fourteen customers left, and everything is replayed.
#[test]
fn a_replay_after_an_outage_counts_nothing() {
    let scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    for id in &bought {
        scene.world.stripe.account().cancel(id, When::Now).expect("it is live");
    }
    let events = scene.events();
    scene.world.clock.advance(4 * DAY);
    let replayed = events.into_iter().map(|event| Envelope { via: Via::Replay, ..event });
    look_at_all(&scene, &replayed.collect::<Vec<_>>());
    assert_eq!((on_pro(&scene, &ids), stack(&scene).blast.count), (0, 0));
}

/// Nobody heard of it, and the sweep looks: Stripe says itself that they have ended.
#[test]
fn what_ended_unheard_is_read_by_itself_and_explained() {
    let scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    for id in &bought {
        scene.world.stripe.account().cancel(id, When::Now).expect("it is live");
    }
    lost(&scene);
    scene.world.gate.take_calls();
    assert_eq!(look_at_all(&scene, &drift(&scene, &ids, "1")), 0);
    assert_eq!((on_pro(&scene, &ids), stack(&scene).blast.count), (0, 0));
    let calls = scene.world.gate.take_calls();
    let by_id = calls.iter().filter(|call| call.operation == "GET /v1/subscriptions/{id}");
    assert_eq!(by_id.count(), 14, "once each");
}

/// A list that lags has lost the subscription, which lives: nothing is taken, and it is looked at
/// again soon.
#[test]
fn what_lives_and_is_not_listed_is_looked_at_again() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.world.stripe.set_read_lag(SignedDuration::from_secs(1));
    scene.buy(&ann, "pro_monthly");
    scene.world.stripe.advance_to(scene.world.clock.time() + SignedDuration::from_secs(1));
    handle_all(&scene);
    passes(&scene, SignedDuration::ZERO);
    assert_eq!((scene.seen(&ann).0, scene.account(&ann).review_at), ("pro".into(), None));
    scene.world.stripe.set_read_lag(DAY);
    assert_eq!(look_at_all(&scene, &drift(&scene, std::slice::from_ref(&ann), "1")), 0);
    assert_eq!((scene.seen(&ann).0, stack(&scene).blast.count), ("pro".into(), 0));
    let soon = scene.world.clock.time() + SignedDuration::from_secs(60);
    assert_eq!(scene.account(&ann).review_at, Some(soon));
}

/// A price is taken out of the catalog: for seven days nobody loses anything, and then it counts.
#[test]
fn a_wrong_catalog_is_not_explained_on_its_seventh_day_either() {
    let mut scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    let text = scene.world.plans_toml.replace("revision = 1", "revision = 2");
    let text = text.replace("[\"pro_monthly\"]", "[\"pro_someday\"]");
    scene.worker.catalog = CatalogFile::parse(&text).expect("it is a catalog").catalog;
    let mut parked = 0;
    for day in 0..9 {
        parked += look_at_all(&scene, &drift(&scene, &ids, &day.to_string()));
        renew(&scene, &bought, &day.to_string());
        handle_all(&scene);
        if day < 7 {
            assert_eq!(on_pro(&scene, &ids), 14, "day {day}");
        }
        scene.world.clock.advance(DAY);
    }
    assert_eq!(on_pro(&scene, &ids), 4);
    assert!(parked >= 4 && stack(&scene).blast.stopped);
}

/// Something is wrong, and nobody knows what yet.
#[test]
fn while_the_stack_is_frozen_nothing_is_taken_from_anybody() {
    let scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    let frozen = |why: Option<&str>| {
        let next = StackRecord { frozen: why.map(str::to_owned), ..stack(&scene) };
        assert!(block_on(scene.world.ledger.put_stack(&next)).expect("nothing fails"));
    };
    frozen(Some("prices look wrong"));
    for id in &bought[..7] {
        scene.world.stripe.account().cancel(id, When::Now).expect("it is live");
    }
    let report = scene.handle(&scene.events());
    assert_eq!(report.outcomes[&Outcome::Deferred], 7, "{report:?}");
    scene.world.cognito.delete_user("u7").expect("they are there");
    passes(&scene, SignedDuration::from_hours(2));
    assert_eq!(on_pro(&scene, &ids), 14);
    // What gives goes on.
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert_eq!(scene.seen(&ann).0, "pro");

    let next = StackRecord { frozen: None, ..stack(&scene) };
    assert!(block_on(scene.world.ledger.put_stack(&next)).expect("nothing fails"));
    passes(&scene, SignedDuration::from_mins(20));
    assert_eq!(on_pro(&scene, &ids), 7, "what waited is done");
}

/// Whoever is about to take something asks, and once a minute is enough.
#[test]
fn whether_the_stack_is_frozen_is_asked_once_a_minute() {
    let scene = Scene::new();
    let began = scene.world.clock.time();
    let asked = |seconds| {
        let now = began + SignedDuration::from_secs(seconds);
        scene.world.gate.take_calls();
        let frozen = scene.worker.share.frozen(&scene.world.ledger, now);
        assert_eq!(block_on(frozen), Ok(None));
        scene.world.gate.take_calls().len()
    };
    assert_eq!([0, 59, 60, 61].map(asked), [1, 0, 1, 0]);
}

/// A script deletes all users of the pool: each deletion is told, and cancelling stops at ten.
#[test]
fn cancelling_has_a_limit_of_its_own() {
    let scene = Scene::new();
    let (ids, bought) = fourteen(&scene);
    for number in 0..14 {
        scene.world.cognito.delete_user(&format!("u{number}")).expect("they are there");
    }
    look_at_all(&scene, &scene.told_of_the_pool());
    let closed = |id: &&AccountId| scene.account(id).access.status == Status::Closed;
    assert_eq!(ids.iter().filter(closed).count(), 14, "access ends at once");
    assert_eq!((live(&scene, &bought), stack(&scene).blast.count), (4, 0));
    let waiting = |id: &&AccountId| scene.account(id).access.to_cancel.len() == 1;
    assert_eq!(ids.iter().filter(waiting).count(), 4);
    assert!(stack(&scene).cancellations.stopped);
    // Not the day after either: a person must look.
    passes(&scene, DAY + SignedDuration::from_hours(1));
    assert_eq!(live(&scene, &bought), 4);
    let until = scene.world.clock.time() + DAY * 2;
    assert!(block_on(accept_blast(&scene.world.ledger, until)).expect("nothing fails"));
    passes(&scene, DAY + SignedDuration::from_hours(1));
    assert_eq!(live(&scene, &bought), 0);
    assert_eq!(ids.iter().filter(waiting).count(), 0);
}

/// What is between two limits is asked for once, however often it is tried.
#[test]
fn a_card_that_stops_paying_is_explained_when_its_grace_is_over() {
    let scene = Scene::new();
    let (ids, _) = fourteen(&scene);
    for id in &ids {
        let customers = scene.account(id).access.customers;
        let customer = customers.first().expect("they bought").as_str();
        scene.world.stripe.account().set_card(customer, Card::Declines).expect("they are there");
    }
    scene.world.clock.advance(DAY * 31 + SignedDuration::from_hours(2));
    lost(&scene);
    look_at_all(&scene, &drift(&scene, &ids, "1"));
    scene.world.clock.advance(DAY * 30);
    lost(&scene);
    look_at_all(&scene, &drift(&scene, &ids, "2"));
    assert_eq!((on_pro(&scene, &ids), stack(&scene).blast.count), (0, 0));
}
