//! Each step applied twice is the same as once: for every kind of step and every point
//! at which a worker can crash around it.

use std::collections::BTreeSet;

use tollgate_core::account::{KeyId, UsagePlanId};
use tollgate_core::plan::Step;
use tollgate_events::SubscriptionId;
use tollgate_standin::stripe::SessionStatus;

use super::flows::FLOWS;
use super::{Played, differences, flow_named, play, play_watched};
use crate::scene::{Fault, Scene};

/// Where the worker crashes, given which call is the step's and which is the commit's.
type Crash = (&'static str, fn(usize, usize) -> (usize, Fault));

const CRASHES: [Crash; 4] = [
    ("before the call", |step, _| (step, Fault::KilledBefore)),
    ("after the effect", |step, _| (step, Fault::KilledAfter)),
    ("before the commit", |_, commit| (commit, Fault::KilledBefore)),
    ("after the commit, its answer lost", |_, commit| (commit, Fault::AnswerLost)),
];

/// A flow that takes a step, the call that it makes (the first or second such call of the flow),
/// and whether its effect stands.
struct Case {
    flow: &'static str,
    operation: &'static str,
    nth: usize,
    stands: fn(&Scene) -> bool,
}

/// Where each kind of step is tried. A new kind does not compile without a line here, and
/// needs one in [`steps`] too.
fn case(step: &Step) -> Case {
    let old = "upgrade while a replaced key works";
    let (flow, operation, stands): (_, _, fn(&Scene) -> bool) = match step {
        Step::MintKey => ("sign-up", "CreateApiKey", |scene| keys(scene) == 1),
        Step::DetachPlan(_) => ("upgrade", "DeleteUsagePlanKey", |scene| !is_on(scene, "basic")),
        Step::AttachPlan(_) => ("upgrade", "CreateUsagePlanKey", |scene| is_on(scene, "pro")),
        Step::EnableKey => ("dispute is released", "UpdateApiKey", enabled),
        Step::DisableKey => ("dispute holds", "UpdateApiKey", |scene| !enabled(scene)),
        Step::DeleteKey => ("user deleted", "DeleteApiKey", |scene| keys(scene) == 0),
        // The account's own key has moved by then.
        Step::DetachRetiring(..) => (old, "DeleteUsagePlanKey", |scene| !is_on(scene, "basic")),
        Step::AttachRetiring(..) => (old, "CreateUsagePlanKey", |scene| all_are_on(scene, "pro")),
        Step::RetireKey(_) => ("rotation of the key", "DeleteApiKey", only_the_second),
        Step::WriteAttributes(_) => ("upgrade", "AdminUpdateUserAttributes", |scene| {
            scene.world.cognito.users()[0].attribute("custom:plan") == Some("pro")
        }),
        Step::ExpireSession(_) => (
            "an operator holds who is about to buy",
            "POST /v1/checkout/sessions/{id}/expire",
            no_page_is_open,
        ),
        Step::CancelSubscription(_) => ("user deleted", "DELETE /v1/subscriptions/{id}", cancelled),
    };
    let nth = usize::from(flow == old);
    Case { flow, operation, nth, stands }
}

/// One step of each kind.
fn steps() -> [Step; 12] {
    let key = || KeyId::parse("any").unwrap();
    let usage_plan = || UsagePlanId::parse("any").unwrap();
    [
        Step::MintKey,
        Step::DetachPlan(usage_plan()),
        Step::AttachPlan(usage_plan()),
        Step::EnableKey,
        Step::DisableKey,
        Step::DeleteKey,
        Step::DetachRetiring(key(), usage_plan()),
        Step::AttachRetiring(key(), usage_plan()),
        Step::RetireKey(key()),
        Step::WriteAttributes("any".into()),
        Step::ExpireSession("any".into()),
        Step::CancelSubscription(SubscriptionId::parse("any").unwrap()),
    ]
}

fn keys(scene: &Scene) -> usize {
    scene.world.api_gateway.scene(|model, _| model.keys().count())
}

fn only_the_second(scene: &Scene) -> bool {
    let second = |name: &String| name.ends_with("/primary/2");
    scene
        .world
        .api_gateway
        .scene(|model, _| model.keys().all(|key| key.name.as_ref().is_some_and(second)))
}

fn enabled(scene: &Scene) -> bool {
    scene.world.api_gateway.scene(|model, _| model.keys().all(|key| key.enabled))
}

fn usage_plan<'a>(scene: &'a Scene, plan: &str) -> &'a str {
    let mut plans = scene.worker.catalog.plans().iter();
    plans.find(|row| row.id.as_str() == plan).unwrap().usage_plan.as_str()
}

