//! Every setting, and the only place that reads the environment.
//!
//! Each function gets the part that it needs and no more: a webhook that has no Stripe
//! key cannot leak one. Whatever is missing or wrong is reported all at once, each with
//! its variable and what to do; the value of a secret is in no message.
//!
//! The SDK's own variables (`AWS_REGION`, `AWS_ENDPOINT_URL`, …) are the SDK's business
//! (see [`crate::adapters::clients`]).

mod reader;

use jiff::SignedDuration;
use secrecy::SecretString;
use tollgate_billing::derive::Deriver;

use self::reader::Reader;
pub use self::reader::{ApiStage, ConfigError, Problem};

/// The process's environment, for the `read` functions.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What [`crate::telemetry::init`] lets through: `TOLLGATE_LOG`, or `info`.
pub fn log_filter(get: impl Fn(&str) -> Option<String>) -> String {
    get("TOLLGATE_LOG").filter(|text| !text.trim().is_empty()).unwrap_or_else(|| "info".into())
}

/// The two queues' URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// `TOLLGATE_EVENTS_QUEUE_URL`: what was paid for.
    pub events_url: String,
    /// `TOLLGATE_BULK_QUEUE_URL`: sign-ups, wakes, replays.
    pub bulk_url: String,
}

/// The ledger's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerConfig {
    /// `TOLLGATE_TABLE`.
    pub table: String,
    /// `TOLLGATE_EVENT_RETENTION_DAYS`: how long finished event records are kept; for
    /// ever when it is not set.
    pub event_retention: Option<SignedDuration>,
}

/// Access to Stripe's API.
#[derive(Debug, Clone)]
pub struct StripeConfig {
    /// `STRIPE_SECRET_KEY`: a secret key, or better a restricted one.
    pub key: SecretString,
    /// `STRIPE_API_BASE`: another origin than Stripe's, for tests and the local stack.
    pub base: Option<String>,
}

/// What the webhook needs.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// The queues.
    pub queues: QueueConfig,
    /// `STRIPE_WEBHOOK_SECRETS`, comma-separated: the endpoint's signing secrets, more
    /// than one while rolling.
    pub secrets: Vec<SecretString>,
    /// `TOLLGATE_LIVEMODE`: whether this deployment takes real payments.
    pub livemode: bool,
}

/// What the Cognito triggers and the EventBridge target need.
#[derive(Debug, Clone)]
pub struct TriggerConfig {
    /// The queues.
    pub queues: QueueConfig,
    /// `TOLLGATE_USER_POOL_ID`: other pools are ignored.
    pub user_pool_id: String,
}

/// What the function needs that turns dead letters into parked events.
#[derive(Debug, Clone)]
pub struct DeadLetterConfig {
    /// The ledger.
    pub ledger: LedgerConfig,
}

/// What the worker, the sweep, the account API and the operator's command need.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// `TOLLGATE_STACK`: the stack's name, part of every key's name.
    pub stack: String,
    /// The ledger.
    pub ledger: LedgerConfig,
    /// The queues.
    pub queues: QueueConfig,
    /// `TOLLGATE_USER_POOL_ID`.
    pub user_pool_id: String,
    /// `TOLLGATE_API_STAGES`, `api/stage` comma-separated: what the plans must cover, if
    /// that is to be checked.
    pub api_stages: Vec<ApiStage>,
    /// `TOLLGATE_LIVEMODE`.
    pub livemode: bool,
    /// The text of `plans.toml`; `TOLLGATE_CATALOG` holds it, or the path of the file.
    pub catalog: String,
    /// Access to Stripe.
    pub stripe: StripeConfig,
    /// `TOLLGATE_KEY_SECRETS`, `1=…,2=…`: the key-derivation secrets by version.
    pub deriver: Deriver,
    /// `TOLLGATE_TRUST_PAYMENT_LINKS`: whether a bare `client_reference_id` links.
    pub trust_payment_links: bool,
}

impl WebhookConfig {
    /// Reads the settings of the webhook.
    ///
    /// # Errors
    /// [`ConfigError`], which lists everything that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&get);
        let queues = reader.queues();
        let secrets = reader.webhook_secrets();
        let livemode = reader.livemode();
        reader.finish(Self { queues, secrets, livemode })
    }
}

impl TriggerConfig {
    /// Reads the settings of the triggers.
    ///
    /// # Errors
    /// [`ConfigError`], which lists everything that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&get);
        let queues = reader.queues();
        let user_pool_id = reader.user_pool_id();
        reader.finish(Self { queues, user_pool_id })
    }
}

impl DeadLetterConfig {
    /// Reads the settings of the dead-letter function.
    ///
    /// # Errors
    /// [`ConfigError`], which lists everything that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&get);
        let ledger = reader.ledger();
        reader.finish(Self { ledger })
    }
}

impl WorkerConfig {
    /// Reads the settings of the worker.
    ///
    /// # Errors
    /// [`ConfigError`], which lists everything that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&get);
        let stack = reader.stack();
        let ledger = reader.ledger();
        let queues = reader.queues();
        let user_pool_id = reader.user_pool_id();
        let api_stages = reader.api_stages();
        let livemode = reader.livemode();
        let catalog = reader.catalog();
        let stripe = reader.stripe(livemode);
        let deriver = reader.deriver();
        let trust_payment_links = reader.flag("TOLLGATE_TRUST_PAYMENT_LINKS").unwrap_or(false);
        let Some(deriver) = deriver else { return Err(reader.into_error()) };
        reader.finish(Self {
            stack,
            ledger,
            queues,
            user_pool_id,
            api_stages,
            livemode,
            catalog,
            stripe,
            deriver,
            trust_payment_links,
        })
    }
}

#[cfg(test)]
mod tests;
