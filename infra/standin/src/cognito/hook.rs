//! The functions behind a pool's triggers.

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

/// What a trigger's function comes to: its answer, or its error message.
pub type TriggerFuture<'a> = Pin<Box<dyn Future<Output = Result<Value, String>> + Send + 'a>>;

/// The functions behind the triggers.
pub trait Triggers: Send + Sync {
    /// Calls the function of a trigger (`PostConfirmation`, `PostAuthentication`,
    /// `PreTokenGeneration`) with an event.
    fn invoke<'a>(&'a self, trigger: &'a str, event: Value) -> TriggerFuture<'a>;
}