fn is_on(scene: &Scene, plan: &str) -> bool {
    let on = usage_plan(scene, plan);
    scene.world.api_gateway.scene(|model, _| model.keys().any(|key| key.plans.contains(on)))
}

fn all_are_on(scene: &Scene, plan: &str) -> bool {
    let on = usage_plan(scene, plan);
    scene.world.api_gateway.scene(|model, _| model.keys().all(|key| key.plans.contains(on)))
}

fn cancelled(scene: &Scene) -> bool {
    let stripe = scene.world.stripe.account();
    let customers = stripe.customers().map(|customer| customer.id.clone());
    let rows = customers.flat_map(|customer| stripe.subscriptions_of(&customer));
    rows.into_iter().all(|row| row.status.is_final())
}

fn no_page_is_open(scene: &Scene) -> bool {
    let stripe = scene.world.stripe.account();
    let mut sessions = stripe.customers().flat_map(|customer| &customer.sessions);
    sessions.all(|id| stripe.session(id).is_ok_and(|it| it.status != SessionStatus::Open))
}

/// What a step is called in history, without what it is done to.
fn words(step: &str) -> String {
    step.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn words_of(played: &Played) -> BTreeSet<String> {
    played.steps.iter().map(|step| words(step)).collect()
}

/// Crashes at one point around a step, and tells what is wrong after the second try.
fn crash(case: &Case, calm: &Played, (point, at): Crash) -> Vec<String> {
    let flow = flow_named(case.flow);
    let place = |operation, after: usize, nth: usize| {
        let calls = calm.calls.iter().enumerate().skip(after);
        let mut such = calls.filter(|(_, call)| call.operation == operation);
        such.nth(nth).expect("the flow has this call").0
    };
    let step = place(case.operation, 0, case.nth);
    let commit = place("TransactWriteItems", step, 0);
    let (mut stands, mut times) = (false, 0);
    let mut watch = |scene: &Scene| {
        let before = std::mem::replace(&mut stands, (case.stands)(scene));
        times += usize::from(stands && !before);
    };
    let crashed = play_watched(flow, Some(at(step + 1, commit + 1)), &mut watch);
    let mut problems = crashed.flaws;
    differences("", &calm.end, &crashed.end, &mut problems);
    if !crashed.struck {
        problems.push("nothing crashed".into());
    }
    if (stands, times) != (true, 1) {
        problems.push(format!("its effect came about {times} times, and stands: {stands}"));
    }
    problems.into_iter().map(|problem| format!("{point}: {problem}")).collect()
}

#[test]
fn each_step_crashed_anywhere_and_applied_again_is_the_same_as_once() {
    let mut problems = Vec::new();
    for step in steps() {
        let case = case(&step);
        let flow = flow_named(case.flow);
        let calm = play(flow, None);
        if !words_of(&calm).contains(&words(&step.to_string())) {
            problems.push(format!("`{}` does not take {step:?}", case.flow));
        }
        for crash_point in CRASHES {
            let found = crash(&case, &calm, crash_point);
            problems.extend(found.iter().map(|problem| format!("{step:?} {problem}")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_step_that_a_flow_takes_is_tried() {
    let tried = steps().map(|step| words(&step.to_string())).into_iter().collect();
    let taken = FLOWS.iter().map(|flow| words_of(&play(flow, None)));
    let mut taken: BTreeSet<_> = taken.flatten().collect();
    // A link is a commit of its own and no step of a plan, and so are operators' acts.
    let acts = ["hold", "release", "grant pro", "revoke grant", "lift dispute", "rotate key,"];
    for commit in acts.into_iter().chain(["close", "link customer", "unlink customer"]) {
        assert!(taken.remove(commit), "{commit}");
    }
    assert_eq!(taken, tried);
}
