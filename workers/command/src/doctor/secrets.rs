//! The secrets: read, judged as the functions would judge them, and forgotten; only
//! Stripe's key goes on to the calls to Stripe.

use aws_config::SdkConfig;
use secrecy::{ExposeSecret, SecretString};
use tollgate_functions::adapters::stripe::{fingerprint, signing_secrets};
use tollgate_functions::config::secret_fault;
use tollgate_operator::doctor::{Expected, Look, Secret, SecretValue, Secrets, Unseen};

use super::unseen::port;
use super::{Place, SecretPlace};
use crate::adapters::secrets::SecretStore;

/// The variables that the functions have the values in.
const STRIPE: &str = "STRIPE_SECRET_KEY";
const WEBHOOK: &str = "STRIPE_WEBHOOK_SECRETS";
const KEYS: &str = "TOLLGATE_KEY_SECRETS";

type Value = Look<Option<SecretString>>;

/// The secrets, and Stripe's key for who calls Stripe.
pub(super) async fn look(place: &Place, expected: &Expected, sdk: &SdkConfig) -> (Secrets, Value) {
    let store = SecretStore::new(aws_sdk_secretsmanager::Client::new(sdk));
    let sweep = async {
        match &place.sweep_key {
            Some(place) => Some(value(&store, place).await),
            None => None,
        }
    };
    let (stripe, sweep, webhook, keys) = tokio::join!(
        value(&store, &place.stripe_key),
        sweep,
        value(&store, &place.webhook_secrets),
        value(&store, &place.key_secrets),
    );
    let judge = |variable, value: &Value| judged(variable, value, expected.livemode);
    let secrets = Secrets {
        stripe_key: judge(STRIPE, &stripe),
        sweep_key: sweep.as_ref().map(|sweep| judge(STRIPE, sweep)),
        webhook: judge(WEBHOOK, &webhook),
        key_derivation: judge(KEYS, &keys),
    };
    (secrets, stripe)
}

async fn value(store: &SecretStore, place: &SecretPlace) -> Value {
    let arn = match place {
        SecretPlace::Arn(arn) => arn,
        SecretPlace::Value(value) => return Ok(Some(value.clone())),
        SecretPlace::Unknown(unseen) => return Err(unseen.clone()),
    };
    let needs = "secretsmanager:GetSecretValue";
    store.get(arn).await.map_err(|error| {
        // A secret that is not there has the same class as one that may not be read.
        if error.detail.starts_with("ResourceNotFoundException") {
            return Unseen::Absent;
        }
        port(needs, &error)
    })
}

fn judged(variable: &'static str, value: &Value, livemode: bool) -> Look<Secret> {
    let value = value.as_ref().map_err(Clone::clone)?;
    let filled = |value: &&SecretString| !value.expose_secret().trim().is_empty();
    let Some(value) = value.as_ref().filter(filled) else { return Ok(Secret::Empty) };
    let signing = (variable == WEBHOOK).then(|| signing_secrets(value).map(fingerprint));
    Ok(Secret::Set(SecretValue {
        fault: secret_fault(variable, value, livemode),
        fingerprints: signing.into_iter().flatten().collect(),
    }))
}
