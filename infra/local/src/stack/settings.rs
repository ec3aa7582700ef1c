//! What the functions find when they start.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use tollgate_functions::adapters::clients::made_up;
use tollgate_standin::stripe::NewEndpoint;
use tollgate_standin::world::{BULK_QUEUE, EVENTS_QUEUE, POOL_ID, World};

use crate::addresses::{CLIENT_ID, TABLE, Urls, queue_url};
use crate::functions::{Functions, Given};
use crate::outputs;
use crate::secrets::arns;

/// Clients repeat a request after a few milliseconds of real time: the clock of the
/// stand-ins does not move while they wait.
const BACKOFF: Duration = Duration::from_millis(2);

/// Whoever is no function signs with this.
pub(super) const VISITOR: &str = "visitor";

/// Starts the functions; one whose start failed is started again, as Lambda does it.
pub(super) async fn start(
    mut tries: usize,
    world: &World,
    ways: &Urls,
    changed: &BTreeMap<&'static str, String>,
) -> anyhow::Result<Functions> {
    let given = |function| {
        let mut variables = settings(world, ways, function);
        variables.extend(changed.clone());
        Given { variables, sdk: sdk(&ways.aws, function) }
    };
    loop {
        tries -= 1;
        match Functions::new(given, &world.clock.clone().into()).await {
            Err(_) if tries > 0 => {}
            started => return started,
        }
    }
}

/// The environment that the functions would have in Lambda.
fn settings(world: &World, urls: &Urls, function: &str) -> BTreeMap<&'static str, String> {
    let stripe_key = if function == "sweep" { arns::SWEEP_STRIPE_KEY } else { arns::STRIPE_KEY };
    BTreeMap::from([
        ("TOLLGATE_STACK", outputs::STACK.to_owned()),
        ("TOLLGATE_TABLE", TABLE.to_owned()),
        ("TOLLGATE_EVENTS_QUEUE_URL", queue_url(urls, EVENTS_QUEUE)),
        ("TOLLGATE_BULK_QUEUE_URL", queue_url(urls, BULK_QUEUE)),
        ("TOLLGATE_USER_POOL_ID", POOL_ID.to_owned()),
        ("TOLLGATE_LIVEMODE", "false".to_owned()),
        ("TOLLGATE_CATALOG", world.plans_toml.clone()),
        ("TOLLGATE_RETURN_URL", format!("{}/", urls.tollgate)),
        ("TOLLGATE_ISSUER", world.cognito.issuer()),
        ("TOLLGATE_PAGE_CLIENT_ID", CLIENT_ID.to_owned()),
        ("TOLLGATE_LOGIN_URL", urls.aws.clone()),
        ("TOLLGATE_KEY_SECRETS_ARN", arns::KEYS.to_owned()),
        ("STRIPE_SECRET_KEY_ARN", stripe_key.to_owned()),
        ("STRIPE_API_BASE", urls.stripe.clone()),
        ("STRIPE_WEBHOOK_SECRETS_ARN", arns::WEBHOOK.to_owned()),
    ])
}

/// Registers the webhook endpoint for every type, and returns its signing secret.
pub(super) fn register_webhook(world: &World, urls: &Urls) -> String {
    let endpoint = NewEndpoint::for_all(&format!("{}/webhook", urls.tollgate));
    let (_, secret) = world.stripe.account().create_endpoint(endpoint);
    secret
}

pub(super) fn sdk(endpoint: &str, caller: &str) -> SdkConfig {
    let retries = RetryConfig::standard().with_initial_backoff(BACKOFF);
    made_up(endpoint, caller).into_builder().retry_config(retries).build()
}
