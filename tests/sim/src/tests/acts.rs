//! Operators' acts: a commit and a wake, and what the worker makes of it.

use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Waker};

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use tollgate_core::account::{KeyId, PlanId, RetiringKey, Status};
use tollgate_core::converge::DRIFT;
use tollgate_core::ledger::{CustomerLink, Entry, Outcome, StoredEvent};
use tollgate_core::ports::{Class, Ledger, Ports, Service};
use tollgate_core::sweep::wake;
use tollgate_events::{AccountId, CustomerId, DisputeId, Envelope, EventId, Subject, Via};
use tollgate_operator::{Act, ActError, OperatorAct};
use tollgate_standin::api_gateway::{KeyPatch, NewApiKey};
use tollgate_standin::stripe::{Card, Metadata, NewCustomer, SubscriptionData, When};

use super::scene::{Refuses, Scene};
use crate::executor::block_on;
use crate::operator;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn refusal(scene: &Scene, account: &AccountId, act: Act) -> String {
    let before = scene.world.ledger.stored(account);
    let refused = match scene.act(account, act) {
        Err(ActError::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    let access = |account: Option<tollgate_core::account::Account>| account.map(|a| a.access);
    assert_eq!(access(scene.world.ledger.stored(account)), access(before));
    assert!(scene.wakes().is_empty());
    refused
}

/// What API Gateway has of an account: generation, and the plans that the key is on.
fn keys(scene: &Scene, account: &AccountId) -> Vec<(String, bool, usize)> {
    let prefix = format!("tollgate/sim/{account}/primary/");
    scene.world.api_gateway.scene(|model, _| {
        let ours = model.keys().filter_map(|key| {
            let generation = key.name.as_ref()?.strip_prefix(&prefix)?.to_owned();
            Some((generation, key.enabled, key.plans.len()))
        });
        let mut ours: Vec<_> = ours.collect();
        ours.sort();
        ours
    })
}

fn generation(number: u32) -> (String, bool, usize) {
    (number.to_string(), true, 1)
}

fn told_key(scene: &Scene, account: &AccountId) -> Option<String> {
    let user = scene.world.cognito.user_by_id(account)?;
    user.attribute("custom:apiid").map(str::to_owned)
}

fn record(scene: &Scene, event: &Envelope) -> StoredEvent {
    let stored = block_on(scene.world.ledger.event(&event.event_ref())).unwrap();
    stored.expect("it is on record")
}

/// The customer of the account's only purchase.
fn customer(scene: &Scene, account: &AccountId) -> CustomerId {
    scene.account(account).access.customers.first().expect("they bought").clone()
}

fn paying(scene: &Scene, name: &str) -> AccountId {
    let account = scene.sign_up(name);
    scene.buy(&account, "pro_monthly");
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    account
}

fn seen(plan: &str, status: Status, word: &str) -> (String, Status, String) {
    (plan.into(), status, word.into())
}

// ------------------------------------------------------------- the act itself

#[test]
fn an_act_is_one_commit_and_changes_nothing_but_the_ledger() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let version = scene.account(&ann).version;
    scene.world.gate.take_calls();
    let acted = scene.act(&ann, Act::Hold).unwrap();
    let calls: Vec<_> = scene.world.gate.take_calls();
    let calls: Vec<_> = calls.iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["GetItem", "UpdateItem", "TransactWriteItems", "SendMessage"]);
    assert_eq!((acted.version, acted.changed, acted.woken), (version + 1, true, true));
    let account = scene.account(&ann);
    assert!(!account.open && account.lease_until.is_none());
    assert_eq!(account.review_at, Some(scene.world.clock.time()), "due, should the wake be lost");
    assert_eq!(account.access.status, Status::Active, "the worker has not looked yet");
    let entry = scene.world.ledger.entries(&ann).pop().unwrap();
    assert_eq!(
        (entry.cause.as_slice(), entry.steps[0].step.as_str()),
        (&[acted.event][..], "hold")
    );
    assert_eq!(scene.handle(&scene.wakes()).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), seen("free", Status::Held, "held"));
}

#[test]
fn an_act_done_again_changes_nothing_and_wakes_again() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let first = scene.operate(&ann, Act::Hold);
    let before = scene.account(&ann);
    let again = scene.operate(&ann, Act::Hold);
    assert!(!again.changed && again.woken && again.event != first.event);
    let after = scene.account(&ann);
    assert_eq!((again.version, after.access), (before.version, before.access));
    assert_eq!(after.version, before.version, "history tells it once");
}

