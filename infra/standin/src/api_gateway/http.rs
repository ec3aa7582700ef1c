//! The HTTP face: the REST-JSON protocol that the AWS SDKs speak.
//!
//! Signatures are not looked at. An operation that is not modelled, or a field of one,
//! answers 501. The faults of the gate do not reach here: faults on the wire are
//! made on the wire.

use crate::calls::Service;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::ApiGatewayStandin;
use super::error::{Exception, Refusal};
use super::keys::KeyQuery;
use super::model::{Listing, Model};
use super::usage::day_of;
use super::wire;

/// What an operation answers when it succeeds: 200 or 201 with a body, 202 without.
type Answer = Result<(StatusCode, Option<Value>), Refusal>;

impl ApiGatewayStandin {
    /// The control plane, to be the SDK's endpoint.
    pub fn control_plane(&self) -> Router {
        Router::new().fallback(serve).with_state(self.clone())
    }

    /// Logs an operation, then runs it behind the wall.
    fn logged<T>(
        &self,
        operation: &'static str,
        subject: impl Into<String>,
        act: impl FnOnce(&mut Model, Timestamp) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.calls.log(Service::ApiGateway, operation, subject);
        self.control(operation, act)
    }

    fn route(&self, method: &Method, path: &[&str], query: wire::Query, body: &Bytes) -> Answer {
        match (method.as_str(), path) {
            ("POST", ["apikeys"]) => self.post_key(read(body)?),
            ("GET", ["apikeys"]) => self.list_keys(query),
            ("GET", ["apikeys", key]) => self.show_key(key, query.include_value == Some(true)),
            ("PATCH", ["apikeys", key]) => self.patch_key(key, read(body)?),
            ("DELETE", ["apikeys", key]) => {
                accepted(
                    self.logged("DeleteApiKey", *key, |model, now| model.delete_api_key(key, now)),
                )
            }
            ("GET" | "POST" | "PATCH" | "DELETE", ["usageplans", rest @ ..]) => {
                self.route_plans(method, rest, query, body)
            }
            ("GET", ["restapis", api]) => self.show_api(api),
            ("GET", ["restapis", api, "resources"]) => self.list_resources(api, query),
            ("GET", ["restapis", api, "stages", stage]) => self.show_stage(api, stage),
            _ => Err(not_implemented("this operation")),
        }
    }

    fn route_plans(
        &self,
        method: &Method,
        path: &[&str],
        query: wire::Query,
        body: &Bytes,
    ) -> Answer {
        match (method.as_str(), path) {
            ("POST", []) => self.post_plan(read(body)?),
            ("GET", []) => self.list_plans(query),
            ("GET", [plan]) => {
                let get = |model: &mut Model, _| model.get_usage_plan(plan).map(wire::plan);
                ok(self.logged("GetUsagePlan", *plan, get))
            }
            ("PATCH", [plan]) => self.patch_plan(plan, read(body)?),
            ("DELETE", [plan]) => {
                accepted(self.logged("DeleteUsagePlan", *plan, |model, now| {
                    model.delete_usage_plan(plan, now)
                }))
            }
            ("POST", [plan, "keys"]) => self.post_plan_key(plan, &read(body)?),
            ("GET", [plan, "keys"]) => self.list_plan_keys(plan, query),
            ("GET", [plan, "keys", key]) => {
                let get =
                    |model: &mut Model, _| model.get_usage_plan_key(plan, key).map(wire::plan_key);
                ok(self.logged("GetUsagePlanKey", pair(plan, key), get))
            }
            ("DELETE", [plan, "keys", key]) => {
                let delete = |model: &mut Model, now| model.delete_usage_plan_key(plan, key, now);
                accepted(self.logged("DeleteUsagePlanKey", pair(plan, key), delete))
            }
            ("PATCH", [plan, "keys", key, "usage"]) => self.patch_usage(plan, key, read(body)?),
            ("GET", [plan, "usage"]) => self.show_usage(plan, &query),
            _ => Err(not_implemented("this operation")),
        }
    }

    fn show_api(&self, api: &str) -> Answer {
        let get = |model: &mut Model, _| {
            let found = model.get_rest_api(api)?;
            Ok(json!({ "id": api, "name": api, "apiKeySource": found.key_source.as_str() }))
        };
        ok(self.logged("GetRestApi", api, get))
    }

    fn list_resources(&self, api: &str, query: wire::Query) -> Answer {
        let with_methods = match query.embed.as_deref() {
            None => false,
            Some("methods") => true,
            Some(_) => return Err(not_implemented("embedding of anything but methods")),
        };
        let page = Listing { limit: query.limit, position: query.position };
        let list = |model: &mut Model, _| {
            let page = model.get_resources(api, &page)?;
            Ok(wire::page(&page, |resource| wire::resource(resource, with_methods)))
        };
        ok(self.logged("GetResources", api, list))
    }

    fn show_stage(&self, api: &str, stage: &str) -> Answer {
        let wanted = super::ApiStage::new(api, stage);
        let get =
            |model: &mut Model, _| Ok(json!({ "stageName": model.get_stage(&wanted)?.stage }));
        ok(self.logged("GetStage", format!("{api}:{stage}"), get))
    }

    fn post_key(&self, body: wire::CreateApiKey) -> Answer {
        let new: super::NewApiKey = body.into();
        let subject = new.name.clone().unwrap_or_default();
        let create = |model: &mut Model, now| {
            // A new key's value is in the answer, as AWS has it.
            model.create_api_key(new, now).map(|key| wire::key(&key, true))
        };
        created(self.logged("CreateApiKey", subject, create))
    }

    fn show_key(&self, key: &str, with_value: bool) -> Answer {
        let get = |model: &mut Model, _| Ok(wire::key(model.get_api_key(key)?, with_value));
        ok(self.logged("GetApiKey", key, get))
    }

