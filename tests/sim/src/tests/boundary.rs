//! A seller's Stripe account sells more than the API: other products, with customers of their
//! own, and other stacks of Tollgate.

use std::collections::BTreeMap;

use crate::owner::Owner;
use crate::world::World;
use jiff::SignedDuration;
use secrecy::SecretString;
use tollgate_core::account_api::AccountApi;
use tollgate_core::catalog::CatalogFile;
use tollgate_core::converge::Worker;
use tollgate_core::derive::Deriver;
use tollgate_core::ledger::{EventRecord, Outcome};
use tollgate_core::ports::{Ledger as _, Service};
use tollgate_core::sweep::Drift;
use tollgate_core::timing::LAG_AT_MOST;
use tollgate_events::{AccountId, CustomerId};
use tollgate_operator::Act;
use tollgate_standin::stripe::{
    Card, Interval, Metadata, NewCustomer, NewPrice, NewSession, SessionStatus,
    Status as Subscribed, SubscriptionData,
};

use super::blast::{drift, passes};
use super::scene::Scene;
use crate::executor::block_on;
use crate::workers::worker_on;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A product that the catalog does not know, at a price.
fn newsletter(scene: &Scene) -> String {
    let mut stripe = scene.world.stripe.account();
    let product = stripe.create_product("Newsletter", BTreeMap::new());
    let price = NewPrice::new(&product, Interval::Month, 300).lookup_key("newsletter");
    stripe.create_price(price).expect("the product is there")
}

fn subscribe(scene: &Scene, customer: &str, price: &str, metadata: Metadata) -> String {
    let mut stripe = scene.world.stripe.account();
    stripe.set_card(customer, Card::Pays).expect("they are there");
    let data = SubscriptionData { metadata, ..SubscriptionData::default() };
    stripe.subscribe(customer, &[price], data).expect("it is sold")
}

fn outcomes(scene: &Scene) -> BTreeMap<Outcome, usize> {
    let mut outcomes = BTreeMap::new();
    for event in scene.world.ledger.events() {
        *outcomes.entry(event.record.outcome).or_default() += 1;
    }
    outcomes
}

/// Everything that happens is delivered, day by day.
fn days(scene: &Scene, days: i32) {
    for _ in 0..days {
        scene.world.clock.advance(DAY);
        for events in scene.events().chunks(10) {
            assert_eq!(scene.handle(events).failed, [""; 0]);
        }
        passes(scene, SignedDuration::ZERO);
    }
}

fn customer_of(scene: &Scene, id: &AccountId) -> String {
    scene.account(id).access.customers.first().expect("they bought").to_string()
}

#[test]
fn what_other_products_customers_do_is_ignored_and_costs_a_read_and_a_record() {
    let scene = Scene::new();
    let price = newsletter(&scene);
    for n in 0..5 {
        // Sellers put their users' ids on every product's link.
        let reference = format!("user-{n}");
        let mut stripe = scene.world.stripe.account();
        let session = stripe.follow_payment_link(&price, Some(&reference), "r@example.com");
        stripe.complete_checkout(&session.expect("it is sold"), Card::Pays).expect("it is open");
    }
    let events = scene.events();
    scene.world.gate.take_calls();
    assert_eq!(scene.handle(&events[..1]).failed, [""; 0]);
    let calls = scene.world.gate.take_calls();
    let calls: Vec<_> = calls.iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["GetItem", "TransactWriteItems"]);
    assert_eq!(scene.handle(&events[1..]).failed, [""; 0]);
    days(&scene, 31);
    assert_eq!(outcomes(&scene).into_keys().collect::<Vec<_>>(), [Outcome::Ignored]);
    let kept = |it: tollgate_core::ledger::StoredEvent| it.record.expires_at(None).is_some();
    assert!(scene.world.ledger.events().into_iter().all(kept), "and not for ever");
}

/// A dispute tells nothing but its charge.
#[test]
fn a_dispute_about_another_product_is_ignored_and_one_about_ours_waits() {
    let scene = Scene::new();
    let price = newsletter(&scene);
    let ours = scene.world.stripe.account().price_by_lookup_key("pro_monthly").unwrap().id.clone();
    for (price, outcome) in [(price, Outcome::Ignored), (ours, Outcome::Waiting)] {
        let customer = scene.world.stripe.account().create_customer(NewCustomer::default());
        subscribe(&scene, &customer, &price, Metadata::default());
        assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
        scene.world.stripe.account().open_dispute(&customer).expect("they paid");
        let events = scene.events();
        // Within minutes, what it is about may not be on record yet.
        let report = scene.handle(&events);
        assert_eq!(report.outcomes.into_keys().collect::<Vec<_>>(), [Outcome::Waiting]);
        scene.world.clock.advance(LAG_AT_MOST);
        let report = scene.handle(&events);
        assert_eq!(report.outcomes.into_keys().collect::<Vec<_>>(), [outcome]);
    }
}