/// The process dies at whatever await: either nothing happened, or the sweep makes up for it.
#[test]
fn an_act_that_dies_between_commit_and_wake_is_made_up_for() {
    let mut stood = 0;
    for polls in 0..20 {
        let scene = Scene::new();
        let ann = scene.sign_up("ann");
        let act = OperatorAct { act: Act::Hold, by: "otto".into(), why: "a story".into() };
        {
            let mut task = pin!(operator::act(&scene.world, &ann, &act));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                if task.as_mut().poll(&mut context).is_ready() {
                    break;
                }
            }
        }
        let committed = scene.account(&ann).access.hold.is_some();
        drop(scene.wakes());
        scene.later(SignedDuration::from_mins(6));
        let expected = if committed {
            seen("free", Status::Held, "held")
        } else {
            seen("free", Status::Active, "free")
        };
        assert_eq!(scene.seen(&ann), expected, "after {polls} polls");
        let account = scene.account(&ann);
        assert!(!account.open && account.deferred.is_empty());
        stood += usize::from(committed);
        if committed {
            let last = scene.world.ledger.entries(&ann).pop().unwrap();
            let acts = last.cause.iter().filter(|cause| cause.id.as_str().starts_with("op_"));
            assert_eq!(acts.count(), 1, "the event waited in the account: {:?}", last.cause);
        }
    }
    assert!((1..20).contains(&stood), "{stood}");
}

#[test]
fn a_hold_that_is_replayed_after_the_release_holds_nobody() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.act(&ann, Act::Hold).unwrap();
    let wakes = scene.wakes();
    scene.handle(&wakes);
    scene.operate(&ann, Act::Release);
    let before = scene.account(&ann);
    let again = |via| wakes.iter().map(move |wake| Envelope { via, ..wake.clone() });
    let copies: Vec<_> = again(Via::Replay).chain(again(Via::Operator)).collect();
    assert_eq!(scene.handle(&copies).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), seen("free", Status::Active, "free"));
    assert_eq!(scene.account(&ann).version, before.version);
    let detail = record(&scene, &wakes[0]).record.detail;
    assert_eq!(detail.as_deref(), Some("otto: a story"), "who and why stay");
}

#[test]
fn what_an_account_does_not_allow_is_refused_and_changes_nothing() {
    let scene = Scene::new();
    let nobody = AccountId::parse("nobody").unwrap();
    let ann = scene.sign_up("ann");
    let pro = || PlanId::parse("pro").unwrap();
    let dispute = || DisputeId::parse("dp_1").unwrap();
    let cus = || CustomerId::parse("cus_1").unwrap();
    let now = scene.world.clock.time();
    for (account, act, why) in [
        (&nobody, Act::Hold, "no such account"),
        (&nobody, Act::Close, "no such account"),
        (&ann, Act::RevokeGrant { plan: pro() }, "is not granted"),
        (&ann, Act::LiftDispute { dispute: dispute() }, "no dispute dp_1"),
        (&ann, Act::Unlink { customer: cus() }, "not linked to this account"),
        (&ann, Act::Grant { plan: pro(), until: Some(now) }, "before it began"),
        (&ann, Act::RotateKey { overlap: -MINUTE }, "negative"),
    ] {
        let refused = refusal(&scene, account, act.clone());
        assert!(refused.contains(why), "{act:?}: {refused}");
    }
    assert_eq!(scene.world.ledger.stored(&nobody), None, "no claim was made");
    let made = scene.operate(&nobody, Act::Grant { plan: pro(), until: None });
    assert!(made.changed);
    let locked = scene.world.clock.time() + MINUTE;
    block_on(scene.world.ledger.claim(&ann, scene.world.clock.time(), locked)).unwrap();
    assert!(
        matches!(scene.act(&ann, Act::Hold), Err(ActError::Leased { until }) if until == locked)
    );
}

/// What goes wrong afterwards is told beside who did it, and forgotten when it went well.
#[test]
fn who_and_why_stay_on_record_beside_what_went_wrong() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let gone = PlanId::parse("gone").unwrap();
    scene.act(&ann, Act::Grant { plan: gone.clone(), until: None }).unwrap();
    let wakes = scene.wakes();
    for _ in 0..2 {
        scene.handle(&wakes);
        let detail = record(&scene, &wakes[0]).record.detail.unwrap();
        let lines: Vec<_> = detail.lines().collect();
        assert_eq!((lines.len(), lines[0]), (2, "otto: a story"), "{detail}");
    }
    scene.operate(&ann, Act::RevokeGrant { plan: gone });
    scene.handle(&wakes);
    assert_eq!(record(&scene, &wakes[0]).record.detail.as_deref(), Some("otto: a story"));
}

// ------------------------------------------------------------------ rotation

