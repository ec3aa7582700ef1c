//! What `tollgate doctor` sees: one module for each system, all of them asked at once.
//!
//! Everything here reads; nothing is changed. What fails becomes an
//! [`Unseen`](tollgate_operator::doctor::Unseen) of its check, never the end of the look.
//! A secret's value is judged where it was read and goes no further; a key's value is never
//! asked for. What is made of it all is [`tollgate_operator::doctor`]'s business.

mod api_gateway;
mod cognito;
mod dynamodb;
mod report;
mod secrets;
mod sqs;
mod stripe;
mod unseen;

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use secrecy::SecretString;
use tollgate_core::ports::Clock;
use tollgate_functions::config::StripeEndpoint;
use tollgate_operator::doctor::{Expected, Look, ObservedStack};

pub use self::dynamodb::table_shape;
pub use self::report::{json, text};
pub use self::sqs::look as queues;

/// Where to look, beyond what is [expected](Expected).
#[derive(Debug, Clone)]
pub struct Place {
    /// The two queues.
    pub queues: [QueuePlace; 2],
    /// Stripe's key, as the functions have it.
    pub stripe_key: SecretPlace,
    /// The sweep's own key, if it has one.
    pub sweep_key: Option<SecretPlace>,
    /// The webhook's signing secrets.
    pub webhook_secrets: SecretPlace,
    /// The key-derivation secrets.
    pub key_secrets: SecretPlace,
    /// The key with which doctor itself calls Stripe; the functions' own without it.
    pub own_stripe_key: Option<SecretString>,
    /// Where Stripe's API is.
    pub stripe_endpoint: StripeEndpoint,
}

/// A queue and its dead-letter queue.
#[derive(Debug, Clone)]
pub struct QueuePlace {
    /// `events` or `bulk`.
    pub name: &'static str,
    /// Its URL.
    pub url: Look<String>,
    /// The URL of the dead-letter queue; without it, the one that the queue names.
    pub dead_letters: Option<String>,
}

/// Where a secret is.
#[derive(Debug, Clone)]
pub enum SecretPlace {
    /// In Secrets Manager.
    Arn(String),
    /// Here.
    Value(SecretString),
    /// Nobody knows.
    Unknown(tollgate_operator::doctor::Unseen),
}

/// Looks at everything.
pub async fn observe<C: Clock>(
    place: &Place,
    expected: &Expected,
    sdk: &SdkConfig,
    clock: &C,
) -> ObservedStack {
    let stripe = async {
        let (seen, key) = secrets::look(place, expected, sdk).await;
        (stripe::look(place, expected, key, clock.now()).await, seen)
    };
    let stages = stages(expected);
    // Boxed: together, the futures of all these calls would fill a stack.
    let (pool, gateway, (stripe, secrets), queues, ledger) = tokio::join!(
        Box::pin(cognito::look(expected, sdk)),
        Box::pin(api_gateway::look(&stages, sdk)),
        Box::pin(stripe),
        Box::pin(sqs::look(&place.queues, sdk)),
        Box::pin(dynamodb::look(&expected.table_name, sdk, clock)),
    );
    let (pool, clients) = pool;
    ObservedStack {
        pool,
        clients,
        usage_plans: gateway.usage_plans,
        stages: gateway.stages,
        apis: gateway.apis,
        api_keys: gateway.api_keys,
        stripe,
        belongs_to: ledger.belongs_to,
        secrets,
        queues: queues.into(),
        table: ledger.table,
        point_in_time_recovery: ledger.recovery,
        time_to_live: ledger.time_to_live,
        clock_ahead: ledger.clock_ahead,
    }
}

/// The stages of the catalog, and the stack's.
fn stages(expected: &Expected) -> BTreeSet<String> {
    let catalog = expected.catalog.iter().flat_map(|file| &file.catalog.stages);
    catalog.chain(&expected.api_stage).cloned().collect()
}
