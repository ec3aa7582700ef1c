//! CloudTrail's records of what administrators did to users, through EventBridge.

use lambda_runtime::Diagnostic;
use serde_json::Value;
use tollgate_core::ingress::{PoolEvent, PoolIngress};
use tollgate_core::ports::{Clock, Queue};

use super::{diagnostic, trigger};

/// Takes one record.
///
/// # Errors
/// The queue is down: EventBridge invokes the function again.
pub async fn handle<Q: Queue, C: Clock>(
    pool: &PoolIngress<Q, C>,
    event: &Value,
) -> Result<(), Diagnostic> {
    let outcome = pool.cloudtrail(event).await;
    trigger::report(&outcome);
    match outcome {
        PoolEvent::QueueUnavailable(error) => Err(diagnostic("QueueUnavailable", error)),
        PoolEvent::Queued { .. }
        | PoolEvent::NotNeeded
        | PoolEvent::OtherPool
        | PoolEvent::Unreadable(_) => Ok(()),
    }
}
