//! IAM's decision on a call, for as much of its language as the template uses. Whatever
//! else a statement says is an error, so that nothing is taken for allowed unread.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use serde_json::Value;
use tollgate_local::access::Need;

/// What a statement does with the calls that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// A statement, its intrinsic functions resolved.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    effect: Effect,
    /// What it is about: every action with every resource.
    pub(super) pairs: Vec<(String, String)>,
    leading_keys: Vec<LeadingKeys>,
}

/// A condition on `dynamodb:LeadingKeys`: each key that a call names is one of these.
/// A call that names none fulfils it.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>
#[derive(Debug, Clone)]
struct LeadingKeys {
    values: Vec<String>,
    /// `StringLike`: the values may have wildcards.
    like: bool,
}

impl Statement {
    /// Reads a statement.
    ///
    /// # Errors
    /// It says something that is not understood here.
    pub(super) fn read(statement: &Value) -> anyhow::Result<Self> {
        let fields = statement.as_object().context("a statement is not an object")?;
        const KNOWN: [&str; 5] = ["Sid", "Effect", "Action", "Resource", "Condition"];
        if let Some(unknown) = fields.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            bail!("a statement has {unknown}, which this check does not know");
        }
        let effect = match statement["Effect"].as_str() {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            other => bail!("a statement's effect is {other:?}"),
        };
        let resources = texts(&statement["Resource"])?;
        let pairs = texts(&statement["Action"])?.into_iter().flat_map(|action| {
            resources.iter().map(move |resource| (action.clone(), resource.clone()))
        });
        let leading_keys = conditions(&statement["Condition"])?;
        Ok(Self { effect, pairs: pairs.collect(), leading_keys })
    }

    /// Whether it takes part in the decision on a call.
    fn matches(&self, need: &Need) -> bool {
        let is_about = |(action, resource): &(String, String)| {
            // Actions are the same in any case; ARNs are not.
            like(&action.to_ascii_lowercase(), &need.action.to_ascii_lowercase())
                && like(resource, &need.resource)
        };
        let fulfilled = |keys: &LeadingKeys| keys.hold(&need.leading_keys);
        self.pairs.iter().any(is_about) && self.leading_keys.iter().all(fulfilled)
    }
}

/// Whether a role's statements allow a call: one does, and none denies it.
pub(super) fn allows(role: &[Statement], need: &Need) -> bool {
    let mut matching = role.iter().filter(|statement| statement.matches(need)).peekable();
    matching.peek().is_some() && matching.all(|statement| statement.effect == Effect::Allow)
}

impl LeadingKeys {
    fn hold(&self, keys: &BTreeSet<String>) -> bool {
        let is_one = |key: &String| {
            self.values.iter().any(|value| if self.like { like(value, key) } else { value == key })
        };
        keys.iter().all(is_one)
    }
}

fn conditions(condition: &Value) -> anyhow::Result<Vec<LeadingKeys>> {
    let mut all = Vec::new();
    for (operator, keys) in condition.as_object().into_iter().flatten() {
        let like = match operator.as_str() {
            "ForAllValues:StringEquals" => false,
            "ForAllValues:StringLike" => true,
            _ => bail!("a condition has {operator}, which this check does not know"),
        };
        for (key, values) in keys.as_object().context("a condition is not an object")? {
            if !key.eq_ignore_ascii_case("dynamodb:LeadingKeys") {
                bail!("a condition is on {key}, which this check does not know");
            }
            all.push(LeadingKeys { values: texts(values)?, like });
        }
    }
    Ok(all)
}

/// One text, or a list of them.
fn texts(value: &Value) -> anyhow::Result<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list =
        value.as_array().map_or_else(|| vec![text(value)], |all| all.iter().map(text).collect());
    let texts: Option<Vec<_>> = list.into_iter().collect();
    texts.filter(|all| !all.is_empty()).with_context(|| format!("{value} is no text"))
}

/// IAM's wildcards: `*` is any text, `?` one character.
fn like(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    let shorter = || text.chars().next().map(|c| (c, &text[c.len_utf8()..]));
    match first {
        '*' => like(rest, text) || shorter().is_some_and(|(_, after)| like(pattern, after)),
        '?' => shorter().is_some_and(|(_, after)| like(rest, after)),
        _ => shorter().is_some_and(|(c, after)| c == first && like(rest, after)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn need(action: &str, resource: &str, keys: &[&str]) -> Need {
        let leading_keys = keys.iter().map(|key| (*key).to_owned()).collect();
        let (action, resource) = (action.to_owned(), resource.to_owned());
        Need { caller: "worker".into(), action, resource, leading_keys }
    }

    #[test]
    fn a_role_allows_what_it_says_and_no_more() {
        let role = [
            json!({ "Effect": "Allow", "Action": ["apigateway:GET", "sqs:Send*"],
                "Resource": ["arn:gw::/apikeys/*", "arn:q?"] }),
            json!({ "Effect": "Allow", "Action": "dynamodb:UpdateItem", "Resource": "arn:t",
                "Condition": { "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": ["STACK"] } } }),
            json!({ "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "arn:t",
                "Condition": { "ForAllValues:StringLike": { "dynamodb:LeadingKeys": "A#*" } } }),
            json!({ "Sid": "No", "Effect": "Deny", "Action": "*", "Resource": "arn:gw::/apikeys/x" }),
        ];
        let role: Vec<_> = role.iter().map(|it| Statement::read(it).unwrap()).collect();
        let cases: [(&str, &str, &[&str], bool); 14] = [
            ("apigateway:GET", "arn:gw::/apikeys/k", &[], true),
            ("apigateway:get", "arn:gw::/apikeys/k/more", &[], true),
            ("apigateway:GET", "arn:gw::/apikeys", &[], false),
            ("apigateway:GET", "arn:gw::/apikeys/x", &[], false),
            ("apigateway:PATCH", "arn:gw::/apikeys/k", &[], false),
            ("sqs:SendMessage", "arn:q1", &[], true),
            ("sqs:SendMessage", "arn:q", &[], false),
            ("sqs:SendMessage", "arn:Q1", &[], false),
            ("dynamodb:UpdateItem", "arn:t", &["STACK"], true),
            ("dynamodb:UpdateItem", "arn:t", &["STACK", "A#1"], false),
            ("dynamodb:UpdateItem", "arn:t", &[], true),
            ("dynamodb:UpdateItem", "arn:t/index/i", &["STACK"], false),
            ("dynamodb:GetItem", "arn:t", &["A#1", "A#2"], true),
            ("dynamodb:GetItem", "arn:t", &["B#1"], false),
        ];
        for (action, resource, keys, expected) in cases {
            let allowed = allows(&role, &need(action, resource, keys));
            assert_eq!(allowed, expected, "{action} {resource} {keys:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let base = json!({ "Effect": "Allow", "Action": "a:B", "Resource": "r" });
        let cases = [
            (
                "Condition",
                json!({ "StringEquals": { "dynamodb:LeadingKeys": "x" } }),
                "StringEquals",
            ),
            (
                "Condition",
                json!({ "ForAllValues:StringLike": { "aws:SourceIp": "x" } }),
                "SourceIp",
            ),
            ("NotAction", json!("a:C"), "NotAction"),
            ("Resource", json!({ "Fn::ImportValue": "x" }), "ImportValue"),
            ("Resource", json!([]), "is no text"),
            ("Effect", json!("Maybe"), "Maybe"),
        ];
        for (field, value, expected) in cases {
            let mut statement = base.clone();
            statement[field] = value;
            let error = Statement::read(&statement).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Statement::read(&base).is_ok());
    }
}
