//! API Gateway: usage plans, the stages that they cover, who is stopped without a key.

use std::collections::BTreeSet;

use tollgate_core::budget::left_to_the_seller;
use tollgate_core::catalog::{CatalogFile, Plan, Quota, Throttle};
use tollgate_core::policy::LIMIT;

use super::expected::Expected;
use super::finding::{CheckFinding, System};
use super::observed::{ObservedStack, Unseen};
use crate::storefront::{ObservedPlan, TAG_PLAN, TAG_STACK};

/// Usage plans of an account and Region.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>
const USAGE_PLAN_QUOTA: usize = 300;

pub(super) fn examine(observed: &ObservedStack, expected: &Expected) -> Vec<CheckFinding> {
    vec![
        exist(observed, expected),
        cover_stages(observed, expected),
        limits(observed, expected),
        differ(observed, expected),
        stages_exist(observed, expected),
        stack_stage(expected),
        methods(observed, expected),
        key_source(observed, expected),
        control_plane(expected),
        key_quota(observed, expected),
        plan_quota(observed),
    ]
}

/// The catalog's plans that have a usage plan, each with it. Of one that has none, nothing is
/// judged.
fn pairs<'a>(
    finding: &mut CheckFinding,
    file: &'a CatalogFile,
    seen: &'a [ObservedPlan],
) -> Vec<(&'a Plan, &'a ObservedPlan)> {
    let mut pairs = Vec::new();
    for plan in file.catalog.plans() {
        match seen.iter().find(|seen| seen.id == plan.usage_plan) {
            Some(seen) => pairs.push((plan, seen)),
            None => finding.unseen(&format!("the usage plan of `{}`", plan.id), &Unseen::Absent),
        }
    }
    pairs
}

fn stages(file: &CatalogFile) -> BTreeSet<&str> {
    file.catalog.stages.iter().map(String::as_str).collect()
}

/// What of the control plane's calls is left to the seller's own deployments.
fn control_plane(expected: &Expected) -> CheckFinding {
    let policy = expected.catalog.as_ref().ok().map(|file| &file.policy);
    let looked_at = match policy {
        Some(policy) => format!(
            "the control plane: of {LIMIT} calls a second Tollgate makes at most {}, and {} are \
             left to you",
            policy.control_plane_calls_per_second,
            left_to_the_seller(policy)
        ),
        None => "what of the control plane's calls is left to you".to_owned(),
    };
    let mut finding = CheckFinding::of("control-plane-share", System::ApiGateway, looked_at);
    if policy.is_none() {
        finding.unseen("the catalog", &Unseen::Absent);
    }
    if policy.is_some_and(|policy| left_to_the_seller(policy) == 0) {
        finding.warn(
            "while Tollgate is busy, your own deployments are refused",
            "lower `control_plane_calls_per_second` in plans.toml",
        );
    }
    finding
}

fn exist(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "the usage plan of each plan";
    let finding = CheckFinding::of("usage-plans-exist", System::ApiGateway, looked_at);
    finding.look_by_catalog(
        expected,
        "the usage plans",
        &observed.usage_plans,
        |finding, file, seen| {
            let there = |plan: &&Plan| seen.iter().any(|seen| seen.id == plan.usage_plan);
            for plan in file.catalog.plans().iter().filter(|plan| !there(plan)) {
                finding.fail(
                    format!("plan `{}`: there is no usage plan {}", plan.id, plan.usage_plan),
                    format!(
                        "remove `usage_plan` of `{}` from plans.toml, then {}",
                        plan.id,
                        expected.run("plans apply")
                    ),
                );
            }
        },
    )
}

