//! The simulation's own tests: it repeats, it can fail, and it holds.

mod account_limits;
mod account_views;
mod acts;
mod alarms;
mod at_once;
mod batch;
mod between;
mod binding;
mod blast;
mod boundary;
mod by_reference;
mod calls;
mod changes;
mod closing;
mod deleted_customer;
mod disputes;
mod drift;
mod evidence;
mod flood;
mod gone;
mod hidden_key;
mod lease;
mod legacy_ids;
mod looks;
mod lost_table;
mod midway;
mod namesake;
mod odd_rows;
mod page;
mod paid;
mod permutations;
mod persons;
mod planted;
mod portal;
mod preview;
mod purchases;
mod rebuild;
mod reconcile;
mod refunds;
mod rehearsal;
mod replay;
mod restored;
mod revisions;
mod scene;
mod second_look;
mod soon;
mod switch;
mod test_clocks;
mod upgrades;
mod waiting;
mod wrong_key;
mod wrong_pool;

use jiff::SignedDuration;
use tollgate_core::account::{PlanId, Status, UsagePlanId};
use tollgate_operator::{Act, OperatorAct};
use tollgate_standin::api_gateway::NewApiKey;
use tollgate_standin::world::{BULK_QUEUE, EVENTS_QUEUE};

use crate::call_step::CallStep;
use crate::coverage::{Coverage, Point};
use crate::executor::block_on;
use crate::faults::FaultKind;
use crate::operator::{self, Operated};
use crate::run::{Sim, run, run_script};
use crate::script::Script;

/// How many seeds every test run tries; `cargo sim` tries more.
const SEEDS: u64 = 150;

