//! The roles of the translated template, with the names of the local stack: parameters,
//! pseudo parameters and resources that a policy mentions become what they are there.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde_json::{Map, Value};
use tollgate_local::access::{ACCOUNT, REGION};
use tollgate_local::secrets::arns;
use tollgate_local::stack::TABLE;
use tollgate_standin::world::{BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE, POOL_ID};

use super::policy::Statement;

/// The local stack's name.
const STACK: &str = "local";

/// The statements of each function's role, by the function's name without the stack's.
pub(super) fn roles(template: &Value) -> anyhow::Result<BTreeMap<String, Vec<Statement>>> {
    let names = Names { template };
    let mut roles = BTreeMap::new();
    for (id, resource) in resources(template, "AWS::Lambda::Function")? {
        let name = names.resolve(&resource["Properties"]["FunctionName"])?;
        let name = name.as_str().and_then(|name| name.strip_prefix(STACK)?.strip_prefix('-'));
        let name = name.with_context(|| format!("{id} is not named after the stack"))?;
        let role = &resource["Properties"]["Role"]["Fn::GetAtt"][0];
        let role = role.as_str().with_context(|| format!("{id} has no role of the template"))?;
        let statements = statements(&names, role).with_context(|| role.to_owned())?;
        roles.insert(name.to_owned(), statements);
    }
    Ok(roles)
}

fn resources<'a>(
    template: &'a Value,
    kind: &'a str,
) -> anyhow::Result<impl Iterator<Item = (&'a String, &'a Value)>> {
    let all = template["Resources"].as_object().context("the template has no resources")?;
    Ok(all.iter().filter(move |(_, resource)| resource["Type"] == kind))
}

fn statements(names: &Names<'_>, role: &str) -> anyhow::Result<Vec<Statement>> {
    let properties = &names.template["Resources"][role]["Properties"];
    // Managed policies allow more than anybody has read.
    if properties.get("ManagedPolicyArns").is_some() {
        bail!("has managed policies: name what it needs");
    }
    let mut statements = Vec::new();
    for policy in properties["Policies"].as_array().context("has no policies")? {
        let document = names.resolve(&policy["PolicyDocument"]["Statement"])?;
        for statement in document.as_array().context("a policy has no list of statements")? {
            statements.push(Statement::read(statement)?);
        }
    }
    Ok(statements)
}

/// Resolves CloudFormation's intrinsic functions.
struct Names<'a> {
    template: &'a Value,
}