fn cover_stages(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "every usage plan covers exactly the catalog's stages";
    let finding = CheckFinding::of("usage-plans-stages", System::ApiGateway, looked_at);
    finding.look_by_catalog(
        expected,
        "the usage plans",
        &observed.usage_plans,
        |finding, file, seen| {
            let wanted = stages(file);
            for (plan, seen) in pairs(finding, file, seen) {
                let covered: BTreeSet<&str> =
                    seen.settings.stages.iter().map(String::as_str).collect();
                let missing =
                    wanted.difference(&covered).map(|stage| (*stage, "does not cover", "add"));
                let extra =
                    covered.difference(&wanted).map(|stage| (*stage, "also covers", "remove"));
                for (stage, what, op) in missing.chain(extra) {
                    finding.fail(
                        format!("plan `{}` ({}) {what} {stage}", plan.id, seen.id),
                        format!(
                            "aws apigateway update-usage-plan --usage-plan-id {} \
                         --patch-operations op={op},path=/apiStages,value={stage}",
                            seen.id
                        ),
                    );
                }
            }
        },
    )
}

fn limits(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "quotas and throttles are the catalog's";
    let finding = CheckFinding::of("usage-plans-limits", System::ApiGateway, looked_at);
    finding.look_by_catalog(
        expected,
        "the usage plans",
        &observed.usage_plans,
        |finding, file, seen| {
            for (plan, seen) in pairs(finding, file, seen) {
                let mut differs = |what: &str, wanted: String, found: String| {
                    if wanted != found {
                        finding.warn(
                            format!("plan `{}` has {what} {found}, not {wanted}", plan.id),
                            set_limits(expected, plan, seen),
                        );
                    }
                };
                differs("the quota", quota(plan.quota), quota(seen.settings.quota));
                differs("the throttle", throttle(plan.throttle), throttle(seen.settings.throttle));
            }
        },
    )
}

/// `plans apply` changes what has the stack's tag, and nothing else.
fn set_limits(expected: &Expected, plan: &Plan, seen: &ObservedPlan) -> String {
    let (apply, stack) = (expected.run("plans apply"), &expected.stack);
    match &seen.owner {
        Some(owner) if owner.stack == *stack => apply,
        Some(owner) => format!(
            "{} is of stack `{}`: change it there, or name another in plans.toml",
            seen.id, owner.stack
        ),
        None => format!(
            "change {} yourself; or give it the tags {TAG_STACK}={stack} and {TAG_PLAN}={}, then \
             {apply}",
            seen.id, plan.id
        ),
    }
}

fn quota(quota: Option<Quota>) -> String {
    quota.map_or("none".into(), |quota| {
        format!("{} a {:?}", quota.limit, quota.period).to_lowercase()
    })
}

fn throttle(throttle: Option<Throttle>) -> String {
    throttle.map_or("none".into(), |it| format!("{} a second, {} at once", it.rate, it.burst))
}

fn differ(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "no two plans allow the same";
    let finding = CheckFinding::of("usage-plans-differ", System::ApiGateway, looked_at);
    finding.look_by_catalog(
        expected,
        "the usage plans",
        &observed.usage_plans,
        |finding, file, seen| {
            let pairs = pairs(finding, file, seen);
            for (n, (plan, one)) in pairs.iter().enumerate() {
                for (other_plan, other) in &pairs[..n] {
                    if one.settings == other.settings {
                        finding.warn(
                        format!("`{}` allows nothing that `{}` does not", plan.id, other_plan.id),
                        "give one of them another quota or throttle in plans.toml, and apply it",
                    );
                    }
                }
            }
        },
    )
}

fn stages_exist(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "every stage of the catalog is deployed";
    let mut finding = CheckFinding::of("stages-exist", System::ApiGateway, looked_at);
    let file = match expected.catalog() {
        Ok(file) => file,
        Err(unseen) => {
            finding.unseen("the catalog", &unseen);
            return finding;
        }
    };
    for stage in stages(file) {
        let seen = observed.stages.get(stage).unwrap_or(&Err(Unseen::Absent));
        let mend = "deploy the API to it, or correct `stages` in plans.toml";
        finding = finding.look_for(&format!("stage {stage}"), seen, mend, |_, ()| {});
    }
    finding
}

