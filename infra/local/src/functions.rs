//! Tollgate's Lambda functions, run in this process: the same handlers, the real SDKs,
//! the local endpoints. What API Gateway, Cognito and SQS do around a function is done
//! here: events in, answers out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context;
use aws_config::SdkConfig;
use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body as LambdaBody;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on, post};
use serde_json::{Value, json};
use tollgate_core::account_api::AccountApi;
use tollgate_core::converge::Worker;
use tollgate_core::ingress::{PoolIngress, Webhook};
use tollgate_functions::adapters::AwsPorts;
use tollgate_functions::adapters::dynamodb::DynamoLedger;
use tollgate_functions::adapters::sqs::SqsQueue;
use tollgate_functions::config::{
    AccountConfig, ConfigError, DeadLetterConfig, Secret, Settings, SiteConfig, SweepConfig,
    TriggerConfig, WebhookConfig, WorkerFunctionConfig,
};
use tollgate_functions::handlers::routes::{PageRoute, PublicRoute, Route};
use tollgate_functions::handlers::site::Site;
use tollgate_functions::handlers::sweep::Sweep;
use tollgate_functions::{handlers, setup};

use crate::clock::StackClock;
use tollgate_standin::cognito::{CognitoStandin, TriggerFuture, Triggers};

/// The ports that the functions run on.
pub type LocalPorts = AwsPorts<StackClock>;

/// The functions' names.
pub const FUNCTIONS: [&str; 8] = [
    "stripe-webhook",
    "cognito-trigger",
    "eventbridge",
    "worker",
    "account",
    "deadletter",
    "site",
    "sweep",
];

/// The functions, each with what it would have in Lambda.
pub struct Functions {
    /// `stripe-webhook`.
    pub webhook: Webhook<SqsQueue, StackClock>,
    /// `cognito-trigger`.
    pub trigger: PoolIngress<SqsQueue, StackClock>,
    /// `eventbridge`.
    pub eventbridge: PoolIngress<SqsQueue, StackClock>,
    /// `worker`.
    pub worker: Worker<LocalPorts>,
    /// Where `worker` wakes accounts.
    pub worker_queue: SqsQueue,
    /// `account`.
    pub account: AccountApi<LocalPorts>,
    /// Where `account` wakes its owners' accounts.
    pub account_queue: SqsQueue,
    /// `site`.
    pub site: Site,
    /// What `deadletter` writes.
    pub ledger: DynamoLedger,
    /// `sweep`.
    pub sweep: Sweep<LocalPorts, SqsQueue>,
}

/// The functions as they were deployed last. What runs goes on with those it began with.
#[derive(Clone)]
pub struct Deployed(Arc<RwLock<Arc<Functions>>>);

impl Deployed {
    /// The first deployment.
    pub fn new(functions: Functions) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(functions))))
    }

    /// The functions as they are now.
    pub fn functions(&self) -> Arc<Functions> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Deploys others in their place.
    pub fn replace(&self, functions: Functions) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(functions);
    }
}

/// What a function finds in Lambda.
pub struct Given {
    /// Its environment.
    pub variables: BTreeMap<&'static str, String>,
    /// Its way to AWS, with the credentials of its role.
    pub sdk: SdkConfig,
}

