//! `plans.toml`: what can be said of it without asking anybody.

use tollgate_core::catalog::{CatalogFile, Plan};

use super::expected::Expected;
use super::finding::{CheckFinding, System};

pub(super) fn examine(expected: &Expected) -> Vec<CheckFinding> {
    let judged = |check, looked_at, judge: fn(&mut CheckFinding, &CatalogFile)| {
        let finding = CheckFinding::of(check, System::Catalog, looked_at);
        finding.look("the catalog", &expected.catalog(), |finding, file| judge(finding, file))
    };
    vec![
        parses(expected),
        judged("catalog-default-plan", "what an account has that pays for nothing", default_plan),
        judged("catalog-plans-for-sale", "every plan above rank 0 can be bought", for_sale),
        judged("catalog-policy", "the table [policy]", policy),
    ]
}

fn parses(expected: &Expected) -> CheckFinding {
    let mut parses = CheckFinding::of("catalog-parses", System::Catalog, "plans.toml");
    match &expected.catalog {
        Ok(CatalogFile { catalog, .. }) => {
            let (revision, plans) = (catalog.revision, catalog.plans().len());
            parses.looked_at = format!("plans.toml: revision {revision}, {plans} plans");
        }
        Err(why) => parses.fail(why, "mend plans.toml, then deploy again"),
    }
    parses
}

fn default_plan(finding: &mut CheckFinding, file: &CatalogFile) {
    if file.catalog.default_plan().is_none() {
        finding.warn(
            "there is no default plan: who does not pay has a disabled key",
            "set `default_plan` to a plan of rank 0, if that is not what you want",
        );
    }
}

/// The account API sells what the first lookup key, else the first price stands for.
fn for_sale(finding: &mut CheckFinding, file: &CatalogFile) {
    let sold = |plan: &Plan| !plan.lookup_keys.is_empty() || !plan.prices.is_empty();
    let unsold = file.catalog.plans().iter().filter(|plan| plan.rank > 0 && !sold(plan));
    for plan in unsold {
        finding.warn(
            format!("nobody can buy plan `{}` through the account API", plan.id),
            "give it `[[plans.offers]]`, `lookup_keys` or `prices`",
        );
    }
}

fn policy(finding: &mut CheckFinding, file: &CatalogFile) {
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
}
