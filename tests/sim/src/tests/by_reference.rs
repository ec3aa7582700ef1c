//! A payment link whose visitor names somebody, where the seller trusts his links: it pays for
//! whom it names, and does nothing else to them.

use crate::owner::Owner;
use crate::world::World;
use tollgate_core::account::Status;
use tollgate_core::account_api::{AccountApi, Refusal};
use tollgate_events::{AccountId, CustomerId};
use tollgate_operator::Act;
use tollgate_standin::stripe::{Card, NewCustomer, SubscriptionData, When};

use super::scene::Scene;
use crate::executor::block_on;
use crate::workers::worker_on;

fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.worker.policy.trust_payment_links = true;
    scene
}

fn api(scene: &Scene) -> AccountApi<World> {
    AccountApi::new(worker_on(&scene.world), "https://shop.example/account")
}

fn handle_all(scene: &Scene) {
    for batch in scene.events().chunks(10) {
        assert_eq!(scene.handle(batch).failed, [""; 0]);
    }
}

/// Somebody follows a payment link with another's id, and pays; who, and for what.
pub(super) fn stranger_pays(
    scene: &Scene,
    named: &AccountId,
    lookup_key: &str,
) -> (CustomerId, String) {
    let (customer, subscription) = {
        let mut stripe = scene.world.stripe.account();
        let price = stripe.price_by_lookup_key(lookup_key).expect("it is sold").id.clone();
        let session = stripe.follow_payment_link(&price, Some(named.as_str()), "m@example.com");
        let bought = stripe.complete_checkout(&session.expect("it is sold"), Card::Pays);
        let bought = bought.expect("it is open");
        (stripe.subscription(&bought).expect("it is new").customer.clone(), bought)
    };
    handle_all(scene);
    (CustomerId::parse(customer).expect("it is an id"), subscription)
}

/// Buys through our own checkout; the customer.
fn buys(scene: &Scene, id: &AccountId, plan: &str) -> CustomerId {
    let url = block_on(api(scene).checkout(id, plan)).expect("it is for sale");
    let session = url.rsplit('/').next().expect("it names the session").to_owned();
    let customer = {
        let mut stripe = scene.world.stripe.account();
        stripe.complete_checkout(&session, Card::Pays).expect("it is open");
        stripe.session(&session).expect("it is there").customer.clone()
    };
    handle_all(scene);
    CustomerId::parse(customer.expect("somebody paid")).expect("it is an id")
}

/// Whose portal the account is shown.
fn portal(scene: &Scene, id: &AccountId) -> Result<CustomerId, Refusal> {
    let url = block_on(api(scene).portal(id, None, None))?;
    let session = url.rsplit('/').next().expect("it names the session");
    let stripe = scene.world.stripe.account();
    let customer = stripe.portal(session).expect("it is there").customer.clone();
    Ok(CustomerId::parse(customer).expect("it is an id"))
}

#[test]
fn who_names_another_pays_for_them_and_does_nothing_else() {
    let scene = scene();
    let ann = scene.sign_up("ann");
    let own = buys(&scene, &ann, "basic");
    let (stranger, _) = stranger_pays(&scene, &ann, "pro_monthly");
    assert_eq!(scene.seen(&ann).0, "pro", "it pays");
    let access = scene.account(&ann).access;
    assert_eq!(access.by_reference, [stranger.clone()].into());
    assert_eq!(portal(&scene, &ann), Ok(own.clone()));
    scene.world.stripe.account().open_dispute(stranger.as_str()).expect("they paid");
    handle_all(&scene);
    assert_eq!(scene.account(&ann).access.status, Status::Active, "nobody is held for it");
    scene.world.stripe.account().open_dispute(own.as_str()).expect("she paid");
    handle_all(&scene);
    assert_eq!(scene.account(&ann).access.status, Status::Held);
}

/// What names her with our own proof is hers, whatever her customer was before.
#[test]
fn who_buys_through_us_is_known_by_it() {
    let scene = scene();
    let ann = scene.sign_up("ann");
    // The mark is on what was bought, and not on the customer.
    let buys_as = |customer: &str| {
        let metadata = scene.worker.deriver.name(&ann).to_metadata();
        let data = SubscriptionData { metadata, ..SubscriptionData::default() };
        let mut stripe = scene.world.stripe.account();
        stripe.set_card(customer, Card::Pays).expect("they are there");
        let price = stripe.price_by_lookup_key("basic_monthly").expect("it is sold").id.clone();
        stripe.subscribe(customer, &[&price], data).expect("it is sold");
        drop(stripe);
        handle_all(&scene);
    };
    let new = scene.world.stripe.account().create_customer(NewCustomer::default());
    buys_as(&new);
    assert_eq!(scene.account(&ann).access.by_reference, [].into());
    let (stranger, _) = stranger_pays(&scene, &ann, "pro_monthly");
    assert_eq!(scene.account(&ann).access.by_reference, [stranger.clone()].into());
    buys_as(stranger.as_str());
    assert_eq!(scene.account(&ann).access.by_reference, [].into());
}

/// Nor does it keep her from buying for herself, as herself.
#[test]
fn who_was_paid_for_by_a_stranger_buys_as_herself() {
    let scene = scene();
    let ann = scene.sign_up("ann");
    let own = buys(&scene, &ann, "basic");
    let subscription = {
        let stripe = scene.world.stripe.account();
        let id = stripe.subscriptions_of(own.as_str()).first().map(|row| row.id.clone());
        id.expect("she bought it")
    };
    scene.world.stripe.account().cancel(&subscription, When::Now).expect("it is live");
    handle_all(&scene);
    stranger_pays(&scene, &ann, "pro_monthly");
    assert_eq!(buys(&scene, &ann, "basic"), own);
}

/// Whoever has no other customer is that customer, as far as anybody knows.
#[test]
fn a_link_is_all_that_some_have() {
    let scene = scene();
    let ann = scene.sign_up("ann");
    let (payer, _) = stranger_pays(&scene, &ann, "pro_monthly");
    assert_eq!(portal(&scene, &ann), Ok(payer.clone()));
    assert_eq!(block_on(api(&scene).checkout(&ann, "basic")), Err(Refusal::ChangeBySeller));
    scene.world.stripe.account().open_dispute(payer.as_str()).expect("they paid");
    handle_all(&scene);
    assert_eq!(scene.account(&ann).access.status, Status::Held);
}

#[test]
fn an_operators_word_makes_a_customer_the_accounts_own() {
    let scene = scene();
    let ann = scene.sign_up("ann");
    let (payer, _) = stranger_pays(&scene, &ann, "pro_monthly");
    assert_eq!(scene.account(&ann).access.by_reference.len(), 1);
    scene.operate(&ann, Act::Unlink { customer: payer.clone() });
    scene.operate(&ann, Act::Link { customer: payer.clone() });
    let access = scene.account(&ann).access;
    assert_eq!((access.customers, access.by_reference.len()), ([payer].into(), 0));
}
