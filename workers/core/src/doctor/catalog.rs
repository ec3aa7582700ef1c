//! `plans.toml`: what can be said of it without asking anybody.

use super::expected::Expected;
use super::finding::{Finding, System};
use crate::catalog::{CatalogFile, Plan};

pub(super) fn examine(expected: &Expected) -> Vec<Finding> {
    let mut parses = Finding::of("catalog-parses", System::Catalog, "plans.toml");
    let file = match &expected.catalog {
        Ok(file) => file,
        Err(why) => {
            parses.fail(why, "mend plans.toml, then deploy again");
            return vec![parses];
        }
    };
    parses.looked_at = format!(
        "plans.toml: revision {}, {} plans",
        file.catalog.revision,
        file.catalog.plans().len()
    );
    vec![parses, default_plan(file), for_sale(file), policy(file)]
}

fn default_plan(file: &CatalogFile) -> Finding {
    let looked_at = "what an account has that pays for nothing";
    let mut finding = Finding::of("catalog-default-plan", System::Catalog, looked_at);
    if file.catalog.default_plan().is_none() {
        finding.warn(
            "there is no default plan: who does not pay has a disabled key",
            "set `default_plan` to a plan of rank 0, if that is not what you want",
        );
    }
    finding
}

/// The account API sells what the first lookup key, else the first price stands for.
fn for_sale(file: &CatalogFile) -> Finding {
    let looked_at = "every plan above rank 0 can be bought";
    let mut finding = Finding::of("catalog-plans-for-sale", System::Catalog, looked_at);
    let sold = |plan: &Plan| !plan.lookup_keys.is_empty() || !plan.prices.is_empty();
    let unsold = file.catalog.plans().iter().filter(|plan| plan.rank > 0 && !sold(plan));
    for plan in unsold {
        finding.warn(
            format!("nobody can buy plan `{}` through the account API", plan.id),
            "give it `[[plans.offers]]`, `lookup_keys` or `prices`",
        );
    }
    finding
}

fn policy(file: &CatalogFile) -> Finding {
    let mut finding = Finding::of("catalog-policy", System::Catalog, "the table [policy]");
    let policy = &file.policy;
    if policy.key_reserve >= policy.key_quota {
        finding.fail(
            format!(
                "the reserve of {} keys is all of the quota of {}: no free user gets a key",
                policy.key_reserve, policy.key_quota
            ),
            "lower `key_reserve` in plans.toml",
        );
    }
    if policy.trust_payment_links {
        finding.warn(
            "`trust_payment_links` is on: a payment link's visitor can name anybody's account",
            "turn it off, unless every payment link is private",
        );
    }
    finding
}
