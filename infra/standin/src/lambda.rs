//! Lambda's Runtime API, from which a function's binary takes its events and to which it answers.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
//!
//! Deliberately not here: what starts the binary, and how long it may take.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

/// The event for whoever asks next; one that nobody has taken yet is replaced.
#[derive(Debug, Clone, Default)]
pub struct Event(Arc<Mutex<Option<Value>>>);

impl Event {
    /// Hands it to whoever asks next.
    pub fn offer(&self, event: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(event);
    }

    fn take(&self) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The API. `answered` hears how an event was answered, `response` or `error`, and with what.
pub fn router(
    event: Event,
    answered: impl Fn(String, Bytes) + Clone + Send + Sync + 'static,
) -> Router {
    let answer = async move |Path((_request, kind)): Path<(String, String)>, body: Bytes| {
        answered(kind, body);
        StatusCode::ACCEPTED
    };
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(async move || next(&event).await))
        .route("/2018-06-01/runtime/invocation/{request}/{kind}", post(answer))
}

async fn next(event: &Event) -> Response {
    match event.take() {
        Some(event) => {
            let headers = [
                ("lambda-runtime-aws-request-id", "request-1"),
                ("lambda-runtime-deadline-ms", "4102444800000"),
                ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:0:function:f"),
            ];
            (headers, Json(event)).into_response()
        }
        // No more events: the function waits, until it is stopped.
        None => std::future::pending().await,
    }
}
