//! One purchase at a time: whoever clicks twice, in two windows, while a bank debit is under way
//! or after something went wrong, pays once, and is told how things are.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use crate::gate::Call;
use crate::owner::Owner;
use crate::world::World;
use jiff::SignedDuration;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use secrecy::SecretString;
use tollgate_core::account_api::{AccountApi, ProblemCode, Refusal, Via, Wanted};
use tollgate_core::converge::Worker;
use tollgate_core::derive::Deriver;
use tollgate_core::ports::{Class, Service, Stripe};
use tollgate_core::purchase::MOST_CLICKS;
use tollgate_core::timing::PURCHASE_KEPT_FOR;
use tollgate_events::{AccountId, CustomerId};
use tollgate_standin::stripe::{Card, Interval, NewPrice, Settings, When};

use super::scene::{Refuses, Scene};
use crate::actors::clicks::both;
use crate::executor::block_on;
use crate::workers::worker_on;

const URL: &str = "https://shop.example/account";

fn api(scene: &Scene) -> AccountApi<World> {
    AccountApi::new(worker_on(&scene.world), URL)
}

/// The session of a checkout page.
fn session(page: Result<String, Refusal>) -> String {
    let url = page.expect("it is for sale");
    url.rsplit('/').next().expect("it names the session").to_owned()
}

fn pays(scene: &Scene, session: &str) -> String {
    scene.world.stripe.account().complete_checkout(session, Card::Pays).expect("it is open")
}

fn handle_all(scene: &Scene) {
    for batch in scene.events().chunks(10) {
        assert_eq!(scene.handle(batch).failed, [""; 0]);
    }
}

/// How many subscriptions anybody pays, or may come to pay.
fn live(scene: &Scene) -> usize {
    let stripe = scene.world.stripe.account();
    let customers: Vec<_> = stripe.customers().map(|customer| customer.id.clone()).collect();
    let rows = customers.iter().flat_map(|customer| stripe.subscriptions_of(customer));
    rows.filter(|row| !row.status.is_final()).count()
}

fn calls_to_stripe(scene: &Scene) -> usize {
    let calls = scene.world.gate.take_calls();
    calls.iter().filter(|call| call.service == Service::Stripe).count()
}

#[test]
fn who_has_paid_and_is_not_known_yet_is_not_sold_another() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    pays(&scene, &session(block_on(api.checkout(&ann, "pro"))));
    assert_eq!(scene.account(&ann).access.customers.len(), 0, "no event has come yet");
    assert_eq!(block_on(api.checkout(&ann, "pro")), Err(Refusal::SameOffer));
    let basic = Wanted::Plan("basic".into());
    let changed = block_on(api.choose(&ann, &basic, None)).expect("it is hers to change");
    assert_eq!(changed.via, Via::Change);
    assert_eq!(live(&scene), 1);
}

#[test]
fn a_bank_debit_under_way_is_waited_for_and_can_be_paid_otherwise() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    let first = session(block_on(api.checkout(&ann, "pro")));
    scene.world.stripe.account().complete_checkout_unpaid(&first).expect("it is open");
    for handled in [false, true] {
        if handled {
            handle_all(&scene);
        }
        for plan in ["pro", "basic"] {
            let refused = block_on(api.checkout(&ann, plan)).expect_err("it is being paid");
            let Refusal::PaymentProcessing { invoice: Some(invoice) } = refused else {
                panic!("{refused:?}")
            };
            assert!(invoice.contains("/invoice/in_"), "{invoice}");
        }
    }
    scene.world.stripe.account().settle_delayed_payment(&first, true).expect("it is awaited");
    assert_eq!(block_on(api.checkout(&ann, "pro")), Err(Refusal::SameOffer));
    assert_eq!(live(&scene), 1);
}

#[test]
fn who_has_not_paid_in_time_or_has_cancelled_buys_again() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    let first = session(block_on(api.checkout(&ann, "pro")));
    scene.world.stripe.account().complete_checkout_unpaid(&first).expect("it is open");
    scene.world.stripe.account().settle_delayed_payment(&first, false).expect("it is awaited");
    assert!(matches!(
        block_on(api.checkout(&ann, "pro")),
        Err(Refusal::PaymentProcessing { invoice: Some(_) })
    ));
    scene.world.stripe.advance_to(scene.world.clock.time() + SignedDuration::from_hours(24));
    let bought = pays(&scene, &session(block_on(api.checkout(&ann, "pro"))));
    handle_all(&scene);
    assert_eq!(scene.seen(&ann).0, "pro");
    scene.world.stripe.account().cancel(&bought, When::Now).expect("it is live");
    // On the same day, with the same price.
    let again = pays(&scene, &session(block_on(api.checkout(&ann, "pro"))));
    assert_ne!(again, bought);
    assert_eq!(live(&scene), 1);
}

