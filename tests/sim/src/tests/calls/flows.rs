//! The flows: everything that Tollgate is there for, once.

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::PlanId;
use tollgate_core::account_api::AccountApi;
use tollgate_core::converge::DRIFT;
use tollgate_core::sweep::wake;
use tollgate_events::{AccountId, CustomerId, DisputeId, Envelope, Source, Via};
use tollgate_operator::Act;
use tollgate_standin::stripe::Card;
use tollgate_standin::world::{BULK_QUEUE, EVENTS_QUEUE};

use crate::executor::block_on;
use crate::owner::Owner;
use crate::scene::{Bought, Scene};
use crate::workers::{reads_only, worker_on};

/// Something that Tollgate is there for.
pub(super) struct Flow {
    pub(super) name: &'static str,
    /// Fewer calls than this, and the flow is not what its name says.
    pub(super) at_least: usize,
    /// Where it ends: what Ann is told, the plan that her key is on, and what is unsettled.
    pub(super) ends: &'static str,
    pub(super) begins: Begins,
}

/// What a flow begins with.
pub(super) enum Begins {
    /// Events that are waiting in such a world.
    Events(fn(&Scene)),
    /// An operator's act on the only account of such a world.
    Act(fn(&Scene) -> Act),
}

const fn flow(name: &'static str, at_least: usize, ends: &'static str, set_up: fn(&Scene)) -> Flow {
    Flow { name, at_least, ends, begins: Begins::Events(set_up) }
}

const fn act(
    name: &'static str,
    at_least: usize,
    ends: &'static str,
    set_up: fn(&Scene) -> Act,
) -> Flow {
    Flow { name, at_least, ends, begins: Begins::Act(set_up) }
}

