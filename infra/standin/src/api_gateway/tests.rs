//! One test for each rule that Tollgate relies on.

mod data_plane;
mod http;
mod keys;
mod plans;
mod wall;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::*;

const VALUE: &str = "0123456789abcdef0123456789abcdef";

struct World {
    clock: VirtualClock,
    calls: Calls,
    standin: ApiGatewayStandin,
}

fn world() -> World {
    let clock = VirtualClock::starting_at("2026-01-30T12:00:00Z".parse().unwrap());
    let calls = Calls::default();
    World { standin: ApiGatewayStandin::new(clock.clone(), calls.clone()), clock, calls }
}

fn prod() -> ApiStage {
    ApiStage::new("api1", "prod")
}

impl World {
    fn plan(&self, throttle: Option<Throttle>, quota: Option<Quota>) -> String {
        let stages = [prod()].into();
        let new = NewPlan { name: "plan".into(), stages, throttle, quota, ..NewPlan::default() };
        self.standin.scene(|model, _| model.create_usage_plan(new)).unwrap().id
    }

    fn key(&self, value: &str) -> String {
        let value = Some(SecretString::from(value));
        let new = NewApiKey { value, enabled: true, ..NewApiKey::default() };
        self.standin.scene(|model, now| model.create_api_key(new, now)).unwrap().id
    }

    fn attach(&self, plan: &str, key: &str) -> Result<(), Exception> {
        let attach = |model: &mut Model, now| model.create_usage_plan_key(plan, key, now);
        self.standin.scene(attach).map(drop).map_err(|refusal| refusal.exception)
    }

    fn detach(&self, plan: &str, key: &str) -> Result<(), Exception> {
        let detach = |model: &mut Model, now| model.delete_usage_plan_key(plan, key, now);
        self.standin.scene(detach).map_err(|refusal| refusal.exception)
    }

    fn patch(&self, plan: &str, op: PatchOp, path: &str, value: &str) -> Result<Plan, Exception> {
        let patch = Patch { op, path: path.into(), value: Some(value.into()) };
        let update = |model: &mut Model, _| model.update_usage_plan(plan, &[patch]);
        self.standin.scene(update).map_err(|refusal| refusal.exception)
    }

    fn call(&self, value: &str) -> (u16, &'static str) {
        let answer = self.standin.call(&prod(), "GET /hello", Some(value));
        (answer.status, answer.body)
    }

    fn remaining(&self, plan: &str, key: &str) -> i64 {
        let today = day(self.clock.time());
        let usage = self
            .standin
            .scene(|model, now| model.get_usage(plan, Some(key), (&today, &today), now))
            .unwrap();
        usage[key][0].remaining
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }
}

fn day(time: Timestamp) -> String {
    time.strftime("%F").to_string()
}

fn daily(limit: i64) -> Option<Quota> {
    Some(Quota { limit, offset: 0, period: Period::Day })
}

const FORBIDDEN: (u16, &str) = (403, r#"{"message":"Forbidden"}"#);
const LIMIT_EXCEEDED: (u16, &str) = (429, r#"{"message":"Limit Exceeded"}"#);
const TOO_MANY: (u16, &str) = (429, r#"{"message":"Too Many Requests"}"#);
const HELLO: (u16, &str) = (200, r#"{"message":"hello"}"#);
