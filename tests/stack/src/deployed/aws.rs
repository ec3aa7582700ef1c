//! AWS's operations over plain HTTP, as ministack serves them: what the test does and looks
//! at besides Tollgate. No SDK, so that it shares no mistake with the functions.

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// The Region of everything.
pub const REGION: &str = "us-east-1";

/// All services, at one address.
#[derive(Clone)]
pub struct Aws {
    http: reqwest::Client,
    url: String,
}

impl Aws {
    /// AWS at this address.
    pub fn at(http: reqwest::Client, url: &str) -> Self {
        Self { http, url: url.to_owned() }
    }

    /// The address of everything.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// An operation of the JSON protocols: `Service_20120810.Operation`.
    ///
    /// # Errors
    /// It is refused.
    pub async fn call(&self, target: &str, body: Value) -> anyhow::Result<Value> {
        let request = self
            .http
            .post(&self.url)
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.1")
            .body(body.to_string());
        let (status, text) = send(target, request).await?;
        if status != StatusCode::OK {
            bail!("{target} answered {status}: {text}");
        }
        json_of(target, &text)
    }

    /// An operation of a REST protocol; `None` for 404.
    ///
    /// # Errors
    /// It is refused.
    pub async fn rest(
        &self,
        service: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Option<Value>> {
        let name = format!("{method} {path}");
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        request = request.header("authorization", scope(service));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        match send(&name, request).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, text) if status.is_success() => json_of(&name, &text).map(Some),
            (status, text) => bail!("{name} answered {status}: {text}"),
        }
    }

    /// The answer to a GET, whatever it is.
    ///
    /// # Errors
    /// It is refused.
    pub async fn text(&self, service: &str, path: &str) -> anyhow::Result<String> {
        let request = self.http.get(format!("{}{path}", self.url));
        let (status, text) = send(path, request.header("authorization", scope(service))).await?;
        if !status.is_success() {
            bail!("GET {path} answered {status}: {text}");
        }
        Ok(text)
    }

    /// Makes a bucket, if it is not there, and puts an object into it.
    ///
    /// # Errors
    /// It is refused.
    pub async fn put_object(&self, bucket: &str, key: &str, body: Vec<u8>) -> anyhow::Result<()> {
        for (path, body) in [(bucket.to_owned(), Vec::new()), (format!("{bucket}/{key}"), body)] {
            let request = self.http.put(format!("{}/{path}", self.url)).body(body);
            let (status, text) = send(&path, request.header("authorization", scope("s3"))).await?;
            if !status.is_success() && status != StatusCode::CONFLICT {
                bail!("PUT {path} answered {status}: {text}");
            }
        }
        Ok(())
    }

    /// Invokes a function and returns its answer.
    ///
    /// # Errors
    /// It fails, or there is none of this name.
    pub async fn invoke(&self, function: &str, event: &Value) -> anyhow::Result<Value> {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let request = self.http.post(format!("{}{path}", self.url)).body(event.to_string());
        let sent = request.header("authorization", scope("lambda")).send().await;
        let response = sent.with_context(|| path.clone())?;
        let (status, failed) =
            (response.status(), response.headers().contains_key("x-amz-function-error"));
        let text = response.text().await?;
        if !status.is_success() || failed {
            bail!("{function} answered {status}: {text}");
        }
        json_of(function, &text)
    }
}

async fn send(
    name: &str,
    request: reqwest::RequestBuilder,
) -> anyhow::Result<(StatusCode, String)> {
    let response = request.send().await.with_context(|| name.to_owned())?;
    Ok((response.status(), response.text().await?))
}

fn json_of(name: &str, text: &str) -> anyhow::Result<Value> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).with_context(|| format!("the answer to {name} is not JSON"))
}

/// What tells ministack the service and Region of a request. Nobody checks a signature.
fn scope(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, \
         SignedHeaders=host, Signature=00"
    )
}

/// An item of DynamoDB as plain JSON.
pub fn plain(item: &Value) -> Value {
    let Some(fields) = item.as_object() else { return Value::Null };
    fields
        .iter()
        .map(|(name, value)| (name.clone(), plain_value(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn plain_value(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|fields| fields.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        "M" => plain(inner),
        "L" => inner.as_array().into_iter().flatten().map(plain_value).collect(),
        "N" => inner
            .as_str()
            .and_then(|text| text.parse::<i64>().ok())
            .map_or(Value::Null, |n| json!(n)),
        "NULL" => Value::Null,
        _ => inner.clone(),
    }
}
