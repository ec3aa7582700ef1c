//! Whether the usage plans cover what is sold.

use crate::account::{PlanId, UsagePlanId};
use crate::catalog::Catalog;
use crate::ports::PlanStages;

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
