//! The HTTP face: Stripe's API as its libraries speak it, the hosted pages, and the
//! sender of webhooks.

mod billing;
mod catalog;
mod deliver;
mod form;
pub(super) mod page;
mod parameters;
mod payments;
mod portal;
mod routes;
mod shown;
mod test_clocks;
mod webhooks;

use std::sync::Arc;

use crate::calls::Service;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub use deliver::{DeliveryReport, webhook_client};

use self::form::Form;
use super::error::{StripeError, StripeResult};
use super::model::RequestInfo;
use super::state::Stripe;
use super::{Settings, StripeStandin, objects, pages};

/// Stripe's API under `/v1`, the checkout page under `/pay/{session}` and the billing
/// portal under `/portal/{session}`. Set [`Settings::base_url`](super::Settings) to
/// where this is served.
pub fn router(standin: StripeStandin) -> Router {
    router_of([standin])
}

/// The same for several accounts: a request is for the one whose key it has, else for the
/// first. The pages are the first one's.
///
/// # Panics
/// Without an account.
pub fn router_of(accounts: impl Into<Accounts>) -> Router {
    let accounts = accounts.into();
    let first = accounts.first().expect("somebody must answer").clone();
    let api = Router::new().fallback(answer).with_state(accounts);
    pages::router().with_state(first).fallback_service(api)
}

type Accounts = Arc<[StripeStandin]>;

/// The account whose key it is.
fn account_of<'a>(accounts: &'a Accounts, authorization: Option<&str>) -> &'a StripeStandin {
    let key = authorization.and_then(key_in).unwrap_or_default();
    let has_it = |standin: &&StripeStandin| standin.account().settings.keys.contains(&key);
    accounts.iter().find(has_it).unwrap_or(&accounts[0])
}

/// One request to the API.
async fn answer(
    State(accounts): State<Accounts>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request {
        method: method.as_str(),
        path: uri.path(),
        form: read_form(uri.query(), &headers, &body),
        key: text(&headers, "idempotency-key").filter(|_| method == Method::POST),
        authorization: text(&headers, header::AUTHORIZATION.as_str()),
    };
    let standin = account_of(&accounts, request.authorization);
    let mut stripe = standin.account();
    let id = stripe.mint("req_");
    let (result, replayed) = request.run(standin, &mut stripe, &id);
    let result = result.map(|shown| stripe.text_of(shown));
    drop(stripe);
    respond(result, &id, replayed)
}

/// Query and body of a request are one set of parameters.
fn read_form(query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> StripeResult<Form> {
    let query = Form::parse(query.unwrap_or_default());
    if body.is_empty() {
        return Ok(query);
    }
    let kind = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        let message = "Request content type must be `application/x-www-form-urlencoded`.";
        return Err(StripeError { before_execution: true, ..StripeError::invalid(message) });
    }
    let body = std::str::from_utf8(body).map_err(|_| StripeError::invalid("Invalid UTF-8"))?;
    Ok(query.and(Form::parse(body)))
}

struct Request<'a> {
    method: &'a str,
    path: &'a str,
    form: StripeResult<Form>,
    key: Option<&'a str>,
    authorization: Option<&'a str>,
}

impl Request<'_> {
    fn run(
        self,
        standin: &StripeStandin,
        stripe: &mut Stripe,
        id: &str,
    ) -> (StripeResult<Value>, bool) {
        let Some((operation, subject, handler)) = routes::find(self.method, self.path) else {
            let what = format!("{} {}", self.method, self.path);
            return (Err(StripeError::not_implemented(&what)), false);
        };
        standin.calls.log(Service::Stripe, operation, subject.as_str());
        let form = authorize(self.authorization, operation, &stripe.settings).and(self.form);
        let admitted = stripe.admit(operation);
        let mut form = match form.and_then(|form| admitted.map(|()| form)) {
            Ok(form) => form.of(operation),
            Err(error) => return (Err(error), false),
        };
        let fingerprint = format!("{} {} {}", self.method, self.path, form.fingerprint());
        stripe.request =
            Some(RequestInfo { id: id.to_owned(), idempotency_key: self.key.map(str::to_owned) });
        let customer = stripe.customer_of(&subject);
        let mut act = |stripe: &mut Stripe| {
            let expand = form.list("expand");
            let handle = |stripe: &mut Stripe| handler(stripe, &subject, &mut form);
            let mut answer = stripe.in_time_of(&customer, handle)?;
            page::expand_all(stripe, &mut answer, &expand)?;
            Ok(answer)
        };
        let outcome = match self.key {
            Some(key) => stripe.idempotent(key, &fingerprint, act),
            None => (act(stripe), false),
        };
        stripe.request = None;
        outcome
    }
}

/// A secret or restricted key of the account's mode, as bearer token or as the user of
/// basic authentication. <https://docs.stripe.com/api/authentication>
fn authorize(given: Option<&str>, operation: &str, settings: &Settings) -> StripeResult<()> {
    let given = given.ok_or_else(|| {
        StripeError::unauthorized(
            "You did not provide an API key. You need to provide your API key in the \
             Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        )
    })?;
    let [secret, restricted] =
        if settings.livemode { ["sk_live_", "rk_live_"] } else { ["sk_test_", "rk_test_"] };
    let key = key_in(given).unwrap_or_default();
    let may_not_read = operation == routes::ACCOUNT && !settings.restricted_keys_read_account;
    match key {
        key if settings.expired_keys.contains(&key) => Err(StripeError {
            code: Some("api_key_expired"),
            ..StripeError::unauthorized("Expired API Key provided")
        }),
        key if key.starts_with(secret) => Ok(()),
        key if key.starts_with(restricted) && may_not_read => {
            Err(StripeError::forbidden(&settings.account_id))
        }
        key if key.starts_with(restricted) => Ok(()),
        _ => Err(StripeError::unauthorized("Invalid API Key provided")),
    }
}

/// The key in an `Authorization`.
fn key_in(authorization: &str) -> Option<String> {
    match authorization.split_once(' ')? {
        ("Bearer", key) => Some(key.to_owned()),
        ("Basic", encoded) => {
            let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
            Some(pair.split(':').next().unwrap_or_default().to_owned())
        }
        _ => None,
    }
}

fn respond(result: StripeResult<String>, id: &str, replayed: bool) -> Response {
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => (
            StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            error.body().to_string(),
        ),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("stripe-version", HeaderValue::from_static(objects::API_VERSION));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("request-id", id);
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert("stripe-rate-limited-reason", HeaderValue::from_static("endpoint-rate"));
    }
    if replayed {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
