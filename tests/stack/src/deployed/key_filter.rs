//! Between the functions and ministack's API Gateway: makes good one thing.
//!
//! ministack's `GetUsagePlans` takes no notice of `keyId` and lists all plans, so that every
//! key would seem to be on all of them. Here the others are left out of its answer;
//! everything else passes as it is.
//! <https://docs.aws.amazon.com/apigateway/latest/api/API_GetUsagePlans.html>

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use reqwest::Client;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Clone)]
struct Ministack {
    http: Client,
    url: String,
}

/// Serves it before ministack at `url`; returns where, and the task that serves.
///
/// # Errors
/// No port on loopback.
pub async fn serve(url: &str) -> anyhow::Result<(String, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let http = super::http::client()?;
    let app = Router::new().fallback(pass).with_state(Ministack { http, url: url.to_owned() });
    let task = tokio::spawn(async move {
        // It ends with its task; an error would show at the next request.
        let _ = axum::serve(listener, app).await;
    });
    Ok((address, task))
}

async fn pass(
    State(ministack): State<Ministack>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let lists_plans = method == Method::GET && uri.path() == "/usageplans";
    let key = uri.query().filter(|_| lists_plans).and_then(key_id).map(str::to_owned);
    match ministack.answer(method, &uri, headers, body, key.as_deref()).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

/// The value of `keyId`; an id needs no decoding.
fn key_id(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("keyId="))
}

impl Ministack {
    async fn answer(
        &self,
        method: Method,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
        key: Option<&str>,
    ) -> reqwest::Result<Response> {
        headers.remove(header::HOST);
        let url = format!("{}{uri}", self.url);
        let answer = self.http.request(method, url).headers(headers).body(body).send().await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        let mut bytes = answer.bytes().await?;
        if let Some(key) = key
            && let Ok(mut plans) = serde_json::from_slice(&bytes)
        {
            self.only_with(&mut plans, key).await?;
            bytes = plans.to_string().into();
        }
        // Of this answer's own length.
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// Leaves out the plans that the key is not on.
    async fn only_with(&self, plans: &mut Value, key: &str) -> reqwest::Result<()> {
        let Some(items) = plans["item"].as_array_mut() else { return Ok(()) };
        let mut with_key = Vec::new();
        for plan in items.drain(..) {
            let id = plan["id"].as_str().unwrap_or_default();
            let asked = self.http.get(format!("{}/usageplans/{id}/keys/{key}", self.url));
            if asked.send().await?.status().is_success() {
                with_key.push(plan);
            }
        }
        *items = with_key;
        Ok(())
    }
}
