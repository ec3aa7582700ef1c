//! Stripe's webhook endpoint, behind a function URL or an HTTP API (payload 2.0).

use std::borrow::Cow;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use base64::Engine;
use tollgate_core::ingress::{Delivery, MAX_BODY_BYTES, Webhook};
use tollgate_core::ports::{Clock, Queue};

/// Takes one delivery. Every answer is an HTTP status that tells Stripe whether to send
/// the event again; the body tells a person why.
pub async fn handle<Q: Queue, C: Clock>(
    webhook: &Webhook<Q, C>,
    request: &ApiGatewayV2httpRequest,
) -> ApiGatewayV2httpResponse {
    let delivery = accept(webhook, request).await;
    report(&delivery);
    let text = match &delivery {
        Delivery::Queued { .. } => "queued".to_owned(),
        Delivery::NotNeeded { .. } => "not needed".to_owned(),
        Delivery::NamesNobody { .. } => "names nobody".to_owned(),
        Delivery::TooLarge => format!("the body is larger than {MAX_BODY_BYTES} bytes"),
        Delivery::BadSignature(error) => error.to_string(),
        Delivery::Unreadable(error) => error.to_string(),
        Delivery::QueueUnavailable(_) => "the queue is unavailable; send it again".to_owned(),
    };
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(delivery.status());
    response.body = Some(Body::Text(text));
    response
}

async fn accept<Q: Queue, C: Clock>(
    webhook: &Webhook<Q, C>,
    request: &ApiGatewayV2httpRequest,
) -> Delivery {
    let body = request.body.as_deref().unwrap_or_default();
    let Some(bytes) = bytes(body, request.is_base64_encoded) else { return Delivery::TooLarge };
    let signature = request.headers.get("stripe-signature");
    // A header that is not text is no signature of Stripe's; `accept` says what is wrong with it.
    let signature = signature.map(|value| value.to_str().unwrap_or("not text"));
    webhook.accept(signature, &bytes).await
}

/// The raw bytes that Stripe signed; `None` when there are too many to look at. What
/// claims to be base64 and is not has no valid signature either, as it stands.
fn bytes(body: &str, is_base64: bool) -> Option<Cow<'_, [u8]>> {
    if !is_base64 {
        return Some(Cow::Borrowed(body.as_bytes()));
    }
    if body.len() / 4 * 3 > MAX_BODY_BYTES + 3 {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(body);
    Some(decoded.map_or(Cow::Borrowed(body.as_bytes()), Cow::Owned))
}

fn report(delivery: &Delivery) {
    let outcome = delivery.as_str();
    match delivery {
        Delivery::Queued { envelope } => {
            tracing::info!(outcome, event = %envelope.id, kind = %envelope.kind, "webhook");
        }
        Delivery::NotNeeded { kind } => tracing::info!(outcome, kind, "webhook"),
        Delivery::NamesNobody { event, kind } => {
            tracing::info!(outcome, event = %event, kind, "webhook");
        }
        Delivery::TooLarge => tracing::warn!(outcome, "webhook"),
        Delivery::BadSignature(error) => tracing::warn!(outcome, %error, "webhook"),
        Delivery::Unreadable(error) => tracing::error!(outcome, %error, "webhook"),
        Delivery::QueueUnavailable(error) => tracing::error!(outcome, %error, "webhook"),
    }
}
