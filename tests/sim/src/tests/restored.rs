//! The table was restored from a backup: the ledger is older than the world, and says so nowhere.
//! What API Gateway or the user's word contradict is told and not done, until a rebuild has written
//! down what is.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::Backup;
use jiff::SignedDuration;
use tollgate_core::account::{Access, PlanId, Status};
use tollgate_core::converge::{Invocation, Stop};
use tollgate_core::decide::stale::Stale;
use tollgate_core::ledger::Outcome;
use tollgate_core::sweep::{ACCOUNTS_AT_ONCE, Drift, sweep};
use tollgate_events::{AccountId, CustomerId, DisputeId};
use tollgate_operator::{Act, REBUILT_GRANT, REBUILT_HOLD, RebuildReport};
use tollgate_standin::stripe::When;

use super::rebuild::operators_act as operate;
use crate::executor::block_on;
use crate::scene::{Bought, Scene};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn plan(id: &str) -> PlanId {
    PlanId::parse(id).unwrap()
}

/// Ann pays for pro, and has since yesterday; a backup is made in a moment.
fn ann() -> (Scene, AccountId, Bought) {
    ann_on("pro")
}

/// The same on another plan.
pub(super) fn ann_on(plan: &str) -> (Scene, AccountId, Bought) {
    let scene = Scene::default();
    let (ann, bought) = scene.payer("ann", plan);
    rest(&scene);
    (scene, ann, bought)
}

pub(super) fn rest(scene: &Scene) {
    scene.come_to_rest();
    scene.pass(HOUR);
    scene.come_to_rest();
}

fn access(scene: &Scene, account: &AccountId) -> Access {
    scene.world.ledger.stored(account).unwrap().access
}

/// The comparison lists an account as stale and nothing else, and a repair leaves everything.
fn is_told_and_left(scene: &Scene, account: &AccountId) {
    let before = scene.outside();
    let report = scene.look();
    assert_eq!(differs(scene), BTreeMap::from([(Drift::StaleLedger, 1)]));
    assert_eq!(report.stale, BTreeSet::from([account.clone()]));
    let repaired = scene.repair();
    scene.deliver_everything();
    assert_eq!(repaired.deleted, vec![]);
    assert!(!repaired.report.woken.contains_key(&Drift::StaleLedger));
    assert_eq!(scene.outside(), before);
}

/// What the comparison finds. Who pays and was unlinked is told too, and rightly.
fn differs(scene: &Scene) -> BTreeMap<Drift, usize> {
    let mut found = scene.look().found;
    found.remove(&Drift::Unlinked);
    found
}

/// What wakes it as an event would that is replayed: the worker looks, says why it does nothing, and
/// does nothing.
fn stops(scene: &Scene, account: &AccountId) -> Option<Stale> {
    let before = scene.outside();
    let preview = block_on(scene.worker.preview(account, Vec::new()));
    let event = scene
        .accepted()
        .into_values()
        .rfind(|event| event.subject.account.is_some() || event.subject.customer.is_some());
    let event = event.expect("something was told of");
    let event = tollgate_events::Envelope { via: tollgate_events::Via::Replay, ..event };
    let invocation = Invocation::until(scene.world.clock.time() + SignedDuration::from_secs(30));
    let done = block_on(scene.worker.converge(account, vec![event], &invocation)).unwrap();
    assert_eq!((done.outcome, done.systemic, done.steps), (Outcome::Deferred, true, vec![]));
    assert_eq!(scene.outside(), before, "nothing is minted, enabled or deleted");
    match preview {
        Err(Stop::StaleLedger(stale)) => Some(stale),
        other => panic!("{other:?}"),
    }
}

fn rebuild(scene: &Scene) -> RebuildReport {
    scene.rebuild(ACCOUNTS_AT_ONCE, true).0
}

/// After a rebuild everything comes to rest, nothing differs, and the world is as it was.
fn heals(scene: &Scene) {
    let before = scene.outside();
    is_rebuilt(scene);
    assert_eq!(scene.outside(), before);
}

fn is_rebuilt(scene: &Scene) {
    assert_eq!(rebuild(scene).stale, 1);
    scene.repair();
    scene.come_to_rest();
    assert_eq!(differs(scene), BTreeMap::new());
    assert_eq!(rebuild(scene).stale, 0, "once is enough");
}

