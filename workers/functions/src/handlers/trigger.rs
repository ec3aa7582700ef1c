//! Cognito's triggers: PostConfirmation, PostAuthentication, PreTokenGeneration.

use std::time::Duration;

use serde_json::Value;
use tollgate_core::ingress::{PoolEvent, PoolIngress};
use tollgate_core::ports::{Clock, Queue};

/// Cognito gives a trigger five seconds; a slow queue must not cost a sign-in.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Takes a trigger's event and gives it back as it came, whatever becomes of it: the
/// next sign-in catches up on what the queue missed.
pub async fn handle<Q: Queue, C: Clock>(pool: &PoolIngress<Q, C>, event: Value) -> Value {
    match tokio::time::timeout(ANSWER_WITHIN, pool.trigger(&event)).await {
        Ok(outcome) => report(&outcome),
        Err(_elapsed) => tracing::error!(outcome = "queue_slow", "trigger"),
    }
    event
}

/// Logs what became of an event of the user pool.
pub(super) fn report(outcome: &PoolEvent) {
    let word = outcome.as_str();
    match outcome {
        PoolEvent::Queued { envelope } => {
            tracing::info!(outcome = word, event = %envelope.id, kind = %envelope.kind, "pool event");
        }
        PoolEvent::NotNeeded | PoolEvent::OtherPool => tracing::info!(outcome = word, "pool event"),
        PoolEvent::Unreadable(error) => tracing::error!(outcome = word, error, "pool event"),
        PoolEvent::QueueUnavailable(error) => {
            tracing::error!(outcome = word, %error, "pool event");
        }
    }
}