impl Names<'_> {
    /// # Errors
    /// An intrinsic function or a name that is not known here.
    fn resolve(&self, value: &Value) -> anyhow::Result<Value> {
        match value {
            Value::Object(fields) if fields.len() == 1 => {
                let (name, argument) = fields.iter().next().context("one field")?;
                self.intrinsic(name, argument, fields)
            }
            Value::Object(fields) => self.object(fields),
            Value::Array(all) => {
                let all = all.iter().map(|one| self.resolve(one));
                let all: Vec<_> = all.collect::<anyhow::Result<_>>()?;
                Ok(all.into_iter().filter(|one| !one.is_null()).collect())
            }
            plain => Ok(plain.clone()),
        }
    }

    fn object(&self, fields: &Map<String, Value>) -> anyhow::Result<Value> {
        let fields = fields.iter().map(|(name, value)| Ok((name.clone(), self.resolve(value)?)));
        let fields = fields.collect::<anyhow::Result<Map<_, _>>>()?;
        Ok(fields.into_iter().filter(|(_, value)| !value.is_null()).collect())
    }

    fn intrinsic(
        &self,
        name: &str,
        argument: &Value,
        fields: &Map<String, Value>,
    ) -> anyhow::Result<Value> {
        match name {
            "Ref" => self.reference(argument.as_str().context("Ref of no name")?),
            "Fn::GetAtt" => {
                let [id, attribute] = [&argument[0], &argument[1]].map(Value::as_str);
                let (id, attribute) = id.zip(attribute).context("Fn::GetAtt of no name")?;
                Ok(self.attribute(id, attribute)?.into())
            }
            "Fn::Sub" => Ok(self.substitute(argument)?.into()),
            "Fn::Join" => {
                let parts = self.resolve(&argument[1])?;
                let parts = parts.as_array().context("Fn::Join of no list")?;
                let parts: Option<Vec<_>> = parts.iter().map(Value::as_str).collect();
                let parts = parts.context("Fn::Join of what is no text")?;
                Ok(parts.join(argument[0].as_str().unwrap_or_default()).into())
            }
            "Fn::If" => {
                let holds = self.condition(argument[0].as_str().context("Fn::If of no name")?)?;
                self.resolve(&argument[if holds { 1 } else { 2 }])
            }
            _ if name.starts_with("Fn::") => bail!("{name} is not known to this check"),
            _ => self.object(fields),
        }
    }

    fn reference(&self, name: &str) -> anyhow::Result<Value> {
        if name == "AWS::NoValue" {
            return Ok(Value::Null);
        }
        Ok(self.text(name)?.into())
    }

    /// What `Ref` of a name is.
    fn text(&self, name: &str) -> anyhow::Result<String> {
        let parameter = &self.template["Parameters"][name];
        let text = match name {
            "AWS::StackName" => STACK,
            "AWS::Region" => REGION,
            "AWS::AccountId" => ACCOUNT,
            "AWS::Partition" => "aws",
            "UserPoolId" => POOL_ID,
            // So that the sweep's own key is looked at too.
            "SeparateSweepKey" => "yes",
            "StripeKeySecret" => arns::STRIPE_KEY,
            "SweepStripeKeySecret" => arns::SWEEP_STRIPE_KEY,
            "WebhookSecrets" => arns::WEBHOOK,
            "KeySecrets" => arns::KEYS,
            "Table" => TABLE,
            _ if parameter.is_object() => parameter["Default"].as_str().unwrap_or("sample"),
            _ => bail!("Ref of {name}: this check does not know what it is in the local stack"),
        };
        Ok(text.to_owned())
    }

    fn attribute(&self, id: &str, attribute: &str) -> anyhow::Result<String> {
        let resource = &self.template["Resources"][id];
        if attribute == "Id" && resource["Type"] == "AWS::SecretsManager::Secret" {
            // A secret's id is its ARN.
            return self.text(id);
        }
        if attribute != "Arn" || resource.is_null() {
            bail!("{id}.{attribute} is not known to this check");
        }
        let queue = match id {
            "EventsQueue" => Some(EVENTS_QUEUE),
            "BulkQueue" => Some(BULK_QUEUE),
            "EventsDeadLetterQueue" => Some(DEAD_LETTER_QUEUES[0]),
            "BulkDeadLetterQueue" => Some(DEAD_LETTER_QUEUES[1]),
            _ => None,
        };
        let arn =
            |service: &str, rest: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}");
        match (resource["Type"].as_str().unwrap_or_default(), queue) {
            ("AWS::SQS::Queue", Some(queue)) => Ok(arn("sqs", queue)),
            ("AWS::DynamoDB::Table", _) => Ok(arn("dynamodb", &format!("table/{TABLE}"))),
            ("AWS::Logs::LogGroup", _) => {
                let name = self.resolve(&resource["Properties"]["LogGroupName"])?;
                let name = name.as_str().context("a log group without a name")?;
                Ok(arn("logs", &format!("log-group:{name}:*")))
            }
            (kind, _) => bail!("{id} ({kind}): this check does not know its ARN"),
        }
    }

    fn substitute(&self, argument: &Value) -> anyhow::Result<String> {
        let pattern = argument.as_str().context("Fn::Sub with variables is not known here")?;
        let mut parts = pattern.split("${");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').context("Fn::Sub without an end")?;
            let value = match name.split_once('.') {
                Some((id, attribute)) => self.attribute(id, attribute)?,
                None => self.text(name)?,
            };
            text.push_str(&value);
            text.push_str(rest);
        }
        Ok(text)
    }

    fn condition(&self, name: &str) -> anyhow::Result<bool> {
        let condition = &self.template["Conditions"][name];
        let Some([left, right]) = condition["Fn::Equals"].as_array().map(Vec::as_slice) else {
            bail!("condition {name} is none of two equal values");
        };
        Ok(self.resolve(left)? == self.resolve(right)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_become_those_of_the_local_stack() {
        let template = json!({
            "Parameters": { "UserPoolId": {}, "Colour": { "Default": "red" } },
            "Conditions": { "IsRed": { "Fn::Equals": [{ "Ref": "Colour" }, "red"] } },
            "Resources": {
                "EventsQueue": { "Type": "AWS::SQS::Queue" },
                "Logs": { "Type": "AWS::Logs::LogGroup", "Properties": {
                    "LogGroupName": { "Fn::Sub": "/aws/lambda/${AWS::StackName}-worker" } } },
                "Table": { "Type": "AWS::DynamoDB::Table" },
                "Bucket": { "Type": "AWS::S3::Bucket" },
            },
        });
        let names = Names { template: &template };
        let cases = [
            (
                json!({ "Fn::GetAtt": ["EventsQueue", "Arn"] }),
                json!("arn:aws:sqs:us-east-1:000000000000:tollgate-events.fifo"),
            ),
            (
                json!({ "Fn::Sub": "${Table.Arn}/index/due" }),
                json!("arn:aws:dynamodb:us-east-1:000000000000:table/tollgate-ledger/index/due"),
            ),
            (
                json!({ "Fn::GetAtt": ["Logs", "Arn"] }),
                json!("arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/local-worker:*"),
            ),
            (
                json!({ "Fn::Join": ["/", ["userpool", { "Ref": "UserPoolId" }]] }),
                json!("userpool/us-east-1_Tollgate1"),
            ),
            (json!({ "Fn::If": ["IsRed", [{ "Ref": "AWS::NoValue" }, "a"], "b"] }), json!(["a"])),
        ];
        for (value, expected) in cases {
            assert_eq!(names.resolve(&value).unwrap(), expected);
        }
        for unknown in [
            json!({ "Ref": "Nothing" }),
            json!({ "Fn::GetAtt": ["Bucket", "Arn"] }),
            json!({ "Fn::Select": [0, []] }),
        ] {
            assert!(names.resolve(&unknown).is_err(), "{unknown}");
        }
    }
}