#[test]
fn a_key_that_was_made_since_is_taken_back_and_no_other_is_made() {
    for overlap in [SignedDuration::ZERO, HOUR * 24 * 30] {
        let (scene, ann, bought) = ann();
        let backup = scene.world.ledger.back_up();
        operate(&scene, &ann, Act::RotateKey { overlap });
        rest(&scene);
        let newer = access(&scene, &ann).keys.into_values().next().unwrap();
        scene.world.ledger.restore(&backup);
        is_told_and_left(&scene, &ann);
        if overlap.is_zero() {
            assert_eq!(stops(&scene, &ann), Some(Stale::NewerKey(newer.id.clone())));
        }
        heals(&scene);
        let after = access(&scene, &ann);
        assert_eq!(after.keys.into_values().next().unwrap().id, newer.id);
        assert_eq!(after.retiring.len(), usize::from(!overlap.is_zero()));
        scene.change(&bought, "basic");
        scene.come_to_rest();
        assert_eq!(access(&scene, &ann).plan, Some(plan("basic")));
        assert_eq!(scene.look().found, BTreeMap::new(), "and nothing is left behind");
    }
}

/// Closed at the backup, released since, and paying: the key that is in use stays.
#[test]
fn a_key_in_use_is_not_deleted_because_the_ledger_says_closed() {
    let (scene, ann, _) = ann();
    operate(&scene, &ann, Act::Close);
    rest(&scene);
    let backup = scene.world.ledger.back_up();
    operate(&scene, &ann, Act::Release);
    rest(&scene);
    let bought = scene.buy(&ann, "pro");
    rest(&scene);
    scene.world.ledger.restore(&backup);
    is_told_and_left(&scene, &ann);
    heals(&scene);
    let subscription = scene.world.stripe.account().subscription(&bought.subscription).cloned();
    assert!(!subscription.unwrap().status.is_final(), "nor is what she pays for cancelled");
    let after = access(&scene, &ann);
    assert_eq!((after.status, after.plan, after.closed), (Status::Active, Some(plan("pro")), None));
}

/// What operators have done since the backup is undone by nobody: it is told, and written down.
struct Since {
    scene: Scene,
    ann: AccountId,
    bought: Bought,
    backup: Backup,
}

impl Since {
    /// `before` the backup, and `since`.
    fn new(before: &[Act], since: impl FnOnce(&Scene, &AccountId, &Bought)) -> Self {
        let (scene, ann, bought) = ann();
        for act in before {
            operate(&scene, &ann, act.clone());
            rest(&scene);
        }
        let backup = scene.world.ledger.back_up();
        since(&scene, &ann, &bought);
        rest(&scene);
        Self { scene, ann, bought, backup }
    }

    fn acts(before: &[Act], since: Act) -> Self {
        Self::new(before, |scene, ann, _| operate(scene, ann, since))
    }

    fn restore(&self) -> Option<Stale> {
        self.scene.world.ledger.restore(&self.backup);
        is_told_and_left(&self.scene, &self.ann);
        stops(&self.scene, &self.ann)
    }

    fn healed(&self) -> Access {
        heals(&self.scene);
        access(&self.scene, &self.ann)
    }
}

fn free_grant() -> Act {
    Act::Grant { plan: plan("pro"), until: None }
}

#[test]
fn who_was_held_since_is_not_released() {
    let since = Since::acts(&[], Act::Hold);
    assert_eq!(since.restore(), Some(Stale::Word("held".into())));
    let after = since.healed();
    assert_eq!((after.status, after.hold.as_deref()), (Status::Held, Some(REBUILT_HOLD)));
    operate(&since.scene, &since.ann, Act::Release);
    since.scene.come_to_rest();
    assert_eq!(access(&since.scene, &since.ann).status, Status::Active);
}

/// Whose plan has changed before anybody saw it has another word; the key is refused still.
#[test]
fn who_was_held_since_and_changes_their_plan_is_not_released_either() {
    let since = Since::acts(&[], Act::Hold);
    since.scene.world.ledger.restore(&since.backup);
    since.scene.change(&since.bought, "basic");
    since.scene.deliver_everything();
    assert_eq!(access(&since.scene, &since.ann).plan, Some(plan("basic")));
    is_told_and_left(&since.scene, &since.ann);
    assert_eq!(stops(&since.scene, &since.ann), Some(Stale::Disabled));
    is_rebuilt(&since.scene);
    let after = access(&since.scene, &since.ann);
    assert_eq!((after.status, after.hold.as_deref()), (Status::Held, Some(REBUILT_HOLD)));
}

