//! Update expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::json::Item;
use super::values::number;

/// An update expression in the making. Every name gets a placeholder, because
/// DynamoDB reserves words like `open` and `plan`.
#[derive(Debug, Default)]
pub(crate) struct Update {
    set: Vec<String>,
    remove: Vec<String>,
    pub(crate) names: HashMap<String, String>,
    pub(crate) values: Item,
}

impl Update {
    /// The placeholder of an attribute's name.
    pub(crate) fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    /// The placeholder of a value.
    pub(crate) fn value(&mut self, label: &str, value: AttributeValue) -> String {
        let placeholder = format!(":{label}");
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// Sets an attribute.
    pub(crate) fn set(&mut self, name: &str, value: AttributeValue) {
        let (left, right) = (self.name(name), self.value(name, value));
        self.set.push(format!("{left} = {right}"));
    }

    /// Sets an attribute unless it is there.
    pub(crate) fn set_first(&mut self, name: &str, value: AttributeValue) {
        let (left, right) = (self.name(name), self.value(name, value));
        self.set.push(format!("{left} = if_not_exists({left}, {right})"));
    }

    /// Raises a counter that begins at zero.
    pub(crate) fn raise(&mut self, name: &str, by: u64) {
        let (left, right) = (self.name(name), self.value(name, number(by)));
        let zero = self.value("zero", number(0));
        self.set.push(format!("{left} = if_not_exists({left}, {zero}) + {right}"));
    }

    /// Sets a field of a map that is there, or removes it.
    pub(super) fn put_in(&mut self, map: &str, name: &str, value: Option<AttributeValue>) {
        let path = format!("{}.{}", self.name(map), self.name(name));
        match value {
            Some(value) => {
                let value = self.value(&format!("{map}_{name}"), value);
                self.set.push(format!("{path} = {value}"));
            }
            None => self.remove.push(path),
        }
    }

    /// Removes an attribute.
    pub(crate) fn remove(&mut self, name: &str) {
        let name = self.name(name);
        self.remove.push(name);
    }

    /// Sets an attribute, or removes it.
    pub(crate) fn put(&mut self, name: &str, value: Option<AttributeValue>) {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    /// The expression.
    pub(crate) fn expression(&self) -> String {
        let mut expression = format!("SET {}", self.set.join(", "));
        if !self.remove.is_empty() {
            expression.push_str(" REMOVE ");
            expression.push_str(&self.remove.join(", "));
        }
        expression
    }
}
