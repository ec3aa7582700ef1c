//! The promise itself: any number of copies of any events, in any order, end in the
//! same access.
//!
//! One life is played in Stripe and Cognito, step by step. After every step the events
//! so far are delivered into an empty ledger and an empty API Gateway: once in order,
//! and three times each in random order, in random batches. Both must end alike.

use crate::gate::Calm;
use crate::world::World;
use jiff::SignedDuration;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tollgate_core::account::Status;
use tollgate_core::batch::Message;
use tollgate_core::converge::Worker;
use tollgate_core::sweep::sweep;
use tollgate_events::stripe::{Reading, read};
use tollgate_events::{AccountId, CustomerId, Envelope, cloudtrail, cognito};
use tollgate_standin::stripe::{
    Card, NewCustomer, NewEndpoint, NewSession, Stripe, SubscriptionData, When,
};

use crate::executor::block_on;
use crate::workers::worker_on;
use crate::world::dawn;

/// How many random orders each prefix is tried in.
const ORDERS: u64 = 12;

/// The steps of the life.
const LIFE: [&str; 11] = [
    "signs up",
    "buys basic",
    "upgrades to pro",
    "fails to pay",
    "pays after all",
    "cancels with the period",
    "keeps it",
    "disputes",
    "settles the dispute",
    "is disabled",
    "is deleted",
];

/// A world in which the first `steps` have happened, and nothing was delivered.
struct Lived {
    world: World,
    worker: Worker<World>,
    account: AccountId,
    events: Vec<Envelope>,
}

fn live(steps: usize) -> Lived {
    let world = World::new(dawn(), 7, "https://stripe.invalid", std::sync::Arc::new(Calm));
    let endpoint = NewEndpoint::for_all("https://tollgate.invalid/webhook");
    world.stripe.account().create_endpoint(endpoint);
    let worker = worker_on(&world);
    let account = world.cognito.sign_up_confirmed("ann", "a@example.com").expect("it is free");
    let mut lived = Lived { world, worker, account, events: Vec::new() };
    let mut bought = None;
    for step in &LIFE[..steps] {
        lived.take(step, &mut bought);
        lived.world.stripe.advance_to(lived.world.clock.time() + SignedDuration::from_mins(20));
        lived.collect();
    }
    lived
}

impl Lived {
    fn take(&self, step: &str, bought: &mut Option<(String, String)>) {
        let hours = |hours| self.world.clock.time() + SignedDuration::from_hours(hours);
        let fails = "the script is fixed";
        if let Some((customer, subscription)) = bought.clone() {
            // Into the next period, and past its invoice's draft time.
            match step {
                "fails to pay" => {
                    let _ = self.world.stripe.account().set_card(&customer, Card::Declines);
                    self.world.stripe.advance_to(hours(31 * 24));
                }
                "is disabled" => self.world.cognito.disable_user("ann").expect(fails),
                "is deleted" => self.world.cognito.delete_user("ann").expect(fails),
                _ => {}
            }
            let mut stripe = self.world.stripe.account();
            match step {
                "upgrades to pro" => {
                    let pro = stripe.price_by_lookup_key("pro_monthly").expect(fails).id.clone();
                    stripe.change_price(&subscription, &pro).expect(fails);
                }
                "pays after all" => {
                    stripe.set_card(&customer, Card::Pays).expect(fails);
                    stripe.pay_latest_invoice(&subscription).expect(fails);
                }
                "cancels with the period" => {
                    stripe.cancel(&subscription, When::PeriodEnd).expect(fails);
                }
                "keeps it" => stripe.keep(&subscription).expect(fails),
                "disputes" => drop(stripe.open_dispute(&customer).expect(fails)),
                "settles the dispute" => {
                    let dispute = self.dispute(&stripe);
                    stripe.close_dispute(&dispute, true).expect(fails);
                }
                _ => {}
            }
        }
        if step == "buys basic" {
            *bought = Some(self.buy());
        }
    }

    fn buy(&self) -> (String, String) {
        let metadata = self.worker.deriver.name(&self.account).to_metadata();
        let mut stripe = self.world.stripe.account();
        let customer = stripe.create_customer(NewCustomer::default());
        let price = stripe.price_by_lookup_key("basic_monthly").expect("it is sold").id.clone();
        let data = SubscriptionData { metadata: metadata.clone(), ..SubscriptionData::default() };
        let session = NewSession {
            customer: Some(customer.clone()),
            metadata,
            subscription_data: data,
            ..NewSession::for_price(&price)
        };
        let session = stripe.open_checkout(session).expect("the customer is there");
        let subscription = stripe.complete_checkout(&session, Card::Pays).expect("it is open");
        (customer, subscription)
    }

    /// The one dispute.
    fn dispute(&self, stripe: &Stripe) -> String {
        let mut told = stripe.events().filter(|event| event.kind == "charge.dispute.created");
        let id = told.next().and_then(|event| event.object["id"].as_str());
        id.expect("there is a dispute").to_owned()
    }

    /// Takes the events that have come due, as envelopes.
    fn collect(&mut self) {
        let now = self.world.clock.time();
        for event in self.world.cognito.take_triggers() {
            if let Ok(cognito::Trigger { reading: cognito::Reading::Wake(envelope), .. }) =
                cognito::read(&event, now)
            {
                self.events.push(*envelope);
            }
        }
        for delivery in self.world.stripe.account().take_pending() {
            if let Ok(Reading::Envelope(envelope)) = read(delivery.body.as_bytes(), now) {
                self.events.push(*envelope);
            }
        }
        for event in self.world.cognito.take_cloudtrail() {
            if let Ok(cloudtrail::Record { reading: cloudtrail::Reading::Wake(envelope), .. }) =
                cloudtrail::read(&event, now)
            {
                self.events.push(*envelope);
            }
        }
    }