/// Whoever pays for a plan is a customer: what a guest has paid is another product's.
#[test]
fn a_guests_dispute_is_nobodys_business() {
    let scene = Scene::new();
    let price = newsletter(&scene);
    let guest = scene.world.stripe.account().create_customer(NewCustomer::default());
    subscribe(&scene, &guest, &price, Metadata::default());
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    {
        let mut stripe = scene.world.stripe.account();
        let dispute = stripe.open_dispute(&guest).expect("they paid");
        let charge = stripe.dispute(&dispute).expect("it is new").charge.clone();
        stripe.make_odd(&charge, "/customer", "null");
    }
    let report = scene.handle(&scene.events());
    assert_eq!(report.outcomes.into_keys().collect::<Vec<_>>(), [Outcome::Ignored]);
}

#[test]
fn a_newsletter_keeps_no_plan_and_is_in_nobodys_way() {
    let scene = Scene::new();
    let price = newsletter(&scene);
    let ann = scene.sign_up("ann");
    let bought = scene.buy(&ann, "pro_monthly");
    days(&scene, 1);
    let customer = customer_of(&scene, &ann);
    subscribe(&scene, &customer, &price, Metadata::default());
    days(&scene, 1);
    assert_eq!(scene.seen(&ann).0, "pro");
    scene.world.stripe.account().cancel(&bought, tollgate_standin::stripe::When::Now).unwrap();
    days(&scene, 1);
    assert_eq!(scene.seen(&ann).0, "free", "at once");
    days(&scene, 90);
    assert_eq!(scene.seen(&ann).0, "free");
    // Whoever has it can buy.
    let api = api(&scene);
    let url = block_on(api.checkout(&ann, "basic")).expect("nothing is in the way");
    assert!(url.contains("/pay/") || url.contains("cs_"), "{url}");
}

/// Whoever deletes their account goes on reading the newsletter.
#[test]
fn a_newsletter_outlives_the_account() {
    let scene = Scene::new();
    let price = newsletter(&scene);
    let ann = scene.sign_up("ann");
    let bought = scene.buy(&ann, "pro_monthly");
    days(&scene, 1);
    let read = subscribe(&scene, &customer_of(&scene, &ann), &price, Metadata::default());
    days(&scene, 1);
    scene.world.cognito.delete_user("ann").expect("they are there");
    assert_eq!(scene.handle(&scene.told_of_the_pool()).failed, [""; 0]);
    days(&scene, 40);
    let status = |id: &str| scene.world.stripe.account().subscription(id).unwrap().status;
    assert_eq!((status(&bought), status(&read)), (Subscribed::Canceled, Subscribed::Active));
    assert!(!outcomes(&scene).contains_key(&Outcome::Parked), "a renewal alarms nobody");
}

/// A dispute about what another stack has sold, whose own event has failed too often here.
#[test]
fn what_another_stack_sold_makes_no_dispute_ours() {
    let scene = Scene::new();
    let secret = SecretString::from("staging-0123456789abcdef0123456789abcdef");
    let staging = Deriver::new("staging", BTreeMap::from([(1, secret)])).expect("long enough");
    let sam = AccountId::parse("sam").expect("it is a word");
    let customer = scene.world.stripe.account().create_customer(NewCustomer::default());
    let pro = scene.world.stripe.account().price_by_lookup_key("pro_monthly").unwrap().id.clone();
    subscribe(&scene, &customer, &pro, staging.name(&sam).to_metadata());
    let failed = scene
        .events()
        .into_iter()
        .map(|event| EventRecord::of(event, Outcome::Parked, scene.world.clock.time()));
    let failed: Vec<_> = failed.collect();
    block_on(scene.world.ledger.record(&failed)).expect("nothing fails");
    scene.world.stripe.account().warn_of_fraud(&customer).expect("they paid");
    let events = scene.events();
    scene.world.clock.advance(LAG_AT_MOST);
    let report = scene.handle(&events);
    assert_eq!(report.outcomes.into_keys().collect::<Vec<_>>(), [Outcome::Ignored]);
}