#[test]
fn a_rotated_key_and_its_successor_both_work_until_the_overlap_ends() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let old = scene.account(&ann).key().unwrap().id.clone();
    let ends = scene.world.clock.time() + MINUTE;
    scene.operate(&ann, Act::RotateKey { overlap: MINUTE });
    let account = scene.account(&ann);
    let new = account.key().unwrap().clone();
    assert_eq!((new.generation, keys(&scene, &ann)), (2, vec![generation(1), generation(2)]));
    assert_eq!(told_key(&scene, &ann).as_deref(), Some(new.id.as_str()));
    let [RetiringKey { id, until, .. }] = account.access.retiring.as_slice() else { panic!() };
    assert_eq!((id, *until), (&old, ends));
    assert!(account.review_at.is_some_and(|at| at <= *until), "{:?}", account.review_at);
    assert_eq!(scene.seen(&ann), seen("free", Status::Active, "free"));
    for key in [&old, &new.id] {
        let owner = block_on(scene.world.ledger.account_of_key(key)).unwrap();
        assert_eq!(owner.as_ref(), Some(&ann));
    }
    scene.later(MINUTE);
    assert_eq!(keys(&scene, &ann), [generation(2)]);
    let account = scene.account(&ann);
    assert!(account.access.retiring.is_empty() && account.key() == Some(&new));
}

#[test]
fn without_overlap_the_old_key_goes_when_the_new_one_stands() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let old = scene.account(&ann).key().unwrap().id.clone();
    scene.operate(&ann, Act::RotateKey { overlap: SignedDuration::ZERO });
    assert_eq!(keys(&scene, &ann), [generation(2)]);
    let steps = scene.world.ledger.entries(&ann).pop().unwrap().steps;
    let steps: Vec<_> = steps.iter().map(|step| step.step.split(' ').next().unwrap()).collect();
    assert_eq!(steps, ["mint", "attach", "write", "delete"]);
    assert_ne!(scene.account(&ann).key().unwrap().id, old);
}

/// While the first is under way it is the same rotation; a shorter overlap counts.
#[test]
fn a_rotation_is_not_begun_twice_and_no_older_key_outlives_a_newer_one() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let hour = SignedDuration::from_hours(1);
    scene.act(&ann, Act::RotateKey { overlap: hour }).unwrap();
    assert!(!scene.act(&ann, Act::RotateKey { overlap: hour }).unwrap().changed);
    scene.handle(&scene.wakes());
    let until = scene.world.clock.time() + MINUTE;
    scene.operate(&ann, Act::RotateKey { overlap: MINUTE });
    let account = scene.account(&ann);
    assert_eq!(account.key().unwrap().generation, 3);
    assert!(account.access.retiring.iter().all(|key| key.until == until));
    scene.later(MINUTE);
    assert_eq!(keys(&scene, &ann), [generation(3)]);
}

/// What the API answers to each key that the account ever had, by generation.
fn answers(scene: &Scene, values: &[String]) -> Vec<u16> {
    let call = |value: &String| {
        let stage = scene.world.stage();
        scene.world.api_gateway.call(&stage, "GET /hello", Some(value)).status
    };
    values.iter().map(call).collect()
}

/// The value of the account's newest key.
fn value(scene: &Scene, ann: &AccountId) -> String {
    let id = scene.account(ann).key().unwrap().id.clone();
    scene
        .world
        .api_gateway
        .scene(|model, _| model.get_api_key(id.as_str()).unwrap().value.expose_secret().to_owned())
}

/// Up, and down again: what was promised for a day is kept for a day.
#[test]
fn a_retiring_key_moves_with_its_accounts_plan_until_its_time() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let old = value(&scene, &ann);
    let rotated_at = scene.world.clock.time();
    let day = SignedDuration::from_hours(24);
    scene.operate(&ann, Act::RotateKey { overlap: day });
    let values = [old, value(&scene, &ann)];
    let subscription = scene.buy(&ann, "pro_monthly");
    scene.handle(&scene.events());
    let plan = |plan: &str| scene.worker.catalog.plan(&PlanId::parse(plan).unwrap()).unwrap();
    let both_on = |name: &str| {
        let account = scene.account(&ann);
        let on = Some(plan(name).usage_plan.clone());
        assert_eq!(account.access.usage_plan, on, "{name}");
        assert_eq!(account.access.retiring[0].usage_plan, on, "{name}");
        assert_eq!(answers(&scene, &values), [200, 200], "{name}");
    };
    both_on("pro");
    let steps = scene.world.ledger.entries(&ann).pop().unwrap().steps;
    let steps: Vec<_> = steps.iter().map(|taken| taken.step.split(' ').next().unwrap()).collect();
    assert_eq!(steps, ["detach", "attach", "write", "detach", "attach"]);
    scene.later(SignedDuration::from_hours(2));
    scene.world.stripe.account().cancel(&subscription, When::Now).unwrap();
    scene.handle(&scene.events());
    both_on("free");
    let ends = scene.account(&ann).access.retiring[0].until;
    assert_eq!(ends, rotated_at + day);
    scene.later(ends.duration_since(scene.world.clock.time()));
    assert_eq!(answers(&scene, &values), [403, 200]);
    assert_eq!(keys(&scene, &ann), [generation(2)]);
}

