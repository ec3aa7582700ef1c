//! What each function may do: as little as possible, and never what Tollgate never does.
//!
//! That it is enough is another step's business: it compares the calls of the local stack
//! with these permissions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::view::{Resource, functions, list, referenced, resource, resources, statements, texts};
use super::{Assertion, AssertionResult, GONE, Mistake, verdict};

pub(super) const ASSERTIONS: &[Assertion] = &[
    Assertion {
        name: "each function has a role and a log of its own",
        check: own_roles,
        mistake: Mistake {
            place: "/Resources/EventbridgeFunction/Properties/Role",
            value: r#"{"Fn::GetAtt": ["CognitoTriggerRole", "Arn"]}"#,
        },
    },
    Assertion {
        name: "no permission is for everything",
        check: no_wildcards,
        mistake: Mistake {
            place: "/Resources/WorkerRole/Properties/Policies/0/PolicyDocument/Statement/1/Resource",
            value: r#""*""#,
        },
    },
    Assertion {
        name: "no function may do what Tollgate never does",
        check: known_actions,
        mistake: Mistake {
            place: "/Resources/StripeWebhookRole/Properties/Policies/0/PolicyDocument/Statement/1/Action",
            value: r#"["sqs:SendMessage", "sqs:PurgeQueue"]"#,
        },
    },
    Assertion {
        name: "usage plans, stages and APIs are neither made nor changed",
        check: api_gateway,
        // CreateUsagePlan.
        mistake: Mistake {
            place: "/Resources/WorkerRole/Properties/Policies/0/PolicyDocument/Statement/7/Action",
            value: r#""apigateway:POST""#,
        },
    },
    Assertion {
        name: "only indexes are scanned",
        check: scans,
        mistake: Mistake {
            place: "/Resources/SweepRole/Properties/Policies/0/PolicyDocument/Statement/4/Resource",
            value: r#"{"Fn::GetAtt": ["Table", "Arn"]}"#,
        },
    },
    Assertion {
        name: "the sweep writes to the stack's own item alone",
        check: sweep_writes,
        mistake: Mistake {
            place: "/Resources/SweepRole/Properties/Policies/0/PolicyDocument/Statement/5/Condition",
            value: GONE,
        },
    },
    Assertion {
        name: "the account API writes to rows of its own alone",
        check: account_writes,
        mistake: Mistake {
            place: "/Resources/AccountRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition",
            value: GONE,
        },
    },
    Assertion {
        name: "functions are invoked by what is theirs alone",
        check: invokers,
        mistake: Mistake {
            place: "/Resources/CognitoTriggerPermission/Properties/SourceArn",
            value: GONE,
        },
    },
];

/// All that any function may do.
const ACTIONS: [&str; 21] = [
    "apigateway:DELETE",
    "apigateway:GET",
    "apigateway:PATCH",
    "apigateway:POST",
    "cognito-idp:AdminGetUser",
    "cognito-idp:AdminUpdateUserAttributes",
    "cognito-idp:ListUsers",
    "dynamodb:BatchGetItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "secretsmanager:GetSecretValue",
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
];

/// Where API Gateway's control plane may be used, and for what. AWS gives keys and plans
/// their ids, so those cannot be named beforehand.
const API_GATEWAY: [(&str, &[&str]); 6] = [
    ("/apikeys", &["GET", "POST"]),
    ("/apikeys/*", &["GET", "PATCH", "DELETE"]),
    ("/usageplans", &["GET"]),
    ("/usageplans/*/keys", &["GET", "POST"]),
    ("/usageplans/*/keys/*", &["DELETE"]),
    ("/usageplans/*/usage", &["GET"]),
];

fn own_roles(template: &Value) -> AssertionResult {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for function in functions(template) {
        let role = referenced(&function.properties["Role"]).unwrap_or_default();
        if !seen.insert(role) {
            problems.push(format!("{} shares {role}", function.id));
        }
        problems.extend(role_problem(resource(template, role)).map(|why| format!("{role} {why}")));
        if !logs_to_its_own(template, &function) {
            problems.push(format!("{} may not write its log, or may write others", function.id));
        }
    }
    verdict(problems)
}

fn role_problem(role: &Value) -> Option<&'static str> {
    let properties = &role["Properties"];
    let principals = list(&properties["AssumeRolePolicyDocument"]["Statement"]);
    let lambda = json!({"Service": "lambda.amazonaws.com"});
    if principals.is_empty() || principals.iter().any(|it| it["Principal"] != lambda) {
        return Some("can be assumed by others than Lambda");
    }
    (!properties["ManagedPolicyArns"].is_null()).then_some("has policies of AWS's, which are wide")
}