pub(super) static FLOWS: [Flow; 36] = [
    flow("sign-up", 10, "free: free", |scene| drop(scene.sign_up())),
    flow("purchase with link", 10, "pro: pro", |scene| {
        let ann = scene.free();
        scene.buy(&ann, "pro");
    }),
    flow("purchase by somebody whose sign-up was lost", 13, "pro: pro", |scene| {
        let ann = scene.sign_up();
        scene.world.cognito.take_triggers();
        scene.buy(&ann, "pro");
    }),
    flow("upgrade", 8, "pro: pro", |scene| scene.change(&scene.paying("basic"), "pro")),
    flow("downgrade", 8, "basic: basic", |scene| scene.change(&scene.paying("pro"), "basic")),
    flow("cancel to free", 8, "free: free", |scene| scene.cancel(&scene.paying("pro"))),
    flow("payment fails, grace begins", 6, "pro: pro", past_due),
    flow("an upgrade is not paid for", 11, "basic: basic", |scene| {
        let bought = scene.paying("basic");
        scene.change(&bought, "pro");
        scene.come_to_rest();
        not_paid(scene, &bought);
    }),
    flow("grace ends", 12, "free: free", |scene| {
        past_due(scene);
        scene.come_to_rest();
        let ends = scene.world.ledger.accounts()[0].review_at.expect("grace has an end");
        scene.world.stripe.advance_to(ends - SignedDuration::from_hours(3));
        scene.come_to_rest();
        scene.world.stripe.advance_to(ends);
    }),
    flow("dispute holds", 10, "held: pro, refused", |scene| drop(dispute(scene))),
    flow("dispute is released", 10, "pro: pro", |scene| {
        let dispute = dispute(scene);
        scene.come_to_rest();
        scene.world.stripe.account().close_dispute(&dispute, true).unwrap();
    }),
    flow("user disabled", 9, "disabled: basic, refused", |scene| {
        scene.paying("basic");
        scene.world.cognito.disable_user("ann").unwrap();
    }),
    flow("user enabled", 9, "basic: basic", |scene| {
        scene.paying("basic");
        scene.world.cognito.disable_user("ann").unwrap();
        scene.come_to_rest();
        scene.world.cognito.enable_user("ann").unwrap();
    }),
    flow("user deleted", 12, "gone: no key", |scene| {
        scene.paying("basic");
        scene.world.cognito.delete_user("ann").unwrap();
    }),
    flow("admin-created user catches up", 10, "free: free", |scene| {
        scene.world.cognito.admin_create_user("ann", "a@example.com").unwrap();
        scene.world.cognito.sign_in("ann").unwrap();
    }),
    flow("federated user signs up", 10, "free: free", |scene| drop(federated(scene))),
    flow("federated user buys", 11, "basic: basic", |scene| {
        let ann = federated(scene);
        scene.come_to_rest();
        scene.buy(&ann, "basic");
    }),
    flow(
        "event waits for its customer's link and is parked",
        18,
        "free: free, 2 parked",
        |scene| {
            scene.free();
            scene.stranger("pro");
        },
    ),
    flow("event waits for its customer's link and is settled by it", 10, "pro: pro", |scene| {
        let ann = scene.free();
        let stranger = scene.stranger("pro");
        // No session in Stripe names an account yet: the events are recorded as waiting.
        scene.collect();
        while scene.deliver(EVENTS_QUEUE, &mut || ()) {}
        scene.buy_as(&stranger.customer, &ann, "basic");
    }),
    flow("double checkout", 13, "pro: pro", |scene| {
        let ann = scene.free();
        scene.buy(&ann, "basic");
        scene.buy(&ann, "pro");
    }),
    flow("replay of an event", 8, "pro: pro", |scene| {
        scene.paying("pro");
        let events = scene.world.ledger.events().into_iter();
        let mut events = events.filter_map(|event| event.record.envelope().cloned());
        let event = events.find(|event| event.source == Source::Stripe).unwrap();
        let copy = Envelope { via: Via::Replay, run: Some("r1".into()), ..event };
        scene.enqueue(BULK_QUEUE, &copy);
    }),
    flow("a grant ends", 9, "free: free", |scene| {
        scene.free();
        let ends = scene.world.clock.time() + SignedDuration::from_hours(3);
        scene.operate(&grant(Some(ends)));
        scene.world.stripe.advance_to(ends);
    }),
    act("an operator grants a plan", 13, "pro: pro", |scene| {
        scene.free();
        grant(None)
    }),
    act("an operator revokes a grant", 13, "free: free", |scene| {
        scene.free();
        scene.operate(&grant(None));
        Act::RevokeGrant { plan: pro() }
    }),
    act("an operator holds", 13, "held: pro, refused", |scene| {
        scene.paying("pro");
        Act::Hold
    }),
    act("an operator holds who is about to buy", 15, "held: free, refused", |scene| {
        let ann = scene.free();
        let worker = reads_only(worker_on(&scene.world));
        let api = AccountApi::new(worker, "https://shop.invalid");
        block_on(api.checkout(&ann, "pro")).expect("nothing fails");
        Act::Hold
    }),
    act("an operator releases", 13, "pro: pro", |scene| {
        scene.paying("pro");
        scene.operate(&Act::Hold);
        Act::Release
    }),
    act("an operator lifts a dispute", 14, "pro: pro", |scene| {
        let dispute = dispute(scene);
        scene.come_to_rest();
        Act::LiftDispute { dispute: DisputeId::parse(dispute).unwrap() }
    }),
    act("an operator links a customer whose events are parked", 14, "pro: pro", |scene| {
        scene.free();
        let stranger = scene.stranger("pro");
        scene.come_to_rest();
        Act::Link { customer: CustomerId::parse(stranger.customer).unwrap() }
    }),
    act("an operator unlinks a customer", 13, "free: free", |scene| {
        let bought = scene.paying("pro");
        Act::Unlink { customer: CustomerId::parse(bought.customer).unwrap() }
    }),
    act("rotation of the key", 15, "pro: pro", |scene| {
        scene.paying("pro");
        Act::RotateKey { overlap: SignedDuration::ZERO }
    }),
    act("rotation of the key, with an hour for both", 20, "pro: pro", |scene| {
        scene.paying("pro");
        Act::RotateKey { overlap: SignedDuration::from_hours(1) }
    }),
    flow("upgrade while a replaced key works", 10, "pro: pro and pro", |scene| {
        let bought = scene.paying("basic");
        scene.operate(&Act::RotateKey { overlap: SignedDuration::from_hours(24 * 30) });
        scene.change(&bought, "pro");
    }),
    act("an operator closes the account", 13, "closed: no key", |scene| {
        scene.paying("pro");
        Act::Close
    }),
    act("an operator opens a closed account", 14, "free: free", |scene| {
        scene.paying("pro");
        scene.operate(&Act::Close);
        Act::Release
    }),
    flow("recovery of a key that was deleted by hand", 11, "pro: pro", |scene| {
        scene.paying("pro");
        let account = scene.world.ledger.accounts().swap_remove(0);
        let key = account.key().expect("it has a key").id.to_string();
        scene.world.api_gateway.scene(|model, now| model.delete_api_key(&key, now)).unwrap();
        let now = scene.world.clock.time();
        scene.enqueue(BULK_QUEUE, &wake(DRIFT, account.id, None, now));
    }),
];