/// Somebody has deleted the old key by hand, or moved it: the one is not missed, the other is found.
#[test]
fn what_was_done_to_a_retiring_key_by_hand_stops_no_change_of_plan() {
    for deleted in [true, false] {
        let scene = Scene::new();
        let ann = scene.sign_up("ann");
        let old = scene.account(&ann).key().unwrap().id.to_string();
        scene.operate(&ann, Act::RotateKey { overlap: SignedDuration::from_hours(24) });
        scene.later(SignedDuration::from_hours(1));
        let free = scene.account(&ann).access.usage_plan.unwrap();
        scene.world.api_gateway.scene(|model, now| {
            if deleted {
                model.delete_api_key(&old, now).unwrap();
            } else {
                model.delete_usage_plan_key(free.as_str(), &old, now).unwrap();
            }
        });
        let report = crate::comparison::compare(&scene.worker, 3).unwrap();
        assert_eq!(report.wakes(), usize::from(!deleted), "{report:?}");
        scene.later(SignedDuration::ZERO);
        scene.buy(&ann, "pro_monthly");
        assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
        assert_eq!(scene.seen(&ann), seen("pro", Status::Active, "pro"));
        let left = scene.account(&ann).access.retiring;
        assert_eq!(left.len(), usize::from(!deleted));
        let on_plan = |old: &RetiringKey| old.usage_plan == scene.account(&ann).access.usage_plan;
        assert!(left.iter().all(on_plan), "{left:?}");
    }
}

#[test]
fn a_retiring_key_is_deleted_at_once_when_its_successor_is_refused() {
    let scene = Scene::new();
    let hour = SignedDuration::from_hours(1);
    let bob = scene.sign_up("bob");
    scene.operate(&bob, Act::RotateKey { overlap: hour });
    scene.operate(&bob, Act::Hold);
    assert_eq!(keys(&scene, &bob), [("2".into(), false, 1)]);
    // What is rotated under a hold has no key until the release, and then the next generation.
    scene.operate(&bob, Act::RotateKey { overlap: hour });
    assert_eq!(keys(&scene, &bob), []);
    scene.operate(&bob, Act::Release);
    assert_eq!(keys(&scene, &bob), [generation(3)]);
}

/// A sweep that compares everything finds a retiring key named, and nothing to mend.
#[test]
fn a_retiring_key_is_nobodys_orphan() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.operate(&ann, Act::RotateKey { overlap: SignedDuration::from_hours(5) });
    scene.world.clock.advance(SignedDuration::from_mins(5));
    let report = crate::comparison::compare(&scene.worker, 3).unwrap();
    assert_eq!((report.orphans, report.wakes()), (0, 0), "{report:?}");
}

// --------------------------------------------------------------------- close

#[test]
fn a_closed_account_has_no_key_pays_no_more_and_can_be_opened_again() {
    let scene = Scene::new();
    let ann = paying(&scene, "ann");
    scene.operate(&ann, Act::Close);
    scene.handle(&scene.events());
    assert_eq!(scene.seen(&ann), seen("-", Status::Closed, "closed"));
    assert_eq!((keys(&scene, &ann), told_key(&scene, &ann)), (vec![], None));
    let subscriptions = {
        let stripe = scene.world.stripe.account();
        let rows = stripe.subscriptions_of(customer(&scene, &ann).as_str());
        rows.into_iter().map(|row| row.status.is_final()).collect::<Vec<_>>()
    };
    assert_eq!(subscriptions, [true]);
    let reason = scene.account(&ann).access.reason.to_string();
    assert_eq!(reason, "closed by an operator: a story");
    let refused = refusal(&scene, &ann, Act::Hold);
    assert!(refused.contains("release it first"), "{refused}");
    // A payment on it is cancelled and told, and gives nothing when the account is open again.
    scene.buy(&ann, "pro_monthly");
    scene.handle(&scene.events());
    assert_eq!(scene.seen(&ann).1, Status::Closed);
    assert_eq!(scene.account(&ann).access.customers.len(), 2);
    let events = scene.world.ledger.events().into_iter();
    assert!(events.filter(|event| event.record.outcome == Outcome::Parked).count() > 0);

    scene.operate(&ann, Act::Release);
    assert_eq!(scene.seen(&ann), seen("free", Status::Active, "free"));
    assert_eq!(keys(&scene, &ann), [generation(2)], "a generation is never had twice");
}

/// What a late call of another worker has left is an orphan: the ledger knows that there was a key,
/// and has forgotten nothing.
#[test]
fn an_orphan_keeps_nobody_from_being_opened_again() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.operate(&ann, Act::Close);
    let orphan = NewApiKey {
        name: Some(format!("tollgate/sim/{ann}/primary/1")),
        customer_id: Some(ann.to_string()),
        ..NewApiKey::default()
    };
    scene.world.api_gateway.scene(|model, now| model.create_api_key(orphan, now).unwrap());
    scene.operate(&ann, Act::Release);
    assert_eq!(scene.seen(&ann), seen("free", Status::Active, "free"));
    assert!(keys(&scene, &ann).contains(&generation(2)));
}

