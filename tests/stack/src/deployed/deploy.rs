//! Deploys the example and Tollgate as the quick start says, on ministack.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::aws::Aws;
use super::catalog::{self, Catalog};
use super::command::Command;
use super::customer::World;
use super::http;
use super::package::{BUCKET, Packages, fingerprint, zip};
use super::shop::Shop;
use super::site::Site;
use super::stacks::{Deployed, Outputs, Stacks};
use super::substitute::{Substitutes, substitute};
use super::translate::Templates;

/// The name of the main stack.
pub const STACK: &str = "tollgate";
/// The name of the stack that brings an API and a user pool.
pub const EXAMPLE: &str = "tollgate-example";
/// Stripe's key: a restricted one, of a sandbox.
pub const STRIPE_KEY: &str = "rk_test_deployed4Wm2Kq8Zt6Rb1Yc9";

/// What is deployed, and what it was deployed from.
pub struct Deployment {
    /// The deployment, and how customers reach it.
    pub world: World,
    /// Tollgate's template as translated, before any substitution.
    pub template: Value,
    /// The functions' packages.
    pub packages: Packages,
    /// The catalog.
    pub catalog: Catalog,
    /// The operator's command, with all that it has printed.
    pub tollgate: Command,
    /// The stack's parameters.
    parameters: Vec<(&'static str, String)>,
}

/// Deploys both stacks, and gives the functions their secrets.
///
/// # Errors
/// A template or a resource is refused.
pub async fn deploy(
    aws: &Aws,
    shop: &Shop,
    templates: Templates,
    packages: Packages,
    mut tollgate: Command,
    dir: &Path,
) -> anyhow::Result<Deployment> {
    let stacks = Stacks::new(aws);
    let changed = stacks.deploy(EXAMPLE, &templates.example, &[("TollgateStack", STACK)]).await?;
    println!("  {EXAMPLE}: {}", summary(&changed));
    let example = stacks.outputs(EXAMPLE).await?;
    let named = |name: &str| example.get(name).cloned().with_context(|| format!("no {name}"));
    let stage = format!("{}:{}", named("RestApiId")?, named("RestApiStage")?);
    let catalog = catalog::sell(&mut tollgate, dir, STACK, &stage).await?;
    let parameters = parameters(&example)?;
    let site = Site {
        aws: aws.clone(),
        stack: STACK.to_owned(),
        outputs: Outputs::new(),
        usage_plans: catalog.usage_plans.clone(),
    };
    let api = site.reachable(&format!("{}/hello", named("ApiUrl")?))?;
    let http = http::client()?;
    let client_id = named("UserPoolClientId")?;
    let world = World { http, site, client_id, api, account: String::new() };
    let mut deployment =
        Deployment { world, template: templates.main, packages, catalog, tollgate, parameters };
    let (changed, substituted) = deployment.apply(shop).await?;
    println!("  {STACK}: {}", summary(&changed));
    println!("  otherwise than on AWS:");
    for line in substituted {
        println!("    {line}");
    }
    deployment.connect(&stacks).await?;
    Ok(deployment)
}

impl Deployment {
    /// Deploys the template with the catalog as it is; says what that changed, and what was
    /// substituted.
    ///
    /// # Errors
    /// It is refused.
    pub async fn apply(&self, shop: &Shop) -> anyhow::Result<(Deployed, Vec<String>)> {
        let aws = &self.world.site.aws;
        let layer = zip(&[("plans.toml", self.catalog.text.as_bytes(), 0o644)])?;
        let key = format!("plans-{}.zip", fingerprint(&layer));
        aws.put_object(BUCKET, &key, layer).await?;
        let mut template = self.template.clone();
        let by = Substitutes {
            packages: &self.packages,
            layer: &key,
            catalog: &self.catalog.text,
            stripe: &shop.url,
        };
        let substituted = substitute(&mut template, &by)?;
        let parameters: Vec<_> =
            self.parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok((Stacks::new(aws).deploy(STACK, &template, &parameters).await?, substituted))
    }

    /// What the quick start does after the deployment: secrets, and Stripe's webhook.
    async fn connect(&mut self, stacks: &Stacks) -> anyhow::Result<()> {
        let site = &mut self.world.site;
        site.outputs = stacks.outputs(STACK).await?;
        self.world.account = site.reachable(site.output("AccountUrl")?)?;
        let set = ["--stack", STACK, "secrets", "set", "stripe-key", "--yes"];
        self.tollgate.run(&set, &[], STRIPE_KEY).await?;
        self.tollgate.run(&["--stack", STACK, "webhook", "apply", "--yes"], &[], "").await
    }

    /// The value of a secret, by the output that names it.
    ///
    /// # Errors
    /// It has none.
    pub async fn secret(&self, output: &str) -> anyhow::Result<String> {
        let site = &self.world.site;
        let asked = json!({ "SecretId": site.output(output)? });
        let answer = site.aws.call("secretsmanager.GetSecretValue", asked).await?;
        let value = answer["SecretString"].as_str().filter(|value| !value.is_empty());
        value.map(str::to_owned).with_context(|| format!("{output} has no value"))
    }
}

fn parameters(example: &Outputs) -> anyhow::Result<Vec<(&'static str, String)>> {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    };
    let mut parameters = vec![
        ("ReturnUrl", "https://example.com/account".to_owned()),
        ("Architecture", architecture.to_owned()),
    ];
    for (parameter, output) in [
        ("UserPoolId", "UserPoolId"),
        ("UserPoolClientIds", "UserPoolClientId"),
        ("RestApiId", "RestApiId"),
        ("RestApiStage", "RestApiStage"),
    ] {
        let value = example.get(output).cloned();
        parameters.push((parameter, value.with_context(|| format!("no output {output}"))?));
    }
    ensure!(parameters.iter().all(|(_, value)| !value.is_empty()), "an output is empty");
    Ok(parameters)
}

/// What a deployment came to, in a line.
pub fn summary(deployed: &Deployed) -> String {
    match deployed {
        Deployed::Unchanged => "nothing to change".to_owned(),
        Deployed::Changed(changes) => format!("{} resources changed", changes.len()),
    }
}
