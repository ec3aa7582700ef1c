use reqwest::StatusCode;
use serde_json::{Value, json};

use super::*;

/// Serves a router on a free port of this machine.
async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

struct Http(String);

impl Http {
    async fn send(&self, method: &str, path: &str, body: Value) -> (StatusCode, String, Value) {
        let method = method.parse().unwrap();
        let mut request = reqwest::Client::new().request(method, format!("{}{path}", self.0));
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let kind = response.headers().get("x-amzn-errortype").map(|kind| kind.to_str().unwrap());
        let kind = kind.unwrap_or_default().to_owned();
        let text = response.text().await.unwrap();
        (status, kind, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, _, body) = self.send("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

#[tokio::test]
async fn http_keeps_a_value_to_itself_unless_asked() {
    let w = world();
    let http = Http(serve(w.standin.control_plane()).await);
    let body = json!({ "name": "n", "value": VALUE, "customerId": "sub-1", "enabled": true });
    let (status, _, made) = http.send("POST", "/apikeys", body).await;
    assert_eq!(status, 201);
    assert!(made["createdDate"].is_i64(), "seconds since the epoch");
    let id = made["id"].as_str().unwrap();
    assert_eq!(http.get(&format!("/apikeys/{id}")).await.get("value"), None);
    assert_eq!(http.get(&format!("/apikeys/{id}?includeValue=true")).await["value"], VALUE);
    assert_eq!(http.get("/apikeys?customerId=sub-1").await["item"][0].get("value"), None);
    let with = http.get("/apikeys?customerId=sub-1&includeValues=true&limit=500").await;
    assert_eq!(with["item"][0]["value"], VALUE);
    let patch = json!({ "patchOperations": [{ "op": "replace", "path": "/value", "value": "x" }] });
    let (status, kind, _) = http.send("PATCH", &format!("/apikeys/{id}"), patch).await;
    assert_eq!((status.as_u16(), kind.as_str()), (400, "BadRequestException"));
    let patch =
        json!({ "patchOperations": [{ "op": "replace", "path": "/enabled", "value": "false" }] });
    let (status, _, body) = http.send("PATCH", &format!("/apikeys/{id}"), patch).await;
    assert_eq!((status.as_u16(), &body["enabled"]), (200, &json!(false)));
    let (status, _, _) = http.send("DELETE", &format!("/apikeys/{id}"), Value::Null).await;
    assert_eq!(status, 202);
    let (status, kind, _) = http.send("GET", &format!("/apikeys/{id}"), Value::Null).await;
    assert_eq!((status.as_u16(), kind.as_str()), (404, "NotFoundException"));
}

#[tokio::test]
async fn http_plays_a_switch_with_its_conflicts_and_usage() {
    let w = world();
    let http = Http(serve(w.standin.control_plane()).await);
    let data = Http(serve(w.standin.data_plane("api1")).await);
    let body = |name: &str, limit: i64| {
        json!({
            "name": name,
            "apiStages": [{ "apiId": "api1", "stage": "prod" }],
            "throttle": { "rateLimit": 10.0, "burstLimit": 20 },
            "quota": { "limit": limit, "period": "MONTH" },
        })
    };
    let (status, _, free) = http.send("POST", "/usageplans", body("free", 10)).await;
    assert_eq!(status, 201);
    let (_, _, pro) = http.send("POST", "/usageplans", body("pro", 1000)).await;
    let (free, pro) = (free["id"].as_str().unwrap(), pro["id"].as_str().unwrap());
    let key = w.key(VALUE);
    let attach = |plan: &str| {
        let (path, http) = (format!("/usageplans/{plan}/keys"), &http);
        let body = json!({ "keyId": key, "keyType": "API_KEY" });
        async move { http.send("POST", &path, body).await }
    };
    assert_eq!(attach(free).await.0, 201);
    let (status, kind, body) = attach(pro).await;
    assert_eq!((status.as_u16(), kind.as_str()), (409, "ConflictException"));
    assert!(body["message"].is_string());
    assert_eq!(http.get(&format!("/usageplans?keyId={key}")).await["item"][0]["id"], free);
    assert_eq!(http.get(&format!("/usageplans/{free}/keys")).await["item"][0]["id"], *key);

    let hello = reqwest::Client::new().get(format!("{}/prod/hello", data.0));
    let answer = hello.header("x-api-key", VALUE).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "message": "hello" }));
    let (status, _, body) = data.send("GET", "/prod/hello", Value::Null).await;
    assert_eq!((status.as_u16(), body), (403, json!({ "message": "Forbidden" })));
    let days = "startDate=2026-01-30&endDate=2026-01-30";
    let usage = http.get(&format!("/usageplans/{free}/usage?keyId={key}&{days}")).await;
    assert_eq!(usage["values"][&key], json!([[1, 9]]));

