//! Sellers chose the ids of customers, plans and products until 2018-05-21, and those stand for
//! ever: whoever has such an id is served like anybody else, and nobody is served worse for it.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use tollgate_core::catalog::CatalogFile;
use tollgate_core::ledger::Outcome;
use tollgate_core::sweep::{ACCOUNTS_AT_ONCE, Drift};
use tollgate_events::{AccountId, Envelope, Source, Via};
use tollgate_standin::stripe::{
    Card, Interval, NewCustomer, NewPrice, NewSession, SubscriptionData,
};
use tollgate_standin::world::{BULK_QUEUE, EVENTS_QUEUE};

use crate::scene::{Bought, Scene};

const OLD_PRODUCT: &str = "Die große API, \"alles\" #1";
const OLD_PRICE: &str = "Pro plan $699/month";

/// What a seller may have called a customer.
fn odd_ids() -> Vec<String> {
    let odd = ["John Doe", "Zoë Ü", "..", "a/b#c,d?e=f&g", "\\\"'%20", "\u{202e}nhoj", "sha256:x"];
    let mut ids: Vec<_> = odd.map(str::to_owned).into();
    // As long as an id can be, and alike for longer than a queue's group may be.
    ids.extend(["1", "2"].map(|last| format!("{}{last}", "ü".repeat(127))));
    ids
}

/// A shop that has sold an old plan under an id of the seller's own since before there were prices.
fn old_shop() -> Scene {
    let mut scene = Scene::default();
    let mut stripe = scene.world.stripe.account();
    stripe.with_id(OLD_PRODUCT, |it| it.create_product("API", [].into()));
    let price = NewPrice::new(OLD_PRODUCT, Interval::Month, 69900);
    stripe.with_id(OLD_PRICE, |it| it.create_price(price)).expect("the product is there");
    drop(stripe);
    let also = format!("prices = ['{OLD_PRICE}']\nlookup_keys = [\"pro_monthly\"]");
    let text = scene.world.plans_toml.replace("lookup_keys = [\"pro_monthly\"]", &also);
    scene.worker.catalog = CatalogFile::parse(&text).expect("such an id may be named").catalog;
    scene
}

impl Scene {
    fn customer_called(&self, id: &str) -> String {
        let make =
            |it: &mut tollgate_standin::stripe::Stripe| it.create_customer(NewCustomer::default());
        self.world.stripe.account().with_id(id, make)
    }

    /// Somebody signs up, and buys the old plan through a checkout of ours as this customer.
    fn buys_the_old_plan(&self, name: &str, customer: &str) -> (AccountId, Bought) {
        let account = self.person(name);
        self.customer_called(customer);
        let metadata = self.worker.deriver.name(&account).to_metadata();
        let mut stripe = self.world.stripe.account();
        let session = NewSession {
            customer: Some(customer.to_owned()),
            subscription_data: SubscriptionData {
                metadata: metadata.clone(),
                ..Default::default()
            },
            metadata,
            ..NewSession::for_price(OLD_PRICE)
        };
        let session = stripe.open_checkout(session).expect("it is sold");
        let subscription = stripe.complete_checkout(&session, Card::Pays).expect("it is open");
        drop(stripe);
        self.come_to_rest();
        (account, Bought { customer: customer.to_owned(), subscription })
    }

    fn plan_of(&self, account: &AccountId) -> String {
        let stored = self.world.ledger.stored(account).expect("they have an account");
        stored.access.plan.map_or_else(|| "none".to_owned(), |plan| plan.to_string())
    }

    fn outcomes(&self) -> BTreeSet<Outcome> {
        self.world.ledger.events().iter().map(|event| event.record.outcome).collect()
    }
}

#[test]
fn whoever_has_an_odd_id_is_served_like_anybody_else() {
    let scene = old_shop();
    let mut people = Vec::new();
    for (n, id) in odd_ids().iter().enumerate() {
        people.push(scene.buys_the_old_plan(&format!("person{n}"), id));
    }
    let (neighbour, _) = scene.payer("neighbour", "basic");
    for (account, bought) in &people {
        assert_eq!(scene.plan_of(account), "pro", "{}", bought.customer);
    }
    assert_eq!(scene.plan_of(&neighbour), "basic");

    // A month passes and is paid; then they change their minds.
    scene.pass(SignedDuration::from_hours(32 * 24));
    scene.come_to_rest();
    for (account, bought) in &people {
        scene.change(bought, "basic");
        scene.come_to_rest();
        assert_eq!(scene.plan_of(account), "basic", "{}", bought.customer);
        scene.cancel(bought);
        scene.come_to_rest();
        assert_eq!(scene.plan_of(account), "free", "{}", bought.customer);
    }
    assert_eq!(scene.plan_of(&neighbour), "basic");
    assert_eq!(scene.outcomes(), [Outcome::Applied, Outcome::Unchanged].into());
}

