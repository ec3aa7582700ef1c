//! The account API's page tells all of it: routes, fields, reasons, problems.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_core::account_api::ProblemCode;
use tollgate_functions::handlers::openapi::document;
use tollgate_functions::handlers::routes::{PublicRoute, Route};

use super::{chapter, rows, text};

const PAGE: &str = "docs/account-api.md";

/// The first cells of a chapter's table, out of their quotes.
fn told(heading: &str) -> BTreeSet<String> {
    let page = text(PAGE);
    rows(chapter(&page, heading)).skip(2).map(|row| row[0].trim_matches('`').to_owned()).collect()
}

/// What the document says of a type.
fn schema(name: &str) -> Value {
    let document = serde_json::to_value(document()).expect("it is JSON");
    document["components"]["schemas"][name].clone()
}

/// The words that a type can be.
fn words(name: &str) -> BTreeSet<String> {
    let words = schema(name)["enum"].as_array().expect("it is one of several words").clone();
    words.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn every_route_is_told() {
    let public = PublicRoute::ALL.iter().map(|route| route.key().to_owned());
    let routes = Route::ALL.iter().map(|route| route.key().to_owned());
    assert_eq!(told("## Routes"), routes.chain(public).collect());
}

#[test]
fn every_field_of_the_account_is_told() {
    let fields = schema("AccountView")["properties"].as_object().expect("it has some").clone();
    assert_eq!(told("## The account"), fields.keys().cloned().collect());
}

#[test]
fn every_reason_is_told() {
    assert_eq!(told("## Reasons"), words("ReasonCode"));
}

#[test]
fn every_problem_is_told_with_its_status() {
    assert_eq!(told("## Problems"), words("ProblemCode"));
    let page = text(PAGE);
    for row in rows(chapter(&page, "## Problems")).skip(2) {
        let code = row[0].trim_matches('`');
        let problem: ProblemCode = serde_json::from_value(code.into()).expect("it is one");
        assert_eq!(row[1], problem.status().to_string(), "{code}");
    }
}
