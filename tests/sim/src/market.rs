//! What is sold, the catalogs that map it to plans, and the workers that are deployed with them.

use std::collections::BTreeMap;
use std::rc::Rc;

use rand::RngExt;
use secrecy::SecretString;
use tollgate_billing::catalog::{Catalog, CatalogFile};
use tollgate_billing::converge::Worker;
use tollgate_billing::derive::Deriver;
use tollgate_standin::stripe::{Interval, NewPrice};
use tollgate_standin::world::World;

use crate::mistakes::mistaken;
use crate::run::{Sim, reads_only, worker_on};

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

/// The last revision of the catalog.
pub const LAST_REVISION: u64 = SOLD[0].1.len() as u64;

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
}

/// What a revision of the catalog sells for a lookup key.
pub fn rank_of(lookup_key: &str, revision: u64) -> usize {
    let place = usize::try_from(revision - 1).expect("revisions are few");
    SOLD.iter().find(|(key, _)| *key == lookup_key).map_or(0, |(_, ranks)| ranks[place])
}

/// A revision of the sample API's catalog.
fn catalog(world: &World, revision: u64) -> Catalog {
    let keys_of = |rank: usize| {
        let of_it = SOLD.iter().filter(|(key, _)| rank_of(key, revision) == rank);
        of_it.map(|(key, _)| format!("\"{key}\"")).collect::<Vec<_>>().join(", ")
    };
    let text = world
        .plans_toml
        .replace("revision = 1", &format!("revision = {revision}"))
        .replace("[\"basic_monthly\"]", &format!("[{}]", keys_of(1)))
        .replace("[\"pro_monthly\"]", &format!("[{}]", keys_of(2)));
    CatalogFile::parse(&text).expect("every revision is valid").catalog
}

/// The derivation secrets up to a version.
fn deriver(newest: u32) -> Deriver {
    let secret = |version| SecretString::from(format!("simulated-{version}-0123456789abcdef0123"));
    Deriver::new("sim", (1..=newest).map(|version| (version, secret(version))).collect())
        .expect("they are long enough")
}

/// A worker of some revision of the catalog and some version of the secret.
pub fn worker(world: &World, revision: u64, secret: u32) -> Worker<World> {
    mistaken(Worker {
        catalog: catalog(world, revision),
        deriver: deriver(secret),
        ..worker_on(world)
    })
}

impl Sim {
    /// A new version of the workers: another catalog, or another secret. The old ones go
    /// on for a while.
    pub(crate) fn deploy(&mut self, dice: &mut impl RngExt) -> Option<String> {
        if self.retires_at.is_some() {
            return None;
        }
        if dice.random_bool(0.6) && self.revision < LAST_REVISION {
            self.revision += 1;
        } else if self.secret < 2 {
            self.secret += 1;
        } else {
            return None;
        }
        self.api.worker = reads_only(worker(&self.world, self.revision, self.secret));
        self.workers.push(Rc::new(worker(&self.world, self.revision, self.secret)));
        let while_ = jiff::SignedDuration::from_secs(dice.random_range(1..180));
        self.retires_at = Some(self.world.clock.time() + while_);
        Some(format!("catalog {} and secret {} are deployed", self.revision, self.secret))
    }

    /// Only the newest workers are left.
    pub(crate) fn retire(&mut self) {
        self.retires_at = None;
        self.workers.drain(..self.workers.len() - 1);
    }
}
