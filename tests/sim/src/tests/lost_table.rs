//! The table is lost, and something is wrong besides: another Stripe account's key, other secrets,
//! another pool, a newer file, an older usage plan. Nothing is written that is not so, and what a
//! rebuild has guessed is made good by the next.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::World;
use jiff::SignedDuration;
use secrecy::SecretString;
use tollgate_core::account::{Access, KeyId, PlanId, Status, UsagePlanId};
use tollgate_core::catalog::Catalog;
use tollgate_core::derive::Deriver;
use tollgate_core::ledger::Outcome;
use tollgate_core::scan::Progress;
use tollgate_core::sweep::ACCOUNTS_AT_ONCE;
use tollgate_events::{AccountId, CustomerId};
use tollgate_operator::{
    Act, Doubt, Doubted, REBUILT_CLOSED, Rebuild, RebuildReport, Rebuilt, doubts,
};
use tollgate_standin::api_gateway::{NewApiKey, NewPlan};
use tollgate_standin::cognito::PoolConfig;
use tollgate_standin::stripe::When;

use super::rebuild::operators_act as operate;
use super::wrong_key::elsewhere;
use crate::executor::block_on;
use crate::scene::{Bought, Scene};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What the operator's command has: mostly what is right.
struct Command {
    world: World,
    catalog: Catalog,
    deriver: Deriver,
}

impl Command {
    fn of(scene: &Scene) -> Self {
        let worker = &scene.worker;
        let (catalog, deriver) = (worker.catalog.clone(), worker.deriver.clone());
        Self { world: scene.world.clone(), catalog, deriver }
    }

    fn rebuild(&self, scene: &Scene, writes: bool) -> (RebuildReport, Vec<Rebuilt>) {
        let stale = BTreeSet::new();
        let rebuild = Rebuild {
            stale: &stale,
            ports: &self.world,
            catalog: &self.catalog,
            policy: &scene.worker.policy,
            deriver: &self.deriver,
            stack: &scene.worker.stack,
            by: "olga",
            at_once: ACCOUNTS_AT_ONCE,
        };
        let mut all = Vec::new();
        let mut heard = |news| {
            if let Progress::Found(rebuilt) = news {
                all.push(rebuilt);
            }
        };
        let report = block_on(async {
            match writes {
                true => rebuild.run(&mut heard).await,
                false => rebuild.look(&mut heard).await,
            }
        });
        (report.expect("nothing fails"), all)
    }

    fn doubts(&self, scene: &Scene) -> Vec<Doubted> {
        doubts(&self.rebuild(scene, false).0)
    }
}

fn plan(id: &str) -> PlanId {
    PlanId::parse(id).unwrap()
}

fn other_secrets() -> Deriver {
    let secret = SecretString::from("another-0123456789abcdef0123456789abcdef");
    Deriver::new("sim", BTreeMap::from([(1, secret)])).unwrap()
}

/// Eight who pay, and two who do not.
fn eight() -> (Scene, Vec<(AccountId, Bought)>) {
    let scene = Scene::default();
    let payers = (0..8).map(|number| scene.payer(&format!("payer-{number}"), "pro")).collect();
    scene.person("free-1");
    scene.person("free-2");
    scene.pass(SignedDuration::from_hours(1));
    scene.come_to_rest();
    (scene, payers)
}

fn access(scene: &Scene, account: &AccountId) -> Access {
    scene.world.ledger.stored(account).unwrap().access
}

fn on_plan(scene: &Scene, account: &AccountId) -> Option<PlanId> {
    access(scene, account).plan
}

fn plans_of_keys(scene: &Scene) -> Vec<(KeyId, Vec<String>)> {
    scene.world.api_gateway.scene(|model, _| {
        let keys = model.keys().map(|key| {
            (KeyId::parse(key.id.clone()).unwrap(), key.plans.iter().cloned().collect())
        });
        keys.collect()
    })
}

