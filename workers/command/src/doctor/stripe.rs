//! Stripe: through the adapter's own client, with the functions' key.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tollgate_core::catalog::Plan;
use tollgate_core::ports::{Page, PortResult, Unreadable};
use tollgate_operator::doctor::{Expected, Look, Product, SeenPrice, Stripe, StripeKey, Unseen};

use tollgate_operator::storefront::ObservedPortal;

use super::Place;
use super::unseen::port;
use crate::adapters::stripe::OperatorStripe;

/// In live mode Stripe tries for three days, in a sandbox three times within some hours.
/// <https://docs.stripe.com/webhooks#retries>
const TRIES_FOR: SignedDuration = SignedDuration::from_hours(72);

/// What is younger may be on its way still.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(10);

pub(super) async fn look(
    place: &Place,
    expected: &Expected,
    key: Look<Option<SecretString>>,
    now: Timestamp,
) -> Stripe {
    let key = key.and_then(|key| key.ok_or(Unseen::Absent));
    let theirs = key.as_ref().map_err(Clone::clone);
    let kind = theirs.clone().map(|key| StripeKey::of(key.expose_secret()));
    let client = |key: &SecretString| {
        let client = OperatorStripe::new(key, &place.stripe_endpoint);
        client.map_err(|error| Unseen::Failed {
            needs: "a usable Stripe key".into(),
            why: error.to_string(),
            denied: false,
        })
    };
    let used = match &place.own_stripe_key {
        Some(own) => {
            of_the_mode(own, expected, "STRIPE_SECRET_KEY of your environment", "unset it")
        }
        None => theirs.clone().and_then(|key| {
            of_the_mode(key, expected, "the Stripe key", "mend `stripe-key-mode`, then look again")
        }),
    };
    let theirs = match theirs.and_then(client) {
        Ok(client) => Theirs::look(kind, &client).await,
        Err(unseen) => Theirs {
            key: kind,
            accepted: Err(unseen.clone()),
            account: Err(unseen.clone()),
            business_name: Err(unseen),
        },
    };
    match used.and_then(client) {
        Ok(client) => everything(&client, expected, theirs, now).await,
        Err(unseen) => Stripe {
            key: theirs.key,
            accepted: theirs.accepted,
            account: theirs.account,
            prices: Err(unseen.clone()),
            products: Err(unseen.clone()),
            portal: Err(unseen.clone()),
            business_name: theirs.business_name,
            endpoints: Err(unseen.clone()),
            undelivered: Err(unseen.clone()),
            newest_checkout: Err(unseen.clone()),
            unreadable: Err(unseen),
        },
    }
}

/// What is always looked at with the functions' own key.
struct Theirs {
    key: Look<StripeKey>,
    accepted: Look<bool>,
    account: Look<Option<String>>,
    business_name: Look<Option<String>>,
}

impl Theirs {
    async fn look(key: Look<StripeKey>, client: &OperatorStripe) -> Self {
        let (accepted, about) = tokio::join!(client.accepts_key(), client.about_account());
        let about = match accepted {
            Ok(false) => Err(Unseen::Unknown {
                why: "Stripe refuses the key".into(),
                mend: "mend `stripe-key`, then look again".into(),
            }),
            _ => seen("Stripe: Accounts, read", about),
        };
        let (account, business_name) = match about {
            Ok(about) => {
                let (id, name) = about.map(|it| (it.id, it.business_name)).unzip();
                (Ok(id), Ok(name))
            }
            Err(unseen) => (Err(unseen.clone()), Err(unseen)),
        };
        Self { key, accepted: seen("an answer", accepted), account, business_name }
    }
}

/// A key for the other mode sees other prices, products and endpoints than the stack's.
fn of_the_mode<'a>(
    key: &'a SecretString,
    expected: &Expected,
    whose: &str,
    mend: &str,
) -> Look<&'a SecretString> {
    match StripeKey::of(key.expose_secret()).other_mode(expected.livemode) {
        None => Ok(key),
        Some(mode) => {
            Err(Unseen::Unknown { why: format!("{whose} is for {mode}"), mend: mend.into() })
        }
    }
}

async fn everything(
    client: &OperatorStripe,
    expected: &Expected,
    theirs: Theirs,
    now: Timestamp,
) -> Stripe {
    let plans = expected.catalog.as_ref().map_or(&[][..], |file| file.catalog.plans());
    let (prices, products, portal, endpoints, undelivered, checkout) = tokio::join!(
        prices(client, plans),
        products(client, plans),
        portal(client, expected),
        client.observed_endpoints(),
        client.undelivered(now - TRIES_FOR, now - ON_ITS_WAY),
        client.newest_checkout(),
    );
    let Theirs { key, accepted, account, business_name } = theirs;
    let (prices, odd_prices) = rows(seen("Stripe: Prices, read", prices));
    let (endpoints, odd_endpoints) = rows(seen("Stripe: Webhook Endpoints, read", endpoints));
    let unreadable = odd_prices.and_then(|prices| Ok([prices, odd_endpoints?].concat()));
    Stripe {
        key,
        accepted,
        account,
        prices,
        products: seen("Stripe: Products, read", products),
        portal: seen("Stripe: Customer portal, read", portal),
        business_name,
        endpoints,
        undelivered: seen("Stripe: Events, read", undelivered),
        newest_checkout: seen("Stripe: Checkout Sessions, read", checkout),
        unreadable,
    }
}

/// What was read of a listing, and what could not be.
fn rows<T>(listed: Look<Page<T>>) -> (Look<Vec<T>>, Look<Vec<Unreadable>>) {
    match listed {
        Ok(Page { items, unreadable, .. }) => (Ok(items), Ok(unreadable)),
        Err(unseen) => (Err(unseen.clone()), Err(unseen)),
    }
}

fn seen<T>(needs: &str, answer: PortResult<T>) -> Look<T> {
    answer.map_err(|error| port(needs, &error))
}

/// The catalog's prices; one that is found by its id and by its lookup key counts once.
async fn prices(client: &OperatorStripe, plans: &[Plan]) -> PortResult<Page<SeenPrice>> {
    let keys: Vec<_> = plans.iter().flat_map(|plan| &plan.lookup_keys).cloned().collect();
    let mut prices = client.prices_by_lookup_keys(&keys).await?;
    for id in plans.iter().flat_map(|plan| &plan.prices) {
        if !prices.items.iter().any(|price| price.id == id.as_str()) {
            prices.items.extend(client.price(id.as_str()).await?);
        }
    }
    Ok(prices)
}

/// The portal's configuration, where the catalog names one.
async fn portal(
    client: &OperatorStripe,
    expected: &Expected,
) -> PortResult<Option<ObservedPortal>> {
    let named = expected.catalog.as_ref().ok().and_then(|file| file.catalog.portal.as_deref());
    match named {
        Some(id) => client.portal(id).await,
        None => Ok(None),
    }
}

async fn products(client: &OperatorStripe, plans: &[Plan]) -> PortResult<Vec<Product>> {
    let ids: BTreeSet<_> = plans.iter().flat_map(|plan| &plan.products).collect();
    let mut products = Vec::new();
    for id in ids {
        products.extend(client.product(id.as_str()).await?);
    }
    Ok(products)
}
