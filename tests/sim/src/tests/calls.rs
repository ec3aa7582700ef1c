//! Beside the seeds: every flow with its k-th call failing, killed before and killed
//! after, for every k. However it goes wrong, the end is that of the undisturbed flow.

mod end;
mod flows;
mod steps;

use crate::gate::{Call, failure};
use serde_json::Value;
use tollgate_core::converge::DRIFT;
use tollgate_core::error_policy::{Verdict, error_policy};
use tollgate_core::ports::{Class, Service};
use tollgate_core::sweep::wake;
use tollgate_operator::Act;
use tollgate_standin::world::BULK_QUEUE;

use super::page::PAGE;
use crate::scene::{Fault, Scene};
use end::{Values, end, flaws, summary, values};
use flows::{Begins, FLOWS, Flow, TURNS, Turn};

/// What a flow came to.
struct Played {
    /// The calls of the operator, of the worker and of the sweep.
    calls: Vec<Call>,
    /// The steps that history tells of.
    steps: Vec<String>,
    end: Value,
    summary: String,
    flaws: Vec<String>,
    /// Whether there was a call to go wrong.
    struck: bool,
}

/// Plays a flow, with its k-th call (from 1) going wrong or none.
fn play(flow: &Flow, goes_wrong: Option<(usize, Fault)>) -> Played {
    play_watched(flow, goes_wrong, &mut |_| ())
}

/// Plays a flow, with a look at the world wherever the worker waits.
fn play_watched(
    flow: &Flow,
    goes_wrong: Option<(usize, Fault)>,
    watch: &mut dyn FnMut(&Scene),
) -> Played {
    let (scene, before, act) = begin(flow);
    if let Some((call, fault)) = goes_wrong {
        scene.arm(call, fault);
    }
    if let Some(act) = act {
        scene.operate_watched(&act, &mut || watch(&scene));
    }
    scene.come_to_rest_watched(&mut || watch(&scene));
    finish(&scene, &before)
}

/// A flow's events are waiting, or its act is to be done; and the keys that there are.
fn begin(flow: &Flow) -> (Scene, Values, Option<Act>) {
    let scene = Scene::default();
    let act = match flow.begins {
        Begins::Events(set_up) => {
            set_up(&scene);
            None
        }
        Begins::Act(set_up) => Some(set_up(&scene)),
    };
    scene.collect();
    scene.world.gate.take_calls();
    let before = values(&scene);
    (scene, before, act)
}

fn finish(scene: &Scene, before: &Values) -> Played {
    Played {
        calls: scene.world.gate.take_calls(),
        steps: steps_taken(scene),
        end: end(scene, before),
        summary: summary(scene),
        flaws: flaws(scene),
        struck: !scene.is_armed(),
    }
}

fn steps_taken(scene: &Scene) -> Vec<String> {
    let ledger = &scene.world.ledger;
    let entries = ledger.accounts().into_iter().flat_map(|account| ledger.entries(&account.id));
    entries.flat_map(|entry| entry.steps).map(|taken| taken.step).collect()
}

/// All that can go wrong with a call.
fn faults_of(call: &Call) -> Vec<Fault> {
    let failures = failures(call).into_iter().map(Fault::Fails);
    failures
        .chain([
            Fault::AnswerLost,
            Fault::KilledBefore,
            Fault::KilledAfter,
            Fault::PausedBefore,
            Fault::PausedAfter,
        ])
        .collect()
}

/// The failures without effect that a service can answer a call with and that may pass.
/// `Invalid` never does: such events are parked. A missing resource, where a call would
/// take it for an answer, is no failure.
fn failures(call: &Call) -> Vec<Class> {
    let mut classes = vec![Class::Throttled { after: None }, Class::Unavailable, Class::Denied];
    match (call.service, call.operation) {
        (Service::ApiGateway, "CreateApiKey") => {
            classes.extend([Class::Conflict, Class::LimitExceeded]);
        }
        // A new key may not be shown yet.
        (Service::ApiGateway, "CreateUsagePlanKey" | "UpdateApiKey") => {
            classes.extend([Class::Conflict, Class::NotFound]);
        }
        (Service::ApiGateway, "DeleteUsagePlanKey" | "DeleteApiKey")
        | (Service::Ledger, "UpdateItem" | "TransactWriteItems") => classes.push(Class::Conflict),
        _ => {}
    }
    classes
}

