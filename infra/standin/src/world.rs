//! One of each: a whole world of stand-ins that share a clock and a log of calls, set up as
//! Tollgate's template would.

use jiff::SignedDuration;

use crate::api_gateway::{self, ApiGatewayStandin, ApiStage, NewPlan, Quota, Throttle};
use crate::calls::Calls;
use crate::clock::VirtualClock;
use crate::cloudformation::CloudFormationStandin;
use crate::cognito::{CognitoStandin, PoolConfig};
use crate::secrets_manager::SecretsManagerStandin;
use crate::sqs::{Redrive, Settings, SqsStandin};
use crate::stripe::{
    self, CancelMode, Interval, Metadata, PortalFeatures, PortalUpdate, Proration, StripeStandin,
};

/// The queue for what was paid for.
pub const EVENTS_QUEUE: &str = "tollgate-events.fifo";
/// The queue for sign-ups, wakes and replays.
pub const BULK_QUEUE: &str = "tollgate-bulk.fifo";
/// Their dead-letter queues.
pub const DEAD_LETTER_QUEUES: [&str; 2] = ["tollgate-events-dlq.fifo", "tollgate-bulk-dlq.fifo"];
/// The user pool.
pub const POOL_ID: &str = "us-east-1_Tollgate1";
/// The protected API.
pub const API_ID: &str = "api1";
/// Its stage.
pub const STAGE: &str = "prod";
/// How long a received message stays hidden: six times the worker's timeout.
pub const VISIBILITY: SignedDuration = SignedDuration::from_secs(180);
/// How often a message is received before it is a dead letter.
pub const MAX_RECEIVES: u32 = 6;

/// What the seller of the sample API charges, in cents: plan, month, lookup key.
const PRICES: [(&str, i64, &str); 2] =
    [("Basic", 900, "basic_monthly"), ("Pro", 4900, "pro_monthly")];

/// A world of stand-ins.
#[derive(Clone)]
pub struct World {
    /// The one clock.
    pub clock: VirtualClock,
    /// The one log of calls.
    pub calls: Calls,
    /// Stripe.
    pub stripe: StripeStandin,
    /// API Gateway, control plane and data plane.
    pub api_gateway: ApiGatewayStandin,
    /// Cognito.
    pub cognito: CognitoStandin,
    /// SQS.
    pub sqs: SqsStandin,
    /// Secrets Manager; empty.
    pub secrets: SecretsManagerStandin,
    /// CloudFormation; without stacks.
    pub cloudformation: CloudFormationStandin,
    /// `plans.toml` of the sample API.
    pub plans_toml: String,
}

impl World {
    /// A world on this clock, whose ids follow from the seed: queues, user pool, usage plans, and
    /// prices to be sold.
    pub fn on(clock: VirtualClock, seed: u64, base_url: &str) -> Self {
        let calls = Calls::default();
        let settings =
            stripe::Settings { seed, base_url: base_url.to_owned(), ..Default::default() };
        let stripe = StripeStandin::new(clock.clone(), calls.clone(), settings);
        let api_gateway = ApiGatewayStandin::new(clock.clone(), calls.clone());
        let cognito =
            CognitoStandin::new(clock.clone(), calls.clone(), PoolConfig::tollgate(POOL_ID))
                .expect("the pool's configuration is fixed");
        let sqs = SqsStandin::new(clock.clone(), calls.clone());
        create_queues(&sqs);
        api_gateway.scene(|model, _| {
            model.add_stage(ApiStage::new(API_ID, STAGE));
            model.add_rest_api(API_ID, &[("/hello", "GET", true), ("/hello", "OPTIONS", false)]);
        });
        let mut plans_toml = sample_catalog(&api_gateway);
        sell(&stripe);
        let portal = configure_portal(&mut stripe.account());
        plans_toml.push_str(&format!("\n[portal]\nconfiguration = \"{portal}\"\n"));
        let secrets = SecretsManagerStandin::new(calls.clone());
        let cloudformation = CloudFormationStandin::new(calls.clone());
        Self {
            clock,
            calls,
            stripe,
            api_gateway,
            cognito,
            sqs,
            secrets,
            cloudformation,
            plans_toml,
        }
    }

