//! Reading a translated template: resources by type, references, texts.

use serde_json::Value;

/// A resource: its logical id, its properties, and all of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resource<'a> {
    pub(super) id: &'a str,
    pub(super) properties: &'a Value,
    pub(super) whole: &'a Value,
}

/// The resources of a type.
pub(super) fn resources<'a>(template: &'a Value, kind: &str) -> Vec<Resource<'a>> {
    let all = template["Resources"].as_object().into_iter().flatten();
    all.filter(|(_, whole)| whole["Type"] == kind)
        .map(|(id, whole)| Resource { id, properties: &whole["Properties"], whole })
        .collect()
}

/// The Lambda functions.
pub(super) fn functions(template: &Value) -> Vec<Resource<'_>> {
    resources(template, "AWS::Lambda::Function")
}

/// The resource with this id; null where there is none.
pub(super) fn resource<'a>(template: &'a Value, id: &str) -> &'a Value {
    &template["Resources"][id]
}

/// What `Ref` or `Fn::GetAtt` names.
pub(super) fn referenced(value: &Value) -> Option<&str> {
    let attribute = &value["Fn::GetAtt"];
    let of_attribute = attribute[0].as_str().or_else(|| attribute.as_str()?.split('.').next());
    value["Ref"].as_str().or(of_attribute)
}

/// A text, or that of `Fn::Sub`.
pub(super) fn text(value: &Value) -> Option<&str> {
    let sub = &value["Fn::Sub"];
    value.as_str().or_else(|| sub.as_str()).or_else(|| sub[0].as_str())
}

/// All texts within a value.
pub(super) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// A list, or the one thing that stands in its place.
pub(super) fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// What a function may do: the statements of its role's own policies.
pub(super) fn statements<'a>(template: &'a Value, function: &Resource<'_>) -> Vec<&'a Value> {
    let role = referenced(&function.properties["Role"]).unwrap_or_default();
    let policies = list(&resource(template, role)["Properties"]["Policies"]);
    policies.into_iter().flat_map(|policy| list(&policy["PolicyDocument"]["Statement"])).collect()
}