/// Whether the worker writes into the account that it waits, instead of leaving the message.
fn is_waited_for(call: &Call, fault: Fault) -> bool {
    let Fault::Fails(class) = fault else { return false };
    let error = failure(call.service, call.operation, class, "");
    matches!(error_policy(&error).verdict, Verdict::Wait(_))
}

/// The paths at which two values differ.
fn differences(path: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().for_each(|(key, value)| {
                differences(&format!("{path}/{key}"), value, &b[key], found);
            });
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            (0..).zip(a.iter().zip(b)).for_each(|(place, (a, b)): (usize, _)| {
                differences(&format!("{path}/{place}"), a, b, found);
            });
        }
        _ if one == other => {}
        _ => found.push(format!("{path}: {one} became {other}")),
    }
}

/// Plays a flow with everything that can go wrong at each of its calls.
fn problems_of(flow: &Flow) -> (usize, Vec<String>) {
    let calm = play(flow, None);
    let mut problems = calm.flaws.clone();
    if calm.calls.len() < flow.at_least {
        problems.push(format!("{}: only {} calls", flow.name, calm.calls.len()));
    }
    if calm.summary != flow.ends {
        problems.push(format!("{}: ends as `{}`", flow.name, calm.summary));
    }
    let mut played = 0;
    for (k, call) in (1..).zip(&calm.calls) {
        for fault in faults_of(call) {
            played += 1;
            let other = play(flow, Some((k, fault)));
            let mut found = other.flaws;
            differences("", &calm.end, &other.end, &mut found);
            if is_waited_for(call, fault) {
                // What was done before the wait has a history entry of its own.
                found.retain(|path| !path.starts_with("/history") && !path.contains("/version:"));
            }
            if !other.struck {
                found.push("nothing went wrong".into());
            }
            let at = format!("{}, call {k} {}: {fault:?}", flow.name, call.operation);
            problems.extend(found.into_iter().map(|problem| format!("{at}: {problem}")));
        }
    }
    (played, problems)
}

