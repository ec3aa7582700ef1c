//! The account API, behind an HTTP API with a Cognito (JWT) authorizer.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use serde::Serialize;
use serde_json::{Value, to_value};
use tollgate_core::account_api::{AccountApi, KeyShown, MOST_ENTRIES, ProblemCode, Refusal};
use tollgate_core::ports::{Ports, Queue};
use tollgate_events::AccountId;
use utoipa::ToSchema;

use super::answer::{Problem, Tagged, json};
use super::asked::{
    AccountAsked, HistoryAsked, PlanAsked, PortalAsked, body, optional_body, query,
};
use super::routes::{Route, slot};

/// A key with its value.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyValueShown {
    /// The value: what calls the API.
    value: String,
    /// Counts the keys that the slot has had, from 1.
    generation: u32,
}

impl From<KeyShown> for KeyValueShown {
    fn from(KeyShown { value, generation }: KeyShown) -> Self {
        Self { value: value.expose().to_owned(), generation }
    }
}

/// Where the billing portal is.
#[derive(Serialize, ToSchema)]
pub(super) struct PortalShown {
    /// The page to go to. It is as good as a password for its time: it is not to be kept.
    url: String,
}

/// How many entries are asked for.
fn page(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(A_PAGE);
    if (1..=MOST_ENTRIES).contains(&limit) {
        return Ok(limit);
    }
    let why = format!("the query: `limit` is a number from 1 to {MOST_ENTRIES}");
    Err(Problem::new(ProblemCode::Invalid, why))
}

/// How many entries a page of the history has that is not asked for more.
const A_PAGE: u32 = 20;

/// That a wish was heard.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {}

/// Answers one request of an account's owner; `queue` is where their account is woken.
pub async fn handle<P: Ports, Q: Queue>(
    api: &AccountApi<P>,
    queue: &Q,
    request: &ApiGatewayV2httpRequest,
) -> ApiGatewayV2httpResponse {
    // Boxed: the calls to Stripe nest deeper than the compiler measures in one piece.
    match Box::pin(given(api, queue, request)).await {
        // A page that asks each second is sent what has changed.
        Ok((Route::Account | Route::Keys, body)) => Tagged::json(&body).answer(request),
        Ok((route, body)) => json(route.status().into(), &body),
        Err(problem) => problem.answer(request),
    }
}

/// What a request is given.
async fn given<P: Ports, Q: Queue>(
    api: &AccountApi<P>,
    queue: &Q,
    request: &ApiGatewayV2httpRequest,
) -> Result<(Route, Value), Problem> {
    let owner = owner(request).ok_or_else(|| {
        Problem::new(ProblemCode::IdTokenRequired, "sign in, and send the ID token")
    })?;
    let route = Route::of(request)
        .ok_or_else(|| Problem::new(ProblemCode::NotFound, "the account API has no such route"))?;
    let id = &owner;
    let result = match route {
        Route::Account => {
            let AccountAsked { checkout } = query(request)?;
            api.overview(id, checkout.as_deref()).await.map(value)
        }
        Route::History => {
            let HistoryAsked { before, limit } = query(request)?;
            api.history(id, before, page(limit)?).await.map(value)
        }
        Route::Keys => api.keys(id).await.map(value),
        Route::KeyValue => {
            let shown = api.key(id, slot(request).unwrap_or_default()).await;
            shown.map(|it| value(KeyValueShown::from(it)))
        }
        Route::Plan => {
            let asked = body::<PlanAsked>(request)?;
            let return_url = asked.return_url.clone();
            api.choose(id, &asked.wanted()?, return_url.as_deref()).await.map(value)
        }
        Route::Portal => {
            let PortalAsked { flow, return_url } = optional_body(request)?;
            let opened = api.portal(id, flow, return_url.as_deref()).await;
            opened.map(|url| value(PortalShown { url }))
        }
        Route::Refresh => api.refresh(id, queue).await.map(|()| value(Accepted {})),
    };
    result.map(|body| (route, body)).map_err(|refusal| refused(&owner, route, &refusal))
}

fn refused(account: &AccountId, route: Route, refusal: &Refusal) -> Problem {
    let route = route.key();
    match refusal {
        Refusal::Unavailable(error) => {
            tracing::error!(%account, %error, route, "account request failed");
        }
        Refusal::Rejected(error) => {
            let mend = refusal.mend();
            tracing::error!(%account, %error, route, mend, "Stripe will not do this");
        }
        _ => {}
    }
    Problem::from(refusal)
}

/// The `sub` that the authorizer verified, of an ID token. The authorizer lets the access
/// tokens of the same clients through as well, whatever their scopes: they are for other APIs.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html>
fn owner(request: &ApiGatewayV2httpRequest) -> Option<AccountId> {
    let claims = &request.request_context.authorizer.as_ref()?.jwt.as_ref()?.claims;
    if claims.get("token_use").map(String::as_str) != Some("id") {
        return None;
    }
    AccountId::parse(claims.get("sub")?.clone()).ok()
}

fn value(view: impl Serialize) -> Value {
    to_value(view).expect("it has only string keys and finite numbers")
}