#[test]
fn of_a_deleted_user_only_a_customer_can_be_taken_away() {
    let scene = Scene::new();
    let ann = paying(&scene, "ann");
    let cus = customer(&scene, &ann);
    scene.world.cognito.delete_user("ann").unwrap();
    scene.later(SignedDuration::from_hours(1));
    scene.handle(&[wake(DRIFT, ann.clone(), None, scene.world.clock.time())]);
    scene.later(SignedDuration::from_hours(2));
    assert_eq!(scene.seen(&ann).1, Status::Closed);
    for act in [Act::Hold, Act::RotateKey { overlap: MINUTE }] {
        assert!(refusal(&scene, &ann, act).contains("release it first"));
    }
    let again = scene.sign_up("ann");
    let link = || Act::Link { customer: cus.clone() };
    assert!(refusal(&scene, &again, link()).contains(ann.as_str()), "whose it is");
    scene.operate(&ann, Act::Unlink { customer: cus.clone() });
    assert!(scene.operate(&again, link()).changed);
    assert_eq!(customer(&scene, &again), cus);
}

/// Released, the account of a user who is gone indeed is closed again. (One whose user is in
/// the pool after all is a chapter of the runbook.)
#[test]
fn a_released_account_whose_user_is_gone_is_closed_again() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.world.cognito.delete_user("ann").unwrap();
    scene.later(SignedDuration::from_hours(1));
    let wake = || wake(DRIFT, ann.clone(), None, scene.world.clock.time());
    for _ in 0..2 {
        scene.handle(&[wake()]);
        scene.later(SignedDuration::from_hours(2));
    }
    assert_eq!(scene.seen(&ann).1, Status::Closed);
    assert!(scene.operate(&ann, Act::Release).changed);
    assert_eq!(scene.seen(&ann).1, Status::New, "nobody makes a key for whom nobody has seen");
    scene.later(SignedDuration::from_hours(2));
    scene.handle(&[wake()]);
    assert_eq!(scene.seen(&ann).1, Status::Closed);
    assert_eq!(keys(&scene, &ann), []);
}

// --------------------------------------------------------------------- links

/// What waits in an account is its customer's: linked to somebody else meanwhile, it waits there,
/// and what comes now is theirs at once.
#[test]
fn what_waits_goes_with_its_customer() {
    for more_comes in [false, true] {
        let throttled = Class::Throttled { after: None };
        let faults = Refuses::new(throttled, |call| call.service == Service::ApiGateway);
        let scene = Scene::under(faults.clone());
        let (ann, bob) = (scene.sign_up("ann"), scene.sign_up("bob"));
        scene.buy(&bob, "pro_monthly");
        let events = scene.events().into_iter();
        let mut events = events.filter(|event| event.subject.customer.is_some());
        let (event, more) = (events.next().unwrap(), events.next().unwrap());
        faults.switch(true);
        let deferred = scene.handle(std::slice::from_ref(&event)).outcomes;
        assert_eq!(deferred, [(Outcome::Deferred, 1)].into());
        let cus = customer(&scene, &bob);
        scene.act(&bob, Act::Unlink { customer: cus.clone() }).unwrap();
        scene.act(&ann, Act::Link { customer: cus.clone() }).unwrap();
        faults.switch(false);
        let (mut of_bob, of_ann): (Vec<_>, Vec<_>) =
            scene.wakes().into_iter().partition(|wake| wake.kind == "operator.unlink");
        of_bob.extend(more_comes.then(|| more.clone()));
        assert_eq!(scene.handle(&of_bob).failed, [""; 0]);
        let told = |event| {
            let record = record(&scene, event).record;
            (record.outcome, record.account, record.detail)
        };
        let applied = (Outcome::Applied, Some(ann.clone()), None);
        if more_comes {
            assert_eq!(told(&more), applied);
        } else {
            let why = "its customer is another account's".to_owned();
            assert_eq!(told(&event), (Outcome::Waiting, Some(bob.clone()), Some(why)));
        }
        assert_eq!(scene.handle(&of_ann).failed, [""; 0]);
        assert_eq!(told(&event), applied);
        assert_eq!(scene.seen(&ann), seen("pro", Status::Active, "pro"));
        assert_eq!(scene.seen(&bob), seen("free", Status::Active, "free"));
    }
}

