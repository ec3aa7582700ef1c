//! A worker whose Stripe key is one of another account of the same mode, while the webhooks are
//! right: to it, every customer is missing. Nothing is decided, and it heals with the key.

use crate::world::World;
use jiff::SignedDuration;
use tollgate_core::account::Status;
use tollgate_core::batch::BatchReport;
use tollgate_core::converge::{DRIFT, Worker};
use tollgate_core::ledger::{Blast, Outcome};
use tollgate_core::ports::Ledger;
use tollgate_core::sweep::wake;
use tollgate_events::{AccountId, CustomerId, DisputeId, Envelope, Via};
use tollgate_operator::Act;
use tollgate_standin::stripe::{Card, NewCustomer, Settings, SubscriptionData, When};

use super::scene::Scene;
use crate::executor::block_on;
use crate::workers::worker_on;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const MONTH: SignedDuration = SignedDuration::from_hours(31 * 24 + 2);

/// The same world with another Stripe account.
pub(super) fn elsewhere(world: &World, readable: bool) -> World {
    let settings = Settings {
        seed: 7,
        account_id: "acct_1Elsewhere000000".into(),
        restricted_keys_read_account: readable,
        ..Settings::default()
    };
    world.clone().with_stripe(settings)
}

fn with_the_wrong_key(world: &World, readable: bool) -> Worker<World> {
    worker_on(&elsewhere(world, readable))
}

/// Whether a key may read whose it is or not, the end is the same.
const KEYS: [bool; 2] = [true, false];

/// So many accounts on pro, at rest.
pub(super) fn paying(scene: &Scene, count: usize) -> Vec<AccountId> {
    let ids: Vec<_> = (0..count).map(|n| scene.sign_up(&format!("u{n}"))).collect();
    ids.iter().for_each(|id| drop(scene.buy(id, "pro_monthly")));
    handle_all(scene);
    for _ in 0..30 {
        scene.later(SignedDuration::from_secs(60));
    }
    assert_eq!(on_pro(scene, &ids), count);
    ids
}

pub(super) fn on_pro(scene: &Scene, ids: &[AccountId]) -> usize {
    let pro = ("pro".to_owned(), Status::Active, "pro".to_owned());
    ids.iter().filter(|id| scene.seen(id) == pro).count()
}

/// What Stripe and Cognito tell is handled, whatever comes of it: all reports in one.
pub(super) fn handle_all(scene: &Scene) -> BatchReport {
    let mut all = BatchReport::default();
    for batch in scene.events().chunks(10) {
        let report = scene.handle(batch);
        assert_eq!(report.failed, [""; 0], "nothing comes again from the queue");
        all.converged += report.converged;
        all.systemic += report.systemic;
        for (outcome, count) in report.outcomes {
            *all.outcomes.entry(outcome).or_default() += count;
        }
    }
    all
}

fn customer_of(scene: &Scene, id: &AccountId) -> CustomerId {
    scene.account(id).access.customers.first().expect("they bought").clone()
}

fn blast(scene: &Scene) -> Blast {
    block_on(scene.world.ledger.stack()).expect("nothing fails").blast
}

/// How many events on record have this outcome.
pub(super) fn on_record(scene: &Scene, outcome: Outcome) -> usize {
    let events = scene.world.ledger.events().into_iter();
    events.filter(|event| event.record.outcome == outcome).count()
}

#[test]
fn whoever_renews_meanwhile_keeps_the_plan() {
    for readable in KEYS {
        let mut scene = Scene::new();
        let ids = paying(&scene, 25);
        let before: Vec<_> = ids.iter().map(|id| scene.account(id).access).collect();
        scene.worker = with_the_wrong_key(&scene.world, readable);
        scene.world.stripe.advance_to(scene.world.clock.time() + MONTH);
        let report = handle_all(&scene);
        let after: Vec<_> = ids.iter().map(|id| scene.account(id).access).collect();
        assert_eq!(on_pro(&scene, &ids), 25);
        assert_eq!(after, before, "nothing was decided");
        assert_eq!(report.outcomes.keys().copied().collect::<Vec<_>>(), [Outcome::Deferred]);
        assert!(report.systemic >= 25, "a person is called: {report:?}");
        // Hours later it is the same, and what waits in the accounts is no more.
        for _ in 0..6 {
            scene.later(HOUR);
        }
        assert_eq!(on_pro(&scene, &ids), 25);
        assert_eq!(
            blast(&scene),
            Blast::default(),
            "nothing was let through, and nothing held back"
        );

        scene.worker = worker_on(&scene.world);
        for _ in 0..3 {
            scene.later(HOUR);
        }
        assert_eq!(on_pro(&scene, &ids), 25);
        assert_eq!(
            (on_record(&scene, Outcome::Deferred), on_record(&scene, Outcome::Parked)),
            (0, 0)
        );
        assert!(ids.iter().all(|id| !scene.account(id).open), "everything is at rest");
        assert_eq!(handle_all(&scene), BatchReport::default());
    }
}

