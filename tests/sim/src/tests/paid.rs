//! What was paid decides, and not the status alone.

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::Status;
use tollgate_core::catalog::CatalogFile;
use tollgate_core::policy::PlanThen;
use tollgate_events::{AccountId, ChargeId};
use tollgate_standin::stripe::{
    BillingReason, Card, DRAFT_TIME, Interval, InvoiceStatus, NewCustomer, NewPrice, PauseBehavior,
    Status as Subscribed, SubscriptionData,
};

use super::scene::Scene;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Everything that happens is delivered, hour by hour.
fn until(scene: &Scene, then: Timestamp) {
    while scene.world.clock.time() < then {
        let next = (scene.world.clock.time() + SignedDuration::from_hours(1)).min(then);
        scene.world.stripe.advance_to(next);
        deliver(scene);
    }
}

fn deliver(scene: &Scene) {
    for events in scene.events().chunks(10) {
        assert_eq!(scene.handle(events).failed, [""; 0]);
    }
    scene.later(SignedDuration::ZERO);
}

fn days(scene: &Scene, days: i64) {
    until(scene, scene.world.clock.time() + DAY * i32::try_from(days).expect("few"));
}

fn plan_of(scene: &Scene, id: &AccountId) -> String {
    scene.seen(id).0
}

/// Somebody has a subscription of ours, however it is paid; the subscription.
fn subscribes(
    scene: &Scene,
    id: &AccountId,
    card: Option<Card>,
    mut data: SubscriptionData,
) -> String {
    data.metadata = scene.worker.deriver.name(id).to_metadata();
    let mut stripe = scene.world.stripe.account();
    let customer = stripe.create_customer(NewCustomer::default());
    stripe.set_card(&customer, card).expect("they are there");
    let price = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
    stripe.subscribe(&customer, &[&price], data).expect("it is sold")
}

fn status_of(scene: &Scene, subscription: &str) -> Subscribed {
    scene.world.stripe.account().subscription(subscription).expect("it is there").status
}

fn customer_of(scene: &Scene, subscription: &str) -> String {
    scene.world.stripe.account().subscription(subscription).expect("it is there").customer.clone()
}

/// A trial of three days whose first charge fails: nothing was ever paid.
#[test]
fn a_trial_that_nobody_pays_for_has_no_grace() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let trial = || SubscriptionData { trial_period_days: 3, ..SubscriptionData::default() };
    let id = subscribes(&scene, &ann, Some(Card::Declines), trial());
    days(&scene, 2);
    assert_eq!(plan_of(&scene, &ann), "pro", "it is tried");
    until(&scene, scene.world.clock.time() + DAY + DRAFT_TIME);
    assert_eq!(status_of(&scene, &id), Subscribed::PastDue);
    assert_eq!(scene.seen(&ann), ("free".into(), Status::Active, "free".into()));

    // Paid after all, and late again a month later: then there is grace.
    let customer = customer_of(&scene, &id);
    let mut stripe = scene.world.stripe.account();
    stripe.set_card(&customer, Card::Pays).expect("they are there");
    stripe.pay_latest_invoice(&id).expect("it pays");
    stripe.set_card(&customer, Card::Declines).expect("they are there");
    drop(stripe);
    deliver(&scene);
    assert_eq!(plan_of(&scene, &ann), "pro");
    days(&scene, 32);
    assert_eq!(status_of(&scene, &id), Subscribed::PastDue);
    assert_eq!(plan_of(&scene, &ann), "pro", "they have paid once");
}

/// What stands to a customer's credit pays as a card does: nothing is charged, and it is paid.
#[test]
fn who_paid_by_their_balance_has_paid() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let trial = SubscriptionData { trial_period_days: 3, ..SubscriptionData::default() };
    let id = subscribes(&scene, &ann, Some(Card::Declines), trial);
    let customer = customer_of(&scene, &id);
    scene.world.stripe.account().set_balance(&customer, -1_000_000).expect("they are there");
    days(&scene, 4);
    assert_eq!(status_of(&scene, &id), Subscribed::Active);
    scene.world.stripe.account().set_balance(&customer, 0).expect("they are there");
    days(&scene, 31);
    assert_eq!(status_of(&scene, &id), Subscribed::PastDue);
    assert_eq!(plan_of(&scene, &ann), "pro", "it is late for the first time");
}

