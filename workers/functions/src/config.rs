//! Every setting, and the only place that reads the environment.
//!
//! What is secret comes from Secrets Manager ([`Settings`]); the `read` functions take
//! any getter and ask nobody.
//!
//! Each function gets the part that it needs and no more: a webhook that has no Stripe
//! key cannot leak one. Whatever is missing or wrong is reported all at once, each with
//! its variable and what to do; the value of a secret is in no message.
//!
//! The SDK's own variables (`AWS_REGION`, `AWS_ENDPOINT_URL`, …) are the SDK's business
//! (see [`crate::adapters::clients`]).

mod reader;
mod secrets;

use jiff::SignedDuration;
use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret, SecretString};
use tollgate_core::catalog::CatalogFile;
use tollgate_core::derive::Deriver;
use tollgate_events::stripe::SigningSecret;

use self::reader::Reader;
pub use self::reader::{ConfigError, Problem};
pub use self::secrets::{KEY_SECRETS, STRIPE_KEY, Secret, Settings, WEBHOOK_SECRETS};

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
    /// Where it is.
    pub endpoint: StripeEndpoint,
}

/// Where Stripe's API is, and who vouches that it is Stripe's.
#[derive(Debug, Clone, Default)]
pub struct StripeEndpoint {
    /// `STRIPE_API_BASE`: another origin than Stripe's, for tests and the local stack.
    pub base: Option<String>,
    /// `STRIPE_CA_BUNDLE`, the path of a PEM file: the certificates to trust. Mozilla's
    /// authorities, which come along with the program, when it is not set.
    pub roots: Option<Vec<CertificateDer<'static>>>,
}

/// What the webhook needs.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// The queues.
    pub queues: QueueConfig,
    /// `STRIPE_WEBHOOK_SECRETS`, comma-separated: the endpoint's signing secrets, more
    /// than one while rolling.
    pub secrets: Vec<SigningSecret>,
}

/// What the Cognito triggers and the EventBridge target need.
#[derive(Debug, Clone)]
pub struct TriggerConfig {
    /// The queues.
    pub queues: QueueConfig,
    /// `TOLLGATE_USER_POOL_ID`: other pools are ignored.
    pub user_pool_id: String,
}

/// What the website's public part needs: nothing of AWS, and no secret.
#[derive(Debug, Clone)]
pub struct SiteConfig {
    /// `TOLLGATE_CATALOG`: the text of `plans.toml`, or the path of that file.
    pub catalog: CatalogFile,
    /// `TOLLGATE_LIVEMODE`.
    pub livemode: bool,
    /// `TOLLGATE_ISSUER`: who issues the tokens, the user pool's address.
    pub issuer: Option<String>,
    /// `TOLLGATE_PAGE_CLIENT_ID`: the page's app client.
    pub client_id: Option<String>,
    /// `TOLLGATE_LOGIN_URL`: the origin of the managed login.
    pub login: Option<String>,
    /// The seller's logo, of the folder in which the catalog is.
    pub logo: Option<Logo>,
}

/// The seller's logo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logo {
    /// Its file's name.
    pub name: String,
    /// Its media type.
    pub kind: &'static str,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What the function needs that turns dead letters into parked events.
#[derive(Debug, Clone)]
pub struct DeadLetterConfig {
    /// The ledger.
    pub ledger: LedgerConfig,
}

/// What the sweeps need: no secret but a Stripe key, which has to read and no more.
#[derive(Debug, Clone)]
pub struct SweepConfig {
    /// `TOLLGATE_STACK`: the stack's name, part of every key's name.
    pub stack: String,
    /// The ledger.
    pub ledger: LedgerConfig,
    /// `TOLLGATE_USER_POOL_ID`.
    pub user_pool_id: String,
    /// The queues.
    pub queues: QueueConfig,
    /// `TOLLGATE_CATALOG`: the text of `plans.toml`, or the path of that file.
    pub catalog: CatalogFile,
    /// Access to Stripe.
    pub stripe: StripeConfig,
}

