//! One row of Stripe's that cannot be read: its owner waits and loses nothing, and everybody
//! else is served.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use tollgate_core::account::{Access, PlanId, Status};
use tollgate_core::ledger::Outcome;
use tollgate_core::ports::Class;
use tollgate_core::sweep::{ACCOUNTS_AT_ONCE, Drift, wake};
use tollgate_events::{AccountId, CustomerId, Envelope, Source, Subject};
use tollgate_standin::stripe::{Card, Interval, NewCustomer, NewPrice, SubscriptionData, When};

use super::scene::{Refuses, Scene as Told};
use crate::scene::{Bought, Scene};

fn plan(id: &str) -> Option<PlanId> {
    PlanId::parse(id).ok()
}

impl Scene {
    fn access(&self, account: &AccountId) -> Access {
        self.world.ledger.stored(account).expect("it is there").access
    }

    fn make_odd(&self, id: &str, pointer: &str, raw: &str) {
        self.world.stripe.account().make_odd(id, pointer, raw);
    }

    /// Somebody whom the shop sells something else to.
    fn newsletter(&self) -> String {
        let customer = {
            let mut stripe = self.world.stripe.account();
            let customer = stripe.create_customer(NewCustomer::default());
            stripe.set_card(&customer, Card::Pays).unwrap();
            customer
        };
        self.newsletter_for(&customer)
    }

    /// Something else, for a customer who is there.
    fn newsletter_for(&self, customer: &str) -> String {
        let mut stripe = self.world.stripe.account();
        let product = stripe.create_product("A newsletter", Default::default());
        let price = NewPrice::new(&product, Interval::Month, 500);
        let price = stripe.create_price(price).unwrap();
        stripe.subscribe(customer, &[&price], SubscriptionData::default()).unwrap()
    }

    /// What the ledger says of the events that are parked.
    fn parked(&self) -> Vec<String> {
        let events = self.world.ledger.events().into_iter();
        let parked = events.filter(|event| event.record.outcome == Outcome::Parked);
        parked.filter_map(|event| event.record.detail).collect()
    }
}

/// Two who pay, an hour ago.
fn town() -> (Scene, (AccountId, Bought), (AccountId, Bought)) {
    let scene = Scene::default();
    let (ann, ben) = (scene.payer("ann", "basic"), scene.payer("ben", "pro"));
    scene.pass(SignedDuration::from_hours(1));
    scene.come_to_rest();
    (scene, ann, ben)
}

#[test]
fn a_strangers_odd_row_stops_no_comparison() {
    let (scene, (ann, bought), _) = town();
    let odd = scene.newsletter();
    scene.come_to_rest();
    scene.make_odd(&odd, "/customer", "null");
    let report = scene.look();
    assert_eq!((report.unreadable.count, report.left_alone), (1, 0));
    assert!(report.unreadable.first[0].to_string().contains(&odd));
    assert_eq!(report.found, [].into());

    // What differs is found beside it.
    scene.world.stripe.account().cancel(&bought.subscription, When::Now).unwrap();
    scene.world.stripe.account().take_pending();
    assert_eq!(scene.look().found, [(Drift::Decision, 1)].into());
    assert_eq!(scene.access(&ann).plan, plan("basic"));
}

/// An event that does not say what is sold, and a subscription that cannot be read: of somebody
/// whom nobody knows it is nobody's business. One that cannot be read now is asked for again.
#[test]
fn a_strangers_odd_row_is_ignored_and_no_answer_is_waited_for() {
    for (class, outcomes) in
        [(Class::Invalid, [(Outcome::Ignored, 1)].into()), (Class::Unavailable, BTreeMap::new())]
    {
        let faults = Refuses::new(class, |it| it.operation == "GET /v1/subscriptions/{id}");
        let scene = Told::under(faults.clone());
        let customer = scene.world.stripe.account().create_customer(NewCustomer::default());
        let now = scene.world.clock.time();
        let customer = CustomerId::parse(customer).unwrap();
        let event = Envelope {
            source: Source::Stripe,
            kind: "customer.subscription.updated".into(),
            object: Some("sub_odd".into()),
            subject: Subject { customer: Some(customer), ..Subject::default() },
            ..wake("x", AccountId::parse("nobody").unwrap(), None, now)
        };
        faults.switch(true);
        let report = scene.handle(&[event]);
        assert_eq!(report.failed.len(), usize::from(outcomes.is_empty()), "{class:?}");
        assert_eq!(report.outcomes, outcomes, "{class:?}");
    }
}

