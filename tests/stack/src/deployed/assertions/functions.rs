//! The functions: how they run, what starts them, where they log.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::view::{functions, list, referenced, resource, resources, text};
use super::{Assertion, AssertionResult, GONE, Mistake, verdict};

pub(super) const ASSERTIONS: &[Assertion] = &[
    Assertion {
        name: "the functions are the binaries",
        check: names,
        mistake: Mistake {
            place: "/Resources/AccountFunction/Properties/FunctionName",
            value: r#"{"Fn::Sub": "${AWS::StackName}-api"}"#,
        },
    },
    Assertion {
        name: "functions run on al2023, on the processor that was chosen",
        check: runtime,
        mistake: Mistake {
            place: "/Resources/SweepFunction/Properties/Runtime",
            value: r#""provided.al2""#,
        },
    },
    Assertion {
        name: "concurrency is reserved where there is enough of it",
        check: concurrency,
        mistake: Mistake {
            place: "/Resources/StripeWebhookFunction/Properties/ReservedConcurrentExecutions",
            value: "20",
        },
    },
    Assertion {
        name: "the number of workers is the sum of both queues'",
        check: workers,
        mistake: Mistake { place: "/Mappings/Workers/2/3", value: r#""4""# },
    },
    Assertion {
        name: "logs are kept for a time and no longer",
        check: logs,
        mistake: Mistake { place: "/Resources/WorkerLogs/Properties/RetentionInDays", value: GONE },
    },
    Assertion {
        name: "what is logged is a parameter, and never less than the alarms are made of",
        check: levels,
        mistake: Mistake {
            place: "/Resources/WorkerFunction/Properties/Environment/Variables/TOLLGATE_LOG",
            value: r#""warn""#,
        },
    },
    Assertion {
        name: "the catalog comes as a layer",
        check: catalog,
        mistake: Mistake { place: "/Resources/WorkerFunction/Properties/Layers", value: GONE },
    },
    Assertion {
        name: "what is due is swept each minute, and all is compared each hour",
        check: schedules,
        mistake: Mistake {
            place: "/Resources/SweepFunctionDue/Properties/Targets/0/Input",
            value: r#""{\"sweep\":\"do\"}""#,
        },
    },
    Assertion {
        name: "deleted, disabled and enabled users are told of, of whichever pool",
        check: user_changes,
        mistake: Mistake {
            place: "/Resources/UserChangesRule/Properties/EventPattern/detail/requestParameters",
            value: r#"{"userPoolId": ["eu-west-1_1"]}"#,
        },
    },
];

/// Logical ids and binaries.
const BINARIES: [(&str, &str); 8] = [
    ("AccountFunction", "account"),
    ("CognitoTriggerFunction", "cognito-trigger"),
    ("DeadletterFunction", "deadletter"),
    ("EventbridgeFunction", "eventbridge"),
    ("SiteFunction", "site"),
    ("StripeWebhookFunction", "stripe-webhook"),
    ("SweepFunction", "sweep"),
    ("WorkerFunction", "worker"),
];

fn names(template: &Value) -> AssertionResult {
    let found: BTreeSet<_> = functions(template).iter().map(|it| it.id).collect();
    let differ = (found != BINARIES.iter().map(|(id, _)| *id).collect())
        .then(|| format!("they are {found:?}"));
    let wrong = BINARIES.iter().filter(|(id, binary)| {
        let properties = &resource(template, id)["Properties"];
        text(&properties["FunctionName"]) != Some(&format!("${{AWS::StackName}}-{binary}"))
            || properties["Code"]["S3Key"] != format!("{binary}.zip")
    });
    verdict(differ.into_iter().chain(wrong.map(|(id, _)| (*id).to_owned())))
}

fn runtime(template: &Value) -> AssertionResult {
    let wrong = functions(template).into_iter().filter(|it| {
        it.properties["Runtime"] != "provided.al2023"
            || it.properties["Handler"] != "bootstrap"
            || it.properties["Architectures"] != json!([{"Ref": "Architecture"}])
    });
    verdict(wrong.map(|it| it.id.to_owned()))
}

/// A new account's quota can be too small to reserve anything.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>
fn concurrency(template: &Value) -> AssertionResult {
    let wrong = functions(template).into_iter().filter(|it| {
        let reserved = &it.properties["ReservedConcurrentExecutions"]["Fn::If"];
        reserved[0] != "ReservesConcurrency" || reserved[2] != json!({"Ref": "AWS::NoValue"})
    });
    verdict(wrong.map(|it| it.id.to_owned()))
}

fn workers(template: &Value) -> AssertionResult {
    let choices = |name: &str| {
        let values = list(&template["Parameters"][name]["AllowedValues"]);
        values.into_iter().filter_map(Value::as_u64).collect::<Vec<_>>()
    };
    let sum = |events: u64, bulk: u64| {
        &template["Mappings"]["Workers"][events.to_string()][bulk.to_string()]
    };
    let (events, bulk) = (choices("EventsConcurrency"), choices("BulkConcurrency"));
    let wrong = events.iter().flat_map(|events| bulk.iter().map(move |bulk| (*events, *bulk)));
    let wrong = wrong.filter(|(events, bulk)| {
        sum(*events, *bulk).as_str() != Some((events + bulk).to_string().as_str())
    });
    let none = events.is_empty().then(|| "there is no choice".to_owned());
    verdict(none.into_iter().chain(wrong.map(|(events, bulk)| format!("{events} and {bulk}"))))
}

fn logs(template: &Value) -> AssertionResult {
    let groups = resources(template, "AWS::Logs::LogGroup");
    let endless = groups.iter().filter(|it| it.properties["RetentionInDays"].is_null());
    let elsewhere = functions(template).into_iter().filter(|function| {
        let group = referenced(&function.properties["LoggingConfig"]["LogGroup"]);
        !groups.iter().any(|it| Some(it.id) == group)
    });
    verdict(endless.map(|it| it.id.to_owned()).chain(elsewhere.map(|it| it.id.to_owned())))
}

fn levels(template: &Value) -> AssertionResult {
    let parameter = &template["Parameters"]["LogLevel"];
    let pattern = parameter["AllowedPattern"].as_str().unwrap_or_default();
    let is_enough = parameter["Default"] == "info" && pattern.starts_with("(info|debug)");
    let lower = (!is_enough).then(|| format!("LogLevel: {parameter}"));
    let wrong = functions(template).into_iter().filter(|it| {
        it.properties["Environment"]["Variables"]["TOLLGATE_LOG"] != json!({"Ref": "LogLevel"})
    });
    verdict(lower.into_iter().chain(wrong.map(|it| it.id.to_owned())))
}

fn catalog(template: &Value) -> AssertionResult {
    let wrong = functions(template).into_iter().filter(|it| {
        let path = it.properties["Environment"]["Variables"].get("TOLLGATE_CATALOG");
        path.is_some() == list(&it.properties["Layers"]).is_empty()
            || path.is_some_and(|path| path != "/opt/plans.toml")
    });
    verdict(wrong.map(|it| it.id.to_owned()))
}

fn schedules(template: &Value) -> AssertionResult {
    let wanted = BTreeSet::from([
        ("rate(1 hour)", r#"{"sweep":"drift"}"#),
        ("rate(1 minute)", r#"{"sweep":"due"}"#),
    ]);
    let rules = resources(template, "AWS::Events::Rule");
    let found: BTreeSet<_> = rules
        .iter()
        .filter_map(|rule| {
            let target = &rule.properties["Targets"][0];
            let sweeps = referenced(&target["Arn"]) == Some("SweepFunction");
            let schedule = rule.properties["ScheduleExpression"].as_str().filter(|_| sweeps)?;
            Some((schedule, target["Input"].as_str()?))
        })
        .collect();
    if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
}

/// A user's own `DeleteUser` names no pool: a pattern that asks for one misses it.
fn user_changes(template: &Value) -> AssertionResult {
    let wanted = json!({
        "source": ["aws.cognito-idp"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {
            "eventSource": ["cognito-idp.amazonaws.com"],
            "eventName": ["AdminDeleteUser", "DeleteUser", "AdminDisableUser", "AdminEnableUser"],
        },
    });
    let rules = resources(template, "AWS::Events::Rule");
    let told = rules.iter().any(|rule| {
        let target = &rule.properties["Targets"][0];
        rule.properties["EventPattern"] == wanted
            && referenced(&target["Arn"]) == Some("EventbridgeFunction")
            && !target["RetryPolicy"].is_null()
    });
    if told { Ok(()) } else { Err("no rule does exactly that".into()) }
}