/// An end that really came in the meantime is seen when the key is right again.
#[test]
fn who_cancels_meanwhile_has_the_plan_until_the_key_is_right() {
    for readable in KEYS {
        let mut scene = Scene::new();
        let ann = scene.sign_up("ann");
        let bought = scene.buy(&ann, "pro_monthly");
        handle_all(&scene);
        scene.worker = with_the_wrong_key(&scene.world, readable);
        scene.world.clock.advance(HOUR);
        scene.world.stripe.account().cancel(&bought, When::Now).expect("it is live");
        handle_all(&scene);
        assert_eq!(scene.seen(&ann).0, "pro");
        scene.worker = worker_on(&scene.world);
        scene.later(HOUR);
        assert_eq!(scene.seen(&ann), ("free".into(), Status::Active, "free".into()));
    }
}

/// Who buys meanwhile is linked by the proof, and served as soon as Stripe can be asked.
#[test]
fn a_purchase_waits_in_its_account() {
    for readable in KEYS {
        let mut scene = Scene::new();
        let ann = scene.sign_up("ann");
        scene.worker = with_the_wrong_key(&scene.world, readable);
        scene.buy(&ann, "pro_monthly");
        handle_all(&scene);
        assert_eq!(scene.seen(&ann), ("free".into(), Status::Active, "free".into()));
        scene.worker = worker_on(&scene.world);
        scene.later(HOUR);
        assert_eq!(scene.seen(&ann).0, "pro");
    }
}

/// Somebody pays on the account of a deleted user: nobody is linked, and what the key does not see is
/// not nothing.
#[test]
fn a_payment_on_a_closed_account_waits_in_it() {
    for readable in KEYS {
        let mut scene = Scene::new();
        let ann = scene.sign_up("ann");
        scene.world.cognito.delete_user("ann").expect("she is there");
        assert_eq!(scene.handle(&scene.told_of_the_pool()).failed, [""; 0]);
        assert_eq!(scene.seen(&ann).1, Status::Closed);
        scene.worker = with_the_wrong_key(&scene.world, readable);
        scene.buy(&ann, "pro_monthly");
        let report = handle_all(&scene);
        assert_eq!(report.outcomes.keys().copied().collect::<Vec<_>>(), [Outcome::Deferred]);
        assert!(report.systemic > 0, "{report:?}");
        scene.worker = worker_on(&scene.world);
        scene.later(HOUR);
        assert!(on_record(&scene, Outcome::Parked) > 0, "somebody pays for nothing");
    }
}

/// A customer of whom nobody has heard, with a subscription that names nobody.
fn stranger(scene: &Scene) -> CustomerId {
    let mut stripe = scene.world.stripe.account();
    let customer = stripe.create_customer(NewCustomer::default());
    stripe.set_card(&customer, Card::Pays).expect("it is there");
    let price = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
    stripe.subscribe(&customer, &[&price], SubscriptionData::default()).expect("it is sold");
    CustomerId::parse(customer).expect("it is an id")
}

/// Events that name no account wait on record, for days, and are not parked one by one.
#[test]
fn events_of_customers_whom_the_key_does_not_see_wait_on_record() {
    for readable in KEYS {
        let mut scene = Scene::new();
        let right =
            std::mem::replace(&mut scene.worker, with_the_wrong_key(&scene.world, readable));
        stranger(&scene);
        let report = handle_all(&scene);
        assert!(report.systemic > 0, "{report:?}");
        for _ in 0..24 {
            scene.later(HOUR);
        }
        assert!(on_record(&scene, Outcome::Waiting) > 0);
        assert_eq!(on_record(&scene, Outcome::Parked), 0);
        // With the right key they are a stranger's, as ever.
        scene.worker = right;
        scene.later(HOUR);
        assert_eq!(on_record(&scene, Outcome::Waiting), 0);
        assert!(on_record(&scene, Outcome::Parked) > 0);
    }
}

/// The charge of a dispute is missing too.
#[test]
fn a_dispute_waits_on_record() {
    for readable in KEYS {
        let mut scene = Scene::new();
        let ids = paying(&scene, 1);
        let customer = customer_of(&scene, &ids[0]);
        scene.worker = with_the_wrong_key(&scene.world, readable);
        scene.world.stripe.account().open_dispute(customer.as_str()).expect("something was paid");
        let report = handle_all(&scene);
        assert!(report.systemic > 0, "{report:?}");
        assert_eq!(on_pro(&scene, &ids), 1);
        scene.later(HOUR);
        assert_eq!(on_record(&scene, Outcome::Parked), 0);
        scene.worker = worker_on(&scene.world);
        scene.later(HOUR);
        assert_eq!(scene.seen(&ids[0]).1, Status::Held);
    }
}