/// A card that is declined leaves the page open: it is the one that is handed out again.
#[test]
fn a_declined_card_can_be_tried_again_on_the_same_page() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    let page = session(block_on(api.checkout(&ann, "pro")));
    let declined = scene.world.stripe.account().complete_checkout(&page, Card::Declines);
    assert!(declined.is_err());
    assert_eq!(session(block_on(api.checkout(&ann, "pro"))), page);
    let other = session(block_on(api.checkout(&ann, "basic")));
    assert_ne!(other, page);
    assert!(scene.world.stripe.account().complete_checkout(&page, Card::Pays).is_err());
    pays(&scene, &other);
}

/// In whatever order the calls of two windows come: what both are handed out costs once.
#[test]
fn of_two_windows_at_once_one_can_be_paid_in() {
    for (plans, seeds) in [(["pro", "pro"], 0..60), (["pro", "basic"], 60..160)] {
        for seed in seeds {
            let scene = Scene::new();
            let ann = scene.sign_up("ann");
            let api = api(&scene);
            let mut dice = ChaCha8Rng::seed_from_u64(seed);
            let (one, other) =
                both(&mut dice, api.checkout(&ann, plans[0]), api.checkout(&ann, plans[1]));
            let pages = [one, other].map(|page| match page {
                Err(Refusal::OtherWindow) => None,
                page => Some(session(page)),
            });
            let mut paid = 0;
            for page in pages.iter().flatten() {
                let mut stripe = scene.world.stripe.account();
                paid += usize::from(stripe.complete_checkout(page, Card::Pays).is_ok());
            }
            assert_eq!((paid, live(&scene)), (1, 1), "{seed}: {plans:?} {pages:?}");
        }
    }
}

#[test]
fn an_archived_price_is_sold_again_as_soon_as_it_is_back() {
    let scene = Scene::new();
    let (ann, ben) = (scene.sign_up("ann"), scene.sign_up("ben"));
    let api = api(&scene);
    // The price is known from here on.
    block_on(api.checkout(&ben, "pro")).expect("it is for sale");
    let cy = scene.sign_up("cy");
    let of_cy = AccountApi::new(worker_on(&scene.world), URL);
    let over = session(block_on(of_cy.checkout(&cy, "pro")));
    scene.world.stripe.account().expire_checkout(&over).expect("it is open");
    let price = scene.world.stripe.account().price_by_lookup_key("pro_monthly").unwrap().id.clone();
    scene.world.stripe.account().set_price_active(&price, false).expect("it is there");
    let refused = block_on(api.checkout(&ann, "pro")).expect_err("it is archived");
    assert_eq!((refused.code(), refused.mend().is_some()), (ProblemCode::NotConfigured, true));
    block_on(of_cy.checkout(&cy, "pro")).expect_err("it is archived");
    scene.world.stripe.account().set_price_active(&price, true).expect("it is there");
    for (api, id) in [(&api, &ann), (&of_cy, &cy)] {
        block_on(api.checkout(id, "pro")).expect("it is for sale again");
    }
    let customers = scene.world.stripe.account().customers().count();
    assert_eq!(customers, 3, "who was to pay is known, though the attempt is over");
}

/// A price is replaced by another, which takes its lookup key: one refusal, and it is known.
#[test]
fn a_refused_price_is_asked_for_anew() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    block_on(api.checkout(&ann, "pro")).expect("it is for sale");
    block_on(api.checkout(&ann, "basic")).expect("it is for sale");
    {
        let mut stripe = scene.world.stripe.account();
        let old = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
        let product = stripe.create_product("pro", BTreeMap::new());
        let new = NewPrice::new(&product, Interval::Month, 1_900).lookup_key("pro_monthly");
        stripe.create_price(new).expect("the product is there");
        stripe.set_price_active(&old, false).expect("it is there");
    }
    block_on(api.checkout(&ann, "pro")).expect_err("the old one is archived");
    block_on(api.checkout(&ann, "pro")).expect("the new one is for sale");
}

/// Stripe's list does not show yet what was paid for a moment ago; the session does.
#[test]
fn what_is_paid_and_not_listed_yet_is_not_sold_again() {
    let scene = Scene::new();
    scene.world.stripe.set_read_lag(SignedDuration::from_mins(1));
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    pays(&scene, &session(block_on(api.checkout(&ann, "pro"))));
    assert_eq!(block_on(api.checkout(&ann, "pro")), Err(Refusal::ChangeBySeller));
}

