//! What the test sells: a free plan so small that its limits show at once, and `pro`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tollgate_core::catalog::CatalogFile;

use super::command::Command;

/// The catalog before anything is made.
const PLANS: &str = r#"
revision = 1
default_plan = "free"
stages = ["STAGE"]

[[plans]]
id = "free"
rank = 0
quota = { limit = 6, period = "MONTH" }
throttle = { rate = 1.0, burst = 2 }

[[plans]]
id = "pro"
rank = 20
quota = { limit = 100000, period = "MONTH" }
throttle = { rate = 50.0, burst = 100 }

[[plans.offers]]
lookup_key = "pro_monthly"
unit_amount = 4900
currency = "usd"
interval = "month"
"#;

/// A catalog that is deployed.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// The file, which `tollgate plans apply` completes.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Each plan's usage plan.
    pub usage_plans: Vec<(String, String)>,
}

/// Makes usage plans, a product and a price of the catalog, as the quick start does before
/// there is a stack.
///
/// # Errors
/// API Gateway or Stripe refuses.
pub async fn sell(
    tollgate: &mut Command,
    dir: &Path,
    stack: &str,
    stage: &str,
) -> anyhow::Result<Catalog> {
    let path = dir.join("plans.toml");
    std::fs::write(&path, PLANS.replace("STAGE", stage))?;
    let file = path.to_str().context("a path of text")?;
    let variables =
        [("TOLLGATE_STACK", stack), ("TOLLGATE_API_STAGE", stage), ("TOLLGATE_LIVEMODE", "false")];
    tollgate.run(&["plans", "apply", file, "--yes"], &variables, "").await?;
    let text = std::fs::read_to_string(&path)?;
    let plans = CatalogFile::parse(&text)?.catalog;
    let usage_plans = plans.plans().iter().map(|it| (it.id.to_string(), it.usage_plan.to_string()));
    let usage_plans = usage_plans.collect();
    Ok(Catalog { path, text, usage_plans })
}
