//! Who asks what of AWS and Stripe: each call of a function in the words of IAM (action
//! and resource) or of Stripe's API (method and path). Nothing is refused here;
//! `cargo deployed` compares what was needed with what the template's roles allow.
//!
//! Each function signs with an access key id that is its name, and has a Stripe key that
//! ends with it, so that a request itself says whose it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use serde_json::Value;
use tollgate_functions::adapters::dynamodb::table::PK;

/// The Region of the local stack.
pub const REGION: &str = "us-east-1";
/// The account of the local stack.
pub const ACCOUNT: &str = "000000000000";
/// What every Stripe key of the local stack begins with; the function's name follows.
pub const STRIPE_KEY_PREFIX: &str = "sk_test_local_";

/// What IAM has to allow for a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// The function: its access key id.
    pub caller: String,
    /// `dynamodb:GetItem`, `apigateway:PATCH`, …
    pub action: String,
    /// The ARN.
    pub resource: String,
    /// The context key `dynamodb:LeadingKeys`: partition keys that the call names.
    pub leading_keys: BTreeSet<String>,
}

/// What was asked so far; every clone is the same.
#[derive(Debug, Clone, Default)]
pub struct Access(Arc<Mutex<Asked>>);

/// How often each thing was asked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Of AWS.
    pub aws: BTreeMap<Need, usize>,
    /// Of Stripe: function, and method with path (`GET /v1/charges/{id}`).
    pub stripe: BTreeMap<(String, String), usize>,
}

impl Access {
    /// What was asked so far.
    pub fn asked(&self) -> Asked {
        self.lock().clone()
    }

    /// Notes a call to AWS; one that nobody signed needs nothing.
    pub(crate) fn note_aws(&self, parts: &Parts, body: &[u8]) {
        let mut asked = self.lock();
        for need in needs(parts, body) {
            *asked.aws.entry(need).or_default() += 1;
        }
    }

