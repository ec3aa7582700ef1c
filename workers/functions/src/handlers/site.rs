//! The website's public part: the page, what is sold, where to sign in, and the account API's
//! document.
//!
//! Everything is made when the function starts, from the catalog and the settings alone: it has no right
//! but its log, calls nobody, and answers a flood of visitors without touching what customers need.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::http::HeaderValue;
use serde::Serialize;
use tollgate_core::account_api::{PlansView, ProblemCode};
use utoipa::ToSchema;

use super::answer::{Problem, Tagged};
use super::openapi::document;
use super::page::Page;
use super::routes::{PageRoute, PublicRoute, asset};
use crate::config::SiteConfig;

/// Where a page signs in, and how.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ConfigView {
    /// Who issues the tokens: the user pool. Its OpenID configuration stands below it.
    #[schema(required)]
    issuer: Option<String>,
    /// The app client of the page; nothing, where the stack has none.
    #[schema(required)]
    client_id: Option<String>,
    /// The origin of the managed login.
    #[schema(required)]
    login: Option<String>,
    /// What to ask for.
    scopes: [&'static str; 2],
    /// Tollgate's version.
    version: &'static str,
}

impl ConfigView {
    fn of(config: &SiteConfig) -> Self {
        Self {
            issuer: config.issuer.clone(),
            client_id: config.client_id.clone(),
            login: config.login.clone(),
            scopes: ["openid", "email"],
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

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
