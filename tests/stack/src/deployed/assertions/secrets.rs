//! Secrets: in Secrets Manager alone, and for who needs them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::view::{Resource, functions, referenced, resources, statements, texts};
use super::{Assertion, AssertionResult, Mistake, verdict};

pub(super) const ASSERTIONS: &[Assertion] = &[
    Assertion {
        name: "no secret is in an environment variable",
        check: environment,
        mistake: Mistake {
            place: "/Resources/WorkerFunction/Properties/Environment/Variables/STRIPE_SECRET_KEY",
            value: r#"{"Ref": "StripeKey"}"#,
        },
    },
    Assertion {
        name: "no secret is in the template",
        check: no_values,
        mistake: Mistake {
            place: "/Resources/StripeKeySecret/Properties/SecretString",
            value: r#""{{resolve:ssm-secure:stripe-key}}""#,
        },
    },
    Assertion {
        name: "outputs are those that the command and people read, and show no secret",
        check: outputs,
        mistake: Mistake {
            place: "/Outputs/StripeKeySecretArn/Value",
            value: r#""{{resolve:secretsmanager:stripe-key}}""#,
        },
    },
    Assertion {
        name: "each function may read the secrets that it is told of, and no other",
        check: readers,
        mistake: Mistake {
            place: "/Resources/AccountRole/Properties/Policies/0/PolicyDocument/Statement/5/Resource",
            value: r#"{"Fn::GetAtt": ["StripeKeySecret", "Id"]}"#,
        },
    },
    Assertion {
        name: "each function is told of its secrets",
        check: told,
        mistake: Mistake {
            place: "/Resources/SweepFunction/Properties/Environment/Variables/TOLLGATE_KEY_SECRETS_ARN",
            value: r#"{"Fn::GetAtt": ["StripeKeySecret", "Id"]}"#,
        },
    },
];

/// The variables that would hold a value; with `_ARN` behind they name the secret.
const VARIABLES: [&str; 3] =
    ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS", "TOLLGATE_KEY_SECRETS"];

/// Who needs which.
const TOLD: [(&str, &[&str]); 8] = [
    ("AccountFunction", &["STRIPE_SECRET_KEY_ARN", "TOLLGATE_KEY_SECRETS_ARN"]),
    ("CognitoTriggerFunction", &[]),
    ("DeadletterFunction", &[]),
    ("EventbridgeFunction", &[]),
    ("SiteFunction", &[]),
    ("StripeWebhookFunction", &["STRIPE_WEBHOOK_SECRETS_ARN"]),
    ("SweepFunction", &["STRIPE_SECRET_KEY_ARN"]),
    ("WorkerFunction", &["STRIPE_SECRET_KEY_ARN", "TOLLGATE_KEY_SECRETS_ARN"]),
];

/// What `tollgate --stack` reads (docs/deploy.md), and the page's address, which people do.
pub(super) const OUTPUTS: [&str; 17] = [
    "AccountUrl",
    "ApiStage",
    "BulkDeadLetterQueueUrl",
    "BulkQueueUrl",
    "CognitoTriggerArn",
    "EventsDeadLetterQueueUrl",
    "EventsQueueUrl",
    "KeySecretsArn",
    "Livemode",
    "PageUrl",
    "ReturnUrl",
    "StripeKeySecretArn",
    "SweepStripeKeySecretArn",
    "TableName",
    "UserPoolId",
    "WebhookSecretsArn",
    "WebhookUrl",
];

/// Looks like a value, or like what CloudFormation would replace by one.
fn is_secret(text: &str) -> bool {
    let stripes = ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"];
    text.contains("{{resolve:") || stripes.iter().any(|prefix| text.contains(prefix))
}

fn variables<'a>(function: &Resource<'a>) -> impl Iterator<Item = (&'a String, &'a Value)> {
    function.properties["Environment"]["Variables"].as_object().into_iter().flatten()
}

fn environment(template: &Value) -> AssertionResult {
    let mut problems = Vec::new();
    for function in functions(template) {
        let shown = variables(&function).filter(|(name, value)| {
            VARIABLES.contains(&name.as_str()) || texts(value).into_iter().any(is_secret)
        });
        problems.extend(shown.map(|(name, _)| format!("{}: {name}", function.id)));
    }
    verdict(problems)
}

/// A parameter with `NoEcho` would be in the hands of whoever deploys, and in their shell's history.
fn no_values(template: &Value) -> AssertionResult {
    let parameters = template["Parameters"].as_object().into_iter().flatten();
    let hidden = parameters.filter(|(_, it)| !it["NoEcho"].is_null()).map(|(name, _)| name.clone());
    let secrets = resources(template, "AWS::SecretsManager::Secret").into_iter();
    let literal = secrets.filter(|it| !it.properties["SecretString"].is_null());
    let elsewhere = texts(&template["Resources"]).into_iter().filter(|text| is_secret(text));
    let elsewhere = elsewhere.map(|_| "a resource names a value".to_owned());
    verdict(hidden.chain(literal.map(|it| it.id.to_owned())).chain(elsewhere))
}

fn outputs(template: &Value) -> AssertionResult {
    let found: BTreeSet<_> = template["Outputs"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let differ = found != BTreeSet::from(OUTPUTS);
    let differ = differ.then(|| format!("they are {found:?}"));
    let shown = texts(&template["Outputs"]).into_iter().filter(|text| is_secret(text));
    verdict(differ.into_iter().chain(shown.map(|_| "one shows a secret".to_owned())))
}

/// The secrets that a value names, also behind a condition.
fn named(value: &Value) -> BTreeSet<&str> {
    let branches = value["Fn::If"].as_array().into_iter().flatten().skip(1).flat_map(named);
    let items = value.as_array().into_iter().flatten().flat_map(named);
    referenced(value).into_iter().chain(branches).chain(items).collect()
}

fn readers(template: &Value) -> AssertionResult {
    let wrong = functions(template).into_iter().filter(|function| {
        let told = variables(function).filter(|(name, _)| name.ends_with("_ARN"));
        let told: BTreeSet<_> = told.flat_map(|(_, value)| named(value)).collect();
        let all = statements(template, function).into_iter();
        let reads =
            all.filter(|it| texts(&it["Action"]).contains(&"secretsmanager:GetSecretValue"));
        told != reads.flat_map(|it| named(&it["Resource"])).collect()
    });
    verdict(wrong.map(|function| function.id.to_owned()))
}

fn told(template: &Value) -> AssertionResult {
    let wrong = functions(template).into_iter().filter(|function| {
        let found: Vec<_> = variables(function)
            .map(|(name, _)| name.as_str())
            .filter(|name| name.ends_with("_ARN"))
            .collect();
        TOLD.iter().find(|(id, _)| *id == function.id).is_none_or(|(_, wanted)| found != *wanted)
    });
    verdict(wrong.map(|function| function.id.to_owned()))
}
