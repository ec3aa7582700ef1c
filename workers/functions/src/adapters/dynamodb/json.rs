//! JSON to DynamoDB's native attribute values and back, so that an operator who
//! opens the table in the console reads maps and lists, not escaped text.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Number, Value};

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A JSON value as an attribute value.
pub(crate) fn to_attribute(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(flag) => AttributeValue::Bool(flag),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text),
        Value::Array(items) => AttributeValue::L(items.into_iter().map(to_attribute).collect()),
        Value::Object(fields) => AttributeValue::M(
            fields.into_iter().map(|(name, value)| (name, to_attribute(value))).collect(),
        ),
    }
}

/// An attribute value as JSON. Sets become arrays; what has no JSON form (binary, or
/// a type newer than this build) becomes null, because Tollgate writes none of it.
pub(crate) fn from_attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Bool(flag) => Value::Bool(*flag),
        AttributeValue::N(digits) => number(digits),
        AttributeValue::S(text) => Value::String(text.clone()),
        AttributeValue::L(items) => items.iter().map(from_attribute).collect(),
        AttributeValue::M(fields) => Value::Object(from_item(fields)),
        AttributeValue::Ss(texts) => texts.iter().cloned().map(Value::String).collect(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|digits| number(digits)).collect(),
        _ => Value::Null,
    }
}

/// An item as a JSON object.
pub(crate) fn from_item(item: &Item) -> Map<String, Value> {
    item.iter().map(|(name, value)| (name.clone(), from_attribute(value))).collect()
}

fn number(digits: &str) -> Value {
    let whole = digits.parse::<u64>().map(Number::from).ok();
    let signed = || digits.parse::<i64>().map(Number::from).ok();
    let float = || digits.parse().ok().and_then(Number::from_f64);
    whole.or_else(signed).or_else(float).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_json_value_comes_back() {
        let value = serde_json::json!({
            "null": null, "yes": true, "big": u64::MAX, "negative": -3, "half": 0.5,
            "text": "", "list": [1, "a", {"deep": []}], "empty": {},
        });
        assert_eq!(from_attribute(&to_attribute(value.clone())), value);
    }

    #[test]
    fn a_set_made_by_hand_reads_as_a_list() {
        let set = AttributeValue::Ss(vec!["a".into()]);
        assert_eq!(from_attribute(&set), serde_json::json!(["a"]));
    }
}