    /// Delivers events in batches; what fails comes again, and what is due is woken.
    fn deliver(&self, events: &[Envelope], size: usize) {
        let messages = events.iter().enumerate().map(|(place, event)| message(place, event));
        let messages: Vec<_> = messages.collect();
        messages.chunks(size).for_each(|batch| self.handle(batch));
        let quiet = SignedDuration::from_mins(62);
        for _ in 0..3 {
            self.world.clock.advance(quiet);
            let (world, policy) = (&self.world, &self.worker.policy);
            let swept = block_on(sweep(&world.ledger, &world.queue(), &world.clock, policy));
            swept.expect("nothing fails");
            let woken = world.sqs.receive("tollgate-bulk.fifo", 10).expect("it is there");
            let messages = woken
                .into_iter()
                .map(|m| Message { id: m.id, group: m.group, body: m.body, again: false })
                .collect::<Vec<_>>();
            self.handle(&messages);
        }
    }

    fn handle(&self, batch: &[Message]) {
        let mut rest = batch.to_vec();
        for _ in 0..5 {
            let deadline = self.world.clock.time() + SignedDuration::from_secs(25);
            let report = block_on(self.worker.handle(&self.world.queue(), &rest, deadline));
            rest.retain(|message| report.failed.contains(&message.id));
        }
        assert!(rest.is_empty(), "messages fail in the calm: {rest:?}");
    }

    /// The account and its key as everybody sees them, without versions, times and ids
    /// that are drawn anew. A key that is refused and no key at all are the same access:
    /// who is held or disabled before they ever had a key gets none until that ends.
    fn seen(&self) -> Value {
        let accounts = self.world.ledger.accounts();
        let account = accounts.iter().find(|account| account.id == self.account);
        let access = account.map(|account| {
            let access = &account.access;
            let generations: Vec<_> = access.keys.values().map(|key| key.generation).collect();
            let key =
                (access.status == Status::Active).then_some((&access.usage_plan, generations));
            json!({
                "plan": access.plan, "key": key, "status": access.status,
                "reason": access.reason,
                "customers": access.customers, "disputes": access.disputes,
                "grace": access.grace, "user": account.user, "open": account.open,
                "attributes": access.attributes.plan, "review_at": account.review_at,
            })
        });
        let keys = self.world.api_gateway.scene(|model, _| {
            let served = model.keys().filter(|key| key.enabled);
            let keys = served.map(|key| json!([key.name, key.plans]));
            keys.collect::<Vec<_>>()
        });
        let user = self.world.cognito.user_by_id(&self.account);
        let plan = user.as_ref().and_then(|user| user.attribute("custom:plan"));
        let links: Vec<CustomerId> = self.world.ledger.links().into_keys().collect();
        json!({ "account": access, "keys": keys, "custom:plan": plan, "links": links })
    }
}

fn message(place: usize, event: &Envelope) -> Message {
    Message {
        id: format!("m{place}"),
        group: event.group().into_owned(),
        body: event.encode(),
        again: false,
    }
}

#[test]
fn any_number_of_copies_in_any_order_end_in_the_same_access() {
    for steps in 1..=LIFE.len() {
        let in_order = live(steps);
        in_order.deliver(&in_order.events, 1);
        let expected = in_order.seen();
        for order in 0..ORDERS {
            let mut rng = ChaCha8Rng::seed_from_u64(order);
            let shuffled = live(steps);
            let mut events = [&shuffled.events[..]; 3].concat();
            events.shuffle(&mut rng);
            shuffled.deliver(&events, rng.random_range(1..=10));
            let step = LIFE[steps - 1];
            assert_eq!(shuffled.seen(), expected, "until `{step}`, order {order}");
        }
    }
}

/// Each event in turn is held up for four days, and comes after all that followed it.
#[test]
fn an_event_that_comes_days_late_ends_in_the_same_access() {
    let days = SignedDuration::from_hours(4 * 24);
    for steps in 1..=LIFE.len() {
        let in_time = live(steps);
        in_time.deliver(&in_time.events, 1);
        in_time.world.clock.advance(days);
        in_time.deliver(&[], 1);
        let expected = in_time.seen();
        for held_up in 0..in_time.events.len() {
            let lived = live(steps);
            let mut events = lived.events.clone();
            let late = events.remove(held_up);
            lived.deliver(&events, 1);
            lived.world.clock.advance(days);
            lived.deliver(std::slice::from_ref(&late), 1);
            let step = LIFE[steps - 1];
            assert_eq!(lived.seen(), expected, "until `{step}`, and {} is late", late.kind);
        }
    }
}

/// The tests above compare like with like; this says what like is.
#[test]
fn the_life_shows_every_kind_of_access() {
    // The upgrade is to be paid with the next period, and is not: basic was.
    let words = (1..=LIFE.len()).map(|steps| {
        let lived = live(steps);
        lived.deliver(&lived.events, 1);
        lived.seen()["custom:plan"].as_str().unwrap_or("-").to_owned()
    });
    let expected =
        ["free", "basic", "pro", "basic", "pro", "pro", "pro", "held", "pro", "disabled", "-"];
    assert_eq!(words.collect::<Vec<_>>(), expected);
}
