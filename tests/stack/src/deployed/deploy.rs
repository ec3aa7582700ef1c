//! Deploys the example and Tollgate as the quick start says, on ministack.

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::aws::Aws;
use super::catalog::{self, Catalog};
use super::customer::World;
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
    /// The signing secret of the webhook endpoint.
    pub webhook_secret: String,
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
) -> anyhow::Result<Deployment> {
    let stacks = Stacks::new(aws);
    let changed = stacks.deploy(EXAMPLE, &templates.example, &[("TollgateStack", STACK)]).await?;
    println!("  {EXAMPLE}: {}", summary(&changed));
    let example = stacks.outputs(EXAMPLE).await?;
    let named = |name: &str| example.get(name).cloned().with_context(|| format!("no {name}"));
    let stage = format!("{}:{}", named("RestApiId")?, named("RestApiStage")?);
    let catalog = catalog::sell(aws, shop, STACK, &stage).await?;
    let parameters = parameters(&example)?;
    let site = Site {
        aws: aws.clone(),
        stack: STACK.to_owned(),
        outputs: Outputs::new(),
        usage_plans: catalog.usage_plans.clone(),
    };
    let api = site.reachable(&format!("{}/hello", named("ApiUrl")?))?;
    let http = tollgate_standin::stripe::webhook_client()?;
    let client_id = named("UserPoolClientId")?;
    let world = World { http, site, client_id, api, account: String::new() };
    let mut deployment = Deployment {
        world,
        template: templates.main,
        packages,
        catalog,
        webhook_secret: String::new(),
        parameters,
    };
    let (changed, substituted) = deployment.apply(shop).await?;
    println!("  {STACK}: {}", summary(&changed));
    println!("  otherwise than on AWS:");
    for line in substituted {
        println!("    {line}");
    }
    deployment.connect(shop, &stacks).await?;
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
    async fn connect(&mut self, shop: &Shop, stacks: &Stacks) -> anyhow::Result<()> {
        let site = &mut self.world.site;
        site.outputs = stacks.outputs(STACK).await?;
        self.world.account = site.reachable(site.output("AccountUrl")?)?;
        let webhook = site.reachable(site.output("WebhookUrl")?)?;
        self.webhook_secret = shop.register_webhook(&webhook);
        for (output, value) in
            [("StripeKeySecretArn", STRIPE_KEY), ("WebhookSecretsArn", &self.webhook_secret)]
        {
            let asked = json!({ "SecretId": site.output(output)?, "SecretString": value });
            site.aws.call("secretsmanager.PutSecretValue", asked).await?;
        }
        println!("  secrets are set; the webhook endpoint is registered with Stripe");
        Ok(())
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