/// Nobody heard of a purchase, and it names nobody: the comparison's own wake waits, an operator
/// links the customer, and nothing is left that comes again for ever.
#[test]
fn a_wake_that_has_waited_is_settled() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let customer = scene.world.stripe.account().create_customer(NewCustomer::default());
    let pro = scene.world.stripe.account().price_by_lookup_key("pro_monthly").unwrap().id.clone();
    subscribe(&scene, &customer, &pro, Metadata::default());
    scene.world.stripe.account().take_pending();
    crate::comparison::compare(&scene.worker, 100).expect("nothing fails");
    scene.later(SignedDuration::ZERO);
    assert_eq!(outcomes(&scene)[&Outcome::Waiting], 1);
    let customer = CustomerId::parse(customer).expect("it is an id");
    scene.operate(&ann, Act::Link { customer });
    assert_eq!(scene.seen(&ann).0, "pro");
    scene.later(SignedDuration::from_mins(20));
    assert!(!outcomes(&scene).contains_key(&Outcome::Waiting), "{:?}", outcomes(&scene));
}

fn api(scene: &Scene) -> AccountApi<World> {
    AccountApi::new(worker_on(&scene.world), "https://shop.example/account")
}

#[test]
fn a_price_that_the_catalog_lacks_keeps_its_plan_for_seven_days() {
    let scene = Scene::new();
    let price = newsletter(&scene);
    let ann = scene.sign_up("ann");
    let bought = scene.buy(&ann, "pro_monthly");
    days(&scene, 1);
    scene.world.stripe.account().change_price(&bought, &price).expect("it is live");
    days(&scene, 1);
    assert_eq!(scene.seen(&ann).0, "pro");
    let told = scene.world.ledger.events().into_iter().filter_map(|it| it.record.detail);
    assert!(told.into_iter().any(|it| it.contains("add the price to plans.toml")));
    days(&scene, 5);
    assert_eq!(scene.seen(&ann).0, "pro");
    days(&scene, 3);
    assert_eq!(scene.seen(&ann).0, "free");
    days(&scene, 180);
    assert_eq!(scene.seen(&ann).0, "free");
}

/// Sold through our own checkout before the catalog knows it: told loudly, and served when the
/// catalog learns of it.
#[test]
fn what_our_checkout_sold_is_never_ignored() {
    let mut scene = Scene::new();
    let price = newsletter(&scene);
    let ann = scene.sign_up("ann");
    let customer = scene.world.stripe.account().create_customer(NewCustomer::default());
    subscribe(&scene, &customer, &price, scene.worker.deriver.name(&ann).to_metadata());
    days(&scene, 1);
    assert_eq!(scene.seen(&ann).0, "free");
    let told = scene.world.ledger.events().into_iter().filter_map(|it| it.record.detail);
    assert!(told.into_iter().any(|it| it.contains("it gives no plan; add the price")));
    let text = scene.world.plans_toml.replace("revision = 1", "revision = 2");
    let text = text.replace("[\"pro_monthly\"]", "[\"pro_monthly\", \"newsletter\"]");
    scene.worker.catalog = CatalogFile::parse(&text).expect("it is a catalog").catalog;
    crate::comparison::compare(&scene.worker, 100).expect("nothing fails");
    scene.later(SignedDuration::ZERO);
    assert_eq!(scene.seen(&ann).0, "pro", "at the next comparison");
}

/// A plan is taken out of the catalog while somebody pays for it: counted, and the record says
/// what was done.
#[test]
fn a_plan_that_is_taken_out_of_the_catalog_counts() {
    let mut scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    days(&scene, 1);
    let text = scene.world.plans_toml.replace("revision = 1", "revision = 2");
    let pro = text.find("id = \"pro\"").expect("it is sold");
    let begins = text[..pro].rfind("[[plans]]").expect("it is a plan");
    let ends = text[pro..].find("[[plans]]").or_else(|| text[pro..].find("\n[policy]"));
    let text = match ends {
        Some(ends) => format!("{}{}", &text[..begins], &text[pro + ends..]),
        None => text[..begins].to_owned(),
    };
    scene.worker.catalog = CatalogFile::parse(&text).expect("it is a catalog").catalog;
    assert_eq!(scene.handle(&drift(&scene, std::slice::from_ref(&ann), "1")).failed, [""; 0]);
    assert_eq!(scene.seen(&ann).0, "free");
    let stack = block_on(tollgate_core::ports::Ledger::stack(&scene.world.ledger)).unwrap();
    assert_eq!(stack.blast.count, 1);
    let told = scene.world.ledger.events().into_iter().filter_map(|it| it.record.detail);
    assert!(told.into_iter().any(|it| it.contains("so it gives no plan")));
}