/// DynamoDB takes a hundred items in a transaction: the others stay on record, for the sweep.
#[test]
fn as_many_go_with_their_customer_as_one_commit_takes() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let (customer, event) = {
        let mut stripe = scene.world.stripe.account();
        let customer = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&customer, Card::Pays).unwrap();
        let price = stripe.price_by_lookup_key("pro_monthly").unwrap().id.clone();
        stripe.subscribe(&customer, &[&price], SubscriptionData::default()).unwrap();
        drop(stripe);
        let mut events = scene.events().into_iter();
        let created = events.find(|event| event.kind == "customer.subscription.created");
        (CustomerId::parse(customer).unwrap(), created.expect("it is told"))
    };
    let id = |n| EventId::parse(format!("evt_{n}")).unwrap();
    let events: Vec<_> = (0..100).map(|n| Envelope { id: id(n), ..event.clone() }).collect();
    for batch in events.chunks(10) {
        assert_eq!(scene.handle(batch).failed, [""; 0]);
    }
    let waiting = || {
        let events = scene.world.ledger.events().into_iter();
        events.filter(|event| event.record.outcome == Outcome::Waiting).count()
    };
    assert_eq!(waiting(), 100);
    scene.operate(&ann, Act::Link { customer });
    assert_eq!(scene.seen(&ann), seen("pro", Status::Active, "pro"));
    assert_eq!(waiting(), 21, "eighty are settled, and one of them is the operator's");
}

/// Two accounts that name one customer in the same batch: the first has it, and what the other's
/// events tell is the first's to see to. History names the events that did it, and no others.
#[test]
fn of_two_who_name_a_customer_the_first_has_it() {
    let scene = Scene::new();
    let mut both = [scene.sign_up("ann"), scene.sign_up("bob")];
    // In this order a batch is begun.
    both.sort();
    let [ann, bob] = both;
    scene.buy(&ann, "pro_monthly");
    let of_ann = scene.events();
    let named = Some(scene.worker.deriver.name(&bob));
    let of_bob = of_ann.iter().filter(|event| event.kind == "customer.subscription.created");
    let of_bob: Vec<_> = of_bob
        .map(|event| Envelope {
            id: EventId::parse(format!("{}_bob", event.id)).unwrap(),
            subject: Subject { account: named.clone(), ..event.subject.clone() },
            ..event.clone()
        })
        .collect();
    assert_eq!(of_bob.len(), 1);
    assert_eq!(scene.handle(&[of_ann.clone(), of_bob.clone()].concat()).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), seen("pro", Status::Active, "pro"));
    assert_eq!(scene.seen(&bob), seen("free", Status::Active, "free"));
    assert!(scene.account(&bob).access.customers.is_empty());
    assert!(
        of_bob.iter().all(|event| record(&scene, event).record.account == Some(ann.clone())),
        "they are settled along with the first's"
    );
    for customer in &scene.account(&ann).access.customers {
        let entries = scene.world.ledger.entries(&ann);
        let links = |entry: &&Entry| entry.steps[0].step == format!("link customer {customer}");
        let entry = entries.iter().find(links).expect("history tells of it");
        let named = of_ann.iter().filter(|event| event.subject.customer.as_ref() == Some(customer));
        let named: BTreeSet<_> = named.map(Envelope::event_ref).collect();
        assert_eq!(entry.cause.iter().cloned().collect::<BTreeSet<_>>(), named);
    }
}

/// What a dead worker has left half done is no less to be seen to when all that comes of an account
/// turns out to be another's.
#[test]
fn who_was_left_open_is_seen_to_whosever_the_events_are() {
    let scene = Scene::new();
    let (ann, bob) = (scene.sign_up("ann"), paying(&scene, "bob"));
    let event = {
        let (customer, named) = (customer(&scene, &bob), scene.worker.deriver.name(&ann));
        let mut stripe = scene.world.stripe.account();
        let price = stripe.price_by_lookup_key("basic_monthly").unwrap().id.clone();
        let metadata = named.to_metadata();
        let data = SubscriptionData { metadata, ..SubscriptionData::default() };
        stripe.subscribe(customer.as_str(), &[&price], data).unwrap();
        drop(stripe);
        let mut events = scene.events();
        events.retain(|event| event.kind == "customer.subscription.created");
        events
    };
    let key = scene.account(&ann).key().unwrap().id.clone();
    let lease = SignedDuration::from_secs(27);
    scene.left_begun(&ann, "held", lease);
    scene.world.api_gateway.scene(|model, now| {
        let patch = KeyPatch { enabled: Some(false), ..KeyPatch::default() };
        model.update_api_key(key.as_str(), patch, now).map(drop).unwrap();
    });
    scene.world.clock.advance(lease);
    assert_eq!(scene.handle(&event).failed, [""; 0]);
    assert_eq!(record(&scene, &event[0]).record.account, Some(bob));
    assert_eq!(keys(&scene, &ann), [generation(1)]);
    assert!(!scene.account(&ann).open);
}

/// The key was disabled by hand: what an operator does looks at it. Only a release enables it.
#[test]
fn an_act_looks_at_api_gateway() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    scene.world.clock.advance(SignedDuration::from_mins(5));
    let key = scene.account(&ann).key().unwrap().id.clone();
    scene.world.api_gateway.scene(|model, now| {
        let patch = KeyPatch { enabled: Some(false), ..KeyPatch::default() };
        model.update_api_key(key.as_str(), patch, now).map(drop).unwrap();
    });
    let plan = PlanId::parse("pro").unwrap();
    scene.operate(&ann, Act::Grant { plan, until: None });
    assert!(!keys(&scene, &ann)[0].1, "perhaps somebody has held it, and the ledger forgot");
    scene.operate(&ann, Act::Release);
    assert_eq!(keys(&scene, &ann), [generation(1)]);
    assert_eq!(scene.seen(&ann), seen("pro", Status::Active, "pro"));
}