    fn list_keys(&self, query: wire::Query) -> Answer {
        let with_values = query.include_values == Some(true);
        let query = KeyQuery {
            customer_id: query.customer_id,
            name: query.name,
            page: Listing { limit: query.limit, position: query.position },
        };
        let subject = query.customer_id.clone().unwrap_or_default();
        let list = |model: &mut Model, _| {
            let page = model.get_api_keys(&query)?;
            Ok(wire::page(&page, |key| wire::key(key, with_values)))
        };
        ok(self.logged("GetApiKeys", subject, list))
    }

    fn patch_key(&self, key: &str, patches: wire::Patches) -> Answer {
        let patch = |model: &mut Model, now| {
            let key = model.update_api_key(key, patches.of_key()?, now)?;
            Ok(wire::key(&key, false))
        };
        ok(self.logged("UpdateApiKey", key, patch))
    }

    fn post_plan(&self, body: wire::CreateUsagePlan) -> Answer {
        let create = |model: &mut Model, _| {
            model.create_usage_plan(body.try_into()?).map(|plan| wire::plan(&plan))
        };
        created(self.logged("CreateUsagePlan", "", create))
    }

    fn list_plans(&self, query: wire::Query) -> Answer {
        let page = Listing { limit: query.limit, position: query.position };
        let list = |model: &mut Model, _| {
            let page = model.get_usage_plans(query.key_id.as_deref(), &page)?;
            Ok(wire::page(&page, wire::plan))
        };
        ok(self.logged("GetUsagePlans", query.key_id.clone().unwrap_or_default(), list))
    }

    fn patch_plan(&self, plan: &str, patches: wire::Patches) -> Answer {
        let patch = |model: &mut Model, _| {
            model.update_usage_plan(plan, &patches.of_plan()?).map(|plan| wire::plan(&plan))
        };
        ok(self.logged("UpdateUsagePlan", plan, patch))
    }

    fn post_plan_key(&self, plan: &str, body: &wire::CreateUsagePlanKey) -> Answer {
        let create = |model: &mut Model, now| {
            if body.key_type != "API_KEY" {
                return Err(Exception::BadRequest.because("Invalid key type specified"));
            }
            let key = model.create_usage_plan_key(plan, &body.key_id, now)?;
            Ok(wire::plan_key(&key))
        };
        created(self.logged("CreateUsagePlanKey", pair(plan, &body.key_id), create))
    }

    fn list_plan_keys(&self, plan: &str, query: wire::Query) -> Answer {
        let page = Listing { limit: query.limit, position: query.position };
        let list = |model: &mut Model, _| {
            Ok(wire::page(&model.get_usage_plan_keys(plan, &page)?, wire::plan_key))
        };
        ok(self.logged("GetUsagePlanKeys", plan, list))
    }

    fn patch_usage(&self, plan: &str, key: &str, patches: wire::Patches) -> Answer {
        let patch = |model: &mut Model, now| {
            let usage = model.update_usage(plan, key, patches.remaining()?, now)?;
            let (today, line) = (day_of(now).to_string(), [(key.to_owned(), vec![usage])]);
            Ok(wire::usage(plan, (&today, &today), &line.into()))
        };
        ok(self.logged("UpdateUsage", pair(plan, key), patch))
    }

    fn show_usage(&self, plan: &str, query: &wire::Query) -> Answer {
        let key = query.key_id.as_deref();
        let from = query.start_date.as_deref().unwrap_or_default();
        let to = query.end_date.as_deref().unwrap_or_default();
        if query.limit.is_some() || query.position.is_some() {
            return Err(not_implemented("paging of GetUsage"));
        }
        let get = |model: &mut Model, now| {
            let usage = model.get_usage(plan, key, (from, to), now)?;
            Ok(wire::usage(plan, (from, to), &usage))
        };
        ok(self.logged("GetUsage", pair(plan, key.unwrap_or_default()), get))
    }
}

async fn serve(
    State(standin): State<ApiGatewayStandin>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let path: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    let answer = Query::<wire::Query>::try_from_uri(&uri)
        .map_err(|_| not_implemented("a query parameter"))
        .and_then(|Query(query)| standin.route(&method, &path, query, &body));
    match answer {
        Ok((status, Some(body))) => (status, axum::Json(body)).into_response(),
        Ok((status, None)) => status.into_response(),
        Err(refusal) => refuse(&refusal),
    }
}

fn refuse(refusal: &Refusal) -> Response {
    let exception = refusal.exception;
    let status = StatusCode::from_u16(exception.status()).expect("exceptions have real statuses");
    let body = axum::Json(json!({ "message": refusal.message }));
    let mut response = (status, [("x-amzn-errortype", exception.name())], body).into_response();
    if let Exception::TooManyRequests { after } = exception {
        response.headers_mut().insert("retry-after", after.as_secs().into());
    }
    response
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        // The error's text would quote a value; its kind is enough.
        if error.is_data() {
            not_implemented("a field of the body, or its form,")
        } else {
            Exception::BadRequest.because("Invalid request input")
        }
    })
}

fn not_implemented(what: &str) -> Refusal {
    Exception::NotImplemented.because(format!("{what} is not implemented by the stand-in"))
}

fn ok(result: Result<Value, Refusal>) -> Answer {
    result.map(|body| (StatusCode::OK, Some(body)))
}

fn created(result: Result<Value, Refusal>) -> Answer {
    result.map(|body| (StatusCode::CREATED, Some(body)))
}

fn accepted(result: Result<(), Refusal>) -> Answer {
    result.map(|()| (StatusCode::ACCEPTED, None))
}

fn pair(plan: &str, key: &str) -> String {
    format!("{plan}/{key}")
}
