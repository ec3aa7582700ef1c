//! The data plane: a protected API that looks at keys, quotas and throttles.
//!
//! A request is judged in this order: key, quota, throttle; only one that is served
//! is counted. It sees keys and their plans with the propagation lag; a plan's own
//! settings at once. Real quotas and throttles are best effort, these are exact.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::ApiGatewayStandin;
use super::limits::Bucket;
use super::model::Model;
use super::objects::{ApiStage, DataPlaneCall, KnownKey, View};
use super::usage::day_of;

/// What the protected API answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPlaneAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: &'static str,
}

const HELLO: DataPlaneAnswer = answer(200, r#"{"message":"hello"}"#);
const FORBIDDEN: DataPlaneAnswer = answer(403, r#"{"message":"Forbidden"}"#);
const LIMIT_EXCEEDED: DataPlaneAnswer = answer(429, r#"{"message":"Limit Exceeded"}"#);
const TOO_MANY: DataPlaneAnswer = answer(429, r#"{"message":"Too Many Requests"}"#);

const fn answer(status: u16, body: &'static str) -> DataPlaneAnswer {
    DataPlaneAnswer { status, body }
}

impl Model {
    /// A request to `resource` (`GET /hello`) of a stage, with the header `x-api-key` or without.
    pub fn call(
        &mut self,
        stage: &ApiStage,
        resource: &str,
        value: Option<&str>,
        now: Timestamp,
    ) -> DataPlaneAnswer {
        let known = value.and_then(|value| self.known(value, now));
        let key_id = known.as_ref().map(|known| known.id.clone());
        let answer = self.judge(stage, known, now);
        self.data_plane_calls.push(DataPlaneCall {
            at: now,
            stage: stage.clone(),
            resource: resource.to_owned(),
            key_id,
            status: answer.status,
        });
        answer
    }

    fn judge(
        &mut self,
        stage: &ApiStage,
        known: Option<KnownKey>,
        now: Timestamp,
    ) -> DataPlaneAnswer {
        let Some(known) = known.filter(|known| known.enabled) else {
            return FORBIDDEN;
        };
        let mut plans = known.plans.iter().filter_map(|plan| self.plans.get(plan));
        let Some(plan) = plans.find(|plan| plan.stages.contains(stage)) else {
            return FORBIDDEN;
        };
        let at = (plan.id.clone(), known.id);
        let counter = self.counters.entry(at.clone()).or_default();
        let day = day_of(now);
        if plan.quota.is_some_and(|quota| counter.remaining(&quota, day) == 0) {
            return LIMIT_EXCEEDED;
        }
        if let Some(throttle) = plan.throttle {
            let (rate, burst) = (throttle.rate, f64::from(throttle.burst));
            let bucket = self.buckets.entry(at).or_insert_with(|| Bucket::new(rate, burst));
            if !bucket.is(rate, burst) {
                *bucket = Bucket::new(rate, burst);
            }
            if !bucket.take(now) {
                return TOO_MANY;
            }
        }
        counter.count(day);
        HELLO
    }

    fn known(&self, value: &str, now: Timestamp) -> Option<KnownKey> {
        let views = self.views.get(value)?;
        views.iter().rev().find(|view| view.from <= now)?.key.clone()
    }

    /// Tells the data plane of a key's new state, after the lag.
    pub(super) fn publish(&mut self, key_id: &str, now: Timestamp) {
        let Some(key) = self.keys.get(key_id) else { return };
        let known = KnownKey { id: key.id.clone(), enabled: key.enabled, plans: key.plans.clone() };
        let value = key.value.expose_secret().to_owned();
        self.tell(value, Some(known), now);
    }

    /// Tells the data plane that a key is gone, after the lag.
    pub(super) fn unpublish(&mut self, value: &str, now: Timestamp) {
        self.tell(value.to_owned(), None, now);
    }

    fn tell(&mut self, value: String, key: Option<KnownKey>, now: Timestamp) {
        let from = now.saturating_add(self.lag).unwrap_or(Timestamp::MAX);
        let views = self.views.entry(value).or_default();
        let current = views.iter().rposition(|view| view.from <= now).unwrap_or(0);
        views.drain(..current);
        views.retain(|view| view.from < from);
        views.push(View { from, key });
    }
}

impl ApiGatewayStandin {
    /// The protected sample API: `GET /{stage}/hello` of the API `api_id`.
    pub fn data_plane(&self, api_id: impl Into<String>) -> Router {
        let state = (self.clone(), api_id.into());
        Router::new().route("/{stage}/hello", get(hello)).with_state(state)
    }
}

async fn hello(
    State((standin, api_id)): State<(ApiGatewayStandin, String)>,
    Path(stage): Path<String>,
    headers: HeaderMap,
) -> Response {
    let key = headers.get("x-api-key").and_then(|value| value.to_str().ok());
    let answer = standin.call(&ApiStage::new(api_id, stage), "GET /hello", key);
    let status = StatusCode::from_u16(answer.status).expect("the answers above are statuses");
    (status, [("content-type", "application/json")], answer.body).into_response()
}