    let path = format!("/usageplans/{free}/keys/{key}");
    assert_eq!(http.send("DELETE", &path, Value::Null).await.0, 202);
    assert_eq!(attach(pro).await.0, 201);
    let left =
        json!({ "patchOperations": [{ "op": "replace", "path": "/remaining", "value": "7" }] });
    let (_, _, usage) =
        http.send("PATCH", &format!("/usageplans/{pro}/keys/{key}/usage"), left).await;
    assert_eq!(usage["values"][&key], json!([[0, 7]]));
    let operations: Vec<_> = w.calls.since(0).iter().map(|call| call.operation).collect();
    assert_eq!(operations[..3], ["CreateUsagePlan", "CreateUsagePlan", "CreateUsagePlanKey"]);
}

#[tokio::test]
async fn http_describes_an_api_its_methods_and_its_stages() {
    let w = world();
    w.standin.scene(|model, _| {
        model.add_stage(prod());
        model.add_rest_api(
            "api1",
            &[("/a", "GET", true), ("/a", "POST", false), ("/b", "GET", false)],
        );
    });
    let http = Http(serve(w.standin.control_plane()).await);
    assert_eq!(http.get("/restapis/api1").await["apiKeySource"], "HEADER");
    assert_eq!(http.get("/restapis/api1/stages/prod").await["stageName"], "prod");
    let first = http.get("/restapis/api1/resources?embed=methods&limit=1").await;
    let position = first["position"].as_str().unwrap();
    let path = format!("/restapis/api1/resources?embed=methods&limit=1&position={position}");
    let second = http.get(&path).await;
    assert_eq!(second.get("position"), None);
    let resources = [&first["item"][0], &second["item"][0]];
    let a = resources.iter().find(|resource| resource["path"] == "/a").unwrap();
    let methods = &a["resourceMethods"];
    assert_eq!(methods["GET"]["apiKeyRequired"], true);
    assert_eq!(methods["POST"]["apiKeyRequired"], false);
    let bare = http.get("/restapis/api1/resources").await;
    assert_eq!(bare["item"][0]["resourceMethods"]["GET"], json!({}), "only when asked for");
    w.standin.scene(|model, _| model.remove_stage(&prod()));
    for missing in ["api2", "api2/resources", "api1/stages/prod"] {
        let (status, kind, _) =
            http.send("GET", &format!("/restapis/{missing}"), Value::Null).await;
        assert_eq!((status.as_u16(), kind.as_str()), (404, "NotFoundException"), "{missing}");
    }
}

#[tokio::test]
async fn http_says_when_to_come_back() {
    let w = world();
    w.standin.set_wall(Some(Wall::default()));
    let http = Http(serve(w.standin.control_plane()).await);
    let body = json!({ "patchOperations": [] });
    let plan = w.plan(None, None);
    let patch = || {
        let request = reqwest::Client::new().patch(format!("{}/usageplans/{plan}", http.0));
        request.json(&body).send()
    };
    assert_eq!(patch().await.unwrap().status(), 200);
    let refused = patch().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["x-amzn-errortype"], "TooManyRequestsException");
    assert_eq!(refused.headers()["retry-after"], "20");
}

#[tokio::test]
async fn http_refuses_what_is_not_modelled_instead_of_making_it_up() {
    let w = world();
    let http = Http(serve(w.standin.control_plane()).await);
    for (method, path, body) in [
        ("GET", "/restapis", Value::Null),
        ("GET", "/restapis/api1/resources?embed=integrations", Value::Null),
        ("PUT", "/apikeys", json!({})),
        ("POST", "/apikeys?mode=import", json!({})),
        ("POST", "/apikeys", json!({ "stageKeys": [] })),
    ] {
        assert_eq!(http.send(method, path, body).await.0, 501, "{method} {path}");
    }
}