/// What the worker needs.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// `TOLLGATE_STACK`: the stack's name, part of every key's name.
    pub stack: String,
    /// The ledger.
    pub ledger: LedgerConfig,
    /// `TOLLGATE_USER_POOL_ID`.
    pub user_pool_id: String,
    /// `TOLLGATE_LIVEMODE`: whether this deployment takes real payments.
    pub livemode: bool,
    /// `TOLLGATE_CATALOG`: the text of `plans.toml`, or the path of that file.
    pub catalog: CatalogFile,
    /// Access to Stripe.
    pub stripe: StripeConfig,
    /// `TOLLGATE_KEY_SECRETS`, `1=…,2=…` or `{"1":"…","2":"…"}`: the key-derivation secrets by version.
    pub deriver: Deriver,
    /// `TOLLGATE_WORKER_CONCURRENCY`: how many workers may run at once, the sum of the event
    /// source mappings' `MaximumConcurrency` (4 when not set). They share what the policy
    /// allows of API Gateway's control plane.
    pub instances: u32,
}

/// What the worker's function needs.
#[derive(Debug, Clone)]
pub struct WorkerFunctionConfig {
    /// What it shares with the account API.
    pub worker: WorkerConfig,
    /// The queues: an account that it has to leave between two plans is woken at once.
    pub queues: QueueConfig,
}

/// What the account API needs.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// What it shares with the worker.
    pub worker: WorkerConfig,
    /// Where an owner's account is woken: the events queue.
    pub queues: QueueConfig,
    /// `TOLLGATE_RETURN_URL`: where Stripe's pages send the browser back to.
    pub return_url: String,
    /// `TOLLGATE_ALLOWED_ORIGINS`: other origins that a page may ask to be sent back to.
    pub allowed_origins: Vec<String>,
}

impl StripeConfig {
    /// Reads the access to Stripe of a deployment that takes real payments, or not.
    ///
    /// # Errors
    /// [`ConfigError`]: no key, or one of the other mode.
    pub fn read(get: impl Fn(&str) -> Option<String>, livemode: bool) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&get);
        let stripe = reader.stripe(livemode);
        reader.finish(stripe)
    }
}

impl StripeEndpoint {
    /// Reads where Stripe's API is.
    ///
    /// # Errors
    /// [`ConfigError`]: the base is no URL, or the file has no certificates.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&get);
        let endpoint = reader.stripe_endpoint();
        reader.finish(endpoint)
    }
}

impl WebhookConfig {
    /// Its secrets.
    pub const SECRETS: &[Secret] = &[WEBHOOK_SECRETS];

    /// Reads the settings of the webhook.
    ///
    /// # Errors
    /// [`ConfigError`], which lists everything that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&get);
        let queues = reader.queues();
        let secrets = reader.webhook_secrets();
        reader.finish(Self { queues, secrets })
    }
}

impl WebhookConfig {
    /// Checks `STRIPE_WEBHOOK_SECRETS` alone, before it is stored.
    ///
    /// # Errors
    /// [`ConfigError`], as [`read`](Self::read) would have it.
    pub fn check_secrets(get: impl Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
        let mut reader = Reader::new(&get);
        let secrets = reader.webhook_secrets();
        reader.finish(secrets).map(drop)
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

impl SweepConfig {
    /// Its secret.
    pub const SECRETS: &[Secret] = &[STRIPE_KEY];

    /// Reads the settings of the sweeps.
    ///
    /// # Errors
    /// [`ConfigError`], which lists everything that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&get);
        let stack = reader.stack();
        let ledger = reader.ledger();
        let user_pool_id = reader.user_pool_id();
        let queues = reader.queues();
        let livemode = reader.livemode();
        let catalog = reader.catalog();
        let stripe = reader.stripe(livemode);
        let Some(catalog) = catalog else { return Err(reader.into_error()) };
        reader.finish(Self { stack, ledger, user_pool_id, queues, catalog, stripe })
    }
}

impl SiteConfig {
    /// Reads the settings of the website's public part.
    ///
    /// # Errors
    /// [`ConfigError`], which lists everything that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&get);
        let livemode = reader.livemode();
        let (issuer, client_id, login) = reader.login();
        let Some(catalog) = reader.catalog() else { return Err(reader.into_error()) };
        let logo = catalog.brand.logo.clone().and_then(|name| reader.logo(name));
        reader.finish(Self { catalog, livemode, issuer, client_id, login, logo })
    }
}