/// The seller has an open session of his own for the same customer.
#[test]
fn a_session_of_the_sellers_is_left_alone() {
    let scene = Scene::new();
    let price = newsletter(&scene);
    let ann = scene.sign_up("ann");
    let bought = scene.buy(&ann, "pro_monthly");
    days(&scene, 1);
    scene.world.stripe.account().cancel(&bought, tollgate_standin::stripe::When::Now).unwrap();
    days(&scene, 1);
    let customer = customer_of(&scene, &ann);
    let sellers = {
        let mut stripe = scene.world.stripe.account();
        let session = NewSession { customer: Some(customer), ..NewSession::for_price(&price) };
        stripe.open_checkout(session).expect("the customer is there")
    };
    let api = api(&scene);
    let first = block_on(api.checkout(&ann, "basic")).expect("it is sold");
    let again = block_on(api.checkout(&ann, "basic")).expect("it is sold");
    assert_eq!(first, again, "our own is handed out again");
    let other = block_on(api.checkout(&ann, "pro")).expect("it is sold");
    assert_ne!(first, other);
    let status = |id: &str| scene.world.stripe.account().session(id).unwrap().status;
    assert_eq!(status(&sellers), SessionStatus::Open);
    assert_eq!(status(first.rsplit('/').next().unwrap()), SessionStatus::Expired);
}

/// Staging and production: two stacks, one sandbox, the same prices.
#[test]
fn two_stacks_on_one_stripe_account_leave_each_other_alone() {
    let scene = Scene::new();
    let mut staging = Scene::new();
    staging.world.stripe = scene.world.stripe.clone();
    staging.world.clock = scene.world.clock.clone();
    let secret = SecretString::from("staging-0123456789abcdef0123456789abcdef");
    let deriver = Deriver::new("staging", BTreeMap::from([(1, secret)])).expect("long enough");
    let worker = worker_on(&staging.world);
    staging.worker = Worker { deriver, stack: "staging".into(), ..worker };

    let ann = scene.sign_up("ann");
    let sam = staging.sign_up("sam");
    scene.buy(&ann, "pro_monthly");
    staging.buy(&sam, "basic_monthly");
    for _ in 0..40 {
        let events = scene.events();
        for events in events.chunks(10) {
            assert_eq!(scene.handle(events).failed, [""; 0]);
            assert_eq!(staging.handle(events).failed, [""; 0]);
        }
        passes(&scene, SignedDuration::ZERO);
        passes(&staging, SignedDuration::ZERO);
        scene.world.clock.advance(DAY);
    }
    assert_eq!(scene.seen(&ann).0, "pro");
    assert_eq!(staging.seen(&sam).0, "basic");
    for world in [&scene, &staging] {
        let outcomes = outcomes(world);
        assert!(!outcomes.contains_key(&Outcome::Parked), "{outcomes:?}");
        assert!(!outcomes.contains_key(&Outcome::Waiting), "{outcomes:?}");
        assert!(outcomes[&Outcome::Ignored] > 0);
        let report = crate::comparison::compare(&world.worker, 100).expect("nothing fails");
        assert_eq!(report.found, BTreeMap::new(), "nor does a comparison see the other's");
    }
}

/// One customer pays for both stacks: each serves what its own checkout sold.
#[test]
fn what_another_stack_sold_to_a_linked_customer_gives_nothing_here() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "basic_monthly");
    days(&scene, 1);
    let customer = customer_of(&scene, &ann);
    let secret = SecretString::from("staging-0123456789abcdef0123456789abcdef");
    let staging = Deriver::new("staging", BTreeMap::from([(1, secret)])).expect("long enough");
    let pro = scene.world.stripe.account().price_by_lookup_key("pro_monthly").unwrap().id.clone();
    subscribe(&scene, &customer, &pro, staging.name(&ann).to_metadata());
    days(&scene, 1);
    assert_eq!(scene.seen(&ann).0, "basic");
}

/// The secret that made the proofs is gone: nothing is dropped in silence.
#[test]
fn a_lost_secret_is_told_and_what_came_meanwhile_heals() {
    let mut scene = Scene::new();
    let ann = scene.sign_up("ann");
    let right = scene.worker.deriver.clone();
    scene.buy(&ann, "pro_monthly");
    let secret = SecretString::from("another-0123456789abcdef0123456789abcdef");
    scene.worker.deriver = Deriver::new("sim", BTreeMap::from([(1, secret)])).expect("it is long");
    let events = scene.events();
    let report = scene.handle(&events);
    assert!(report.systemic > 0, "a person must act");
    assert_eq!(report.outcomes.into_keys().collect::<Vec<_>>(), [Outcome::Waiting]);
    scene.later(SignedDuration::from_hours(2));
    assert_eq!(outcomes(&scene)[&Outcome::Waiting], events.len(), "it waits as long as it takes");
    scene.worker.deriver = right;
    scene.later(SignedDuration::from_hours(1));
    assert_eq!(scene.seen(&ann).0, "pro");
    let stripe = |call: &crate::gate::Call| call.service == Service::Stripe;
    assert!(scene.world.gate.calls().iter().any(stripe));
}

