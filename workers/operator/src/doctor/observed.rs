//! What was seen of a deployment: plain data, without a secret's or a key's value.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use tollgate_core::halt::Halt;
use tollgate_core::ports::Unreadable;
use tollgate_events::AccountId;

use crate::storefront::{ObservedPlan, ObservedPortal};

/// Why something was not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// There is no such thing.
    Absent,
    /// The call failed.
    Failed {
        /// What the caller must be allowed to do: an IAM action, or a permission of a
        /// restricted Stripe key.
        needs: String,
        /// What the service said; no secret.
        why: String,
        /// Whether it was a matter of permission.
        denied: bool,
    },
    /// It is not known what to look at.
    Unknown {
        /// Why not.
        why: String,
        /// What would tell.
        mend: String,
    },
}

/// Something seen, or why not.
pub type Look<T> = Result<T, Unseen>;

/// All that was seen.
#[derive(Debug, Clone)]
pub struct ObservedStack {
    /// The user pool.
    pub pool: Look<UserPool>,
    /// Every app client of it.
    pub clients: Look<Vec<AppClient>>,
    /// Every usage plan of the account and Region.
    pub usage_plans: Look<Vec<ObservedPlan>>,
    /// The stages of the catalog, and the stack's.
    pub stages: BTreeMap<String, Look<()>>,
    /// Their APIs, by id.
    pub apis: BTreeMap<String, Look<Api>>,
    /// How many API keys the account and Region has.
    pub api_keys: Look<usize>,
    /// Stripe.
    pub stripe: Stripe,
    /// What the stack belongs to, by the ledger.
    pub belongs_to: Look<BelongsTo>,
    /// The secrets.
    pub secrets: Secrets,
    /// The queues, each with its dead-letter queue.
    pub queues: Vec<QueuePair>,
    /// The table.
    pub table: Look<Table>,
    /// Whether the table can be restored to any point in time.
    pub point_in_time_recovery: Look<bool>,
    /// The attribute that ends items, if there is one.
    pub time_to_live: Look<Option<String>>,
    /// How far this machine's clock is ahead of AWS's.
    pub clock_ahead: Look<SignedDuration>,
}

/// What the ledger says of the stack; `None`, as long as nobody has said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BelongsTo {
    /// The Stripe account that it belongs to, `acct_…`.
    pub stripe_account: Option<String>,
    /// The id of the user pool that it belongs to.
    pub pool: Option<String>,
    /// Accounts that pay for several subscriptions of ours, the first that the last comparison
    /// met.
    pub several: Option<Vec<AccountId>>,
    /// What holds losses back.
    pub halts: Vec<Halt>,
}

/// A user pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPool {
    /// Its custom attributes, by name with `custom:`.
    pub attributes: BTreeMap<String, CustomAttribute>,
    /// Its functions.
    pub triggers: Triggers,
    /// Whether users choose their user names, and no function looks at them before they sign up.
    pub names_are_free: bool,
}

/// A custom attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomAttribute {
    /// Its type, `String`.
    pub kind: String,
    /// Whether it can be written more than once.
    pub mutable: bool,
    /// The fewest characters of a value.
    pub min_length: Option<usize>,
    /// The most characters of a value.
    pub max_length: Option<usize>,
}

/// The functions of a user pool, by ARN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Triggers {
    /// After a sign-up was confirmed.
    pub post_confirmation: Option<String>,
    /// After a sign-in.
    pub post_authentication: Option<String>,
    /// Before a token is made.
    pub pre_token_generation: Option<String>,
}

/// An app client of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppClient {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What its users may write of themselves; `None`: the standard attributes.
    pub writes: Option<Vec<String>>,
}

/// A REST API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Where it takes a key from: `HEADER` or `AUTHORIZER`.
    pub key_source: String,
    /// How many methods it has, without those that answer `OPTIONS`.
    pub methods: usize,
    /// How many of them require a key.
    pub methods_with_key: usize,
}

/// What was seen of Stripe.
#[derive(Debug, Clone)]
pub struct Stripe {
    /// What the key looks like.
    pub key: Look<StripeKey>,
    /// Whether Stripe takes the key.
    pub accepted: Look<bool>,
    /// Whose the key is, `acct_…`; `None`, when it may not read that.
    pub account: Look<Option<String>>,
    /// The catalog's prices, by id and by lookup key; those that exist.
    pub prices: Look<Vec<SeenPrice>>,
    /// The catalog's products; those that exist.
    pub products: Look<Vec<Product>>,
    /// The portal's configuration that the catalog names; `None` where it names none, or there is none.
    pub portal: Look<Option<ObservedPortal>>,
    /// What the account's business is called; empty where nobody has said, `None` where the key may
    /// not read it.
    pub business_name: Look<Option<String>>,
    /// Every webhook endpoint.
    pub endpoints: Look<Vec<Endpoint>>,
    /// How many events of the last three days that we act on were not delivered.
    pub undelivered: Look<usize>,
    /// The customer of the newest completed Checkout session that sold a subscription.
    pub newest_checkout: Look<Option<CheckoutCustomer>>,
    /// Prices and webhook endpoints that could not be read.
    pub unreadable: Look<Vec<Unreadable>>,
}