#[test]
fn who_was_closed_since_gets_no_key() {
    let since = Since::acts(&[], Act::Close);
    assert_eq!(since.restore(), Some(Stale::Word("closed".into())));
    let after = since.healed();
    assert_eq!((after.status, after.keys.len()), (Status::Closed, 0));
}

#[test]
fn what_was_granted_since_is_not_taken_away() {
    let (scene, ann, bought) = ann();
    scene.cancel(&bought);
    rest(&scene);
    let backup = scene.world.ledger.back_up();
    operate(&scene, &ann, free_grant());
    rest(&scene);
    let since = Since { scene, ann, bought, backup };
    assert_eq!(since.restore(), Some(Stale::Otherwise("pro".into())));
    let after = since.healed();
    assert_eq!(after.plan, Some(plan("pro")));
    assert_eq!(after.grants[0].why, REBUILT_GRANT);
}

#[test]
fn what_was_revoked_since_is_not_given_again() {
    let (scene, ann, bought) = ann();
    operate(&scene, &ann, Act::Unlink { customer: customer(&bought) });
    operate(&scene, &ann, free_grant());
    rest(&scene);
    let backup = scene.world.ledger.back_up();
    operate(&scene, &ann, Act::RevokeGrant { plan: plan("pro") });
    rest(&scene);
    let since = Since { scene, ann, bought, backup };
    assert_eq!(since.restore(), Some(Stale::Otherwise("free".into())));
    let after = since.healed();
    assert_eq!((after.plan, after.grants), (Some(plan("free")), vec![]));
}

fn customer(bought: &Bought) -> CustomerId {
    CustomerId::parse(&bought.customer).unwrap()
}

#[test]
fn who_was_unlinked_since_is_not_linked_again() {
    let since = Since::new(&[], |scene, ann, bought| {
        operate(scene, ann, Act::Unlink { customer: customer(bought) });
    });
    assert_eq!(since.restore(), Some(Stale::Otherwise("free".into())));
    let after = since.healed();
    assert_eq!((after.plan, after.customers), (Some(plan("free")), BTreeSet::new()));
    // Nor by an event; by an operator they are.
    since.scene.change(&since.bought, "basic");
    since.scene.come_to_rest();
    assert_eq!(access(&since.scene, &since.ann).plan, Some(plan("free")));
    operate(&since.scene, &since.ann, Act::Link { customer: customer(&since.bought) });
    since.scene.come_to_rest();
    assert_eq!(access(&since.scene, &since.ann).plan, Some(plan("basic")));
}

#[test]
fn what_was_lifted_since_does_not_hold_again() {
    let (scene, ann, bought) = ann();
    let dispute = scene.world.stripe.account().open_dispute(&bought.customer).unwrap();
    rest(&scene);
    assert_eq!(access(&scene, &ann).status, Status::Held);
    let backup = scene.world.ledger.back_up();
    operate(&scene, &ann, Act::LiftDispute { dispute: DisputeId::parse(&dispute).unwrap() });
    rest(&scene);
    let since = Since { scene, ann, bought, backup };
    assert_eq!(since.restore(), Some(Stale::Otherwise("pro".into())));
    assert_eq!(since.healed().status, Status::Active);
}

#[test]
fn who_was_released_since_is_not_held_again() {
    let since = Since::acts(&[Act::Hold], Act::Release);
    assert_eq!(since.restore(), Some(Stale::Otherwise("pro".into())));
    let after = since.healed();
    assert_eq!((after.status, after.hold), (Status::Active, None));
}