#[test]
fn whatever_goes_wrong_at_any_call_of_any_flow_the_end_is_the_same() {
    let flows = std::thread::scope(|scope| {
        let flows = FLOWS.each_ref().map(|flow| scope.spawn(|| problems_of(flow)));
        flows.map(|flow| flow.join().expect("no flow panics"))
    });
    let played: usize = flows.iter().map(|(played, _)| played).sum();
    let problems: Vec<_> = flows.into_iter().flat_map(|(_, problems)| problems).collect();
    println!("{} flows: {played} times something went wrong at one call", FLOWS.len());
    let (thousands, rest) = (played / 1000, played % 1000);
    for told in [format!("{} flows of", FLOWS.len()), format!("{thousands},{rest:03} times")] {
        assert!(PAGE.contains(&told), "docs/simulation.md does not say {told}");
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The test above tries every call there is: after the last one nothing can go wrong.
#[test]
fn a_flow_has_no_call_after_its_last() {
    for flow in &FLOWS {
        let calls = play(flow, None).calls.len();
        assert!(play(flow, Some((calls, Fault::KilledBefore))).struck, "{}", flow.name);
        assert!(!play(flow, Some((calls + 1, Fault::KilledBefore))).struck, "{}", flow.name);
    }
}

fn flow_named(name: &str) -> &'static Flow {
    FLOWS.iter().find(|flow| flow.name == name).expect("there is such a flow")
}

/// Plays a flow whose reason goes as soon as its k-th call has gone wrong, before any
/// redelivery, or when all is at rest. In the end somebody may look for drift.
fn play_turn(turn: &Turn, goes_wrong: Option<(usize, Fault)>, look_for_drift: bool) -> Played {
    let (scene, before, act) = begin(flow_named(turn.flow));
    assert!(act.is_none(), "a turn is of a flow that events begin");
    match goes_wrong {
        Some((call, fault)) => {
            scene.arm(call, fault);
            scene.meanwhile(turn.act);
            scene.come_to_rest();
        }
        None => {
            scene.come_to_rest();
            (turn.act)(&scene);
            scene.come_to_rest();
        }
    }
    if look_for_drift {
        let account = scene.world.cognito.users()[0].id.clone();
        scene.enqueue(BULK_QUEUE, &wake(DRIFT, account, None, scene.world.clock.time()));
        scene.come_to_rest();
    }
    finish(&scene, &before)
}

/// Everything that differs when a call of a flow goes wrong and the flow's reason goes.
fn problems_of_turn(turn: &Turn, faults: &[Fault], look_for_drift: bool) -> Vec<String> {
    let in_order = play_turn(turn, None, false);
    let mut problems = Vec::new();
    if in_order.summary != turn.ends {
        problems.push(format!("{}, and back: ends as `{}`", turn.flow, in_order.summary));
    }
    for (k, call) in (1..).zip(play(flow_named(turn.flow), None).calls) {
        for fault in faults {
            let other = play_turn(turn, Some((k, *fault)), look_for_drift);
            let mut found = Vec::new();
            differences("", &in_order.end, &other.end, &mut found);
            // What never came about is not told.
            found.retain(|path| !path.starts_with("/history") && !path.contains("/version:"));
            found.extend(other.flaws);
            let at = format!("{}, call {k} {}: {fault:?}, and back", turn.flow, call.operation);
            problems.extend(found.into_iter().map(|problem| format!("{at}: {problem}")));
        }
    }
    problems
}

/// Nothing that a dead worker left half done outlives its reason: whoever comes next
/// looks at the world instead of trusting the ledger.
#[test]
fn what_a_dead_worker_left_half_done_is_undone_when_its_reason_has_gone() {
    let faults = [Fault::KilledBefore, Fault::KilledAfter, Fault::AnswerLost];
    let problems = TURNS.iter().flat_map(|turn| problems_of_turn(turn, &faults, false));
    let problems: Vec<_> = problems.collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The one caveat of `converge`: API Gateway and Cognito have no conditional writes, so a
/// call that lands after its lease, when the facts are others, is drift. It is never in the
/// ledger, and one look mends it. But a key that is disabled so cannot be told from one that
/// somebody has held since a backup: it is told, and left.
#[test]
fn what_lands_after_its_lease_is_mended_by_a_look() {
    let faults = [Fault::PausedBefore, Fault::PausedAfter];
    let drift = TURNS.iter().flat_map(|turn| problems_of_turn(turn, &faults, false));
    let drift: Vec<_> = drift.collect();
    let in_the_world =
        |drift: &&String| ["/keys/0/", "/users/0/"].iter().any(|at| drift.contains(at));
    assert_eq!(drift.iter().filter(in_the_world).count(), drift.len(), "{}", drift.join("\n"));
    assert!(drift.iter().all(|drift| drift.contains("PausedBefore")), "{}", drift.join("\n"));
    assert!(!drift.is_empty(), "the caveat has gone: say so in the documentation of `converge`");
    let late = [Fault::PausedBefore];
    let left = TURNS.iter().flat_map(|turn| problems_of_turn(turn, &late, true));
    let left: Vec<_> = left.collect();
    let disabled = |left: &&String| left.ends_with("/keys/0/3: true became false");
    assert_eq!(left.iter().filter(disabled).count(), left.len(), "{}", left.join("\n"));
    assert_eq!(left.len(), 2, "one for each flow that disables");
}