/// The row is written for the click, the customer and the session, and never in vain.
#[test]
fn a_first_purchase_writes_its_row_three_times() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.world.gate.take_calls();
    session(block_on(api(&scene).checkout(&ann, "pro")));
    let calls = scene.world.gate.take_calls().into_iter();
    let of_the_row = calls.filter(|call| call.subject == format!("{ann} purchase"));
    let writes = of_the_row.filter(|call| call.operation == "UpdateItem");
    assert_eq!(writes.count(), 3);
}

/// Stripe does not know what is asked for, and it is not the customer who is gone.
#[test]
fn what_stripe_does_not_find_is_told_and_not_tried_for_ever() {
    let faults =
        Refuses::new(Class::NotFound, |call| call.operation == "POST /v1/checkout/sessions");
    let scene = Scene::under(faults.clone());
    let ann = scene.sign_up("ann");
    faults.switch(true);
    let refused = block_on(api(&scene).checkout(&ann, "pro"));
    assert!(matches!(refused, Err(Refusal::Rejected(_))), "{refused:?}");
    faults.switch(false);
    session(block_on(api(&scene).checkout(&ann, "pro")));
}

/// What the row forgets while its page can be paid would be sold beside it.
#[test]
fn a_purchase_is_remembered_for_longer_than_its_page_is_open() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let page = session(block_on(api(&scene).checkout(&ann, "pro")));
    let page = scene.world.stripe.account().session(&page).expect("it is there").clone();
    assert!(page.expires_at.duration_since(page.created) < PURCHASE_KEPT_FOR);
}

/// An attempt ends between two clicks, and both windows are given the page that is there.
#[test]
fn a_page_that_two_attempts_share_stays_open() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    let page = session(block_on(api.checkout(&ann, "pro")));
    let nearly = SignedDuration::from_hours(23) - SignedDuration::from_secs(30);
    scene.world.stripe.advance_to(scene.world.clock.time() + nearly);
    scene.world.gate.take_calls();
    let mut first = pin!(api.checkout(&ann, "pro"));
    let mut context = Context::from_waker(Waker::noop());
    let clicks = |call: &Call| call.operation.starts_with("GET /v1/");
    while !scene.world.gate.calls().iter().any(clicks) {
        assert!(first.as_mut().poll(&mut context).is_pending(), "it has clicked then");
    }
    scene.world.stripe.advance_to(scene.world.clock.time() + SignedDuration::from_mins(1));
    // An instance sees to one request at a time: the second click is another's.
    let another = self::api(&scene);
    assert_eq!(session(block_on(another.checkout(&ann, "pro"))), page);
    assert_eq!(session(block_on(first)), page);
    pays(&scene, &page);
}

/// A page was opened and its row could not be written; then it was shut. The same key gives it
/// again, and it is looked at before it is handed out.
#[test]
fn a_page_that_is_over_is_not_handed_out() {
    let writes = AtomicUsize::new(0);
    let faults = Refuses::new(Class::Unavailable, move |call| {
        let of_the_row = call.operation == "UpdateItem" && call.subject.ends_with(" purchase");
        of_the_row && writes.fetch_add(1, Ordering::Relaxed) == 2
    });
    let scene = Scene::under(faults.clone());
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    faults.switch(true);
    block_on(api.checkout(&ann, "pro")).expect_err("its row is not written");
    faults.switch(false);
    let customer = scene.world.stripe.account().customers().next().expect("hers").id.clone();
    let customer = CustomerId::parse(customer).expect("it is an id");
    let opened = block_on(scene.world.stripe.recent_checkouts(&customer)).expect("it is up");
    let lost = opened.expect("they are there").remove(0).session.id;
    scene.world.stripe.account().expire_checkout(&lost).expect("it is open");
    let page = session(block_on(api.checkout(&ann, "pro")));
    assert_ne!(page, lost);
    pays(&scene, &page);
}

/// The account API with other secrets, as another instance or another stack has it.
fn api_with(scene: &Scene, stack: &str, versions: &[u32]) -> AccountApi<World> {
    let secret = |version: &u32| {
        let secret = format!("{version}-{stack}-0123456789abcdef0123456789abcdef");
        (*version, SecretString::from(secret))
    };
    let secrets: BTreeMap<_, _> = versions.iter().map(secret).collect();
    let deriver = Deriver::new(stack, secrets).expect("they are long enough");
    let worker = Worker { deriver, stack: stack.into(), ..worker_on(&scene.world) };
    AccountApi::new(worker, URL)
}