fn stack_stage(expected: &Expected) -> CheckFinding {
    let looked_at = "the catalog's stages have the one that the stack was deployed for";
    let finding = CheckFinding::of("stages-of-stack", System::ApiGateway, looked_at);
    let stage = &expected.api_stage;
    finding.look_by_catalog(expected, "the stack's API stage", stage, |finding, file, stage| {
        let stages = stages(file);
        if !stages.contains(stage.as_str()) {
            finding.fail(
                format!("the catalog sells {}, not {stage}", Vec::from_iter(stages).join(", ")),
                "correct `stages` in plans.toml, or the stack's RestApiId and RestApiStage",
            );
        }
    })
}

/// What is read is the API as it is written down; a stage serves what was deployed last.
fn methods(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "the methods of each API require a key";
    let mut finding = of_each_api("methods-require-key", looked_at, observed, expected);
    for (id, api) in &observed.apis {
        finding = finding.look(&format!("API {id}"), api, |finding, api| {
            let mend =
                "set `apiKeyRequired` on the methods that you sell, and deploy the API again";
            if api.methods_with_key == 0 {
                let found = format!("no method of API {id} requires a key: nobody is stopped");
                finding.warn(found, mend);
            }
        });
    }
    finding
}

/// Which APIs there are to look at, the catalog says.
fn of_each_api(
    check: &'static str,
    looked_at: &str,
    observed: &ObservedStack,
    expected: &Expected,
) -> CheckFinding {
    let finding = CheckFinding::of(check, System::ApiGateway, looked_at);
    let apis = if observed.apis.is_empty() { Err(Unseen::Absent) } else { Ok(&observed.apis) };
    finding.look_by_catalog(expected, "an API", &apis, |_, _, _| {})
}

/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html>
fn key_source(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "each API takes the key from the header x-api-key";
    let mut finding = of_each_api("api-key-source", looked_at, observed, expected);
    for (id, api) in &observed.apis {
        finding = finding.look(&format!("API {id}"), api, |finding, api| {
            if api.key_source != "HEADER" {
                finding.warn(
                    format!("API {id} takes the key from {}", api.key_source),
                    format!(
                        "let its authorizer return the key's value as `usageIdentifierKey`, or run \
                         aws apigateway update-rest-api --rest-api-id {id} \
                         --patch-operations op=replace,path=/apiKeySource,value=HEADER"
                    ),
                );
            }
        });
    }
    finding
}

fn key_quota(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "room for API keys in the account and Region";
    let finding = CheckFinding::of("api-keys-quota", System::ApiGateway, looked_at);
    finding.look_by_catalog(expected, "the API keys", &observed.api_keys, |finding, file, &count| {
        let policy = &file.policy;
        let (quota, reserve) = (policy.key_quota as usize, policy.key_reserve as usize);
        finding.looked_at = format!("room for API keys, of {quota} for the account and Region");
        let mend = "delete keys that nobody uses (the comparison of all systems names orphans), \
                    or sell from a second account or Region";
        // A reserve of everything is the catalog's fault, and said there.
        if reserve < quota && count + reserve >= quota {
            let found = format!("{count} keys: new free users wait, the rest is for who pays");
            finding.fail(found, mend);
        } else if count * 5 >= quota * 4 {
            finding.warn(format!("{count} keys: more than four fifths are used"), mend);
        }
    })
}

fn plan_quota(observed: &ObservedStack) -> CheckFinding {
    let looked_at = format!("room for usage plans, of {USAGE_PLAN_QUOTA}");
    let finding = CheckFinding::of("usage-plans-quota", System::ApiGateway, looked_at);
    finding.look("the usage plans", &observed.usage_plans, |finding, plans| {
        if plans.len() * 5 >= USAGE_PLAN_QUOTA * 4 {
            finding.warn(
                format!("{} usage plans: more than four fifths are used", plans.len()),
                "delete those that nobody is on",
            );
        }
    })
}