#[test]
fn a_released_customer_is_linked_by_no_event() {
    let scene = Scene::new();
    let ann = paying(&scene, "ann");
    let cus = customer(&scene, &ann);
    let link = |scene: &Scene| block_on(scene.world.ledger.link_of(&cus)).unwrap();
    scene.operate(&ann, Act::Unlink { customer: cus.clone() });
    assert_eq!(scene.seen(&ann), seen("free", Status::Active, "free"));
    assert_eq!(link(&scene), CustomerLink::Released { from: ann.clone() });
    // Purchases with our proof, and without one.
    for metadata in [scene.worker.deriver.name(&ann).to_metadata(), Metadata::default()] {
        let mut stripe = scene.world.stripe.account();
        let price = stripe.price_by_lookup_key("basic_monthly").unwrap().id.clone();
        let data = SubscriptionData { metadata, ..SubscriptionData::default() };
        stripe.subscribe(cus.as_str(), &[&price], data).unwrap();
    }
    let events = scene.events();
    assert_eq!(scene.handle(&events).failed, [""; 0]);
    assert_eq!(scene.seen(&ann), seen("free", Status::Active, "free"));
    assert_eq!(link(&scene), CustomerLink::Released { from: ann.clone() });
    for proven in [true, false] {
        let mut told = events.iter().filter(|event| event.subject.account.is_some() == proven);
        let StoredEvent { record, .. } = record(&scene, told.next().expect("there are both"));
        let expected = match proven {
            // Whatever else it tells of the account that it names is looked at.
            true => (Outcome::Unchanged, Some(ann.clone()), "an operator has unlinked"),
            false => (Outcome::Waiting, None, "not linked to an account yet"),
        };
        assert_eq!((record.outcome, record.account), (expected.0, expected.1));
        assert!(record.detail.is_some_and(|it| it.contains(expected.2)));
    }
    // A sweep over everything cannot link it either.
    crate::comparison::compare(&scene.worker, 3).unwrap();
    scene.later(SignedDuration::from_mins(20));
    scene.later(SignedDuration::from_mins(20));
    assert_eq!(link(&scene), CustomerLink::Released { from: ann.clone() });
    let parked = events.iter().map(|event| record(&scene, event).record);
    assert!(parked.filter(|it| it.outcome == Outcome::Parked).count() > 0);

    // Another account gets it, with what had been parked.
    let bob = scene.sign_up("bob");
    scene.operate(&bob, Act::Link { customer: cus.clone() });
    assert_eq!(link(&scene), CustomerLink::Account(bob.clone()));
    assert_eq!(scene.seen(&bob), seen("pro", Status::Active, "pro"));
    let unsettled = block_on(scene.world.ledger.unsettled_on(&cus)).unwrap();
    assert_eq!(unsettled, [], "they are joined");
    let steps = |account: &AccountId| {
        let entries = scene.world.ledger.entries(account);
        entries.into_iter().flat_map(|entry| entry.steps).map(|step| step.step).collect::<Vec<_>>()
    };
    assert!(steps(&ann).contains(&format!("unlink customer {cus}")));
    assert!(steps(&bob).contains(&format!("link customer {cus}")));
}

/// A link's wake names the customer, and still links nobody by itself.
#[test]
fn a_link_that_is_replayed_after_the_unlink_links_nobody() {
    let scene = Scene::new();
    let ann = scene.sign_up("ann");
    let bob = paying(&scene, "bob");
    let cus = customer(&scene, &bob);
    scene.operate(&bob, Act::Unlink { customer: cus.clone() });
    scene.act(&ann, Act::Link { customer: cus.clone() }).unwrap();
    let wakes = scene.wakes();
    scene.handle(&wakes);
    assert_eq!(scene.seen(&ann), seen("pro", Status::Active, "pro"));
    scene.operate(&ann, Act::Unlink { customer: cus.clone() });
    let copy: Vec<_> =
        wakes.iter().map(|wake| Envelope { via: Via::Replay, ..wake.clone() }).collect();
    scene.handle(&copy);
    assert_eq!(scene.seen(&ann), seen("free", Status::Active, "free"));
    assert!(scene.account(&ann).access.customers.is_empty());
    // Nor does a forged one.
    let mut forged = wakes[0].clone();
    forged.id = EventId::parse("op_forged").unwrap();
    forged.subject.customer = CustomerId::parse("cus_nobodys").ok();
    scene.handle(&[forged]);
    assert!(scene.account(&ann).access.customers.is_empty());
}

