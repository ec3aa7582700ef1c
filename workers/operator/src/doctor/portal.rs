//! Stripe's customer portal, and what its pages are called by.

use tollgate_core::catalog::{CatalogFile, Plan};
use tollgate_events::{PriceId, ProductId};

use super::binding::may_not_read;
use super::expected::Expected;
use super::finding::{CheckFinding, System};
use super::observed::{ObservedStack, SeenPrice};
use crate::storefront::{PortalSettings, Sold};

pub(super) fn examine(observed: &ObservedStack, expected: &Expected) -> Vec<CheckFinding> {
    vec![portal(observed, expected), business_name(observed)]
}

/// Without a configuration of ours customers have the one that is saved in the dashboard: one that
/// may not let them change, and may let them have a better plan for nothing.
fn portal(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "the portal offers what the catalog sells, and has it paid";
    let finding = CheckFinding::of("stripe-portal", System::Stripe, looked_at);
    let seen = observed.stripe.portal.as_ref().map_err(Clone::clone);
    let seen = seen.and_then(|portal| {
        let prices = observed.stripe.prices.as_ref().map_err(Clone::clone)?;
        Ok((portal.as_ref(), sold(expected, prices)))
    });
    finding.look_by_catalog(expected, "the portal", &seen, |finding, file, (portal, sold)| {
        let CatalogFile { catalog, brand, .. } = file;
        let (wanted, left_out) = PortalSettings::wanted(catalog.plans(), sold, brand);
        if wanted.products.is_empty() {
            return;
        }
        let apply = format!("{}, then deploy again", expected.run("plans apply"));
        match (&catalog.portal, portal) {
            (None, _) => finding.warn("the portal is as somebody has saved it in Stripe", apply),
            (Some(id), None) => finding.fail(
                format!("there is no configuration {id}: nobody can open the portal"),
                format!("take `configuration` out of [portal] in plans.toml; {apply}"),
            ),
            (Some(id), Some(portal)) => {
                if !portal.active {
                    finding.fail(format!("{id} is not active: nobody can open the portal"), &apply);
                }
                let differs = portal.settings.differs(&wanted);
                if !differs.is_empty() {
                    let mend = expected.run("plans apply");
                    finding.warn(format!("{id} differs in {}", differs.join(", ")), mend);
                }
            }
        }
        for plan in left_out {
            finding.warn(
                format!("nobody can change to plan `{plan}` in the portal: it takes ten products"),
                "sell several plans as prices of one product",
            );
        }
    })
}

/// What each offer of the catalog is sold at.
pub(super) fn sold(expected: &Expected, prices: &[SeenPrice]) -> Sold {
    let plans = expected.catalog.iter().flat_map(|file| file.catalog.plans());
    let offers = plans.flat_map(Plan::sold_as);
    let found = offers.filter_map(|offer| {
        let is_it = |it: &&SeenPrice| {
            it.lookup_key.as_deref() == Some(offer.as_str()) || it.id == offer.as_str()
        };
        let price = prices.iter().find(is_it).filter(|price| price.active)?;
        let id = PriceId::parse(price.id.as_str()).ok()?;
        let product = ProductId::parse(price.product.as_str()).ok()?;
        Some((String::from(offer), (id, product)))
    });
    found.collect()
}

/// A fresh account has none, and Checkout opens for nobody.
/// <https://docs.stripe.com/payments/checkout>
fn business_name(observed: &ObservedStack) -> CheckFinding {
    let looked_at = "the business has a name, which Checkout's pages show";
    let finding = CheckFinding::of("stripe-business-name", System::Stripe, looked_at);
    let what = "the business's name";
    finding.look(what, &observed.stripe.business_name, |finding, name| match name.as_deref() {
        None => finding.unseen(what, &may_not_read()),
        Some("") => finding.fail(
            "the account has no business name: Stripe opens no Checkout page",
            "give it one at https://dashboard.stripe.com/settings/account",
        ),
        Some(_) => {}
    })
}
