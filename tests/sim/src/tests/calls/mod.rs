//! Beside the seeds: every flow with its k-th call failing, killed before and killed
//! after, for every k. However it goes wrong, the end is that of the undisturbed flow.

mod end;
mod flows;
mod steps;

use serde_json::Value;
use tollgate_billing::ports::{Class, Service};
use tollgate_standin::gate::Call;

use crate::scene::{Mishap, Scene};
use end::{end, flaws, summary, values};
use flows::{FLOWS, Flow, TURNS, Turn};

/// What a flow came to.
struct Played {
    /// The calls of the worker and of the sweep.
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
fn play(flow: &Flow, goes_wrong: Option<(usize, Mishap)>) -> Played {
    play_watched(flow, goes_wrong, None, &mut |_| ())
}

/// Plays a flow; `then` comes right after what goes wrong, or when all is at rest; with a
/// look at the world wherever the worker waits.
fn play_watched(
    flow: &Flow,
    goes_wrong: Option<(usize, Mishap)>,
    then: Option<fn(&Scene)>,
    watch: &mut dyn FnMut(&Scene),
) -> Played {
    let scene = Scene::default();
    (flow.set_up)(&scene);
    scene.collect();
    let before = values(&scene);
    scene.world.gate.take_calls();
    if let Some((call, mishap)) = goes_wrong {
        scene.arm(call, mishap);
        then.into_iter().for_each(|act| scene.meanwhile(act));
    }
    scene.come_to_rest_watched(&mut || watch(&scene));
    if let (Some(act), None) = (then, goes_wrong) {
        act(&scene);
        scene.come_to_rest_watched(&mut || watch(&scene));
    }
    Played {
        calls: scene.world.gate.take_calls(),
        steps: steps_taken(&scene),
        end: end(&scene, &before),
        summary: summary(&scene),
        flaws: flaws(&scene),
        struck: !scene.is_armed(),
    }
}

fn steps_taken(scene: &Scene) -> Vec<String> {
    let ledger = &scene.world.ledger;
    let entries = ledger.accounts().into_iter().flat_map(|account| ledger.entries(&account.id));
    entries.flat_map(|entry| entry.steps).map(|taken| taken.step).collect()
}

/// All that can go wrong with a call.
fn mishaps(call: &Call) -> Vec<Mishap> {
    let failures = failures(call).into_iter().map(Mishap::Fails);
    failures
        .chain([
            Mishap::AnswerLost,
            Mishap::KilledBefore,
            Mishap::KilledAfter,
            Mishap::PausedBefore,
            Mishap::PausedAfter,
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
    let fair = play(flow, None);
    let mut problems = fair.flaws.clone();
    if fair.calls.len() < flow.at_least {
        problems.push(format!("{}: only {} calls", flow.name, fair.calls.len()));
    }
    if fair.summary != flow.ends {
        problems.push(format!("{}: ends as `{}`", flow.name, fair.summary));
    }
    let mut played = 0;
    for (k, call) in (1..).zip(&fair.calls) {
        for mishap in mishaps(call) {
            played += 1;
            let other = play(flow, Some((k, mishap)));
            let mut found = other.flaws;
            differences("", &fair.end, &other.end, &mut found);
            if !other.struck {
                found.push("nothing went wrong".into());
            }
            let at = format!("{}, call {k} {}: {mishap:?}", flow.name, call.operation);
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
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The test above tries every call there is: after the last one nothing can go wrong.
#[test]
fn a_flow_has_no_call_after_its_last() {
    for flow in &FLOWS {
        let calls = play(flow, None).calls.len();
        assert!(play(flow, Some((calls, Mishap::KilledBefore))).struck, "{}", flow.name);
        assert!(!play(flow, Some((calls + 1, Mishap::KilledBefore))).struck, "{}", flow.name);
    }
}

/// Crashes a flow at each of its calls; before the redelivery its reason goes.
fn problems_of_turn(turn: &Turn) -> Vec<String> {
    let flow = flow_named(turn.flow);
    let in_order = play_watched(flow, None, Some(turn.act), &mut |_| ());
    let mut problems = Vec::new();
    if in_order.summary != turn.ends {
        problems.push(format!("{}, and back: ends as `{}`", flow.name, in_order.summary));
    }
    for (k, call) in (1..).zip(play(flow, None).calls) {
        for mishap in [Mishap::KilledBefore, Mishap::KilledAfter, Mishap::AnswerLost] {
            let other = play_watched(flow, Some((k, mishap)), Some(turn.act), &mut |_| ());
            let mut found = Vec::new();
            differences("", &in_order.end, &other.end, &mut found);
            // What never came about is not told.
            found.retain(|path| !path.starts_with("/history") && !path.contains("/version:"));
            found.extend(other.flaws);
            let at = format!("{}, call {k} {}: {mishap:?}, and back", flow.name, call.operation);
            problems.extend(found.into_iter().map(|problem| format!("{at}: {problem}")));
        }
    }
    problems
}

fn flow_named(name: &str) -> &'static Flow {
    FLOWS.iter().find(|flow| flow.name == name).expect("there is such a flow")
}

/// Nothing that a dead worker left half done outlives its reason: whoever comes next
/// looks at the world instead of trusting the ledger.
#[test]
fn what_a_dead_worker_left_half_done_is_undone_when_its_reason_has_gone() {
    let problems: Vec<_> = TURNS.iter().flat_map(problems_of_turn).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