#[test]
fn a_seller_may_give_grace_after_a_trial() {
    let mut scene = Scene::new();
    scene.worker.policy.grace_after_trial = true;
    let ann = scene.sign_up("ann");
    let trial = SubscriptionData { trial_period_days: 3, ..SubscriptionData::default() };
    let id = subscribes(&scene, &ann, Some(Card::Declines), trial);
    days(&scene, 4);
    assert_eq!(status_of(&scene, &id), Subscribed::PastDue);
    assert_eq!(plan_of(&scene, &ann), "pro");
    days(&scene, 7);
    assert_eq!(plan_of(&scene, &ann), "free");
}

/// Thirty days to pay, and seven of grace from then on.
#[test]
fn who_gets_invoices_has_grace_from_the_day_they_were_due() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let by_invoice = SubscriptionData { days_until_due: Some(30), ..SubscriptionData::default() };
    let id = subscribes(&scene, &ann, None, by_invoice);
    let due = scene.world.clock.time() + DRAFT_TIME + DAY * 30;
    until(&scene, due - SignedDuration::from_secs(1));
    assert_eq!(status_of(&scene, &id), Subscribed::Active);
    until(&scene, due + SignedDuration::from_secs(1));
    assert_eq!(status_of(&scene, &id), Subscribed::PastDue);
    assert_eq!(plan_of(&scene, &ann), "pro");
    let grace = scene.account(&ann).access.grace;
    assert_eq!(grace.into_values().collect::<Vec<_>>(), [due]);
    until(&scene, due + DAY * 7 - SignedDuration::from_secs(1));
    assert_eq!(plan_of(&scene, &ann), "pro");
    until(&scene, due + DAY * 7);
    assert_eq!(plan_of(&scene, &ann), "free");
}

/// Basic is paid; the upgrade to a yearly Pro is not.
#[test]
fn grace_keeps_what_was_last_paid_for() {
    let mut scene = Scene::new();
    let sells =
        scene.world.plans_toml.replace("[\"pro_monthly\"]", "[\"pro_monthly\", \"pro_yearly\"]");
    scene.worker.catalog = CatalogFile::parse(&sells).expect("it is valid").catalog;
    let ann = scene.sign_up("ann");
    let id = scene.buy(&ann, "basic_monthly");
    days(&scene, 1);
    assert_eq!(plan_of(&scene, &ann), "basic");
    upgrades_and_does_not_pay(&scene, &id);
    assert_eq!(status_of(&scene, &id), Subscribed::PastDue);
    assert_eq!(plan_of(&scene, &ann), "basic");
    days(&scene, 6);
    assert_eq!(plan_of(&scene, &ann), "basic", "it was paid for");
    days(&scene, 1);
    assert_eq!(plan_of(&scene, &ann), "free");

    let customer = customer_of(&scene, &id);
    let mut stripe = scene.world.stripe.account();
    stripe.set_card(&customer, Card::Pays).expect("they are there");
    stripe.pay_latest_invoice(&id).expect("it pays");
    let latest = stripe.subscription(&id).expect("it is there").latest_invoice.clone();
    let invoice = stripe.invoice(&latest.expect("there is one")).expect("it is there").clone();
    assert_eq!((invoice.status, invoice.reason), (InvoiceStatus::Paid, BillingReason::Update));
    drop(stripe);
    deliver(&scene);
    assert_eq!(plan_of(&scene, &ann), "pro");
}

/// The upgrade is seen active for a moment, and past due later: the plan goes back to what was
/// paid, and that is no loss that counts.
#[test]
fn an_upgrade_that_was_seen_before_it_was_not_paid_is_explained() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let id = scene.buy(&ann, "basic_monthly");
    days(&scene, 1);
    // With its period, and so paid for with the next.
    change(&scene, &id, "pro_monthly");
    deliver(&scene);
    assert_eq!(plan_of(&scene, &ann), "pro");
    let customer = customer_of(&scene, &id);
    scene.world.stripe.account().set_card(&customer, Card::Declines).expect("they are there");
    days(&scene, 31);
    assert_eq!(status_of(&scene, &id), Subscribed::PastDue);
    assert_eq!(plan_of(&scene, &ann), "basic");
    let stack = scene.world.ledger.stored_stack();
    assert_eq!(stack.blast.count, 0, "what was not paid for explains it");
}

/// Whoever changes to less and does not pay for it gets no more than that.
#[test]
fn a_downgrade_that_is_not_paid_gives_no_more_than_it_sells() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let id = scene.buy(&ann, "pro_monthly");
    days(&scene, 1);
    change(&scene, &id, "basic_monthly");
    deliver(&scene);
    let customer = customer_of(&scene, &id);
    let mut stripe = scene.world.stripe.account();
    stripe.set_card(&customer, Card::Declines).expect("they are there");
    drop(stripe);
    days(&scene, 62);
    assert_eq!(status_of(&scene, &id), Subscribed::PastDue);
    assert_eq!(plan_of(&scene, &ann), "basic");
}