#[test]
fn another_stripe_accounts_key_is_seen_before_anything_is_written() {
    let (scene, _) = eight();
    scene.world.ledger.lose_everything();
    let mut command = Command::of(&scene);
    assert_eq!(command.doubts(&scene), []);
    command.world = elsewhere(&scene.world, false);
    let unexplained = Doubted { doubt: Doubt::Unexplained, count: 8, of: 8 };
    assert_eq!(command.doubts(&scene), [unexplained]);
    assert_eq!(scene.world.ledger.accounts(), [], "nothing was written");
}

#[test]
fn other_derivation_secrets_are_seen_before_anything_is_written() {
    let (scene, _) = eight();
    scene.world.ledger.lose_everything();
    let command = Command { deriver: other_secrets(), ..Command::of(&scene) };
    let doubts = command.doubts(&scene);
    let expected = [Doubt::OtherSecrets, Doubt::Unexplained, Doubt::Unproven];
    let expected = expected.map(|doubt| Doubted { doubt, count: 8, of: 8 });
    assert_eq!(doubts, expected);
    assert_eq!(scene.world.ledger.accounts(), [], "nothing was written");
}

#[test]
fn another_pool_is_seen_before_anything_is_written() {
    let (scene, _) = eight();
    scene.world.ledger.lose_everything();
    let mut command = Command::of(&scene);
    command.world = command.world.with_pool(PoolConfig::tollgate("us-east-1_Elsewhere"));
    let no_owners = Doubted { doubt: Doubt::NobodysKeys, count: 10, of: 10 };
    assert_eq!(command.doubts(&scene), [no_owners]);
}

/// A few that nothing explains are everyday, and listed.
#[test]
fn a_few_that_nothing_explains_are_no_doubt() {
    let (scene, payers) = eight();
    for (account, bought) in &payers[..3] {
        scene.cancel(bought);
        scene.come_to_rest();
        operate(&scene, account, Act::Grant { plan: plan("pro"), until: None });
        scene.come_to_rest();
    }
    scene.world.ledger.lose_everything();
    assert_eq!(Command::of(&scene).doubts(&scene), []);
}

/// Somebody has rebuilt all the same with the wrong key, or the wrong secrets: the right ones
/// make it good.
#[test]
fn what_only_a_rebuild_has_decided_is_decided_again() {
    for wrong_key in [true, false] {
        let (scene, payers) = eight();
        scene.world.ledger.lose_everything();
        let mut wrong = Command::of(&scene);
        match wrong_key {
            true => wrong.world = elsewhere(&scene.world, false),
            false => wrong.deriver = other_secrets(),
        }
        assert_eq!(wrong.rebuild(&scene, true).0.granted, 8);
        let right = Command::of(&scene);
        let (report, _) = right.rebuild(&scene, true);
        assert_eq!((report.rebuilt, report.again, report.granted), (0, 8, 0));
        assert_eq!((report.paying, report.customers), (8, 8));
        let before = scene.world.ledger.accounts();
        let (again, all) = right.rebuild(&scene, true);
        assert_eq!((again.again, again.known, all), (0, 10, vec![]), "and then it is done");
        let epochs = |accounts: &[tollgate_core::account::Account]| -> Vec<_> {
            accounts.iter().map(|account| (account.version, account.epoch)).collect()
        };
        assert_eq!(epochs(&scene.world.ledger.accounts()), epochs(&before), "nobody is claimed");
        scene.repair();
        scene.come_to_rest();
        assert_eq!(scene.look().found, BTreeMap::new());
        for (_, bought) in &payers {
            scene.world.stripe.account().cancel(&bought.subscription, When::Now).unwrap();
        }
        scene.come_to_rest();
        for (account, _) in &payers {
            assert_eq!(on_plan(&scene, account), Some(plan("free")));
        }
    }
}

