//! The deployment under test, as its owner sees it: names from the stack's outputs, and a
//! look at what the ledger, API Gateway, Cognito and the queues hold.

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::aws::{Aws, plain};
use super::stacks::Outputs;
use super::wait::until;

/// A deployment.
#[derive(Clone)]
pub struct Site {
    /// AWS.
    pub aws: Aws,
    /// The main stack's name.
    pub stack: String,
    /// The main stack's outputs.
    pub outputs: Outputs,
    /// Each plan's usage plan.
    pub usage_plans: Vec<(String, String)>,
}

/// What an account is to look like, everywhere.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The plan in the ledger, on the key and in the token.
    pub plan: &'a str,
    /// The status in the ledger.
    pub status: &'a str,
}

impl Site {
    /// An output of the main stack.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn output(&self, name: &str) -> anyhow::Result<&str> {
        let value = self.outputs.get(name).map(String::as_str);
        value.with_context(|| format!("the stack has no output {name}"))
    }

    /// Where ministack serves a URL of API Gateway. Its own (`<id>.execute-api.localhost`)
    /// are what they are; those that a template spells out are AWS's.
    ///
    /// # Errors
    /// The URL is none of API Gateway's.
    pub fn reachable(&self, url: &str) -> anyhow::Result<String> {
        let (_, rest) = url.split_once("://").with_context(|| url.to_owned())?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (api, domain) = host.split_once('.').with_context(|| url.to_owned())?;
        ensure!(domain.starts_with("execute-api."), "{url} is no URL of API Gateway");
        if domain.starts_with("execute-api.localhost:") {
            return Ok(url.to_owned());
        }
        Ok(format!("{}/_aws/execute-api/{api}/{path}", self.aws.url()))
    }

    /// An item of the ledger; null when there is none.
    ///
    /// # Errors
    /// DynamoDB refuses.
    pub async fn item(&self, pk: &str, sk: &str) -> anyhow::Result<Value> {
        let key = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        let asked = json!({
            "TableName": self.output("TableName")?, "Key": key, "ConsistentRead": true,
        });
        let answer = self.aws.call("DynamoDB_20120810.GetItem", asked).await?;
        Ok(plain(&answer["Item"]))
    }

    /// An account's state in the ledger.
    ///
    /// # Errors
    /// DynamoDB refuses.
    pub async fn state(&self, sub: &str) -> anyhow::Result<Value> {
        self.item(&format!("ACCOUNT#{sub}"), "STATE").await
    }

    /// The record of an event.
    ///
    /// # Errors
    /// DynamoDB refuses.
    pub async fn event(&self, source: &str, id: &str) -> anyhow::Result<Value> {
        self.item(&format!("EVENT#{source}#{id}"), "EVENT").await
    }

    /// Waits until the event's record has this outcome.
    ///
    /// # Errors
    /// It never has.
    pub async fn outcome(&self, source: &str, id: &str, outcome: &str) -> anyhow::Result<Value> {
        until(&format!("{source} event {id} is {outcome}"), async || {
            Ok(Some(self.event(source, id).await?).filter(|it| it["outcome"] == outcome))
        })
        .await
    }

    /// Waits until the account has settled as expected; returns its state, after it was
    /// compared with API Gateway and Cognito.
    ///
    /// # Errors
    /// It never settles so, or one of the systems has it otherwise.
    pub async fn settled(&self, sub: &str, expected: Expected<'_>) -> anyhow::Result<Value> {
        let what = format!("the account has plan {} and is {}", expected.plan, expected.status);
        let state = until(&what, async || {
            let state = self.state(sub).await?;
            let access = &state["access"];
            let there = access["plan"] == expected.plan
                && access["status"] == expected.status
                && state["open"] == false;
            Ok(there.then_some(state))
        })
        .await?;
        self.compare(sub, &state, expected).await?;
        Ok(state)
    }

    async fn compare(
        &self,
        sub: &str,
        state: &Value,
        expected: Expected<'_>,
    ) -> anyhow::Result<()> {
        let key = key_of(state)?;
        let shown = self.key(key).await?.with_context(|| format!("there is no key {key}"))?;
        ensure!(shown["enabled"] == true, "the key {key} is not enabled");
        let mut on = Vec::new();
        for (plan, usage_plan) in &self.usage_plans {
            if self.is_on(usage_plan, key).await? {
                on.push(plan.as_str());
            }
        }
        ensure!(on == [expected.plan], "the key is on the usage plans of {on:?}");
        let attributes = self.attributes(sub).await?;
        for (name, value) in [("custom:plan", expected.plan), ("custom:apiid", key)] {
            ensure!(attributes[name] == value, "{name} is {}, not {value}", attributes[name]);
        }
        println!(
            "    ledger v{}: {}, {}; key {key} on its usage plan only; custom:plan={}",
            state["version"], expected.plan, expected.status, expected.plan
        );
        Ok(())
    }

    /// A key, without its value.
    ///
    /// # Errors
    /// API Gateway refuses.
    pub async fn key(&self, id: &str) -> anyhow::Result<Option<Value>> {
        self.aws.rest("apigateway", Method::GET, &format!("/apikeys/{id}"), None).await
    }

    /// Whether a key is on a usage plan.
    ///
    /// # Errors
    /// API Gateway refuses.
    pub async fn is_on(&self, usage_plan: &str, key: &str) -> anyhow::Result<bool> {
        let path = format!("/usageplans/{usage_plan}/keys/{key}");
        Ok(self.aws.rest("apigateway", Method::GET, &path, None).await?.is_some())
    }

    /// The usage plan of a plan.
    ///
    /// # Errors
    /// No such plan.
    pub fn usage_plan(&self, plan: &str) -> anyhow::Result<&str> {
        let found = self.usage_plans.iter().find(|(id, _)| id == plan);
        found.map(|(_, usage_plan)| usage_plan.as_str()).context("no such plan")
    }

    /// A user's attributes, by name.
    ///
    /// # Errors
    /// There is no such user.
    pub async fn attributes(&self, sub: &str) -> anyhow::Result<Value> {
        let asked = json!({ "UserPoolId": self.output("UserPoolId")?, "Username": sub });
        let user = self.cognito("AdminGetUser", asked).await?;
        let attributes = user["UserAttributes"].as_array().into_iter().flatten();
        Ok(attributes
            .filter_map(|it| Some((it["Name"].as_str()?.to_owned(), it["Value"].clone())))
            .collect::<serde_json::Map<_, _>>()
            .into())
    }

    /// An operation of Cognito.
    ///
    /// # Errors
    /// It is refused.
    pub async fn cognito(&self, operation: &str, body: Value) -> anyhow::Result<Value> {
        self.aws.call(&format!("AWSCognitoIdentityProviderService.{operation}"), body).await
    }

    /// An attribute of a queue.
    ///
    /// # Errors
    /// There is no such queue, or no such attribute.
    pub async fn queue_attribute(&self, url: &str, name: &str) -> anyhow::Result<String> {
        let asked = json!({ "QueueUrl": url, "AttributeNames": [name] });
        let answer = self.aws.call("AmazonSQS.GetQueueAttributes", asked).await?;
        let value = answer["Attributes"][name].as_str().map(str::to_owned);
        value.with_context(|| format!("the queue has no {name}"))
    }

    /// Puts an envelope on the queue for events, as the webhook would, five minutes after
    /// SQS has forgotten it: under another deduplication id.
    ///
    /// # Errors
    /// SQS refuses.
    pub async fn enqueue(&self, envelope: &Value, group: &str, id: &str) -> anyhow::Result<()> {
        let message = json!({
            "QueueUrl": self.output("EventsQueueUrl")?,
            "MessageBody": envelope.to_string(),
            "MessageGroupId": group,
            "MessageDeduplicationId": id,
        });
        self.aws.call("AmazonSQS.SendMessage", message).await.map(drop)
    }

    /// The lines of a function's log that hold a word.
    ///
    /// # Errors
    /// CloudWatch refuses.
    pub async fn log_lines(&self, function: &str, word: &str) -> anyhow::Result<Vec<String>> {
        let group = format!("/aws/lambda/{}-{function}", self.stack);
        let mut lines = self.log(&group).await?;
        lines.retain(|line| line.contains(word));
        Ok(lines)
    }

    /// All lines of a log group; none when there is no such group.
    ///
    /// # Errors
    /// CloudWatch refuses.
    pub async fn log(&self, group: &str) -> anyhow::Result<Vec<String>> {
        let (mut lines, mut next) = (Vec::new(), Value::Null);
        loop {
            let mut asked = json!({ "logGroupName": group });
            if !next.is_null() {
                asked["nextToken"] = next;
            }
            let page = match self.aws.call("Logs_20140328.FilterLogEvents", asked).await {
                Err(error) if error.to_string().contains("ResourceNotFound") => return Ok(lines),
                page => page?,
            };
            let messages = page["events"].as_array().into_iter().flatten();
            lines.extend(messages.filter_map(|it| it["message"].as_str().map(str::to_owned)));
            next = page["nextToken"].clone();
            if next.is_null() {
                return Ok(lines);
            }
        }
    }
}

/// The id of the account's key.
///
/// # Errors
/// It has none.
pub fn key_of(state: &Value) -> anyhow::Result<&str> {
    state["access"]["keys"]["primary"]["id"].as_str().context("the account has no key")
}