fn upgrades_and_does_not_pay(scene: &Scene, id: &str) {
    let customer = customer_of(scene, id);
    let mut stripe = scene.world.stripe.account();
    let pro = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").clone();
    let yearly = NewPrice::new(&pro.product, Interval::Year, 90_000).lookup_key("pro_yearly");
    let yearly = stripe.create_price(yearly).expect("the product is there");
    stripe.set_card(&customer, Card::Declines).expect("they are there");
    stripe.change_price(id, &yearly).expect("it is live");
    drop(stripe);
    deliver(scene);
}

fn change(scene: &Scene, id: &str, lookup_key: &str) {
    let mut stripe = scene.world.stripe.account();
    let price = stripe.price_by_lookup_key(lookup_key).expect("it is sold").id.clone();
    stripe.change_price(id, &price).expect("it is live");
}

/// Of none nothing is sold, and that is the customer's own doing.
#[test]
fn an_item_of_quantity_nothing_gives_nothing() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let id = scene.buy(&ann, "pro_monthly");
    days(&scene, 1);
    for (quantity, plan) in [(0, "free"), (2, "pro")] {
        scene.world.stripe.account().change_quantity(&id, quantity).expect("it is live");
        deliver(&scene);
        assert_eq!(plan_of(&scene, &ann), plan);
    }
    assert_eq!(scene.world.ledger.stored_stack().blast.count, 0);
}

/// Collection is paused for three months, whatever becomes of the invoices meanwhile.
#[test]
fn paused_collection_keeps_the_plan_unless_the_seller_says_otherwise() {
    for behavior in
        [PauseBehavior::Void, PauseBehavior::KeepAsDraft, PauseBehavior::MarkUncollectible]
    {
        for then in [PlanThen::Keep, PlanThen::End] {
            let mut scene = Scene::new();
            scene.worker.policy.pause_collection_void = then;
            let ann = scene.sign_up("ann");
            let id = scene.buy(&ann, "pro_monthly");
            days(&scene, 1);
            let pause = Some((behavior, None));
            scene.world.stripe.account().pause_collection(&id, pause).expect("it is live");
            days(&scene, 70);
            let ends = behavior == PauseBehavior::Void && then == PlanThen::End;
            let plan = if ends { "free" } else { "pro" };
            assert_eq!(plan_of(&scene, &ann), plan, "{behavior:?} {then:?}");
            scene.world.stripe.account().pause_collection(&id, None).expect("it is live");
            deliver(&scene);
            assert_eq!(plan_of(&scene, &ann), "pro");
        }
    }
}

/// A guest's dispute, and an event that names the charge of somebody else with it.
#[test]
fn a_guests_dispute_that_is_paired_with_anothers_charge_holds_nobody() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let id = scene.buy(&ann, "pro_monthly");
    days(&scene, 1);
    let charge = charge_of(&scene, &id);
    let guest = scene.world.stripe.account().create_customer(NewCustomer::default());
    let mut stripe = scene.world.stripe.account();
    stripe.set_card(&guest, Card::Pays).expect("they are there");
    let price = stripe.price_by_lookup_key("basic_monthly").expect("it is sold").id.clone();
    let of_guest = stripe.subscribe(&guest, &[&price], SubscriptionData::default());
    let of_guest = of_guest.expect("it is sold");
    drop(stripe);
    let theirs = charge_of(&scene, &of_guest);
    let mut stripe = scene.world.stripe.account();
    stripe.make_odd(&theirs, "/customer", "null");
    stripe.open_dispute(&guest).expect("they have paid");
    drop(stripe);
    let mut events = scene.events();
    events.retain(|event| event.kind == "charge.dispute.created");
    for event in &mut events {
        event.subject.charge = ChargeId::parse(charge.as_str()).ok();
    }
    assert_eq!((events.len(), scene.handle(&events).failed.len()), (1, 0));
    assert_eq!(scene.seen(&ann), ("pro".into(), Status::Active, "pro".into()));
    assert!(scene.account(&ann).access.disputes.is_empty());
}

fn charge_of(scene: &Scene, subscription: &str) -> String {
    let stripe = scene.world.stripe.account();
    let latest = stripe.subscription(subscription).expect("it is there").latest_invoice.clone();
    let invoice = stripe.invoice(&latest.expect("there is one")).expect("it is there");
    invoice.charge.clone().expect("it was paid")
}
