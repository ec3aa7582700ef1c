//! The website's public part: the page, what is sold, where to sign in, and the account API's
//! document.
//!
//! Everything is made when the function starts, from the catalog and the settings alone: it has no right
//! but its log, calls nobody, and answers a flood of visitors without touching what customers need.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::http::HeaderValue;
use tollgate_core::account_api::{PlansView, ProblemCode};

use super::answer::{Problem, Tagged};
use super::openapi::document;
use super::page::{ConfigView, Page};
use super::routes::{PageRoute, PublicRoute, asset};
use crate::config::SiteConfig;

/// What visitors are shown.
#[derive(Debug, Clone)]
pub struct Site {
    plans: Tagged,
    config: Tagged,
    document: Tagged,
    page: Page,
}

impl Site {
    /// What is shown of a catalog.
    pub fn new(config: &SiteConfig) -> Self {
        let plans = PlansView::of(&config.catalog, config.livemode);
        let view = ConfigView::of(config);
        Self {
            plans: Tagged::json(&plans),
            config: Tagged::json(&view),
            document: Tagged::json(&document()),
            page: Page::new(&plans, &view, config),
        }
    }
}

/// For how long a browser, and whatever stands between, may show it without asking again.
const FRESH_FOR: &str = "public, max-age=60";

/// Answers one request of a visitor.
pub fn handle(site: &Site, request: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
    match PageRoute::of(request) {
        Some(PageRoute::Page) => return site.page.html(request),
        Some(PageRoute::Asset) => {
            if let Some(found) = site.page.asset(asset(request), request) {
                return found;
            }
        }
        None => {}
    }
    let shown = match PublicRoute::of(request) {
        Some(PublicRoute::Plans) => &site.plans,
        Some(PublicRoute::Config) => &site.config,
        Some(PublicRoute::Document) => &site.document,
        None => {
            let nothing = Problem::new(ProblemCode::NotFound, "there is no such page");
            return nothing.answer(request);
        }
    };
    let mut response = shown.answer(request);
    response.headers.insert("cache-control", HeaderValue::from_static(FRESH_FOR));
    response
}