fn logs_to_its_own(template: &Value, function: &Resource<'_>) -> bool {
    let own = referenced(&function.properties["LoggingConfig"]["LogGroup"]);
    let writes = |it: &&Value| texts(&it["Action"]).contains(&"logs:PutLogEvents");
    let logs: Vec<_> = statements(template, function).into_iter().filter(writes).collect();
    matches!(logs.as_slice(), [one] if own.is_some() && referenced(&one["Resource"]) == own)
}

/// An asterisk may stand only where AWS makes up the name.
fn no_wildcards(template: &Value) -> AssertionResult {
    let mut problems = Vec::new();
    for function in functions(template) {
        for statement in statements(template, &function) {
            let resources = texts(&statement["Resource"]);
            let wide = |it: &&&str| {
                it.contains('*')
                    && !API_GATEWAY.iter().any(|(path, _)| it.ends_with(&format!("::{path}")))
            };
            problems
                .extend(resources.iter().filter(wide).map(|it| format!("{}: {it}", function.id)));
            if resources.is_empty() || statement["Effect"] != "Allow" {
                problems.push(format!(
                    "{}: a statement without a resource, or that denies",
                    function.id
                ));
            }
        }
    }
    verdict(problems)
}

fn known_actions(template: &Value) -> AssertionResult {
    let mut problems = Vec::new();
    for function in functions(template) {
        for statement in statements(template, &function) {
            let actions = texts(&statement["Action"]);
            if actions.is_empty() {
                problems.push(format!("{}: a statement without an action", function.id));
            }
            let unknown = actions.iter().filter(|it| !ACTIONS.contains(it));
            problems.extend(unknown.map(|it| format!("{}: {it}", function.id)));
        }
    }
    verdict(problems)
}

fn api_gateway(template: &Value) -> AssertionResult {
    let mut problems = Vec::new();
    for function in functions(template) {
        for statement in statements(template, &function) {
            for verb in texts(&statement["Action"]) {
                let Some(verb) = verb.strip_prefix("apigateway:") else { continue };
                for path in texts(&statement["Resource"]) {
                    let path = path.rsplit("::").next().unwrap_or_default();
                    let allowed =
                        |(known, verbs): &(&str, &[&str])| *known == path && verbs.contains(&verb);
                    if !API_GATEWAY.iter().any(allowed) {
                        problems.push(format!("{}: {verb} {path}", function.id));
                    }
                }
            }
        }
    }
    verdict(problems)
}

/// The table grows for ever; the index `stuck` is sparse.
fn scans(template: &Value) -> AssertionResult {
    let all = functions(template).into_iter().flat_map(|it| statements(template, &it));
    let scans = all.filter(|it| texts(&it["Action"]).contains(&"dynamodb:Scan"));
    let wrong =
        scans.filter(|it| !texts(&it["Resource"]).iter().all(|it| it.ends_with("/index/stuck")));
    verdict(wrong.map(|it| it["Resource"].to_string()))
}

fn sweep_writes(template: &Value) -> AssertionResult {
    let own = json!({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["STACK"]}});
    writes_on(template, "SweepFunction", &own)
}

/// No account's state, no history, no link.
fn account_writes(template: &Value) -> AssertionResult {
    let keys = json!(["BUY#*", "BUDGET#*", "RATE#*", "USE#*"]);
    let own = json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}});
    writes_on(template, "AccountFunction", &own)
}

/// That a function writes to the table under this condition, and nothing else.
fn writes_on(template: &Value, function: &str, condition: &Value) -> AssertionResult {
    const WRITES: [&str; 2] = ["dynamodb:UpdateItem", "dynamodb:PutItem"];
    let functions = functions(template).into_iter().filter(|it| it.id == function);
    let all = functions.flat_map(|it| statements(template, &it));
    let writes = all.filter(|it| texts(&it["Action"]).iter().any(|it| WRITES.contains(it)));
    let wrong = writes.filter(|it| it["Condition"] != *condition);
    verdict(wrong.map(|_| "without its condition".to_owned()))
}

fn invokers(template: &Value) -> AssertionResult {
    let all = resources(template, "AWS::Lambda::Permission");
    let anybodys = all.into_iter().filter(|it| it.properties["SourceArn"].is_null());
    verdict(anybodys.map(|it| format!("{} is for anybody's", it.id)))
}