/// Deleted is not missing: a stranger's deletion calls nobody, and an account's is its end.
#[test]
fn a_deleted_customer_is_none() {
    for lists in [true, false] {
        let scene = Scene::new();
        scene.world.stripe.account().settings_mut().lists_deleted_customers = lists;
        let ids = paying(&scene, 1);
        let (stranger, ours) = (stranger(&scene), customer_of(&scene, &ids[0]));
        for customer in [&stranger, &ours] {
            scene.world.stripe.account().delete_customer(customer.as_str()).expect("it is there");
        }
        let report = handle_all(&scene);
        assert_eq!(report.systemic, 0, "{report:?}");
        assert_eq!(scene.seen(&ids[0]), ("free".into(), Status::Active, "free".into()));
    }
}

/// An operator unlinks a customer whose dispute holds the account: to the wrong key there is no
/// such dispute, and nothing tells that it holds nobody here any more.
#[test]
fn a_dispute_that_the_key_does_not_see_decides_nothing() {
    for readable in KEYS {
        let mut scene = Scene::new();
        let ann = paying(&scene, 1).remove(0);
        let customer = customer_of(&scene, &ann);
        let opened = scene.world.stripe.account().open_dispute(customer.as_str());
        let dispute = DisputeId::parse(opened.expect("they paid")).expect("it is an id");
        handle_all(&scene);
        assert_eq!(scene.seen(&ann).1, Status::Held);
        let right =
            std::mem::replace(&mut scene.worker, with_the_wrong_key(&scene.world, readable));
        scene.act(&ann, Act::Unlink { customer }).expect("nothing fails");
        let report = scene.handle(&scene.wakes());
        assert_eq!((report.failed.len(), report.systemic > 0), (0, true), "{report:?}");
        assert_eq!(scene.seen(&ann).1, Status::Held);
        if readable {
            scene.worker = right;
        } else {
            // Or it is Stripe's test data that is gone.
            scene.act(&ann, Act::LiftDispute { dispute }).expect("nothing fails");
        }
        scene.later(HOUR);
        assert_eq!(scene.seen(&ann), ("free".into(), Status::Active, "free".into()));
    }
}

/// Stripe's test data was deleted: nothing is decided, until an operator unlinks the customers
/// that there are no more.
#[test]
fn a_wiped_sandbox_is_left_by_unlinking() {
    let mut scene = Scene::new();
    let ids = paying(&scene, 3);
    // The same account, emptied.
    let emptied = elsewhere(&scene.world, true);
    let account = scene.world.stripe.account().settings_mut().account_id.clone();
    emptied.stripe.account().settings_mut().account_id = account;
    scene.worker = worker_on(&emptied);
    let now = scene.world.clock.time();
    let wake = |id: &AccountId| wake(DRIFT, id.clone(), None, now);
    let report = scene.handle(&ids.iter().map(wake).collect::<Vec<_>>());
    assert_eq!((report.systemic, on_pro(&scene, &ids)), (3, 3));
    for id in &ids {
        let customer = customer_of(&scene, id);
        scene.world.clock.advance(SignedDuration::from_secs(60));
        scene.operate(id, Act::Unlink { customer });
        assert_eq!(scene.seen(id), ("free".into(), Status::Active, "free".into()));
        assert!(!scene.account(id).open);
    }
    assert_eq!(blast(&scene), Blast::default(), "an operator has said so");
}

/// What an operator replays may be from before the test data was deleted: it is parked as ever.
#[test]
fn a_replay_of_what_is_gone_calls_nobody() {
    let mut scene = Scene::new();
    let customer = stranger(&scene);
    scene.world.stripe.account().open_dispute(customer.as_str()).expect("something was paid");
    let again = |event: Envelope| Envelope { via: Via::Replay, run: Some("r".into()), ..event };
    let events: Vec<_> = scene.events().into_iter().map(again).collect();
    scene.worker = with_the_wrong_key(&scene.world, false);
    scene.world.clock.advance(HOUR);
    let mut systemic = 0;
    for batch in events.chunks(10) {
        systemic += scene.handle(batch).systemic;
    }
    assert_eq!(systemic, 0);
    assert_eq!(on_record(&scene, Outcome::Waiting), 0);
    assert!(on_record(&scene, Outcome::Parked) > 0);
}

/// The same of a payment on a closed account, which the event names by our proof, and to which nobody
/// is linked.
#[test]
fn a_replay_of_a_payment_that_is_gone_calls_nobody() {
    let mut scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.world.cognito.delete_user("ann").expect("she is there");
    assert_eq!(scene.handle(&scene.told_of_the_pool()).failed, [""; 0]);
    scene.buy(&ann, "pro_monthly");
    let again = |event: Envelope| Envelope { via: Via::Replay, run: Some("r".into()), ..event };
    let events: Vec<_> = scene.events().into_iter().map(again).collect();
    scene.worker = with_the_wrong_key(&scene.world, false);
    for batch in events.chunks(10) {
        let report = scene.handle(batch);
        assert_eq!((report.systemic, report.failed.len()), (0, 0), "{:?}", report.outcomes);
        assert_eq!(report.outcomes.get(&Outcome::Deferred), None);
    }
}