/// Whoever is linked is served all the same; a person is called once for each batch, for new ones
/// would not be.
#[test]
fn a_lost_secret_is_told_though_everybody_is_linked() {
    let mut scene = Scene::new();
    let ann = scene.sign_up("ann");
    let bought = scene.buy(&ann, "pro_monthly");
    assert_eq!(scene.handle(&scene.events()).systemic, 0);
    let secret = SecretString::from("another-0123456789abcdef0123456789abcdef");
    scene.worker.deriver = Deriver::new("sim", BTreeMap::from([(1, secret)])).expect("it is long");
    let basic = {
        let mut stripe = scene.world.stripe.account();
        let basic = stripe.price_by_lookup_key("basic_monthly").expect("it is sold").id.clone();
        stripe.change_price(&bought, &basic).expect("it is live");
        drop(stripe);
        let mut events = scene.events();
        events.retain(|event| event.kind == "customer.subscription.updated");
        events
    };
    let report = scene.handle(&basic);
    assert_eq!((report.failed.len(), report.systemic), (0, 1));
    assert_eq!(scene.seen(&ann).0, "basic");
}

/// Whose an event is must be known at once, and whoever comes next waits for what it cost.
#[test]
fn what_finding_out_whose_an_event_is_costs_is_noted() {
    let waits = |is_asked: bool| {
        let scene = Scene::new();
        let customer = scene.world.stripe.account().create_customer(NewCustomer::default());
        let price = {
            let stripe = scene.world.stripe.account();
            stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone()
        };
        subscribe(&scene, &customer, &price, Metadata::new());
        let events = scene.events();
        if is_asked {
            let report = scene.handle(&events);
            assert_eq!((report.failed.len(), report.converged), (0, 0), "it is nobody's yet");
        }
        scene.worker.share.stripe.take(1_000, scene.world.clock.time())
    };
    assert!(waits(true) > waits(false));
}

/// A payment link's visitor names somebody: it counts with a price of the catalog alone.
#[test]
fn a_trusted_reference_counts_only_with_what_the_catalog_sells() {
    let mut scene = Scene::new();
    let price = newsletter(&scene);
    scene.worker.policy.trust_payment_links = true;
    let ann = scene.sign_up("ann");
    let pay = |price: &str| {
        let mut stripe = scene.world.stripe.account();
        let session = stripe.follow_payment_link(price, Some(ann.as_str()), "a@example.com");
        stripe.complete_checkout(&session.expect("it is sold"), Card::Pays).expect("it is open");
    };
    pay(&price);
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert_eq!(scene.account(&ann).access.customers.len(), 0);
    let pro = scene.world.stripe.account().price_by_lookup_key("pro_monthly").unwrap().id.clone();
    pay(&pro);
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    assert_eq!(scene.seen(&ann).0, "pro");
}

/// Nobody has heard of the purchase, and what was bought has been changed to something else since: it
/// was sold by this stack, and whoever it names has to answer for it.
#[test]
fn what_our_checkout_sold_is_found_whatever_it_is_for_now() {
    let scene = crate::scene::Scene::default();
    let ann = scene.free();
    let bought = scene.buy(&ann, "pro");
    {
        let mut stripe = scene.world.stripe.account();
        let product = stripe.create_product("Newsletter", BTreeMap::new());
        let price = stripe.create_price(NewPrice::new(&product, Interval::Month, 300)).unwrap();
        stripe.change_price(&bought.subscription, &price).unwrap();
        drop(stripe.take_pending());
    }
    scene.stranger("pro");
    drop(scene.world.stripe.account().take_pending());
    assert_eq!(scene.look().found, BTreeMap::from([(Drift::Unlinked, 2)]));
    scene.repair();
    scene.come_to_rest();
    assert_eq!(scene.look().found, BTreeMap::from([(Drift::Unlinked, 1)]), "nobody's stays so");
    let access = scene.world.ledger.stored(&ann).unwrap().access;
    assert!(access.customers.iter().any(|it| it.as_str() == bought.customer));
}