impl WorkerConfig {
    /// Its secrets.
    pub const SECRETS: &[Secret] = &[STRIPE_KEY, KEY_SECRETS];

    /// Reads the settings of the worker.
    ///
    /// # Errors
    /// [`ConfigError`], which lists everything that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&get);
        let Some(config) = Self::read_with(&mut reader) else { return Err(reader.into_error()) };
        reader.finish(config)
    }

    fn read_with(reader: &mut Reader<'_>) -> Option<Self> {
        let stack = reader.stack();
        let ledger = reader.ledger();
        let user_pool_id = reader.user_pool_id();
        let livemode = reader.livemode();
        let catalog = reader.catalog();
        let stripe = reader.stripe(livemode);
        let deriver = reader.deriver(&stack);
        let instances = reader.instances();
        let (catalog, deriver) = (catalog?, deriver?);
        Some(Self { stack, ledger, user_pool_id, livemode, catalog, stripe, deriver, instances })
    }
}

impl WorkerFunctionConfig {
    /// Its secrets.
    pub const SECRETS: &[Secret] = WorkerConfig::SECRETS;

    /// Reads the settings of the worker's function.
    ///
    /// # Errors
    /// [`ConfigError`], which lists everything that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&get);
        let queues = reader.queues();
        let Some(worker) = WorkerConfig::read_with(&mut reader) else {
            return Err(reader.into_error());
        };
        reader.finish(Self { worker, queues })
    }
}

impl AccountConfig {
    /// Its secrets: the worker's.
    pub const SECRETS: &[Secret] = WorkerConfig::SECRETS;

    /// Reads the settings of the account API.
    ///
    /// # Errors
    /// [`ConfigError`], which lists everything that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&get);
        let queues = reader.queues();
        let return_url = reader.return_url();
        let allowed_origins = reader.allowed_origins();
        let Some(worker) = WorkerConfig::read_with(&mut reader) else {
            return Err(reader.into_error());
        };
        reader.finish(Self { worker, queues, return_url, allowed_origins })
    }
}

/// The key-derivation secrets of a stack, as `TOLLGATE_KEY_SECRETS` has them.
///
/// # Errors
/// [`ConfigError`], as [`WorkerConfig::read`] would have it.
pub fn key_secrets(stack: &str, value: &SecretString) -> Result<Deriver, ConfigError> {
    let get = |_: &str| Some(value.expose_secret().to_owned());
    let mut reader = Reader::new(&get);
    let Some(deriver) = reader.deriver(stack) else { return Err(reader.into_error()) };
    reader.finish(deriver)
}

/// What a function that has this value in this variable would say of it at its start: what
/// is wrong and what to do, without the value; nothing, when it is in order.
pub fn secret_fault(variable: &str, value: &SecretString, livemode: bool) -> Option<String> {
    let get = |name: &str| (name == variable).then(|| value.expose_secret().to_owned());
    let mut reader = Reader::new(&get);
    match variable {
        "STRIPE_SECRET_KEY" => drop(reader.stripe(livemode)),
        "STRIPE_WEBHOOK_SECRETS" => drop(reader.webhook_secrets()),
        _ => drop(reader.deriver("")),
    }
    reader.finish(()).err()?.problems.into_iter().next().map(|problem| problem.advice)
}

#[cfg(test)]
mod tests;