    /// Notes a call to Stripe with a function's key; the pages have none.
    pub(crate) fn note_stripe(&self, headers: &HeaderMap, method: &Method, path: &str) {
        let Some(caller) = bearer(headers).and_then(|key| key.strip_prefix(STRIPE_KEY_PREFIX))
        else {
            return;
        };
        let call = (caller.to_owned(), format!("{method} {}", without_ids(path)));
        *self.lock().stripe.entry(call).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Stripe's ids begin with what they are of.
fn without_ids(path: &str) -> String {
    const IDS: [&str; 6] = ["sub_", "cus_", "cs_", "ch_", "dp_", "price_"];
    let is_id = |part: &str| IDS.iter().any(|prefix| part.starts_with(prefix));
    let parts = path.split('/').map(|part| if is_id(part) { "{id}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Who signed a request: the access key id in its signature (version 4).
pub(crate) fn caller(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get("authorization")?.to_str().ok()?;
    header.split_once("Credential=")?.1.split('/').next()
}

/// What a request needs, by AWS's service authorization reference.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>
fn needs(parts: &Parts, body: &[u8]) -> Vec<Need> {
    let Some(caller) = caller(&parts.headers) else { return Vec::new() };
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let Some((service, operation)) = target.and_then(|target| target.split_once('.')) else {
        return without_target(caller, parts, body);
    };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |field: &str| body[field].as_str().unwrap_or_default();
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}");
    match service {
        "AmazonSQS" => {
            let queue = text("QueueUrl").rsplit('/').next().unwrap_or_default();
            // A batch needs what its entries need.
            let action = format!("sqs:{}", operation.trim_end_matches("Batch"));
            vec![need(caller, &action, arn("sqs", queue))]
        }
        "AWSCognitoIdentityProviderService" => {
            let pool = arn("cognito-idp", &format!("userpool/{}", text("UserPoolId")));
            vec![need(caller, &format!("cognito-idp:{operation}"), pool)]
        }
        "secretsmanager" => {
            vec![need(caller, &format!("secretsmanager:{operation}"), text("SecretId").to_owned())]
        }
        _ => dynamodb(caller, operation, &body),
    }
}

/// CloudFormation's query protocol, or API Gateway's paths. Whoever makes something with tags must be
/// allowed to tag.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagement.html>
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging.html>
fn without_target(caller: &str, parts: &Parts, body: &[u8]) -> Vec<Need> {
    let form = body.strip_prefix(b"Action=");
    if let Some(action) = form.and_then(|form| form.split(|byte| *byte == b'&').next()) {
        let action = format!("cloudformation:{}", String::from_utf8_lossy(action));
        return vec![need(
            caller,
            &action,
            format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack"),
        )];
    }
    let on = |method: &str, path: &str| {
        let resource = format!("arn:aws:apigateway:{REGION}::{path}");
        need(caller, &format!("apigateway:{method}"), resource)
    };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let tags = body["tags"].as_object().is_some_and(|tags| !tags.is_empty());
    let tagged = tags.then(|| on("PUT", "/tags/*"));
    std::iter::once(on(parts.method.as_str(), parts.uri.path())).chain(tagged).collect()
}

fn need(caller: &str, action: &str, resource: String) -> Need {
    let (caller, action) = (caller.to_owned(), action.to_owned());
    Need { caller, action, resource, leading_keys: BTreeSet::new() }
}

/// DynamoDB's, where a transaction needs what each of its writes needs.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html>
fn dynamodb(caller: &str, operation: &str, body: &Value) -> Vec<Need> {
    let one = |operation: &str, request: &Value| {
        let table = request["TableName"].as_str().unwrap_or_default();
        on_table(caller, operation, table, request["IndexName"].as_str(), leading(request))
    };
    match operation {
        "TransactWriteItems" => {
            let writes = body["TransactItems"].as_array().into_iter().flatten();
            let writes = writes.filter_map(Value::as_object).flatten();
            writes.map(|(kind, request)| one(transactional(kind), request)).collect()
        }
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            let keys = |request: &Value| {
                request["Keys"].as_array().into_iter().flatten().filter_map(partition).collect()
            };
            tables.map(|(table, it)| on_table(caller, operation, table, None, keys(it))).collect()
        }
        _ => vec![one(operation, body)],
    }
}

/// The action of a part of a transaction.
fn transactional(kind: &str) -> &'static str {
    match kind {
        "Put" => "PutItem",
        "Update" => "UpdateItem",
        "Delete" => "DeleteItem",
        "ConditionCheck" => "ConditionCheckItem",
        _ => "a part of a transaction that nobody knows",
    }
}

fn on_table(
    caller: &str,
    operation: &str,
    table: &str,
    index: Option<&str>,
    leading_keys: BTreeSet<String>,
) -> Need {
    let index = index.map(|index| format!("/index/{index}")).unwrap_or_default();
    let resource = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}{index}");
    Need { leading_keys, ..need(caller, &format!("dynamodb:{operation}"), resource) }
}

/// The partition keys that a request names: of an item, or of a query (`name = :value`).
fn leading(request: &Value) -> BTreeSet<String> {
    let item = partition(&request["Key"]).or_else(|| partition(&request["Item"]));
    let expression = request["KeyConditionExpression"].as_str();
    let placeholder = expression.and_then(|text| text.split_once(" = ")?.1.split(' ').next());
    let queried = placeholder.and_then(|placeholder| {
        request["ExpressionAttributeValues"][placeholder]["S"].as_str().map(str::to_owned)
    });
    item.into_iter().chain(queried).collect()
}

fn partition(item: &Value) -> Option<String> {
    item[PK]["S"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use serde_json::json;

    use super::*;

    fn asked(target: &str, method: &str, path: &str, body: &Value) -> Vec<String> {
        let credential = "AWS4-HMAC-SHA256 Credential=worker/20260301/us-east-1/s/aws4_request, S=";
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", credential);
        let request =
            if target.is_empty() { request } else { request.header("x-amz-target", target) };
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let needs = needs(&parts, body.to_string().as_bytes()).into_iter();
        needs
            .map(|need| {
                assert_eq!(need.caller, "worker");
                let keys: Vec<_> = need.leading_keys.into_iter().collect();
                let resource = need.resource.replace("arn:aws:", "");
                format!("{} {resource} {}", need.action, keys.join(",")).trim().to_owned()
            })
            .collect()
    }

    #[test]
    fn a_call_is_told_in_the_words_of_iam() {
        let key = |pk: &str| json!({ "pk": { "S": pk }, "sk": { "S": "STATE" } });
        let put = json!({ "TransactItems": [
            { "Put": { "TableName": "t", "Item": key("A") } },
            { "Update": { "TableName": "t", "Key": key("B") } },
            { "ConditionCheck": { "TableName": "t", "Key": key("C") } },
        ] });
        let query = json!({ "TableName": "t", "IndexName": "due",
            "KeyConditionExpression": "#hash = :hash AND #range <= :until",
            "ExpressionAttributeValues": { ":hash": { "S": "3" }, ":until": { "S": "2026" } } });
        let batch = json!({ "RequestItems": { "t": { "Keys": [key("A"), key("B")] } } });
        let table = "dynamodb:us-east-1:000000000000:table/t";
        let cases: [(&str, &str, &str, Value, Vec<String>); 8] = [
            (
                "",
                "POST",
                "/usageplans",
                json!({ "tags": { "tollgate:stack": "shop" } }),
                vec![
                    "apigateway:POST apigateway:us-east-1::/usageplans".into(),
                    "apigateway:PUT apigateway:us-east-1::/tags/*".into(),
                ],
            ),
            (
                "",
                "PATCH",
                "/apikeys/k1?x=1",
                json!({}),
                vec!["apigateway:PATCH apigateway:us-east-1::/apikeys/k1".into()],
            ),
            (
                "AmazonSQS.SendMessageBatch",
                "POST",
                "/",
                json!({ "QueueUrl": "http://h/0/bulk.fifo" }),
                vec!["sqs:SendMessage sqs:us-east-1:000000000000:bulk.fifo".into()],
            ),
            (
                "AWSCognitoIdentityProviderService.ListUsers",
                "POST",
                "/",
                json!({ "UserPoolId": "p" }),
                vec!["cognito-idp:ListUsers cognito-idp:us-east-1:000000000000:userpool/p".into()],
            ),
            (
                "secretsmanager.GetSecretValue",
                "POST",
                "/",
                json!({ "SecretId": "arn:aws:s" }),
                vec!["secretsmanager:GetSecretValue s".into()],
            ),
            (
                "DynamoDB_20120810.TransactWriteItems",
                "POST",
                "/",
                put,
                vec![
                    format!("dynamodb:PutItem {table} A"),
                    format!("dynamodb:UpdateItem {table} B"),
                    format!("dynamodb:ConditionCheckItem {table} C"),
                ],
            ),
            (
                "DynamoDB_20120810.Query",
                "POST",
                "/",
                query,
                vec![format!("dynamodb:Query {table}/index/due 3")],
            ),
            (
                "DynamoDB_20120810.BatchGetItem",
                "POST",
                "/",
                batch,
                vec![format!("dynamodb:BatchGetItem {table} A,B")],
            ),
        ];
        for (target, method, path, body, expected) in cases {
            assert_eq!(asked(target, method, path, &body), expected);
        }
    }

    #[test]
    fn what_nobody_signed_needs_nothing() {
        let (parts, ()) = Request::builder().uri("/").body(()).unwrap().into_parts();
        assert_eq!(needs(&parts, b"{}"), []);
    }
}