/// A guess that is right stays, and a person's word does.
#[test]
fn what_a_person_has_decided_since_stays() {
    let (scene, payers) = eight();
    let (ann, bought) = &payers[0];
    scene.cancel(bought);
    scene.come_to_rest();
    operate(&scene, ann, Act::Grant { plan: plan("pro"), until: None });
    scene.come_to_rest();
    scene.world.ledger.lose_everything();
    let command = Command::of(&scene);
    assert_eq!(command.rebuild(&scene, true).0.granted, 1);
    operate(&scene, ann, Act::Hold);
    scene.repair();
    scene.come_to_rest();
    let before = access(&scene, ann);
    command.rebuild(&scene, true);
    assert_eq!(access(&scene, ann), before);
    operate(&scene, ann, Act::RevokeGrant { plan: plan("pro") });
    operate(&scene, ann, Act::Release);
    scene.come_to_rest();
    command.rebuild(&scene, true);
    let after = access(&scene, ann);
    assert_eq!((after.grants, after.hold, after.plan), (vec![], None, Some(plan("free"))));
}

/// What an operator said while the ledger was lost is kept: a hold, and a close.
#[test]
fn who_was_closed_or_held_before_the_rebuild_stays_so() {
    let scene = Scene::default();
    let (ann, bought) = scene.payer("ann", "pro");
    let (ben, other) = scene.payer("ben", "pro");
    scene.pass(SignedDuration::from_hours(1));
    scene.come_to_rest();
    scene.world.ledger.lose_everything();
    scene.change(&bought, "basic");
    scene.change(&other, "basic");
    scene.deliver_everything();
    operate(&scene, &ann, Act::Close);
    operate(&scene, &ben, Act::Hold);
    scene.deliver_everything();
    Command::of(&scene).rebuild(&scene, true);
    assert_eq!(access(&scene, &ann).closed.as_deref(), Some("a story"));
    scene.repair();
    scene.come_to_rest();
    let (ann, ben) = (access(&scene, &ann), access(&scene, &ben));
    assert_eq!((ann.status, ann.keys.len()), (Status::Closed, 0));
    assert_eq!((ben.status, ben.hold.as_deref()), (Status::Held, Some("a story")));
    assert_eq!(scene.look().found, BTreeMap::new());
}

/// A customer whom an operator had given to somebody else: the proof still names the first.
#[test]
fn whom_an_operator_had_given_to_another_is_listed_and_not_linked() {
    // Whether something is told of the customer before the rebuild or not.
    for renews in [false, true] {
        let scene = Scene::default();
        let (ann, bought) = scene.payer("ann", "pro");
        let ben = scene.person("ben");
        let customer = CustomerId::parse(&bought.customer).unwrap();
        operate(&scene, &ann, Act::Unlink { customer: customer.clone() });
        operate(&scene, &ben, Act::Link { customer: customer.clone() });
        scene.come_to_rest();
        scene.pass(SignedDuration::from_hours(1));
        scene.come_to_rest();
        assert_eq!(on_plan(&scene, &ann), Some(plan("free")));
        assert_eq!(on_plan(&scene, &ben), Some(plan("pro")));
        scene.world.ledger.lose_everything();
        if renews {
            scene.pass(DAY * 32);
            scene.deliver_everything();
        }
        let command = Command::of(&scene);
        let (would, _) = command.rebuild(&scene, false);
        let (report, all) = command.rebuild(&scene, true);
        assert_eq!((would.disowned, report.disowned), (1, 1));
        let told = all.iter().find(|it| it.account == ann).unwrap();
        assert_eq!((&told.disowned, &told.plan), (&vec![customer.clone()], &Some(plan("free"))));
        scene.repair();
        scene.come_to_rest();
        // Nor does an event link them, but an operator may.
        scene.change(&bought, "basic");
        scene.change(&bought, "pro");
        scene.come_to_rest();
        assert_eq!(on_plan(&scene, &ann), Some(plan("free")), "nobody has one plan twice");
        assert_eq!(on_plan(&scene, &ben), Some(plan("pro")));
        operate(&scene, &ben, Act::Link { customer });
        operate(&scene, &ben, Act::RevokeGrant { plan: plan("pro") });
        scene.come_to_rest();
        assert_eq!(on_plan(&scene, &ben), Some(plan("pro")));
        scene.cancel(&bought);
        scene.come_to_rest();
        assert_eq!(on_plan(&scene, &ben), Some(plan("free")));
    }
}

