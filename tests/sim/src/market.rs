//! What is sold, the catalogs that map it to plans, and workers of each.

use std::collections::BTreeMap;

use crate::world::World;
use secrecy::SecretString;
use tollgate_core::catalog::{Catalog, CatalogFile};
use tollgate_core::converge::Worker;
use tollgate_core::derive::Deriver;
use tollgate_events::AccountId;
use tollgate_standin::stripe::{
    Card, Interval, NewCustomer, NewPrice, NewSession, SubscriptionData,
};

use tollgate_standin::world::portal_features;

use crate::planted::transport::as_planted;
use crate::workers::worker_on;

/// The lookup keys that may be bought, with what each of the catalog's revisions sells for
/// it: 0 nothing that it knows, 1 basic, 2 pro.
pub const SOLD: [(&str, [usize; 3]); 7] = [
    ("basic_monthly", [1, 1, 1]),
    ("pro_monthly", [2, 2, 2]),
    ("basic_weekly", [1, 1, 1]),
    ("pro_weekly", [2, 2, 2]),
    ("basic_yearly", [1, 1, 1]),
    ("pro_yearly", [2, 2, 2]),
    // Sold before the catalog knows it, and moved to another plan afterwards.
    ("team_monthly", [0, 2, 1]),
];

/// What the seller sells beside the API: no catalog knows it.
pub const OTHER_PRODUCTS: [&str; 2] = ["newsletter_monthly", "course_weekly"];

/// One edition of the catalog: it has a revision of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    /// Its revision.
    pub revision: u64,
    /// Which of [`SOLD`]'s columns it is to have.
    pub column: usize,
    /// What somebody has got wrong in it.
    pub slip: Option<Slip>,
}

/// What somebody gets wrong in a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slip {
    /// What is sold as pro is not in it any more.
    PricesLost,
    /// What is sold as pro gives basic.
    Demoted,
}

impl Edition {
    /// The first.
    pub const FIRST: Self = Self { revision: 1, column: 0, slip: None };

    /// Whether there is another column after it.
    pub(crate) fn is_last(self) -> bool {
        self.column + 1 == SOLD[0].1.len()
    }

    /// What was sold before it.
    pub(crate) fn before(self) -> Self {
        Self { column: self.column.saturating_sub(1), ..self }
    }

    /// The edition after it, which sells something else.
    pub(crate) fn next(self) -> Self {
        Self { revision: self.revision + 1, column: self.column + 1, slip: None }
    }

    /// The edition after it, which is to sell the same.
    pub(crate) fn again(self, slip: Option<Slip>) -> Self {
        Self { revision: self.revision + 1, slip, ..self }
    }

    /// What it is to sell for a lookup key.
    pub fn rank_of(self, lookup_key: &str) -> usize {
        SOLD.iter().find(|(key, _)| *key == lookup_key).map_or(0, |(_, ranks)| ranks[self.column])
    }

    /// What it does sell for a lookup key.
    fn sells(self, lookup_key: &str) -> usize {
        match (self.rank_of(lookup_key), self.slip) {
            (2, Some(Slip::PricesLost)) => 0,
            (2, Some(Slip::Demoted)) => 1,
            (rank, _) => rank,
        }
    }
}

/// Puts the other prices up for sale.
pub fn sell(world: &World) {
    let mut stripe = world.stripe.account();
    for (key, cents) in [("basic", 300), ("pro", 1500), ("team", 2500)] {
        let product = stripe.create_product(key, BTreeMap::new());
        for (word, interval) in
            [("weekly", Interval::Week), ("monthly", Interval::Month), ("yearly", Interval::Year)]
        {
            let lookup_key = format!("{key}_{word}");
            let sold = SOLD.iter().any(|(sold, _)| *sold == lookup_key);
            if !sold || stripe.price_by_lookup_key(&lookup_key).is_some() {
                continue;
            }
            let price = NewPrice::new(&product, interval, cents).lookup_key(&lookup_key);
            stripe.create_price(price).expect("the prices are fixed");
        }
    }
    let features = portal_features(&stripe, &SOLD.map(|(key, _)| key));
    let portal = world.catalog().catalog.portal.expect("the sample has one");
    // Another Stripe account has none.
    let _ = stripe.update_configuration(&portal, |row| row.features = features);
    for (lookup_key, interval) in OTHER_PRODUCTS.into_iter().zip([Interval::Month, Interval::Week])
    {
        let product = stripe.create_product(lookup_key, BTreeMap::new());
        let price = NewPrice::new(&product, interval, 500).lookup_key(lookup_key);
        stripe.create_price(price).expect("the prices are fixed");
    }
}

/// A new customer buys a plan for an account, through a checkout of ours; the subscription.
pub(crate) fn buy(
    world: &World,
    deriver: &Deriver,
    account: &AccountId,
    lookup_key: &str,
) -> String {
    let metadata = deriver.name(account).to_metadata();
    let mut stripe = world.stripe.account();
    let customer = stripe.create_customer(NewCustomer::default());
    let price = stripe.price_by_lookup_key(lookup_key).expect("it is sold").id.clone();
    let data = SubscriptionData { metadata: metadata.clone(), ..SubscriptionData::default() };
    let session = NewSession {
        customer: Some(customer),
        metadata,
        subscription_data: data,
        ..NewSession::for_price(&price)
    };
    let session = stripe.open_checkout(session).expect("the customer is there");
    stripe.complete_checkout(&session, Card::Pays).expect("it is open")
}

/// An edition of the sample API's catalog.
fn catalog(world: &World, edition: Edition) -> Catalog {
    let keys_of = |rank: usize| {
        let of_it = SOLD.iter().filter(|(key, _)| edition.sells(key) == rank);
        of_it.map(|(key, _)| format!("\"{key}\"")).collect::<Vec<_>>().join(", ")
    };
    let text = world
        .plans_toml
        .replace("revision = 1", &format!("revision = {}", edition.revision))
        .replace("[\"basic_monthly\"]", &format!("[{}]", keys_of(1)))
        .replace("[\"pro_monthly\"]", &format!("[{}]", keys_of(2)));
    CatalogFile::parse(&text).expect("every edition is valid").catalog
}

/// The derivation secrets up to a version.
fn deriver(newest: u32) -> Deriver {
    let secret = |version| SecretString::from(format!("simulated-{version}-0123456789abcdef0123"));
    Deriver::new("sim", (1..=newest).map(|version| (version, secret(version))).collect())
        .expect("they are long enough")
}

/// A worker of some edition of the catalog and some version of the secret.
pub fn worker(world: &World, edition: Edition, secret: u32) -> Worker<World> {
    as_planted(Worker {
        catalog: catalog(world, edition),
        deriver: deriver(secret),
        ..worker_on(world)
    })
}
