//! Stripe: the key, and what is sold.

use std::collections::BTreeSet;

use tollgate_core::catalog::Plan;

use super::binding;
use super::expected::Expected;
use super::finding::{CheckFinding, System};
use super::observed::{ObservedStack, SeenPrice, Unseen, mode_name};

pub(super) fn examine(observed: &ObservedStack, expected: &Expected) -> Vec<CheckFinding> {
    vec![
        key(observed, expected),
        mode(observed, expected),
        restricted(observed, expected),
        binding::stripe_account(observed, expected),
        prices(observed, expected),
        products(observed, expected),
        one_plan(observed, expected),
        customers(observed),
        rows(observed),
        several(observed, expected),
    ]
}

/// Nothing is cancelled by itself: sellers upgrade by new-then-cancel-old. The hourly comparison
/// has seen it; nothing is read of Stripe for this.
fn several(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "each account pays for one subscription at a time";
    let finding = CheckFinding::of("several-subscriptions", System::Stripe, looked_at);
    let seen = observed.belongs_to.as_ref().map_err(Clone::clone);
    let seen = seen.and_then(|stack| stack.several.as_ref().ok_or_else(not_compared));
    finding.look("what the last comparison met", &seen, |finding, accounts| {
        for account in *accounts {
            let mend = expected.run(&format!("account show {account}"));
            finding.warn(
                format!("account {account} pays for several; the best plan wins"),
                format!("{mend}; unless it is an upgrade, cancel and refund one in Stripe"),
            );
        }
    })
}

fn not_compared() -> Unseen {
    Unseen::Unknown {
        why: "no comparison has run yet".into(),
        mend: "wait for the hourly comparison".into(),
    }
}

fn key(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let finding = CheckFinding::of("stripe-key", System::Stripe, "Stripe takes the key");
    finding.look("Stripe", &observed.stripe.accepted, |finding, accepted| {
        if !accepted {
            finding.fail(
                "Stripe refuses the key: it was rolled, or has expired",
                format!(
                    "make one at https://dashboard.stripe.com/apikeys, then {}",
                    expected.run("secrets set stripe-key")
                ),
            );
        }
    })
}

fn mode(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let wanted = mode_name(expected.livemode);
    let looked_at = format!("the key is for {wanted}, as the stack is");
    let finding = CheckFinding::of("stripe-key-mode", System::Stripe, looked_at);
    finding.look("the Stripe key", &observed.stripe.key, |finding, key| {
        if key.livemode.is_none() {
            let mend =
                "Stripe's keys begin with sk_test_, rk_test_, sk_live_ or rk_live_: store one";
            finding.unseen(
                "the Stripe key",
                &Unseen::Unknown {
                    why: "it does not say for which mode it is".into(),
                    mend: mend.into(),
                },
            );
        }
        if let Some(mode) = key.other_mode(expected.livemode) {
            finding.fail(
                format!("the key is for {mode}"),
                format!(
                    "{} with the other key, or deploy with Livemode={}",
                    expected.run("secrets set stripe-key"),
                    !expected.livemode
                ),
            );
        }
    })
}

/// <https://docs.stripe.com/keys/restricted-api-keys>
fn restricted(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "the key can do no more than it must";
    let finding = CheckFinding::of("stripe-key-restricted", System::Stripe, looked_at);
    finding.look("the Stripe key", &observed.stripe.key, |finding, key| {
        if !key.restricted {
            finding.warn(
                "the key is a secret key: whoever has it can do everything",
                format!(
                    "make a restricted key with the permissions in docs/security.md, then {}",
                    expected.run("secrets set stripe-key")
                ),
            );
        }
    })
}

/// What is sold, by an offer or by Checkout, which takes a plan's first, must be there and
/// for sale. What is not counts for those who pay it, so it may be archived.
fn prices(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "the catalog's prices and lookup keys: there, recurring, for sale";
    let finding = CheckFinding::of("stripe-prices", System::Stripe, looked_at);
    finding.look_by_catalog(
        expected,
        "the prices",
        &observed.stripe.prices,
        |finding, file, seen| {
            let mut sold = Vec::new();
            for plan in file.catalog.plans() {
                for (n, key) in plan.lookup_keys.iter().enumerate() {
                    let price = seen.iter().find(|price| price.lookup_key.as_ref() == Some(key));
                    let offered = plan.offers.iter().any(|offer| offer.lookup_key == *key);
                    let name = format!("lookup key {key}");
                    let named = Named { plan, name, offered, sold: offered || n == 0 };
                    price_of(finding, expected, &named, price);
                    sold.extend(price.filter(|_| named.sold));
                }
                for (n, id) in plan.prices.iter().enumerate() {
                    let price = seen.iter().find(|price| price.id == id.as_str());
                    let first = n == 0 && plan.lookup_keys.is_empty();
                    let named = Named { plan, name: id.to_string(), offered: false, sold: first };
                    price_of(finding, expected, &named, price);
                    sold.extend(price.filter(|_| named.sold));
                }
            }
            currencies(finding, &sold);
        },
    )
}

/// A customer pays everything in one currency: Checkout sells them nothing in another.
/// <https://docs.stripe.com/billing/customer#currency>
fn currencies(finding: &mut CheckFinding, sold: &[&SeenPrice]) {
    let Some(first) = sold.first() else { return };
    for other in sold.iter().filter(|price| price.currency != first.currency) {
        finding.warn(
            format!(
                "{} is in {}, and {} in {}: who has paid one cannot buy the other",
                first.id, first.currency, other.id, other.currency
            ),
            "sell all plans of plans.toml in one currency, or give each price both \
             (`currency_options`)",
        );
    }
}