/// What was bought or changed since the loss is no contradiction.
#[test]
fn who_has_bought_since_the_loss_has_it() {
    let scene = Scene::default();
    let ann = scene.person("ann");
    let (ben, basic) = scene.payer("ben", "basic");
    scene.pass(SignedDuration::from_hours(1));
    scene.come_to_rest();
    scene.world.ledger.lose_everything();
    scene.buy(&ann, "pro");
    scene.change(&basic, "pro");
    scene.deliver_everything();
    let (report, _) = Command::of(&scene).rebuild(&scene, true);
    assert_eq!((report.disowned, report.granted, report.customers), (0, 0, 2));
    scene.repair();
    scene.come_to_rest();
    assert_eq!(on_plan(&scene, &ann), Some(plan("pro")));
    assert_eq!(on_plan(&scene, &ben), Some(plan("pro")));
}

/// A late key of a closed account: who is released gets a new one, and no advice closes them
/// again.
#[test]
fn who_was_closed_by_a_rebuild_is_released_though_a_key_is_left() {
    let scene = Scene::default();
    let ann = scene.person("ann");
    scene.operate(&Act::Close);
    scene.pass(SignedDuration::from_hours(1));
    scene.world.ledger.lose_everything();
    Command::of(&scene).rebuild(&scene, true);
    assert_eq!(access(&scene, &ann).closed.as_deref(), Some(REBUILT_CLOSED));
    scene.world.api_gateway.scene(|model, now| {
        let late = NewApiKey {
            name: Some(format!("tollgate/sim/{ann}/primary/1")),
            enabled: true,
            customer_id: Some(ann.to_string()),
            ..NewApiKey::default()
        };
        model.create_api_key(late, now).unwrap();
    });
    operate(&scene, &ann, Act::Release);
    scene.deliver_everything();
    scene.come_to_rest();
    let access = access(&scene, &ann);
    assert_eq!((access.status, access.plan), (Status::Active, Some(plan("free"))));
    let events = scene.world.ledger.events();
    assert!(events.iter().all(|event| event.record.outcome != Outcome::Deferred), "{events:?}");
}

/// The replaced key works until its seven days are over, and no longer.
#[test]
fn the_overlap_of_a_rotation_survives_a_rebuild() {
    let scene = Scene::default();
    let (ann, _) = scene.payer("ann", "pro");
    let old = access(&scene, &ann).keys.into_values().next().unwrap().id;
    operate(&scene, &ann, Act::RotateKey { overlap: DAY * 7 });
    scene.come_to_rest();
    scene.pass(DAY * 2);
    scene.come_to_rest();
    let (before, outside) = (access(&scene, &ann), scene.outside());
    assert_eq!(before.retiring.len(), 1);
    scene.world.ledger.lose_everything();
    let (report, _) = Command::of(&scene).rebuild(&scene, true);
    assert_eq!((report.rebuilt, report.retiring, report.other_keys), (1, 1, 0));
    let after = access(&scene, &ann);
    assert_eq!(after.retiring.len(), 1);
    assert_eq!((&after.retiring[0].id, after.retiring[0].generation), (&old, 1));
    let late = after.retiring[0].until.duration_since(before.retiring[0].until).abs();
    assert!(late < SignedDuration::from_mins(5), "{late}");
    assert_eq!(scene.repair().deleted, []);
    scene.come_to_rest();
    assert_eq!(scene.outside(), outside);
    scene.pass(DAY * 5 + SignedDuration::from_hours(1));
    scene.come_to_rest();
    assert_eq!(plans_of_keys(&scene).len(), 1, "its time is over");
    assert_eq!(scene.look().found, BTreeMap::new());
}

