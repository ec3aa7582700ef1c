//! The website's public part: what is sold, and the account API's document.
//!
//! Everything is made when the function starts, from the catalog alone: it has no right but its
//! log, calls nobody, and answers a flood of visitors without touching what customers need.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::HeaderValue;
use serde::Serialize;
use tollgate_core::account_api::{PlansView, ProblemCode};
use tollgate_events::digest;

use super::answer::Problem;
use super::openapi::document;
use super::routes::PublicRoute;
use crate::config::SiteConfig;

/// What visitors are shown.
#[derive(Debug, Clone)]
pub struct Site {
    plans: Shown,
    document: Shown,
}

/// A body that is the same for everybody.
#[derive(Debug, Clone)]
struct Shown {
    body: String,
    /// Of the body: who has it already need not have it again.
    etag: String,
}

impl Shown {
    fn json(value: &impl Serialize) -> Self {
        let body =
            serde_json::to_string(value).expect("it has only string keys and finite numbers");
        let etag = format!("\"{}\"", digest(&body));
        Self { body, etag }
    }
}

impl Site {
    /// What is shown of a catalog.
    pub fn new(SiteConfig { catalog, livemode }: &SiteConfig) -> Self {
        let plans = PlansView::of(catalog, *livemode);
        Self { plans: Shown::json(&plans), document: Shown::json(&document()) }
    }
}

/// For how long a browser, and whatever stands between, may show it without asking again.
const FRESH_FOR: &str = "public, max-age=60";

/// Answers one request of a visitor.
pub fn handle(site: &Site, request: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
    let shown = match PublicRoute::of(request) {
        Some(PublicRoute::Plans) => &site.plans,
        Some(PublicRoute::Document) => &site.document,
        None => {
            let nothing = Problem::new(ProblemCode::NotFound, "there is no such page");
            return nothing.answer(request);
        }
    };
    let mut response = ApiGatewayV2httpResponse::default();
    let etag = HeaderValue::from_str(&shown.etag).expect("it is a digest in quotes");
    let has = request.headers.get("if-none-match").is_some_and(|it| names(it, &shown.etag));
    response.headers.insert("etag", etag);
    response.headers.insert("cache-control", HeaderValue::from_static(FRESH_FOR));
    response.status_code = if has { 304 } else { 200 };
    if !has {
        response.headers.insert("content-type", HeaderValue::from_static("application/json"));
        response.body = Some(Body::Text(shown.body.clone()));
    }
    response
}

/// Whether a list of entity tags names one, weak or not.
/// <https://www.rfc-editor.org/rfc/rfc9110#field.if-none-match>
fn names(value: &HeaderValue, etag: &str) -> bool {
    let tags = value.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.map(|it| it.trim_start_matches("W/")).any(|it| it == "*" || it == etag)
}
