//! A second deployment: without changes it changes nothing, with another catalog only what
//! reads the catalog.

use anyhow::{Context, bail, ensure};
use tollgate_core::catalog::CatalogFile;

use super::deploy::{Deployment, STACK, summary};
use super::shop::Shop;
use super::stacks::{Deployed, Stacks};

/// Who reads the catalog.
const READERS: [&str; 4] = ["AccountFunction", "SiteFunction", "SweepFunction", "WorkerFunction"];

/// Deploys twice more.
///
/// # Errors
/// Something else changes.
pub async fn again(deployment: &mut Deployment, shop: &Shop) -> anyhow::Result<()> {
    let stacks = Stacks::new(&deployment.world.site.aws);
    let before = stacks.resources(STACK).await?;
    let (deployed, _) = deployment.apply(shop).await?;
    println!("  the same template: {}", summary(&deployed));
    ensure!(deployed == Deployed::Unchanged, "the second deployment changes {deployed:?}");
    let plans = deployment.catalog.path.to_str().context("a path of text")?.to_owned();
    // Exit code 0: there is nothing to change. It would be 4.
    let dry_run = ["--stack", STACK, "plans", "apply", &plans, "--dry-run"];
    deployment.tollgate.run(&dry_run, &[], "").await?;
    let webhook = ["--stack", STACK, "webhook", "apply", "--dry-run"];
    deployment.tollgate.run(&webhook, &[], "").await?;
    let revision = CatalogFile::parse(&deployment.catalog.text)?.catalog.revision;
    let (old, new) = (format!("revision = {revision}"), format!("revision = {}", revision + 1));
    deployment.catalog.text = deployment.catalog.text.replacen(&old, &new, 1);
    let (deployed, _) = deployment.apply(shop).await?;
    let Deployed::Changed(changes) = deployed else { bail!("a new catalog changes nothing") };
    for change in &changes {
        println!("  a new catalog: {} {} ({})", change.action, change.resource, change.kind);
    }
    let mut touched: Vec<_> = changes
        .iter()
        .filter(|change| change.kind != "AWS::Lambda::LayerVersion")
        .map(|change| change.resource.as_str())
        .collect();
    touched.sort_unstable();
    ensure!(touched == READERS, "a new catalog changes {touched:?}");
    let after = stacks.resources(STACK).await?;
    for (name, id) in &before {
        let same = after.get(name) == Some(id);
        ensure!(same || name.starts_with("Plans"), "{name} was replaced");
    }
    Ok(())
}
