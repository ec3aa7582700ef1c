//! The sample API as a shop that somebody looks at: with prices, by the month and by the year, and a
//! name.

use std::fmt::Write as _;

use anyhow::Context;
use tollgate_core::catalog::CatalogFile;
use tollgate_standin::stripe::{Interval, NewPrice};
use tollgate_standin::world::{World, portal_features};

use crate::addresses::Urls;

/// A plan's lookup keys, by the month and by the year, and what they cost in cents.
const OFFERS: [[(&str, Interval, i64); 2]; 2] = [
    [("basic_monthly", Interval::Month, 900), ("basic_yearly", Interval::Year, 9_000)],
    [("pro_monthly", Interval::Month, 4_900), ("pro_yearly", Interval::Year, 49_000)],
];

/// Puts the yearly prices up for sale, and writes all of it into `plans.toml`.
///
/// # Errors
/// The sample is another one.
pub(super) fn open(world: &mut World, urls: &Urls) -> anyhow::Result<()> {
    let mut text = world.plans_toml.clone();
    for offers in OFFERS {
        let [(monthly, ..), (yearly, interval, cents)] = offers;
        let mut stripe = world.stripe.account();
        let product = stripe.price_by_lookup_key(monthly).context("it is sold")?.product.clone();
        stripe.create_price(NewPrice::new(&product, interval, cents).lookup_key(yearly))?;
        let mut sold = String::new();
        for (key, interval, cents) in offers {
            write!(
                sold,
                "\n[[plans.offers]]\nlookup_key = \"{key}\"\nunit_amount = {cents}\n\
                 currency = \"usd\"\ninterval = \"{}\"\n",
                interval.as_str()
            )?;
        }
        text = text.replace(&format!("lookup_keys = [\"{monthly}\"]\n"), &sold);
    }
    write!(
        text,
        "\n[brand]\nname = \"Sample Weather API\"\napi_url = \"{}/prod\"\ntry_path = \"/hello\"\n",
        urls.api
    )?;
    let portal = CatalogFile::parse(&text)?.catalog.portal.context("it has a portal")?;
    let mut stripe = world.stripe.account();
    let keys: Vec<_> = OFFERS.iter().flatten().map(|(key, ..)| *key).collect();
    let features = portal_features(&stripe, &keys);
    stripe.update_configuration(&portal, |row| row.features = features)?;
    drop(stripe);
    world.plans_toml = text;
    Ok(())
}