    /// The protected API's stage.
    pub fn stage(&self) -> ApiStage {
        ApiStage::new(API_ID, STAGE)
    }
}

/// Both queues and their dead-letter queues, as the template has them.
fn create_queues(sqs: &SqsStandin) {
    let high_throughput = Settings {
        deduplicate_per_group: true,
        throughput_per_group: true,
        visibility_timeout: VISIBILITY,
        ..Settings::default()
    };
    for (queue, dead_letters) in [EVENTS_QUEUE, BULK_QUEUE].into_iter().zip(DEAD_LETTER_QUEUES) {
        let retention = SignedDuration::from_hours(14 * 24);
        let dead = Settings { retention, ..high_throughput.clone() };
        let redrive =
            Redrive { dead_letter_queue: dead_letters.to_owned(), max_receive_count: MAX_RECEIVES };
        let settings = Settings { redrive: Some(redrive), ..high_throughput.clone() };
        sqs.create_queue(dead_letters, dead).expect("the settings are fixed");
        sqs.create_queue(queue, settings).expect("the settings are fixed");
    }
}

/// `plans.toml` of a sample API: free, basic and pro; makes its usage plans.
fn sample_catalog(api_gateway: &ApiGatewayStandin) -> String {
    let mut text =
        format!("revision = 1\ndefault_plan = \"free\"\nstages = [\"{API_ID}:{STAGE}\"]\n");
    let plans = [
        ("free", 0, 5, 1.0, 2, ""),
        ("basic", 10, 1_000, 5.0, 10, "basic_monthly"),
        ("pro", 20, 100_000, 50.0, 100, "pro_monthly"),
    ];
    for (id, rank, limit, rate, burst, lookup_key) in plans {
        let new = NewPlan {
            name: id.to_owned(),
            stages: [ApiStage::new(API_ID, STAGE)].into(),
            throttle: Some(Throttle { rate, burst }),
            quota: Some(Quota {
                limit: i64::from(limit),
                offset: 0,
                period: api_gateway::Period::Month,
            }),
            ..NewPlan::default()
        };
        let made = api_gateway.scene(|model, _| model.create_usage_plan(new));
        let usage_plan = made.expect("the sample plans are valid").id;
        let keys = if lookup_key.is_empty() { String::new() } else { format!("\"{lookup_key}\"") };
        text.push_str(&format!(
            "\n[[plans]]\nid = \"{id}\"\nrank = {rank}\nusage_plan = \"{usage_plan}\"\n\
             quota = {{ limit = {limit}, period = \"MONTH\" }}\n\
             throttle = {{ rate = {rate:.1}, burst = {burst} }}\nlookup_keys = [{keys}]\n"
        ));
    }
    text
}

/// What the portal offers, as Tollgate's command configures it: every price that is sold; a better
/// plan at once, and paid for; a lesser one, or the end, with the period.
pub fn portal_features(stripe: &stripe::Stripe, lookup_keys: &[&str]) -> PortalFeatures {
    let mut products: Vec<(String, Vec<String>)> = Vec::new();
    for price in lookup_keys.iter().filter_map(|key| stripe.price_by_lookup_key(key)) {
        match products.iter_mut().find(|(product, _)| *product == price.product) {
            Some((_, prices)) => prices.push(price.id.clone()),
            None => products.push((price.product.clone(), vec![price.id.clone()])),
        }
    }
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    PortalFeatures {
        customer_update: words(&["address", "tax_id"]),
        invoice_history: true,
        payment_method_update: true,
        subscription_cancel: Some(CancelMode::AtPeriodEnd),
        subscription_update: Some(PortalUpdate {
            at_period_end: words(&["decreasing_item_amount", "shortening_interval"]),
            ..PortalUpdate::of_prices(products, Proration::AlwaysInvoice)
        }),
    }
}

fn configure_portal(stripe: &mut stripe::Stripe) -> String {
    let features = portal_features(stripe, &PRICES.map(|(_, _, lookup_key)| lookup_key));
    stripe.create_configuration(features, Metadata::new()).expect("the prices are there")
}

fn sell(stripe: &StripeStandin) {
    let mut account = stripe.account();
    for (name, cents, lookup_key) in PRICES {
        account
            .add_product_price(name, Interval::Month, cents, lookup_key)
            .expect("the lookup keys are new");
    }
}