impl Given {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    /// Its configuration, the secrets fetched.
    async fn read<T>(
        &self,
        secrets: &[Secret],
        read: impl Fn(&dyn Fn(&str) -> Option<String>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let settings = Settings::load(|name| self.variable(name), secrets, &self.sdk).await;
        settings.read(read)
    }
}

impl Functions {
    /// Builds every function from what its binary would find, `given` by its name.
    ///
    /// # Errors
    /// A setting is missing or wrong.
    pub async fn new(
        given: impl Fn(&'static str) -> Given,
        clock: &StackClock,
    ) -> anyhow::Result<Self> {
        let webhook = given("stripe-webhook");
        let trigger = given("cognito-trigger");
        let eventbridge = given("eventbridge");
        let worker = given("worker");
        let account = given("account");
        let deadletter = given("deadletter");
        let site = given("site");
        let sweep = given("sweep");
        let clock = || clock.clone();
        let webhook_config = webhook.read(WebhookConfig::SECRETS, |get| WebhookConfig::read(get));
        let worker_config = worker
            .read(WorkerFunctionConfig::SECRETS, |get| WorkerFunctionConfig::read(get))
            .await?;
        let account_config =
            account.read(AccountConfig::SECRETS, |get| AccountConfig::read(get)).await?;
        let sweep_config = sweep.read(SweepConfig::SECRETS, |get| SweepConfig::read(get));
        let pool = |given: &Given| TriggerConfig::read(|name| given.variable(name));
        let dead = DeadLetterConfig::read(|name| deadletter.variable(name))?;
        Ok(Self {
            webhook: setup::webhook(webhook_config.await?, &webhook.sdk, clock()),
            trigger: setup::pool(pool(&trigger)?, &trigger.sdk, clock()),
            eventbridge: setup::pool(pool(&eventbridge)?, &eventbridge.sdk, clock()),
            worker_queue: setup::queue(&worker_config.queues, &worker.sdk),
            worker: setup::worker(worker_config.worker, &worker.sdk, clock())?,
            account_queue: setup::queue(&account_config.queues, &account.sdk),
            account: setup::account_api(account_config, &account.sdk, clock())?,
            site: Site::new(&SiteConfig::read(|name| site.variable(name))?),
            ledger: setup::ledger(&dead.ledger, &deadletter.sdk),
            sweep: setup::sweep(sweep_config.await?, &sweep.sdk, clock())?,
        })
    }
}

/// Lambda takes events of at most 6 MB.
const MAX_LAMBDA_EVENT_BYTES: usize = 6 * 1024 * 1024;

/// What the HTTP routes need.
#[derive(Clone)]
struct Routes {
    deployed: Deployed,
    cognito: CognitoStandin,
    broken_webhook: bool,
}

/// Tollgate's own HTTP endpoints: the webhook, and the account API behind its authorizer.
/// A broken webhook answers 200 and does nothing.
pub fn router(deployed: Deployed, cognito: CognitoStandin, broken_webhook: bool) -> Router {
    Router::new()
        .route("/webhook", post(webhook))
        .merge(account_routes())
        .merge(public_routes())
        .layer(DefaultBodyLimit::max(MAX_LAMBDA_EVENT_BYTES))
        .with_state(Routes { deployed, cognito, broken_webhook })
}

/// The account API's routes, as API Gateway knows them.
fn account_routes() -> Router<Routes> {
    Route::ALL.into_iter().fold(Router::new(), |router, route| {
        let (method, path) = route.key().split_once(' ').expect("a method and a path");
        let method = method.parse::<Method>().expect("a method of HTTP");
        let filter = MethodFilter::try_from(method).expect("one that axum routes");
        router.route(
            path,
            on(filter, move |state, method, uri, headers, body| {
                account(route, state, method, uri, headers, body)
            }),
        )
    })
}

/// The public routes, which need no sign-in.
fn public_routes() -> Router<Routes> {
    let told = PublicRoute::ALL.into_iter().map(PublicRoute::key);
    let keys = told.chain(PageRoute::ALL.into_iter().map(PageRoute::key));
    keys.fold(Router::new(), |router, key| {
        let (_, path) = key.split_once(' ').expect("a method and a path");
        router.route(path, get(move |state, uri, headers| public(key, state, uri, headers)))
    })
}

async fn public(
    key: &'static str,
    State(routes): State<Routes>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let body = Bytes::new();
    match http_event(key, &Method::GET, &uri, &headers, &body, None) {
        Ok(request) => answer(handlers::site::handle(&routes.deployed.functions().site, &request)),
        Err(error) => broken(&error),
    }
}

async fn webhook(
    State(routes): State<Routes>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if routes.broken_webhook {
        return StatusCode::OK.into_response();
    }
    let request = match http_event("POST /webhook", &method, &uri, &headers, &body, None) {
        Ok(request) => request,
        Err(error) => return broken(&error),
    };
    answer(handlers::webhook::handle(&routes.deployed.functions().webhook, &request).await)
}

async fn account(
    route: Route,
    State(routes): State<Routes>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // The JWT authorizer: without a valid ID token, the function is not run.
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = authorization.map(|value| value.trim_start_matches("Bearer ").trim());
    let claims = token.and_then(|token| routes.cognito.verify_id_token(token).ok());
    let Some(claims) = claims else {
        let body = json!({"message": "Unauthorized"}).to_string();
        return (StatusCode::UNAUTHORIZED, body).into_response();
    };
    let (key, sub) = (route.key(), Some(claims.sub.as_str()));
    let request = match http_event(key, &method, &uri, &headers, &body, sub) {
        Ok(request) => request,
        Err(error) => return broken(&error),
    };
    let functions = routes.deployed.functions();
    let (api, queue) = (&functions.account, &functions.account_queue);
    answer(handlers::account::handle(api, queue, &request).await)
}

/// An HTTP request as a function gets it (payload format 2.0); a body that is not text
/// comes in base64.
fn http_event(
    route_key: &str,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
    sub: Option<&str>,
) -> anyhow::Result<ApiGatewayV2httpRequest> {
    use std::str::from_utf8;
    let text = from_utf8(body);
    let headers: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": uri.path(),
        "rawQueryString": uri.query().unwrap_or_default(),
        "headers": headers,
        "requestContext": {
            "requestId": format!("local-{}", REQUESTS.fetch_add(1, Ordering::Relaxed)),
            "http": { "method": method.as_str(), "path": uri.path(), "protocol": "HTTP/1.1" },
        },
        "body": text.map_or_else(|_| base64(body), str::to_owned),
        "isBase64Encoded": text.is_err(),
    });
    if let Some(sub) = sub {
        event["requestContext"]["authorizer"] =
            json!({ "jwt": { "claims": { "sub": sub, "token_use": "id" } } });
    }
    serde_json::from_value(event).context("the request does not fit a function's event")
}

/// How many requests there were: their ids are told with refusals.
static REQUESTS: AtomicU64 = AtomicU64::new(1);

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn answer(response: ApiGatewayV2httpResponse) -> Response {
    let status = u16::try_from(response.status_code).ok();
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let body = match response.body {
        Some(LambdaBody::Text(text)) => text.into_bytes(),
        Some(LambdaBody::Binary(bytes)) => bytes,
        _ => Vec::new(),
    };
    (status.unwrap_or(StatusCode::BAD_GATEWAY), response.headers, body).into_response()
}

fn broken(error: &anyhow::Error) -> Response {
    (StatusCode::BAD_GATEWAY, error.to_string()).into_response()
}

/// Cognito's way to the trigger function.
pub struct TriggerFunction(pub Deployed);

impl Triggers for TriggerFunction {
    fn invoke<'a>(&'a self, _trigger: &'a str, event: Value) -> TriggerFuture<'a> {
        Box::pin(
            async move { Ok(handlers::trigger::handle(&self.0.functions().trigger, event).await) },
        )
    }
}