#[test]
fn who_cannot_be_read_waits_and_loses_nothing() {
    let (scene, (ann, anns), (ben, bens)) = town();
    scene.make_odd(&bens.subscription, "/status", "17");

    // In bulk their account is left alone: what is not listed is not none.
    let report = scene.look();
    assert_eq!((report.unreadable.count, report.left_alone), (1, 1));
    assert_eq!((report.found, report.would_lose), ([].into(), 0));

    // One batch has an event of each: Ann's is applied, Ben's is parked, and says why.
    {
        let mut stripe = scene.world.stripe.account();
        let pro = stripe.price_by_lookup_key("pro_monthly").unwrap().id.clone();
        stripe.change_price(&anns.subscription, &pro).unwrap();
        stripe.set_metadata(&bens.subscription, &[("a".into(), "b".into())].into()).unwrap();
    }
    scene.come_to_rest();
    assert_eq!(scene.access(&ann).plan, plan("pro"));
    let access = scene.access(&ben);
    assert_eq!((access.plan, access.status), (plan("pro"), Status::Active));
    let parked = scene.parked();
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert!(parked[0].contains("status: missing"), "{parked:?}");

    // It is mended: the next look at the account finishes what was begun.
    scene.world.stripe.account().mend(&bens.subscription);
    scene.world.stripe.account().cancel(&bens.subscription, When::Now).unwrap();
    scene.come_to_rest();
    assert_eq!(scene.access(&ben).plan, plan("free"));
    assert_eq!(scene.look().found, [].into());
}

/// What else its customer has bought is nobody's business, whether it can be read or not.
#[test]
fn an_odd_row_of_something_else_does_not_stop_its_own_customer() {
    let (scene, _, (ben, bens)) = town();
    let newsletter = scene.newsletter_for(&bens.customer);
    scene.make_odd(&newsletter, "/status", "17");
    {
        let mut stripe = scene.world.stripe.account();
        let basic = stripe.price_by_lookup_key("basic_monthly").unwrap().id.clone();
        stripe.change_price(&bens.subscription, &basic).unwrap();
    }
    scene.come_to_rest();
    assert_eq!(scene.access(&ben).plan, plan("basic"));
    assert_eq!(scene.parked(), [""; 0]);
}

/// What it sells is not known: for some days that is what it sold, loudly.
#[test]
fn an_item_whose_price_cannot_be_read_keeps_the_plan_for_some_days() {
    let (scene, _, (ben, bens)) = town();
    scene.make_odd(&bens.subscription, "/items/data/0/price", "null");
    scene
        .world
        .stripe
        .account()
        .set_metadata(&bens.subscription, &[("a".into(), "b".into())].into())
        .unwrap();
    scene.come_to_rest();
    let access = scene.access(&ben);
    assert_eq!((&access.plan, access.status), (&plan("pro"), Status::Active));
    assert!(access.reason.to_string().contains("price_unreadable"), "{}", access.reason);
    scene.pass(SignedDuration::from_hours(8 * 24));
    scene.come_to_rest();
    assert_eq!(scene.access(&ben).plan, plan("free"), "for some days, and not for ever");
    scene.world.stripe.account().mend(&bens.subscription);
    scene
        .world
        .stripe
        .account()
        .set_metadata(&bens.subscription, &[("a".into(), "c".into())].into())
        .unwrap();
    scene.come_to_rest();
    let access = scene.access(&ben);
    assert_eq!(access.plan, plan("pro"));
    assert!(access.reason.subscription().is_some(), "{}", access.reason);
}

#[test]
fn a_rebuild_leaves_whom_it_cannot_read_and_says_so() {
    let (scene, (ann, _), (ben, bens)) = town();
    let odd = scene.newsletter();
    scene.come_to_rest();
    scene.make_odd(&bens.subscription, "/status", "null");
    scene.make_odd(&odd, "/id", "null");
    let before = scene.outside();
    scene.world.ledger.lose_everything();
    let (report, rebuilt) = scene.rebuild(ACCOUNTS_AT_ONCE, true);
    assert_eq!((report.rebuilt, report.left, report.unreadable.count), (1, 1, 2));
    assert_eq!(rebuilt[0].account, ann);
    assert_eq!((report.granted, report.held, report.keys_without_user), (0, 0, 0));
    assert!(scene.world.ledger.stored(&ben).is_none(), "nothing is written of him");
    assert_eq!(scene.outside(), before, "and nothing is moved");

    scene.world.stripe.account().mend(&bens.subscription);
    let (report, rebuilt) = scene.rebuild(ACCOUNTS_AT_ONCE, true);
    assert_eq!((report.known, report.rebuilt, report.left), (1, 1, 0));
    assert_eq!(
        (&rebuilt[0].account, &rebuilt[0].plan, &rebuilt[0].granted),
        (&ben, &plan("pro"), &None)
    );
    assert_eq!(scene.outside(), before);
}