/// The backup stands between the intent and its key; the key leaked, and was replaced at once. Its
/// value is not made again.
#[test]
fn a_value_is_not_made_again_where_there_is_a_later_key() {
    let scene = Scene::default();
    let backup = std::cell::RefCell::new(None);
    let ann = scene.world.cognito.sign_up_confirmed("ann", "a@example.com").unwrap();
    let mut watch = || {
        let stored = scene.world.ledger.stored(&ann);
        let begun = stored.is_some_and(|it| it.intent.is_some() && it.access.keys.is_empty());
        if begun && backup.borrow().is_none() {
            *backup.borrow_mut() = Some(scene.world.ledger.back_up());
        }
    };
    scene.come_to_rest_watched(&mut watch);
    let backup = backup.into_inner().expect("the worker waits after its intent");
    rest(&scene);
    operate(&scene, &ann, Act::RotateKey { overlap: SignedDuration::ZERO });
    rest(&scene);
    let before = scene.outside();
    scene.world.ledger.restore(&backup);
    assert_eq!(scene.look().stale, BTreeSet::from([ann.clone()]));
    scene.pass(HOUR);
    scene.deliver_everything();
    let (world, policy) = (&scene.world, &scene.worker.policy);
    block_on(sweep(&world.ledger, &world.queue(), &world.clock, policy)).unwrap();
    scene.deliver_everything();
    assert_eq!(scene.outside(), before);
    assert_eq!(rebuild(&scene).stale, 1);
    scene.repair();
    scene.come_to_rest();
    assert_eq!((scene.look().found, scene.outside()), (BTreeMap::new(), before));
    let account = scene.world.ledger.stored(&ann).unwrap();
    assert_eq!((account.intent.is_none(), account.key().unwrap().generation), (true, 2));
}

/// Signed up and paid since: unsettled, until the rebuild.
#[test]
fn who_came_since_comes_back_with_the_rebuild() {
    let (scene, ann, _) = ann();
    let backup = scene.world.ledger.back_up();
    let (ben, bought) = scene.payer("ben", "basic");
    rest(&scene);
    let before = scene.outside();
    scene.world.ledger.restore(&backup);
    assert_eq!(scene.look().unknown_owners, 1);
    scene.change(&bought, "pro");
    scene.deliver_everything();
    assert_eq!(scene.outside(), before);
    let report = rebuild(&scene);
    assert_eq!((report.rebuilt, report.known, report.held + report.granted), (1, 1, 0));
    scene.repair();
    scene.come_to_rest();
    assert_eq!(scene.look().found, BTreeMap::new());
    assert_eq!(access(&scene, &ben).plan, Some(plan("pro")));
    assert_eq!(access(&scene, &ann).plan, Some(plan("pro")));
}

/// Fourteen have cancelled since: Stripe and their events say why, and nobody is stopped or
/// counted. What there is agrees with Stripe, and the ledger follows.
#[test]
fn fourteen_who_have_cancelled_since_are_explained() {
    for replays in [true, false] {
        let scene = Scene::default();
        let payers = (0..14).map(|number| scene.payer(&format!("payer-{number}"), "pro"));
        let payers: Vec<_> = payers.collect();
        rest(&scene);
        let backup = scene.world.ledger.back_up();
        for (_, bought) in &payers {
            scene.world.stripe.account().cancel(&bought.subscription, When::Now).unwrap();
        }
        rest(&scene);
        let before = scene.outside();
        scene.world.ledger.restore(&backup);
        assert_eq!(scene.look().stale, BTreeSet::new());
        if replays {
            for event in scene.accepted().into_values() {
                let via = tollgate_events::Via::Replay;
                let replayed = tollgate_events::Envelope { via, ..event };
                scene.enqueue(tollgate_standin::world::BULK_QUEUE, &replayed);
            }
        } else {
            scene.repair();
        }
        scene.come_to_rest();
        assert_eq!((scene.look().found, scene.outside()), (BTreeMap::new(), before));
        for (account, _) in &payers {
            assert_eq!(access(&scene, account).plan, Some(plan("free")));
        }
        assert_eq!(scene.world.ledger.stored_stack().blast.count, 0);
    }
}

/// Nothing is decided of an account, and its user is told that they are closed, or held: the ledger
/// was lost before that was forgotten.
#[test]
fn a_word_is_a_lost_ledger_where_nothing_was_decided() {
    for (act, word) in [(Act::Close, "closed"), (Act::Hold, "held")] {
        let (scene, ann, _) = ann();
        operate(&scene, &ann, act);
        rest(&scene);
        // Somebody tidied up.
        let keys = scene.world.api_gateway.scene(|model, now| {
            let keys: Vec<_> = model.keys().map(|key| key.id.clone()).collect();
            keys.iter().for_each(|key| model.delete_api_key(key, now).unwrap());
            keys.len()
        });
        assert_eq!(keys, usize::from(word == "held"));
        let before = scene.outside();
        scene.world.ledger.lose_everything();
        let report = scene.look();
        assert_eq!(report.stale, BTreeSet::from([ann.clone()]), "{word}");
        scene.buy(&ann, "basic");
        scene.deliver_everything();
        scene.repair();
        scene.deliver_everything();
        assert_eq!(scene.outside(), before, "{word}");
        let parked = scene.world.ledger.events().into_iter();
        assert!(parked.into_iter().all(|event| event.record.outcome != Outcome::Applied));
    }
}

