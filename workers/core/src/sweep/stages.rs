//! Whether the usage plans cover what is sold.

use crate::account::{PlanId, UsagePlanId};
use crate::catalog::Catalog;
use crate::ports::{Page, PlanStages, PortResult, Ports};
use crate::scan::{Pages, Scan};

/// A stage that a plan sells, and whose usage plan does not cover it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("usage plan {usage_plan} (`{plan}`) does not cover {stage}")]
pub struct StageLost {
    /// The plan.
    pub plan: PlanId,
    /// Its usage plan.
    pub usage_plan: UsagePlanId,
    /// The stage, `<rest api id>:<stage>`.
    pub stage: String,
}

/// The usage plans on which a key may be, or may be in the way: the catalog's, whether they are there
/// or not, and whichever keep a key off them. Each page of those that are there is `seen`.
///
/// # Errors
/// A call failed.
pub async fn plans_of_keys<P: Ports, T>(
    scan: &mut Scan<'_, P, T>,
    catalog: &Catalog,
    mut seen: impl FnMut(&Page<PlanStages>) + Send,
) -> PortResult<Vec<UsagePlanId>> {
    let of_catalog = catalog.plans().iter().map(|plan| plan.usage_plan.clone());
    let mut plans: Vec<_> = of_catalog.collect();
    let mut at = Pages::start();
    while let Some(page) = scan.usage_plans(&mut at).await? {
        seen(&page);
        let others = page.items.iter().filter(|plan| catalog.is_in_the_way(plan));
        plans.extend(others.map(|plan| plan.id.clone()));
    }
    Ok(plans)
}

/// The catalog's stages that those of its usage plans which are seen do not cover.
pub(super) fn stages_lost(catalog: &Catalog, seen: &[PlanStages]) -> Vec<StageLost> {
    let pairs = seen.iter().flat_map(|seen| {
        let of_it = catalog.plans().iter().filter(|plan| plan.usage_plan == seen.id);
        of_it.map(move |plan| (plan, seen))
    });
    let lost = pairs.flat_map(|(plan, seen)| {
        let missing = catalog.stages.iter().filter(|stage| !seen.stages.contains(*stage));
        missing.map(|stage| StageLost {
            plan: plan.id.clone(),
            usage_plan: plan.usage_plan.clone(),
            stage: stage.clone(),
        })
    });
    lost.collect()
}