/// A flow, what comes between a worker's death in it and the redelivery, and where that ends.
pub(super) struct Turn {
    pub(super) flow: &'static str,
    pub(super) act: fn(&Scene),
    pub(super) ends: &'static str,
}

const fn turn(flow: &'static str, ends: &'static str, act: fn(&Scene)) -> Turn {
    Turn { flow, act, ends }
}

/// Whatever a flow was about to do, its reason has gone by the time somebody looks again.
pub(super) const TURNS: [Turn; 8] = [
    turn("purchase with link", "free: free", |scene| scene.cancel(&bought(scene))),
    turn("upgrade", "basic: basic", |scene| scene.change(&bought(scene), "basic")),
    turn("downgrade", "pro: pro", |scene| scene.change(&bought(scene), "pro")),
    turn("cancel to free", "pro: pro", |scene| {
        let ann = scene.world.cognito.users()[0].id.clone();
        scene.buy_as(&bought(scene).customer, &ann, "pro");
    }),
    turn("grace ends", "pro: pro", |scene| {
        let Bought { customer, subscription } = bought(scene);
        let mut stripe = scene.world.stripe.account();
        stripe.set_card(&customer, Card::Pays).unwrap();
        stripe.pay_latest_invoice(&subscription).unwrap();
    }),
    turn("dispute holds", "pro: pro", |scene| {
        let mut stripe = scene.world.stripe.account();
        let mut told = stripe.events().filter(|event| event.kind == "charge.dispute.created");
        let dispute = told.next().unwrap().object["id"].as_str().unwrap().to_owned();
        drop(told);
        stripe.close_dispute(&dispute, true).unwrap();
    }),
    turn("user disabled", "basic: basic", |scene| {
        scene.world.cognito.enable_user("ann").unwrap();
    }),
    turn("user enabled", "disabled: basic, refused", |scene| {
        scene.world.cognito.disable_user("ann").unwrap();
    }),
];

fn pro() -> PlanId {
    PlanId::parse("pro").unwrap()
}

/// The plan `pro` for nothing.
fn grant(until: Option<Timestamp>) -> Act {
    Act::Grant { plan: pro(), until }
}

/// What Ann bought last.
fn bought(scene: &Scene) -> Bought {
    let stripe = scene.world.stripe.account();
    let customer = stripe.customers().next().expect("somebody bought").id.clone();
    let subscription = stripe.subscriptions_of(&customer)[0].id.clone();
    Bought { customer, subscription }
}

fn federated(scene: &Scene) -> AccountId {
    scene.world.cognito.federated_sign_in("Google", "1", "a@example.com").unwrap()
}

/// The second month cannot be paid, and the events say so.
fn past_due(scene: &Scene) {
    not_paid(scene, &scene.paying("pro"));
}

/// The next period is not paid.
fn not_paid(scene: &Scene, bought: &Bought) {
    scene.world.stripe.account().set_card(&bought.customer, Card::Declines).unwrap();
    scene.come_to_rest();
    // Into the next period, and past its invoice's draft time.
    scene.pass(SignedDuration::from_hours(31 * 24 + 2));
}

/// A dispute of somebody who pays, with its events waiting.
fn dispute(scene: &Scene) -> String {
    let bought = scene.paying("pro");
    scene.world.stripe.account().open_dispute(&bought.customer).unwrap()
}
