//! The alarms: all of them there, somebody told, and each fed by what is really logged.

use std::collections::BTreeSet;

use serde_json::Value;

use super::view::{Resource, functions, referenced, resources, text};
use super::{Assertion, AssertionResult, GONE, Mistake, verdict};

pub(super) const ASSERTIONS: &[Assertion] = &[
    Assertion {
        name: "there is an alarm for each thing that a person must know of",
        check: complete,
        mistake: Mistake { place: "/Resources/BlastLimitAlarm", value: GONE },
    },
    Assertion {
        name: "each alarm tells somebody",
        check: told,
        mistake: Mistake { place: "/Resources/ParkedAlarm/Properties/AlarmActions", value: GONE },
    },
    Assertion {
        name: "no alarm calculates",
        check: plain,
        mistake: Mistake { place: "/Resources/ParkedAlarm/Properties/Metrics", value: "[]" },
    },
    Assertion {
        name: "each metric of Tollgate's own is made by a filter",
        check: fed,
        mistake: Mistake {
            place: "/Resources/BlastLimitFilter/Properties/MetricTransformations/0/MetricName",
            value: r#""Blasts""#,
        },
    },
    Assertion {
        name: "filters look for what is logged",
        check: logged,
        mistake: Mistake {
            place: "/Resources/BlastLimitFilter/Properties/FilterPattern",
            value: r#""{ $.message = \"the blast limit is hit\" }""#,
        },
    },
];

/// Metrics of Tollgate's own, made from logs.
const OWN: [&str; 17] = [
    "AccountFailed",
    "ApiKeys",
    "BadSignature",
    "BlastLimit",
    "CancellationLimit",
    "CheckoutRejected",
    "DeadletterFailed",
    "DriftFailed",
    "FraudWarning",
    "Parked",
    "QueueUnavailable",
    "RowsLeftOut",
    "SeveralSubscriptions",
    "StagesLost",
    "Systemic",
    "UnknownPrice",
    "Unreadable",
];
const NAMESPACE: &str = "Tollgate/${AWS::StackName}";

/// The code that logs what filters look for.
const SOURCES: [&str; 10] = [
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../workers/functions/src/handlers/account.rs"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../workers/functions/src/handlers/sqs.rs"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../workers/functions/src/handlers/sweep.rs"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../workers/functions/src/handlers/trigger.rs"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../workers/functions/src/handlers/webhook.rs"
    )),
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workers/core/src/batch.rs")),
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workers/core/src/converge/blast.rs")),
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workers/core/src/converge/commit.rs")),
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workers/core/src/converge.rs")),
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workers/core/src/ingress.rs")),
];

fn alarms(template: &Value) -> Vec<Resource<'_>> {
    resources(template, "AWS::CloudWatch::Alarm")
}

/// The alarm's metric, and whose it is: a resource of the template, or Tollgate.
fn about<'a>(alarm: &Resource<'a>) -> (&'a str, &'a str) {
    let whose = referenced(&alarm.properties["Dimensions"][0]["Value"]);
    let own = || text(&alarm.properties["Namespace"]).unwrap_or_default();
    (alarm.properties["MetricName"].as_str().unwrap_or_default(), whose.unwrap_or_else(own))
}

fn complete(template: &Value) -> AssertionResult {
    let found: BTreeSet<_> = alarms(template).iter().map(about).collect();
    let mut wanted: Vec<_> = OWN.iter().map(|metric| (*metric, NAMESPACE)).collect();
    wanted.extend(
        functions(template).iter().flat_map(|it| [("Errors", it.id), ("Throttles", it.id)]),
    );
    for (queue, dead) in
        [("EventsQueue", "EventsDeadLetterQueue"), ("BulkQueue", "BulkDeadLetterQueue")]
    {
        wanted.push(("ApproximateAgeOfOldestMessage", queue));
        wanted.push(("ApproximateNumberOfMessagesVisible", dead));
    }
    wanted.push(("FailedInvocations", "UserChangesRule"));
    let missing = wanted.into_iter().filter(|it| !found.contains(it));
    verdict(missing.map(|(metric, whose)| format!("none for {metric} of {whose}")))
}

fn told(template: &Value) -> AssertionResult {
    let silent = alarms(template).into_iter().filter(|it| it.properties["AlarmActions"].is_null());
    verdict(silent.map(|it| it.id.to_owned()))
}

/// Metric math costs more, and no emulator has it.
fn plain(template: &Value) -> AssertionResult {
    let wrong = alarms(template).into_iter().filter(|it| !it.properties["Metrics"].is_null());
    verdict(wrong.map(|it| it.id.to_owned()))
}

fn fed(template: &Value) -> AssertionResult {
    let made: BTreeSet<_> = resources(template, "AWS::Logs::MetricFilter")
        .iter()
        .filter_map(|filter| {
            let metric = &filter.properties["MetricTransformations"][0];
            let ours = text(&metric["MetricNamespace"]) == Some(NAMESPACE);
            metric["MetricName"].as_str().filter(|_| ours)
        })
        .collect();
    let own = alarms(template).into_iter().filter(|it| about(it).1 == NAMESPACE);
    verdict(
        own.filter(|it| !made.contains(about(it).0)).map(|it| format!("{} hears nothing", it.id)),
    )
}

/// Every word that a filter compares with is a text in the code that logs, and every field
/// has its place there.
fn logged(template: &Value) -> AssertionResult {
    let in_code = |text: &str| SOURCES.iter().any(|source| source.contains(text));
    let mut problems = Vec::new();
    for filter in resources(template, "AWS::Logs::MetricFilter") {
        let pattern = filter.properties["FilterPattern"].as_str().unwrap_or_default();
        let words = pattern.split('"').skip(1).step_by(2).map(|word| format!("\"{word}\""));
        // tracing's own field for a record's text.
        let fields = pattern.split("$.").skip(1).filter_map(|rest| rest.split_whitespace().next());
        let fields = fields.filter(|field| *field != "message").map(|field| format!("{field} ="));
        let unknown = words.chain(fields).filter(|text| !in_code(text));
        problems.extend(unknown.map(|text| format!("{}: nobody logs {text}", filter.id)));
    }
    verdict(problems)
}