#[test]
fn no_seed_breaks_an_invariant_and_the_seeds_reach_the_crash_points() {
    let (mut broken, mut coverage) = (Vec::new(), Coverage::default());
    for seed in 0..SEEDS {
        let report = run(seed);
        broken.extend(report.violations.iter().map(ToString::to_string));
        coverage.add(&report.coverage);
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    for step in [
        CallStep::Claim,
        CallStep::Facts,
        CallStep::MintKey,
        CallStep::AttachPlan,
        CallStep::Commit,
    ] {
        for point in [Point::KilledBefore, Point::KilledAfter] {
            let faults = std::iter::once(None).chain(FaultKind::OF_CALLS.map(Some));
            let hits: usize = faults.map(|fault| coverage.of((step, point, fault))).sum();
            assert!(hits > 0, "{step:?} {point:?} was never hit");
        }
    }
}

#[test]
fn a_seed_repeats_to_the_last_call() {
    for seed in [3, 55] {
        let (first, second) = (run(seed), run(seed));
        assert_eq!(first.transcript, second.transcript);
        assert_eq!(first.digest, second.digest);
    }
    assert_ne!(run(3).digest, run(4).digest);
}

/// Which invariants a world breaks after somebody meddled with it.
fn found_after(meddle: impl FnOnce(&mut Sim)) -> Vec<u8> {
    let mut sim = Sim::new(&Script::of(1));
    sim.run_under_faults();
    sim.settle();
    sim.judge();
    assert!(sim.violations.is_empty(), "{:?}", sim.violations);
    meddle(&mut sim);
    sim.judge();
    let mut found: Vec<_> = sim.violations.iter().map(|violation| violation.invariant).collect();
    found.dedup();
    found
}

/// Some account's key and the usage plan that it is on.
fn some_key(sim: &Sim) -> (String, UsagePlanId) {
    let accounts = sim.world.ledger.accounts();
    let mut keys = accounts.iter().filter_map(|a| Some((a.key()?, a.access.usage_plan.clone()?)));
    keys.next().map(|(key, plan)| (key.id.to_string(), plan)).expect("seed 1 has a key")
}

#[test]
fn the_oracle_sees_a_key_that_was_moved_by_hand() {
    let found = found_after(|sim| {
        let (key, plan) = some_key(sim);
        sim.world.api_gateway.scene(|model, now| {
            model.delete_usage_plan_key(plan.as_str(), &key, now).expect("it is there");
        });
    });
    assert_eq!(found, [1]);
}

#[test]
fn the_oracle_sees_an_attribute_that_was_edited() {
    let found = found_after(|sim| {
        let (name, _) = sim.actors.users.first_key_value().expect("seed 1 has users");
        let attributes = [("custom:plan".to_owned(), "pro-for-ever".to_owned())].into();
        sim.world.cognito.write(name, attributes).expect("the schema allows it");
    });
    assert_eq!(found, [1]);
}

#[test]
fn the_oracle_sees_a_key_that_nobody_has() {
    let found = found_after(|sim| {
        let new =
            NewApiKey { name: Some("tollgate/sim/x/primary/1".into()), ..NewApiKey::default() };
        sim.world.api_gateway.scene(|model, now| {
            model.create_api_key(new, now).expect("the value is new");
        });
    });
    assert_eq!(found, [2]);
}

#[test]
fn the_oracle_sees_an_event_that_was_dropped() {
    let found = found_after(|sim| {
        sim.sign_up_and_queue("somebody-else");
        for queue in [EVENTS_QUEUE, BULK_QUEUE] {
            for message in sim.world.sqs.receive(queue, 10).expect("the queue is there") {
                sim.world.sqs.delete(queue, &message.receipt).expect("it is in flight");
            }
        }
    });
    assert_eq!(found, [1, 3], "no account, and no record");
}

#[test]
fn the_oracle_sees_a_grant_that_has_no_effect() {
    let found = found_after(|sim| {
        let accounts = sim.world.ledger.accounts();
        let live = accounts.iter().find(|a| a.access.plan == PlanId::parse("free").ok());
        let grant = Act::Grant { plan: PlanId::parse("pro").unwrap(), until: None };
        let operated = Operated { acts: vec![(1, grant)], ..Operated::default() };
        sim.actors.operated.insert(live.expect("seed 1 has a free account").id.clone(), operated);
    });
    assert_eq!(found, [1]);
}

#[test]
fn the_oracle_sees_a_replaced_key_left_behind() {
    let found = found_after(|sim| {
        let accounts = sim.world.ledger.accounts();
        let active = accounts.iter().find(|it| it.access.status == Status::Active);
        let id = active.expect("seed 1 has an active account").id.clone();
        let act = Act::RotateKey { overlap: SignedDuration::from_hours(24) };
        let act = OperatorAct { act, by: "otto".into(), why: "a story".into() };
        sim.actors.operated.entry(id.clone()).or_default().rotated = true;
        block_on(operator::act(&sim.world, &id, &act)).expect("nothing fails");
        sim.come_to_rest();
        sim.judge();
        assert!(sim.violations.is_empty(), "{:?}", sim.violations);
        let access = sim.world.ledger.stored(&id).expect("it is there").access;
        let (old, plan) =
            (access.retiring[0].id.to_string(), access.usage_plan.expect("it has one"));
        sim.world.api_gateway.scene(|model, now| {
            model.delete_usage_plan_key(plan.as_str(), &old, now).expect("it is there");
        });
    });
    assert_eq!(found, [1]);
}

#[test]
fn the_oracle_sees_the_owners_key_taken_off_its_plan() {
    let found = found_after(|sim| {
        sim.actors.owners_keys.insert("gone".into(), "anywhere".into());
    });
    assert_eq!(found, [2]);
}

/// Shrinking rests on it: what is left out changes nothing before it, and the acts after it
/// are drawn as they were.
#[test]
fn an_act_that_is_left_out_leaves_the_others_as_they_were() {
    let script = Script::of(3);
    let all = run_script(&script);
    let (last, _) = all.acts.last().expect("seed 3 has acts").clone();
    let without = run_script(&script.without_acts([last]));
    assert_eq!(without.acts, all.acts[..all.acts.len() - 1]);
}

#[test]
fn the_oracle_sees_a_key_value_in_a_message() {
    let found = found_after(|sim| {
        let value = sim.values.values().next().expect("seed 1 has a key").clone();
        sim.bodies.push(format!("{{\"leak\":\"{value}\"}}"));
    });
    assert_eq!(found, [7]);
}