#[test]
fn the_comparison_passes_odd_ids_and_wakes_each_that_differs() {
    let scene = old_shop();
    let (ann, bought) = scene.buys_the_old_plan("ann", "John Doe");
    let (neighbour, _) = scene.payer("neighbour", "basic");
    assert_eq!(scene.look().found, [].into());

    // Nobody tells that Ann has cancelled, and strangers pay whom nobody knows.
    scene.cancel(&bought);
    let strangers: Vec<_> = odd_ids().into_iter().skip(1).collect();
    for stranger in &strangers {
        let customer = scene.customer_called(stranger);
        let mut stripe = scene.world.stripe.account();
        stripe.set_card(&customer, Card::Pays).expect("they are there");
        let data = SubscriptionData::default();
        stripe.subscribe(&customer, &[OLD_PRICE], data).expect("it is sold");
    }
    scene.world.stripe.account().take_pending();
    scene.pass(SignedDuration::from_hours(1));
    let repaired = scene.repair();
    let expected = [(Drift::Decision, 1), (Drift::Unlinked, strangers.len())];
    assert_eq!(repaired.report.found, expected.into());
    assert_eq!(scene.world.sqs.len(BULK_QUEUE), 1 + strangers.len(), "a message each");
    scene.come_to_rest();
    assert_eq!((scene.plan_of(&ann), scene.plan_of(&neighbour)), ("free".into(), "basic".into()));
    let mut on_record = BTreeSet::new();
    for event in scene.world.ledger.events() {
        let envelope = event.record.envelope().expect("they are all readable");
        if event.record.outcome.is_unsettled() {
            on_record.extend(envelope.subject.customer.as_ref().map(ToString::to_string));
        }
    }
    assert_eq!(on_record, strangers.into_iter().collect(), "each stands on record as nobody's");
}

#[test]
fn a_ledger_that_was_lost_is_rebuilt_with_odd_ids() {
    let scene = old_shop();
    for (n, id) in odd_ids().iter().enumerate() {
        scene.buys_the_old_plan(&format!("person{n}"), id);
    }
    scene.payer("neighbour", "basic");
    scene.pass(SignedDuration::from_hours(1));
    scene.come_to_rest();
    let before = scene.accounts();
    scene.world.ledger.lose_everything();
    let (report, _) = scene.rebuild(ACCOUNTS_AT_ONCE, true);
    assert_eq!((report.rebuilt, report.unproven), (odd_ids().len() + 1, 0));
    let customers = |access: &tollgate_core::account::Access| access.customers.clone();
    for (account, access) in scene.accounts() {
        let was = &before[&account];
        assert_eq!((&access.plan, customers(&access)), (&was.plan, customers(was)), "{account}");
    }
    scene.come_to_rest();
    assert_eq!(scene.look().found, [].into());
}

#[test]
fn a_replay_of_what_odd_ids_did_changes_nothing() {
    let scene = old_shop();
    for (n, id) in odd_ids().iter().enumerate() {
        scene.buys_the_old_plan(&format!("person{n}"), id);
    }
    let before = scene.accounts();
    let replayed = |envelope: &Envelope| Envelope {
        via: Via::Replay,
        run: Some("r1a2b3c4d".into()),
        ..envelope.clone()
    };
    for envelope in scene.accepted().values().filter(|it| it.source == Source::Stripe) {
        scene.enqueue(EVENTS_QUEUE, &replayed(envelope));
    }
    scene.come_to_rest();
    assert_eq!(scene.accounts(), before);
}

/// Not all that it sells finds room in an envelope: that is no reason to doubt what is read.
#[test]
fn a_subscription_to_more_long_ids_than_an_envelope_holds_is_looked_at_once() {
    let scene = old_shop();
    let ann = scene.person("ann");
    let customer = scene.customer_called("John Doe");
    let metadata = scene.worker.deriver.name(&ann).to_metadata();
    let mut stripe = scene.world.stripe.account();
    stripe.set_card(&customer, Card::Pays).expect("they are there");
    let mut prices = vec![OLD_PRICE.to_owned()];
    for n in 10..29 {
        let (id, price) =
            ("ü".repeat(126) + &n.to_string(), NewPrice::new(OLD_PRODUCT, Interval::Month, 1));
        prices
            .push(stripe.with_id(&id, |it| it.create_price(price)).expect("the product is there"));
    }
    let prices: Vec<_> = prices.iter().map(String::as_str).collect();
    let data = SubscriptionData { metadata, ..Default::default() };
    stripe.subscribe(&customer, &prices, data).expect("they are sold");
    drop(stripe);
    scene.deliver_everything();
    let stored = scene.world.ledger.stored(&ann).expect("she has an account");
    assert_eq!((scene.plan_of(&ann).as_str(), stored.review_at), ("pro", None));
}