/// What a Stripe key looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StripeKey {
    /// Whether it is a restricted key.
    pub restricted: bool,
    /// Whether it is for real payments, where it says so.
    pub livemode: Option<bool>,
}

impl StripeKey {
    /// Reads a key's prefix. <https://docs.stripe.com/keys>
    pub fn of(key: &str) -> Self {
        let livemode = match key.split('_').nth(1) {
            Some("live") => Some(true),
            Some("test") => Some(false),
            _ => None,
        };
        Self { restricted: key.starts_with("rk_"), livemode }
    }

    /// What it is for, when that is known not to be what the stack is for.
    pub fn other_mode(self, livemode: bool) -> Option<&'static str> {
        self.livemode.filter(|mode| *mode != livemode).map(mode_name)
    }
}

/// A price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPrice {
    /// Its id.
    pub id: String,
    /// Its lookup key now.
    pub lookup_key: Option<String>,
    /// Its product.
    pub product: String,
    /// Whether it can be sold.
    pub active: bool,
    /// Whether it makes subscriptions.
    pub recurring: bool,
    /// Whether it is billed by usage.
    pub metered: bool,
    /// Its currency, three letters.
    pub currency: String,
}

/// A product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: String,
    /// Whether it can be sold.
    pub active: bool,
}

/// A webhook endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: String,
    /// Where events are posted.
    pub url: String,
    /// Whether they are.
    pub enabled: bool,
    /// Which types; `*` stands for all.
    pub events: Vec<String>,
    /// The version of its events, fixed when it was made; `None`: the account's.
    pub api_version: Option<String>,
    /// Whether it is for real payments.
    pub livemode: bool,
    /// Whether it is for connected accounts.
    pub connect: bool,
    /// The stack that made it, by its metadata.
    pub stack: Option<String>,
    /// The fingerprint of its signing secret, by its metadata: Stripe does not show the secret.
    pub secret: Option<String>,
}

/// Whom a Checkout session names as its customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckoutCustomer {
    /// A customer, `cus_…`.
    pub customer: bool,
    /// An account that acts as a customer, `acct_…`.
    pub customer_account: bool,
}

/// The secrets.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// The Stripe key.
    pub stripe_key: Look<Secret>,
    /// The sweep's own Stripe key, when it has one.
    pub sweep_key: Option<Look<Secret>>,
    /// The webhook's signing secrets.
    pub webhook: Look<Secret>,
    /// The key-derivation secrets.
    pub key_derivation: Look<Secret>,
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// It was made, and has no value yet.
    Empty,
    /// It has one.
    Set(SecretValue),
}

/// What is told of a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretValue {
    /// What is wrong with it, as the functions say it; not the value.
    pub fault: Option<String>,
    /// The fingerprint of each signing secret that it holds; none of another secret.
    pub fingerprints: Vec<String>,
}

/// A queue and where its dead letters go.
#[derive(Debug, Clone)]
pub struct QueuePair {
    /// `events` or `bulk`.
    pub name: &'static str,
    /// The queue.
    pub queue: Look<ObservedQueue>,
    /// Its dead-letter queue.
    pub dead_letters: Look<ObservedQueue>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedQueue {
    /// Its ARN.
    pub arn: String,
    /// Whether it is a FIFO queue.
    pub fifo: bool,
    /// Whether deduplication and limit are by message group.
    pub high_throughput: bool,
    /// How long a received message is hidden.
    pub visibility: SignedDuration,
    /// How long a message is kept.
    pub retention: SignedDuration,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
    /// Its messages.
    pub messages: Messages,
}

/// About how many messages a queue has, by where they are.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Messages {
    /// To be received.
    pub visible: u64,
    /// Received, and neither deleted nor visible again yet.
    pub in_flight: u64,
    /// Not to be received yet.
    pub delayed: u64,
}

impl Messages {
    /// All of them.
    pub fn all(self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// A redrive policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue's ARN.
    pub target: String,
    /// How often a message is received before it goes there.
    pub max_receives: u32,
}

/// Keys and indexes of a table; all keys are text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableShape {
    /// The partition key.
    pub hash: String,
    /// The sort key.
    pub range: String,
    /// The indexes, by name.
    pub indexes: BTreeMap<String, IndexShape>,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexShape {
    /// Its partition key.
    pub hash: String,
    /// Its sort key.
    pub range: String,
    /// Whether it has every attribute, or the keys alone.
    pub whole: bool,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// `ACTIVE`, when it can be used.
    pub status: String,
    /// Its keys and indexes.
    pub shape: TableShape,
    /// The indexes that are not there yet, `CREATING` or `DELETING`.
    pub unready_indexes: Vec<String>,
    /// Whether capacity is paid by request.
    pub on_demand: bool,
    /// Whether it cannot be deleted by accident.
    pub deletion_protection: bool,
}

/// What a mode is called.
pub(super) fn mode_name(livemode: bool) -> &'static str {
    if livemode { "real payments" } else { "a sandbox" }
}
