//! The account API keeps to its document: whatever it answers in any story fits what the document
//! says of that route, and says nothing beside it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Value, json};
use tollgate_functions::handlers::openapi::document;
use tollgate_functions::handlers::routes::{PublicRoute, Route};
use tollgate_local::customer::HttpAnswer;

use crate::shop::{Shop, Told};

/// The document, as whoever reads it has it.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(document()).expect("it is JSON"));

/// What each answer must fit, by its pointer in the document.
static ANSWERS: LazyLock<(Schemas, BTreeMap<String, SchemaIndex>)> = LazyLock::new(|| {
    let mut document = DOCUMENT.clone();
    close(&mut document);
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.set_default_draft(Draft::V2020_12);
    compiler.add_resource(NAME, document).expect("it is JSON");
    let mut answers = BTreeMap::new();
    for route in Route::ALL {
        for (answer, content) in [(route.status().to_string(), JSON), ("default".into(), PROBLEM)] {
            let place = answer_of(route.key(), &answer, content);
            let fragment = place.replace('{', "%7B").replace('}', "%7D");
            let compiled = compiler.compile(&format!("{NAME}#{fragment}"), &mut schemas);
            answers.insert(place, compiled.expect("the document tells it as a schema"));
        }
    }
    (schemas, answers)
});

/// What the document is called among schemas.
const NAME: &str = "https://tollgate.invalid/openapi.json";

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// Where the document says what a route answers.
fn answer_of(key: &str, answer: &str, content: &str) -> String {
    let escape = |text: &str| text.replace('~', "~0").replace('/', "~1");
    let (method, path) = key.split_once(' ').expect("a method and a path");
    let (path, method, content) = (escape(path), method.to_lowercase(), escape(content));
    format!("/paths/{path}/{method}/responses/{answer}/content/{content}/schema")
}

/// Lets no object have what the document does not tell.
fn close(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("type") == Some(&json!("object")) {
                object.insert("additionalProperties".into(), json!(false));
            }
            object.values_mut().for_each(close);
        }
        Value::Array(all) => all.iter_mut().for_each(close),
        _ => {}
    }
}

/// That an answer of the account API is what the document says of it.
pub(crate) fn must_fit(method: &str, path: &str, answer: &HttpAnswer) {
    let path = path.split('?').next().unwrap_or_default();
    let asked = format!("{method} {path}");
    // What is no route is answered by API Gateway, and so is whoever is not signed in.
    let Some(route) = Route::at(&asked) else { return };
    if answer.json()["message"] == "Unauthorized" {
        return;
    }
    let fine = answer.status == route.status();
    let name = if fine { answer.status.to_string() } else { "default".to_owned() };
    let place = answer_of(route.key(), &name, if fine { JSON } else { PROBLEM });
    let body = answer.json();
    let (schemas, answers) = &*ANSWERS;
    if let Err(fault) = schemas.validate(&body, answers[&place]) {
        panic!("{asked} answered {}, not as {place}: {fault:#}", answer.body);
    }
    let status = if fine { json!(answer.status) } else { body["status"].clone() };
    assert_eq!(status, answer.status, "{}", answer.body);
}

/// Each route as it is asked for, with what it takes.
#[tokio::test]
async fn every_route_answers_as_the_document_says() -> Told {
    let shop = Shop::open().await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("basic").await?;
    let mut ben = shop.sign_up("ben").await?;
    let mut asked = Vec::new();
    for (key, path, body) in [
        ("GET /account", "/account", Value::Null),
        ("GET /account/history", "/account/history?limit=1", Value::Null),
        ("GET /account/keys", "/account/keys", Value::Null),
        ("GET /account/keys/{slot}/value", "/account/keys/default/value", Value::Null),
        ("POST /account/portal", "/account/portal", Value::Null),
        ("POST /account/portal", "/account/portal", json!({ "flow": "payment_method_update" })),
        ("POST /account/refresh", "/account/refresh", Value::Null),
        ("POST /account/plan", "/account/plan", json!({ "plan": "pro" })),
        ("POST /account/plan", "/account/plan", json!({ "plan": "free" })),
    ] {
        let (method, _) = key.split_once(' ').expect("a method and a path");
        let answer = ann.asks(method, path, body).await?;
        let route = Route::at(key).expect("it is one");
        assert_eq!(answer.status, route.status(), "{key}: {}", answer.body);
        asked.push(key);
    }
    let answer = ben.asks("POST", "/account/plan", json!({ "offer": "pro_monthly" })).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    asked.sort_unstable();
    asked.dedup();
    let mut all: Vec<_> = Route::ALL.iter().map(|route| route.key()).collect();
    all.sort_unstable();
    assert_eq!(asked, all, "a route that nobody asks for");
    let paths = DOCUMENT["paths"].as_object().expect("it has paths");
    let told: usize = paths.values().filter_map(Value::as_object).map(serde_json::Map::len).sum();
    assert_eq!(told, all.len() + PublicRoute::ALL.len(), "the document tells of another route");

    // What is asked wrongly is told as a problem, whatever the route.
    for (method, path, body, code) in [
        ("GET", "/account?plan=pro", Value::Null, "invalid"),
        ("GET", "/account/history?limit=all", Value::Null, "invalid"),
        ("GET", "/account/history?limit=101", Value::Null, "invalid"),
        ("GET", "/account/history?limit=0", Value::Null, "invalid"),
        ("GET", "/account/keys/primary/value", Value::Null, "no_such_slot"),
        ("POST", "/account/plan", json!({ "offer": "<script>" }), "unknown_offer"),
        ("POST", "/account/plan", json!({ "plan": "pro", "interval": "year" }), "invalid"),
        ("POST", "/account/plan", json!({ "plan": "free" }), "same_offer"),
        (
            "POST",
            "/account/plan",
            json!({ "plan": "pro", "return_url": "https://evil.example/" }),
            "return_not_allowed",
        ),
        ("POST", "/account/portal", Value::Null, "nothing_bought"),
        ("POST", "/account/portal", json!({ "flow": "subscription_cancel" }), "invalid"),
        (
            "POST",
            "/account/portal",
            json!({ "return_url": "//evil.example" }),
            "return_not_allowed",
        ),
    ] {
        let answer = ben.asks(method, path, body).await?;
        assert_eq!(answer.json()["code"], code, "{method} {path}: {}", answer.body);
    }
    // The look that ann asked for is on its way.
    shop.settle().await?;
    shop.holds().await
}

/// It says so, when an answer is not as the document says.
#[test]
#[should_panic(expected = "not as /paths/~1account~1keys/get")]
fn an_answer_beside_the_document_is_found() {
    let body = json!({ "limit": 1, "items": [], "secret": "value" }).to_string();
    let (request, location) = ("GET /account/keys".to_owned(), None);
    let answer = HttpAnswer { request, status: 200, body, location, retry_after: None };
    must_fit("GET", "/account/keys", &answer);
}