/// The command's file is newer than what is deployed: the workers go on.
#[test]
fn a_newer_file_than_is_deployed_stops_no_worker() {
    let scene = Scene::default();
    let (ann, bought) = scene.payer("ann", "basic");
    scene.pass(SignedDuration::from_hours(1));
    scene.come_to_rest();
    scene.world.ledger.lose_everything();
    let mut command = Command::of(&scene);
    command.catalog.revision += 5;
    assert_eq!(command.rebuild(&scene, true).0.rebuilt, 1);
    scene.change(&bought, "pro");
    scene.deliver_everything();
    scene.come_to_rest();
    assert_eq!(on_plan(&scene, &ann), Some(plan("pro")));
}

/// A usage plan was replaced in the catalog, and a key is still on the old one.
#[test]
fn a_key_on_a_plan_that_was_replaced_is_moved() {
    let mut scene = Scene::default();
    let (ann, _) = scene.payer("ann", "pro");
    let ben = scene.person("ben");
    scene.pass(SignedDuration::from_hours(1));
    scene.come_to_rest();
    let pro = scene.worker.catalog.plan(&plan("pro")).unwrap().usage_plan.clone();
    let replaced = scene.world.api_gateway.scene(|model, _| {
        let stages = model.get_usage_plan(pro.as_str()).unwrap().stages.clone();
        let new = NewPlan { name: "pro-2".into(), stages, ..NewPlan::default() };
        model.create_usage_plan(new).unwrap().id
    });
    let text = scene.world.plans_toml.replace(pro.as_str(), &replaced);
    let text = text.replace("revision = 1", "revision = 2");
    scene.worker.catalog = tollgate_core::catalog::CatalogFile::parse(&text).unwrap().catalog;
    scene.world.ledger.lose_everything();
    let (report, all) = Command::of(&scene).rebuild(&scene, true);
    assert_eq!((report.rebuilt, report.granted), (2, 0));
    let told = all.iter().find(|it| it.account == ann).unwrap();
    assert_eq!(told.plan, Some(plan("pro")));
    let usage_plan = access(&scene, &ann).usage_plan;
    assert_eq!(usage_plan, UsagePlanId::parse(pro.as_str()).ok());
    scene.repair();
    scene.come_to_rest();
    let key = access(&scene, &ann).keys.into_values().next().unwrap().id;
    let plans: BTreeMap<_, _> = plans_of_keys(&scene).into_iter().collect();
    assert_eq!(plans[&key], std::slice::from_ref(&replaced));
    // Somebody puts a key by hand on a plan that was never the catalog's.
    let key = access(&scene, &ben).keys.into_values().next().unwrap().id;
    let free = scene.worker.catalog.default_plan().unwrap().usage_plan.clone();
    scene.world.api_gateway.scene(|model, now| {
        model.delete_usage_plan_key(free.as_str(), key.as_str(), now).unwrap();
        model.create_usage_plan_key(pro.as_str(), key.as_str(), now).unwrap();
    });
    assert_eq!(scene.look().found.len(), 1);
    scene.repair();
    scene.come_to_rest();
    let plans: BTreeMap<_, _> = plans_of_keys(&scene).into_iter().collect();
    assert_eq!(plans[&key], [free.to_string()]);
    assert_eq!(scene.look().found, BTreeMap::new());
}

/// The accounts' own items are gone, and their history is there: it goes on after the newest entry, by
/// a rebuild, an operator's act or a worker, and nothing of it is written over.
#[test]
fn a_history_that_is_left_goes_on() {
    let (scene, payers) = eight();
    let (held, _) = &payers[0];
    let before = scene.world.ledger.entries(held);
    let mut items = 0;
    scene.world.ledger.keep_items(|| {
        items += 1;
        items > payers.len() + 2
    });
    assert!(scene.world.ledger.stored(held).is_none());
    Command::of(&scene).rebuild(&scene, true);
    operate(&scene, held, Act::Hold);
    scene.repair();
    scene.come_to_rest();
    assert_eq!(scene.look().found, BTreeMap::new());
    for (payer, _) in &payers {
        let (status, is_held) = (access(&scene, payer).status, payer == held);
        assert_eq!(status, if is_held { Status::Held } else { Status::Active });
    }
    let after = scene.world.ledger.entries(held);
    assert_eq!(after[..before.len()], before[..]);
    assert!(after.len() > before.len());
}