#[test]
fn a_rotated_secret_is_no_error_between_two_clicks() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let (before, after) = (api_with(&scene, "sim", &[1]), api_with(&scene, "sim", &[1, 2]));
    let first = session(block_on(before.checkout(&ann, "pro")));
    assert_eq!(session(block_on(after.checkout(&ann, "pro"))), first);
    for seed in 0..60 {
        let scene = Scene::new();
        let ann = scene.sign_up("ann");
        let (before, after) = (api_with(&scene, "sim", &[1]), api_with(&scene, "sim", &[1, 2]));
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let (one, other) =
            both(&mut dice, before.checkout(&ann, "pro"), after.checkout(&ann, "pro"));
        let mut paid = 0;
        for page in [one, other].into_iter().filter(|page| *page != Err(Refusal::OtherWindow)) {
            let page = session(page);
            let mut stripe = scene.world.stripe.account();
            paid += usize::from(stripe.complete_checkout(&page, Card::Pays).is_ok());
        }
        assert_eq!(paid, 1, "{seed}");
    }
}

/// Two stacks with one user pool and one Stripe account, each with a table of its own.
#[test]
fn two_stacks_with_one_pool_sell_to_the_same_user() {
    let scene = Scene::new();
    let mut staging = Scene::new();
    staging.world.stripe = scene.world.stripe.clone();
    let ann = AccountId::parse("6a0b1f0e-0000-4000-8000-000000000001").expect("it is a word");
    let (shop, staging) = (api_with(&scene, "shop", &[1]), api_with(&staging, "staging", &[1]));
    let first = session(block_on(shop.checkout(&ann, "pro")));
    assert_ne!(session(block_on(staging.checkout(&ann, "pro"))), first);
    assert_eq!(session(block_on(shop.checkout(&ann, "pro"))), first);
}

#[test]
fn plans_that_alternate_in_a_loop_cost_little_and_open_no_more_than_one_page() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    for _ in 0..100 {
        for plan in ["pro", "basic"] {
            let _ = block_on(api.checkout(&ann, plan));
        }
    }
    // A page is opened, and the last one expired, after the customer was asked; and once, whose
    // the key is, a customer, and what two plans are sold at.
    let most = MOST_CLICKS as usize * 4 + 6;
    let calls = calls_to_stripe(&scene);
    assert!(calls <= most, "{calls} calls of {most}");
    let refused = block_on(api.checkout(&ann, "pro")).expect_err("that was too often");
    let Refusal::TooMany { after } = refused else { panic!("{refused:?}") };
    assert!(after <= SignedDuration::from_hours(1) && after.is_positive(), "{after}");
    let ben = scene.sign_up("ben");
    block_on(api.checkout(&ben, "pro")).expect("he has not asked before");
    scene.world.clock.advance(after);
    block_on(api.checkout(&ann, "pro")).expect("the hour is over");
}

/// A customer of many sessions costs what one without any does.
#[test]
fn however_many_sessions_a_customer_has_they_are_listed_once() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    let mut last = String::new();
    for _ in 0..60 {
        last = session(block_on(api.checkout(&ann, "pro")));
        scene.world.stripe.account().expire_checkout(&last).expect("it is open");
        scene.world.clock.advance(SignedDuration::from_mins(3));
    }
    assert_ne!(session(block_on(api.checkout(&ann, "basic"))), last);
    assert_eq!(scene.world.stripe.account().customers().count(), 1, "who was to pay stays known");
    calls_to_stripe(&scene);
    block_on(api.checkout(&ann, "basic")).expect("it is for sale");
    assert_eq!(calls_to_stripe(&scene), 2, "subscriptions and sessions");
}

/// The customer who was to pay stays known when the attempt is long over, and is no link.
#[test]
fn who_was_to_pay_is_known_for_more_than_a_day() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let api = api(&scene);
    session(block_on(api.checkout(&ann, "pro")));
    scene.world.stripe.advance_to(scene.world.clock.time() + SignedDuration::from_hours(60));
    session(block_on(api.checkout(&ann, "basic")));
    assert_eq!(scene.world.stripe.account().customers().count(), 1);
    assert_eq!(scene.account(&ann).access.customers.len(), 0);
}

/// A sandbox that was wiped: whom nobody has linked is no contradiction.
#[test]
fn a_customer_who_never_paid_may_be_missing() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    session(block_on(api(&scene).checkout(&ann, "pro")));
    let settings = Settings { seed: 7, ..Settings::default() };
    let wiped = scene.world.clone().with_stripe(settings);
    crate::market::sell(&wiped);
    let api = AccountApi::new(worker_on(&wiped), URL);
    session(block_on(api.checkout(&ann, "pro")));
}
