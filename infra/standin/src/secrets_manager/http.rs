//! The HTTP face: awsJson 1.1. Signatures are not looked at.

use crate::calls::Service;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Secret, SecretsManagerError, SecretsManagerStandin, find};

/// The service, to be the SDK's endpoint.
pub fn router(standin: SecretsManagerStandin) -> Router {
    Router::new().fallback(serve).with_state(standin)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Get {
    secret_id: String,
    version_stage: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Put {
    secret_id: String,
    client_request_token: String,
    secret_string: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Describe {
    secret_id: String,
}

type Answer = Result<Value, SecretsManagerError>;

async fn serve(
    State(standin): State<SecretsManagerStandin>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let answer = match target.unwrap_or_default() {
        "secretsmanager.GetSecretValue" => read(&body).and_then(|body| standin.get(body)),
        "secretsmanager.PutSecretValue" => read(&body).and_then(|body| standin.post(&body)),
        "secretsmanager.DescribeSecret" => read(&body).and_then(|body| standin.describe(&body)),
        other => Err(not_implemented(other)),
    };
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => {
            let status = match error.name {
                NOT_IMPLEMENTED => StatusCode::NOT_IMPLEMENTED,
                _ => StatusCode::BAD_REQUEST,
            };
            (status, json!({ "__type": error.name, "Message": error.message }))
        }
    };
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string())
        .into_response()
}

const NOT_IMPLEMENTED: &str = "NotImplemented";

fn not_implemented(what: &str) -> SecretsManagerError {
    let message = format!("{what} is not implemented by the stand-in");
    SecretsManagerError::new(NOT_IMPLEMENTED, message)
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, SecretsManagerError> {
    // The error's text would quote a value.
    serde_json::from_slice(body).map_err(|_| not_implemented("a field of the body, or its form,"))
}

impl SecretsManagerStandin {
    fn log(&self, operation: &'static str, subject: &str) {
        self.calls.log(Service::SecretsManager, operation, subject);
    }

    fn get(&self, body: Get) -> Answer {
        self.log("GetSecretValue", &body.secret_id);
        let label = body.version_stage.unwrap_or_else(|| "AWSCURRENT".into());
        let secrets = self.lock();
        let (arn, secret) = find(&secrets, &body.secret_id)?;
        let mut newest_first = secret.versions.iter().rev();
        let version = match label.as_str() {
            "AWSCURRENT" => newest_first.next(),
            "AWSPREVIOUS" => newest_first.nth(1),
            _ => return Err(not_implemented("another staging label")),
        };
        let (id, value) = version.ok_or_else(|| SecretsManagerError::no_value(&label))?;
        Ok(json!({
            "ARN": arn,
            "Name": secret.name,
            "VersionId": id,
            "SecretString": value.expose_secret(),
            "VersionStages": [label],
        }))
    }

    fn post(&self, body: &Put) -> Answer {
        self.log("PutSecretValue", &body.secret_id);
        self.put(&body.secret_id, &body.client_request_token, &body.secret_string)?;
        let secrets = self.lock();
        let (arn, secret) = find(&secrets, &body.secret_id)?;
        Ok(json!({
            "ARN": arn,
            "Name": secret.name,
            "VersionId": body.client_request_token,
            "VersionStages": ["AWSCURRENT"],
        }))
    }

    fn describe(&self, body: &Describe) -> Answer {
        self.log("DescribeSecret", &body.secret_id);
        let secrets = self.lock();
        let (arn, secret) = find(&secrets, &body.secret_id)?;
        Ok(json!({ "ARN": arn, "Name": secret.name, "VersionIdsToStages": stages(secret) }))
    }
}

/// Which versions have which labels; those without one are not shown.
fn stages(secret: &Secret) -> Value {
    let labels = ["AWSCURRENT", "AWSPREVIOUS"];
    let labelled = secret.versions.iter().rev().zip(labels);
    labelled
        .map(|((id, _), label)| (id.clone(), json!([label])))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
