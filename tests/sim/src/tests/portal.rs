//! The portal shows an owner the customer who pays.

use std::collections::BTreeMap;

use crate::owner::Owner;
use crate::world::World;
use tollgate_core::account_api::{AccountApi, ProblemCode, Refusal, Via, Wanted};
use tollgate_core::catalog::CatalogFile;
use tollgate_core::ports::Class;
use tollgate_events::{AccountId, CustomerId};
use tollgate_operator::Act;
use tollgate_standin::stripe::{
    Card, Interval, Metadata, NewPrice, SessionStatus, SubscriptionData, When,
};

use super::scene::{Refuses, Scene};
use super::wrong_key::elsewhere;
use crate::executor::block_on;
use crate::market::sell;
use crate::workers::worker_on;

fn api(scene: &Scene) -> AccountApi<World> {
    AccountApi::new(worker_on(&scene.world), "https://shop.example/account")
}

fn handle_all(scene: &Scene) {
    for batch in scene.events().chunks(10) {
        assert_eq!(scene.handle(batch).failed, [""; 0]);
    }
}

/// Buys as somebody new; the subscription, and who pays it.
fn buys(scene: &Scene, id: &AccountId, lookup_key: &str) -> (String, String) {
    let bought = scene.buy(id, lookup_key);
    let customer =
        scene.world.stripe.account().subscription(&bought).expect("it is new").customer.clone();
    handle_all(scene);
    (bought, customer)
}

/// What the seller sells beside the API, at a price.
fn newsletter(scene: &Scene) -> String {
    let mut stripe = scene.world.stripe.account();
    let product = stripe.create_product("Newsletter", BTreeMap::new());
    let price = NewPrice::new(&product, Interval::Month, 300);
    stripe.create_price(price).expect("the product is there")
}

fn subscribe(scene: &Scene, customer: &str, price: &str, metadata: Metadata) {
    let data = SubscriptionData { metadata, ..SubscriptionData::default() };
    scene.world.stripe.account().subscribe(customer, &[price], data).expect("it is sold");
}

/// Whose portal the account is shown.
fn portal(scene: &Scene, id: &AccountId) -> String {
    let url = block_on(api(scene).portal(id, None, None)).expect("they have bought something");
    let session = url.rsplit('/').next().expect("it names the session");
    scene.world.stripe.account().portal(session).expect("it is there").customer.clone()
}

#[test]
fn of_several_customers_the_one_who_pays_us_is_shown() {
    for first_pays in [true, false] {
        let scene = Scene::new();
        let ann = scene.sign_up("ann");
        let all = [buys(&scene, &ann, "basic_monthly"), buys(&scene, &ann, "pro_monthly")];
        let (payer, other) = if first_pays { (&all[0], &all[1]) } else { (&all[1], &all[0]) };
        scene.world.stripe.account().cancel(&other.0, When::Now).expect("it is live");
        subscribe(&scene, &other.1, &newsletter(&scene), Metadata::new());
        handle_all(&scene);
        assert_eq!(portal(&scene, &ann), payer.1);
    }
}

/// Stripe refuses what nobody has set up, and will tomorrow.
#[test]
fn a_portal_that_nobody_has_configured_is_told_as_such() {
    for (class, code) in [
        (Class::Invalid, ProblemCode::NotConfigured),
        (Class::Unavailable, ProblemCode::Unavailable),
    ] {
        let faults =
            Refuses::new(class, |call| call.operation == "POST /v1/billing_portal/sessions");
        let scene = Scene::under(faults.clone());
        let ann = scene.sign_up("ann");
        buys(&scene, &ann, "pro_monthly");
        faults.switch(true);
        let refused = block_on(api(&scene).portal(&ann, None, None)).expect_err("it is refused");
        assert_eq!(refused.code(), code);
    }
}

/// What somebody pays us for stands in the way of another purchase, however we know it: the
/// catalog sells it, our own mark is on it, or it gave the account its plan.
#[test]
fn whatever_tells_that_a_subscription_is_ours_keeps_a_second_from_being_sold() {
    for knows in ["its price", "our mark", "the ledger"] {
        let scene = Scene::new();
        let ann = scene.sign_up("ann");
        let (ended, customer) = buys(&scene, &ann, "basic_monthly");
        scene.world.stripe.account().cancel(&ended, When::Now).expect("it is live");
        handle_all(&scene);
        let mut api = api(&scene);
        if knows == "our mark" {
            let mark = scene.worker.deriver.name(&ann).to_metadata();
            subscribe(&scene, &customer, &newsletter(&scene), mark);
        } else {
            let pro = {
                let stripe = scene.world.stripe.account();
                stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone()
            };
            subscribe(&scene, &customer, &pro, Metadata::new());
        }
        if knows == "the ledger" {
            handle_all(&scene);
            assert_eq!(scene.seen(&ann).0, "pro");
            let text = scene.world.plans_toml.replace("pro_monthly", "pro_someday");
            api.worker.catalog = CatalogFile::parse(&text).expect("it is one").catalog;
        }
        assert_eq!(block_on(api.checkout(&ann, "basic")), Err(Refusal::ChangeBySeller), "{knows}");
    }
}

/// Whoever was to pay and is somebody else's by now does not pay for this account, though Stripe
/// would give them again for the same attempt; nor can the page be paid that was opened with them.
#[test]
fn who_was_given_to_somebody_else_does_not_pay() {
    let scene = Scene::new();
    let (ann, ben) = (scene.sign_up("ann"), scene.sign_up("ben"));
    let page = || {
        let url = block_on(api(&scene).checkout(&ann, "pro")).expect("it is for sale");
        let session = url.rsplit('/').next().expect("it names the session").to_owned();
        scene.world.stripe.account().session(&session).expect("it is there").clone()
    };
    let first = page();
    let customer = first.customer.clone().expect("somebody pays");
    scene.operate(&ben, Act::Link { customer: CustomerId::parse(customer).expect("it is an id") });
    let second = page();
    assert_ne!(second.customer, first.customer);
    let mut stripe = scene.world.stripe.account();
    assert_eq!(stripe.session(&first.id).expect("it is there").status, SessionStatus::Expired);
    stripe.complete_checkout(&second.id, Card::Pays).expect("it is open");
    drop(stripe);
    handle_all(&scene);
    assert_eq!((scene.seen(&ann).0, scene.seen(&ben).0), ("pro".into(), "free".into()));
}

/// A customer who was to pay and never did hides nobody who does.
#[test]
fn every_customer_of_the_account_is_asked() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    block_on(api(&scene).checkout(&ann, "pro")).expect("it is for sale");
    buys(&scene, &ann, "basic_monthly");
    let pro = Wanted::Plan("pro".into());
    let changed = block_on(api(&scene).choose(&ann, &pro, None)).expect("it is hers to change");
    assert_eq!(changed.via, Via::Change);
}

/// In front of another Stripe account nothing is made, for those too of whom it knows nothing.
#[test]
fn nothing_is_sold_by_another_account_than_the_stacks() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let other = elsewhere(&scene.world, true);
    sell(&other);
    let api = AccountApi::new(worker_on(&other), "https://shop.example/account");
    let refused = block_on(api.checkout(&ann, "pro"));
    assert!(
        matches!(&refused, Err(Refusal::Unavailable(it)) if it.class == Class::Denied),
        "{refused:?}"
    );
    assert_eq!(other.stripe.account().customers().count(), 0);
}
