//! What `UpdateUsagePlan` patches.

use super::error::{Exception, Refusal};
use super::objects::{ApiStage, Period, Plan, Quota, Throttle};

/// What a patch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchOp {
    /// `add`
    Add,
    /// `remove`
    Remove,
    /// `replace`
    Replace,
}

/// One patch operation, as on the wire; values are strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// What it does.
    pub op: PatchOp,
    /// To which field.
    pub path: String,
    /// With which value.
    pub value: Option<String>,
}

impl Plan {
    /// One patch, of those that the API reference lists for a usage plan.
    /// <https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateUsagePlan-Patch>
    pub(super) fn apply(&mut self, patch: &Patch) -> Result<(), Refusal> {
        let value = || patch.value.as_deref().ok_or_else(|| bad_patch(patch));
        match (patch.op, patch.path.as_str()) {
            (PatchOp::Replace, "/name") => value()?.clone_into(&mut self.name),
            (PatchOp::Replace, "/description") => self.description = Some(value()?.to_owned()),
            (PatchOp::Add, "/apiStages") => {
                self.stages.insert(ApiStage::parse(value()?)?);
            }
            (PatchOp::Remove, "/apiStages") => {
                if !self.stages.remove(&ApiStage::parse(value()?)?) {
                    return Err(Exception::NotFound.because("Invalid API Stage specified"));
                }
            }
            (PatchOp::Remove, "/quota") => self.quota = None,
            (PatchOp::Remove, "/throttle") => self.throttle = None,
            (PatchOp::Replace, path) => self.replace_number(path, value()?, patch)?,
            (PatchOp::Add | PatchOp::Remove, _) => return Err(bad_patch(patch)),
        }
        Ok(())
    }

    /// Setting one field of an absent quota or throttle begins it with zeros, which
    /// `check` then judges: the API takes the fields one by one.
    fn replace_number(&mut self, path: &str, value: &str, patch: &Patch) -> Result<(), Refusal> {
        let bad = || bad_patch(patch);
        let quota = || Quota { limit: 0, offset: 0, period: Period::Month };
        let throttle = || Throttle { rate: 0.0, burst: 0 };
        match path {
            "/quota/limit" => {
                self.quota.get_or_insert_with(quota).limit = value.parse().map_err(|_| bad())?;
            }
            "/quota/offset" => {
                self.quota.get_or_insert_with(quota).offset = value.parse().map_err(|_| bad())?;
            }
            "/quota/period" => {
                self.quota.get_or_insert_with(quota).period = Period::parse(value)?;
            }
            "/throttle/rateLimit" => {
                self.throttle.get_or_insert_with(throttle).rate =
                    value.parse().map_err(|_| bad())?;
            }
            "/throttle/burstLimit" => {
                self.throttle.get_or_insert_with(throttle).burst =
                    value.parse().map_err(|_| bad())?;
            }
            _ => return Err(bad()),
        }
        Ok(())
    }
}

fn bad_patch(patch: &Patch) -> Refusal {
    Exception::BadRequest.because(format!("Invalid patch path '{}' or its value", patch.path))
}