/// A price that the catalog names.
struct Named<'a> {
    plan: &'a Plan,
    name: String,
    offered: bool,
    sold: bool,
}

impl Named<'_> {
    fn missing(&self, expected: &Expected) -> (String, String) {
        let (plan, name) = (&self.plan.id, &self.name);
        let found = format!(
            "plan `{plan}`: {name} stands for no price in {}",
            mode_name(expected.livemode)
        );
        let mend = match (self.offered, self.sold) {
            (true, _) => expected.run("plans apply"),
            (false, true) => format!(
                "correct {name} in plans.toml, or make such a price at \
                 https://dashboard.stripe.com/products"
            ),
            (false, false) => format!("take {name} out of plans.toml, unless it is to come"),
        };
        (found, mend)
    }
}

fn price_of(
    finding: &mut CheckFinding,
    expected: &Expected,
    named: &Named<'_>,
    price: Option<&SeenPrice>,
) {
    let Named { plan, name, sold, .. } = named;
    let plan = &plan.id;
    let mut add = |(found, mend): (String, String)| {
        if *sold { finding.fail(found, mend) } else { finding.warn(found, mend) }
    };
    let Some(price) = price else { return add(named.missing(expected)) };
    let dashboard = format!("https://dashboard.stripe.com/prices/{}", price.id);
    if !price.recurring {
        add((
            format!("plan `{plan}`: {name} is paid once and makes no subscription"),
            format!("name a recurring price in plans.toml instead ({dashboard})"),
        ));
    }
    if *sold && !price.active {
        add((
            format!("plan `{plan}` cannot be bought by {name}: it is archived"),
            format!("unarchive it at {dashboard}, or move the lookup key to another price"),
        ));
    }
    if *sold && price.metered {
        // It counts all the same, and Checkout takes it without a quantity.
        finding.warn(
            format!("plan `{plan}`: {name} is billed by usage, and Tollgate reports none"),
            format!(
                "report usage to the price's meter yourself, else nobody pays anything; or sell a \
                 licensed price ({dashboard})"
            ),
        );
    }
}

fn products(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "the catalog's products: there, and for sale";
    let finding = CheckFinding::of("stripe-products", System::Stripe, looked_at);
    let seen = &observed.stripe.products;
    finding.look_by_catalog(expected, "the products", seen, |finding, file, seen| {
        for plan in file.catalog.plans() {
            for id in &plan.products {
                let product = seen.iter().find(|product| product.id == id.as_str());
                match product.map(|product| product.active) {
                    Some(true) => {}
                    Some(false) => finding.warn(
                        format!("plan `{}`: product {id} is archived", plan.id),
                        format!(
                            "unarchive it at https://dashboard.stripe.com/products/{id}, \
                                 unless you have stopped selling it"
                        ),
                    ),
                    None => finding.fail(
                        format!("plan `{}`: there is no product {id}", plan.id),
                        "correct `products` in plans.toml",
                    ),
                }
            }
        }
    })
}

/// The day a lookup key moves on, who pays the old price falls back to what its product
/// sells: that must be the same plan.
fn one_plan(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "each price belongs to one plan";
    let finding = CheckFinding::of("stripe-price-one-plan", System::Stripe, looked_at);
    finding.look_by_catalog(
        expected,
        "the prices",
        &observed.stripe.prices,
        |finding, file, seen| {
            for price in seen {
                let claims = |plan: &&Plan| {
                    plan.prices.iter().any(|id| id.as_str() == price.id)
                        || price
                            .lookup_key
                            .as_ref()
                            .is_some_and(|key| plan.lookup_keys.contains(key))
                        || plan.products.iter().any(|id| id.as_str() == price.product)
                };
                let plans = file.catalog.plans().iter().filter(claims);
                let plans: BTreeSet<String> = plans.map(|plan| format!("`{}`", plan.id)).collect();
                if plans.len() > 1 {
                    finding.fail(
                    format!("{} belongs to {}", price.id, Vec::from_iter(plans).join(" and ")),
                    "let its id, its lookup key and its product stand in one plan of plans.toml",
                );
                }
            }
        },
    )
}

/// <https://docs.stripe.com/connect/accounts-v2>
fn customers(observed: &ObservedStack) -> CheckFinding {
    let looked_at = "the newest subscription bought in Checkout names a customer";
    let finding = CheckFinding::of("stripe-checkout-customer", System::Stripe, looked_at);
    finding.look("the Checkout sessions", &observed.stripe.newest_checkout, |finding, newest| {
        if newest.is_some_and(|newest| newest.customer_account && !newest.customer) {
            finding.warn(
                "it names an account (`customer_account`) and no customer: its events cannot be \
                 linked",
                "create Checkout sessions with `customer`, as the account API does",
            );
        }
    })
}

fn rows(observed: &ObservedStack) -> CheckFinding {
    let looked_at = "every price and webhook endpoint that was listed can be read";
    let finding = CheckFinding::of("stripe-rows", System::Stripe, looked_at);
    finding.look("the listings", &observed.stripe.unreadable, |finding, rows| {
        for row in rows {
            finding.warn(
                row.to_string(),
                "look at it in Stripe's dashboard: of it, nothing else was looked at here",
            );
        }
    })
}