/// An operator links a customer to an account; what comes of it is what the preview told.
fn links_as_foreseen(scene: &Scene, account: &AccountId, customer: &CustomerId) {
    let link = || Act::Link { customer: customer.clone() };
    let act = OperatorAct { act: link(), by: "otto".into(), why: "a story".into() };
    let foreseen = block_on(act.preview(&scene.worker, account)).unwrap();
    scene.operate(account, link());
    let access = scene.account(account).access;
    assert_eq!((access.plan, access.status), foreseen.after);
}

#[test]
fn a_dispute_goes_with_its_customer() {
    let scene = Scene::new();
    let ann = paying(&scene, "ann");
    let cus = customer(&scene, &ann);
    scene.world.stripe.account().open_dispute(cus.as_str()).unwrap();
    scene.handle(&scene.events());
    assert_eq!(scene.seen(&ann), seen("pro", Status::Held, "held"));
    scene.operate(&ann, Act::Unlink { customer: cus.clone() });
    assert_eq!(scene.seen(&ann), seen("free", Status::Active, "free"));
    let bob = scene.sign_up("bob");
    links_as_foreseen(&scene, &bob, &cus);
    assert_eq!(scene.seen(&bob), seen("pro", Status::Held, "held"));
    let dispute = scene.account(&bob).access.disputes.pop_first().unwrap().0;
    let lift = Act::LiftDispute { dispute };
    assert!(refusal(&scene, &ann, lift.clone()).contains("no dispute"), "it holds bob alone");
    scene.operate(&bob, lift);
    scene.operate(&bob, Act::Unlink { customer: cus.clone() });
    links_as_foreseen(&scene, &ann, &cus);
    assert_eq!(
        scene.seen(&ann),
        seen("pro", Status::Active, "pro"),
        "what was lifted stays so, although it held her before"
    );
}

/// A worker has found whose a dispute's events are, and an operator releases the customer before
/// it claims the account: they wait for the next account, which hears of the dispute from them.
#[test]
fn a_dispute_that_meets_the_release_of_its_customer_waits_for_the_next_account() {
    for user_is_gone in [false, true] {
        let scene = Scene::new();
        let (ann, bob) = (paying(&scene, "ann"), scene.sign_up("bob"));
        let cus = customer(&scene, &ann);
        if user_is_gone {
            scene.world.cognito.delete_user("ann").unwrap();
            scene.later(SignedDuration::from_hours(1));
            scene.handle(&[wake(DRIFT, ann.clone(), None, scene.world.clock.time())]);
            scene.later(SignedDuration::from_hours(2));
            assert_eq!(scene.account(&ann).access.status, Status::Closed);
        }
        scene.world.stripe.account().open_dispute(cus.as_str()).unwrap();
        let mut found = scene.events();
        found.retain(|event| event.kind.starts_with("charge.dispute."));
        let report = scene.handle_while(&found, || {
            scene.act(&ann, Act::Unlink { customer: cus.clone() }).unwrap();
        });
        assert_eq!(report.failed, [""; 0]);
        assert_eq!(report.outcomes, [(Outcome::Waiting, found.len())].into());
        let told = |event| {
            let StoredEvent { record, .. } = record(&scene, event);
            (record.outcome, record.account, record.detail)
        };
        for event in &found {
            let (outcome, _, detail) = told(event);
            assert_eq!(outcome, Outcome::Waiting);
            assert!(detail.is_some_and(|it| it.contains("an operator has unlinked")));
        }
        scene.later(SignedDuration::from_mins(20));
        assert!(found.iter().all(|event| told(event).0 == Outcome::Parked));

        links_as_foreseen(&scene, &bob, &cus);
        assert_eq!(scene.account(&bob).access.status, Status::Held);
        assert!(
            found.iter().all(|event| told(event) == (Outcome::Applied, Some(bob.clone()), None))
        );
    }
}

/// An act explains what it takes, even if only the sweep tells of it.
#[test]
fn what_an_operator_takes_is_not_held_back_by_the_blast_limit() {
    let scene = Scene::new();
    let ann = paying(&scene, "ann");
    let stack = block_on(scene.world.ledger().stack()).unwrap();
    let blast = tollgate_core::ledger::Blast { stopped: true, ..Default::default() };
    let full = tollgate_core::ledger::StackRecord { blast, ..stack };
    assert!(block_on(scene.world.ledger().put_stack(&full)).unwrap());
    scene.act(&ann, Act::Close).unwrap();
    drop(scene.wakes());
    assert_eq!(scene.later(MINUTE), 1);
    assert_eq!(scene.seen(&ann).1, Status::Closed);
}

/// The id alone tells whose a key is, as long as the ledger is there.
#[test]
fn a_key_that_was_never_ours_is_nobodys() {
    let scene = Scene::new();
    let unknown = KeyId::parse("unknown").unwrap();
    assert_eq!(block_on(scene.world.ledger.account_of_key(&unknown)).unwrap(), None);
}