/// One of the three edited by hand is healed as ever; a key that was disabled by hand is told.
#[test]
fn what_is_edited_by_hand_is_healed() {
    for what in ["plan", "word", "key"] {
        let (scene, ann, _) = ann();
        let before = scene.outside();
        let key = access(&scene, &ann).keys.into_values().next().unwrap().id;
        let (basic, pro) = {
            let plan = |id| scene.worker.catalog.plan(&plan(id)).unwrap().usage_plan.to_string();
            (plan("basic"), plan("pro"))
        };
        match what {
            "plan" => scene.world.api_gateway.scene(|model, now| {
                model.delete_usage_plan_key(&pro, key.as_str(), now).unwrap();
                model.create_usage_plan_key(&basic, key.as_str(), now).unwrap();
            }),
            "word" => {
                let word = [("custom:plan".to_owned(), "held".to_owned())].into();
                scene.world.cognito.write("ann", word).unwrap();
            }
            _ => scene.world.api_gateway.scene(|model, now| {
                model.delete_api_key(key.as_str(), now).unwrap();
            }),
        }
        assert_eq!(scene.look().stale, BTreeSet::new(), "{what}");
        scene.repair();
        scene.come_to_rest();
        assert_eq!(scene.look().found, BTreeMap::new(), "{what}");
        if what != "key" {
            assert_eq!(scene.outside(), before);
        }
    }
}

/// Held at the backup, released since: an operator replaces the key, which is in use, and gets the
/// overlap that they asked for as soon as the ledger knows.
#[test]
fn a_key_in_use_is_not_deleted_by_a_rotation_of_whom_the_ledger_refuses() {
    let (scene, ann, _) = ann();
    operate(&scene, &ann, Act::Hold);
    rest(&scene);
    let backup = scene.world.ledger.back_up();
    operate(&scene, &ann, Act::Release);
    rest(&scene);
    let key = access(&scene, &ann).keys.into_values().next().unwrap().id;
    scene.world.ledger.restore(&backup);
    operate(&scene, &ann, Act::RotateKey { overlap: HOUR * 24 });
    is_told_and_left(&scene, &ann);
    is_rebuilt(&scene);
    let is_accepted = scene
        .world
        .api_gateway
        .scene(|model, _| model.keys().any(|it| it.id == key.as_str() && it.enabled));
    assert!(is_accepted);
    assert_eq!(access(&scene, &ann).status, Status::Active);
}

/// Edited in both places alike it is told; who knows that the ledger is right goes by it.
#[test]
fn a_hold_and_a_release_go_by_the_ledger() {
    let (scene, ann, _) = ann();
    let before = scene.outside();
    let key = access(&scene, &ann).keys.into_values().next().unwrap().id;
    let usage_plan =
        |id| scene.worker.catalog.plan(&plan(id)).unwrap().usage_plan.as_str().to_owned();
    scene.world.api_gateway.scene(|model, now| {
        model.delete_usage_plan_key(&usage_plan("pro"), key.as_str(), now).unwrap();
        model.create_usage_plan_key(&usage_plan("basic"), key.as_str(), now).unwrap();
    });
    let word = [("custom:plan".to_owned(), "basic".to_owned())].into();
    scene.world.cognito.write("ann", word).unwrap();
    is_told_and_left(&scene, &ann);
    operate(&scene, &ann, Act::Hold);
    rest(&scene);
    operate(&scene, &ann, Act::Release);
    rest(&scene);
    assert_eq!(scene.outside(), before);
    assert_eq!(scene.look().found, BTreeMap::new());
}

/// Her user is gone, whatever the ledger remembers: the keys that it does not know go as well.
#[test]
fn whose_user_is_gone_needs_no_key() {
    let (scene, ann, _) = ann();
    let backup = scene.world.ledger.back_up();
    operate(&scene, &ann, Act::RotateKey { overlap: HOUR * 24 * 30 });
    rest(&scene);
    scene.world.ledger.restore(&backup);
    scene.world.cognito.delete_user("ann").unwrap();
    rest(&scene);
    assert_eq!(access(&scene, &ann).status, Status::Closed);
    assert_eq!(scene.world.api_gateway.scene(|model, _| model.keys().count()), 0);
    assert_eq!(scene.look().found, BTreeMap::new());
}
