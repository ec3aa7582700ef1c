//! The seller deletes a customer in Stripe's dashboard: nobody is shown or charged as one who is
//! no more, and what they ask for is answered.

use std::pin::pin;
use std::task::{Context, Waker};

use crate::gate::Call;
use crate::owner::Owner;
use crate::world::World;
use jiff::SignedDuration;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tollgate_core::account_api::{AccountApi, Refusal};
use tollgate_core::ports::Class;
use tollgate_events::{AccountId, CustomerId};
use tollgate_standin::stripe::{Card, Settings};

use super::scene::Scene;
use crate::actors::clicks::both;
use crate::executor::block_on;
use crate::workers::{reads_only, worker_on};

fn api_on(world: &World) -> AccountApi<World> {
    AccountApi::new(reads_only(worker_on(world)), "https://shop.invalid")
}

fn handle_all(scene: &Scene) {
    for batch in scene.events().chunks(10) {
        assert_eq!(scene.handle(batch).failed, [""; 0]);
    }
}

/// Buys through the account API; returns the customer.
fn buys(scene: &Scene, account: &AccountId, plan: &str) -> CustomerId {
    let url = block_on(api_on(&scene.world).checkout(account, plan)).expect("it is for sale");
    let session = url.rsplit('/').next().expect("it names the session").to_owned();
    let mut stripe = scene.world.stripe.account();
    stripe.complete_checkout(&session, Card::Pays).expect("it is open");
    let customer = stripe.session(&session).expect("it is there").customer.clone();
    drop(stripe);
    handle_all(scene);
    CustomerId::parse(customer.expect("somebody paid")).expect("it is an id")
}

fn deletes(scene: &Scene, customer: &CustomerId) {
    scene.world.stripe.account().delete_customer(customer.as_str()).expect("it is there");
    handle_all(scene);
}

/// Whose portal the account is shown.
fn portal(scene: &Scene, account: &AccountId) -> Result<CustomerId, Refusal> {
    let url = block_on(api_on(&scene.world).portal(account, None, None))?;
    let session = url.rsplit('/').next().expect("it names the session");
    let customer =
        scene.world.stripe.account().portal(session).expect("it is there").customer.clone();
    Ok(CustomerId::parse(customer).expect("it is an id"))
}

#[test]
fn who_bought_as_somebody_deleted_has_bought_nothing() {
    for lists in [true, false] {
        let scene = Scene::new();
        scene.world.stripe.account().settings_mut().lists_deleted_customers = lists;
        let ann = scene.sign_up("ann");
        let customer = buys(&scene, &ann, "pro");
        assert_eq!(portal(&scene, &ann), Ok(customer.clone()));
        deletes(&scene, &customer);
        assert_eq!(portal(&scene, &ann), Err(Refusal::NothingBought));
    }
}

/// Even on the same day, in which Stripe answers the same request with the same customer.
#[test]
fn they_buy_again_as_somebody_new_and_are_shown_as_such() {
    for lists in [true, false] {
        let scene = Scene::new();
        scene.world.stripe.account().settings_mut().lists_deleted_customers = lists;
        let ann = scene.sign_up("ann");
        let mut seen = vec![buys(&scene, &ann, "pro")];
        for plan in ["basic", "pro"] {
            deletes(&scene, seen.last().expect("there is one"));
            assert_eq!(scene.seen(&ann).0, "free");
            let customer = buys(&scene, &ann, plan);
            assert!(!seen.contains(&customer), "{customer} is no more");
            assert_eq!(scene.seen(&ann).0, plan);
            assert_eq!(portal(&scene, &ann).as_ref(), Ok(&customer));
            seen.push(customer);
            scene.world.clock.advance(SignedDuration::from_secs(60));
        }
    }
}

/// A customer who has opened a checkout and was deleted before anything was paid.
#[test]
fn a_deleted_customers_open_session_is_not_given_again() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let first = block_on(api_on(&scene.world).checkout(&ann, "pro")).expect("it is for sale");
    assert_eq!(block_on(api_on(&scene.world).checkout(&ann, "pro")).as_ref(), Ok(&first));
    let customer = scene.world.stripe.account().customers().next().expect("one").id.clone();
    deletes(&scene, &CustomerId::parse(customer).expect("it is an id"));
    assert_ne!(block_on(api_on(&scene.world).checkout(&ann, "pro")).expect("for sale"), first);
    buys(&scene, &ann, "pro");
    assert_eq!(scene.seen(&ann).0, "pro");
}

/// Between the look and the opening of a session.
#[test]
fn who_is_deleted_meanwhile_is_replaced() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let api = api_on(&scene.world);
    let url = block_on(api.checkout(&ann, "pro")).expect("it is for sale");
    let first = url.rsplit('/').next().expect("it names the session").to_owned();
    let customer = {
        let mut stripe = scene.world.stripe.account();
        stripe.expire_checkout(&first).expect("it is open");
        stripe.session(&first).expect("it is there").customer.clone().expect("somebody pays")
    };
    scene.world.gate.take_calls();
    let mut checkout = pin!(api.checkout(&ann, "pro"));
    let mut context = Context::from_waker(Waker::noop());
    let looks = |call: &Call| call.operation == "GET /v1/checkout/sessions";
    while !scene.world.gate.calls().iter().any(looks) {
        assert!(checkout.as_mut().poll(&mut context).is_pending(), "it looks first");
    }
    scene.world.stripe.account().delete_customer(&customer).expect("they are there");
    let url = block_on(checkout).expect("somebody else pays");
    let second = url.rsplit('/').next().expect("it names the session");
    let payer = scene.world.stripe.account().session(second).expect("it is there").customer.clone();
    assert_ne!(payer, Some(customer));
}

/// In two windows at once, each of which finds that the customer is no more.
#[test]
fn two_windows_that_find_a_deleted_customer_can_be_paid_in_once() {
    for seed in 0..100 {
        let scene = Scene::new();
        let ann = scene.sign_up("ann");
        let customer = buys(&scene, &ann, "pro");
        deletes(&scene, &customer);
        let api = api_on(&scene.world);
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let (one, other) = both(&mut dice, api.checkout(&ann, "pro"), api.checkout(&ann, "basic"));
        let mut paid = 0;
        for page in [one, other].into_iter().filter(|page| *page != Err(Refusal::OtherWindow)) {
            let page = page.expect("it is for sale");
            let session = page.rsplit('/').next().expect("it names the session");
            let mut stripe = scene.world.stripe.account();
            paid += usize::from(stripe.complete_checkout(session, Card::Pays).is_ok());
        }
        assert!(paid <= 1, "{seed}");
    }
}

/// A key that does not see the account's customers sells nothing and shows nothing.
#[test]
fn a_wrong_key_sells_nothing() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    buys(&scene, &ann, "pro");
    let settings = Settings { seed: 7, ..Settings::default() };
    let api = api_on(&scene.world.clone().with_stripe(settings));
    for refused in [block_on(api.portal(&ann, None, None)), block_on(api.checkout(&ann, "basic"))] {
        let Err(Refusal::Unavailable(error)) = refused else { panic!("{refused:?}") };
        assert_eq!(error.class, Class::Denied, "{error}");
    }
    assert_eq!(api.worker.ports.stripe.account().customers().count(), 0);
}
