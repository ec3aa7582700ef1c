//! Looks for every secret and every key's value of the run wherever somebody could read it:
//! logs, environments, templates, outputs, the ledger. None may be there.

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::build::FUNCTIONS;
use super::deploy::{Deployment, EXAMPLE, STACK, STRIPE_KEY};
use super::life::Lived;
use super::ministack::Ministack;
use super::site::Site;
use super::stacks::Stacks;

/// A place that was looked at.
struct Place {
    name: String,
    text: String,
    /// What must be there, so that the look is at the right thing.
    holds: &'static str,
}

/// Looks everywhere.
///
/// # Errors
/// A value is somewhere, or a place is empty.
pub async fn hidden(
    deployment: &Deployment,
    lived: &Lived,
    ministack: &Ministack,
) -> anyhow::Result<()> {
    let site = &deployment.world.site;
    let values = values(deployment, lived).await?;
    let mut places = places(site, ministack).await?;
    let text = deployment.tollgate.transcript.clone();
    places.push(Place { name: "what `tollgate` printed".into(), text, holds: "pro_monthly" });
    for place in &places {
        ensure!(place.text.contains(place.holds), "{} is not what it should be", place.name);
        for (what, value) in &values {
            ensure!(!place.text.contains(value), "{} shows {what}", place.name);
        }
        println!("  {:<44} {:>7} bytes", place.name, place.text.len());
    }
    let names: Vec<_> = values.iter().map(|(what, _)| what.as_str()).collect();
    println!("  in none of them: {}", names.join(", "));
    Ok(())
}

/// What must be nowhere.
async fn values(deployment: &Deployment, lived: &Lived) -> anyhow::Result<Vec<(String, String)>> {
    let derivation: Value = serde_json::from_str(&deployment.secret("KeySecretsArn").await?)?;
    let derivation = derivation["1"].as_str().context("no key secret of version 1")?;
    ensure!(derivation.len() >= 32, "the generated key secret is short");
    let mut values = vec![
        ("Stripe's key".to_owned(), STRIPE_KEY.to_owned()),
        ("the webhook's signing secret".to_owned(), deployment.secret("WebhookSecretsArn").await?),
        ("the key-derivation secret".to_owned(), derivation.to_owned()),
    ];
    ensure!(lived.keys.len() == 2, "two customers had keys");
    for (number, key) in lived.keys.iter().enumerate() {
        values.push((format!("the value of key {}", number + 1), key.clone()));
    }
    ensure!(values.iter().all(|(_, value)| value.len() >= 20), "a value is too short to look for");
    Ok(values)
}

async fn places(site: &Site, ministack: &Ministack) -> anyhow::Result<Vec<Place>> {
    let log = std::fs::read_to_string(&ministack.log).context("ministack's log")?;
    let mut places = vec![Place { name: "ministack's own log".into(), text: log, holds: "Lambda" }];
    let groups = site.aws.call("Logs_20140328.DescribeLogGroups", json!({})).await?;
    for group in groups["logGroups"].as_array().into_iter().flatten() {
        let name = group["logGroupName"].as_str().context("a log group has a name")?;
        let text = site.log(name).await?.join("\n");
        let holds = if name.starts_with("/aws/lambda/") { "START RequestId" } else { "" };
        places.push(Place { name: format!("log {name}"), text, holds });
    }
    for function in FUNCTIONS {
        let log = format!("log /aws/lambda/{STACK}-{function}");
        ensure!(places.iter().any(|place| place.name == log), "there is no {log}");
    }
    let functions = site.aws.rest("lambda", Method::GET, "/2015-03-31/functions/", None).await?;
    let functions = functions.unwrap_or_default().to_string();
    let holds = "STRIPE_SECRET_KEY_ARN";
    places.push(Place { name: "the functions' configurations".into(), text: functions, holds });
    for stack in [EXAMPLE, STACK] {
        for (operation, holds) in [("DescribeStacks", "Outputs"), ("GetTemplate", "Resources")] {
            let query = format!("/?Action={operation}&StackName={stack}&Version=2010-05-15");
            let text = site.aws.text("cloudformation", &query).await?;
            places.push(Place { name: format!("{operation} of {stack}"), text, holds });
        }
        let events = format!("{:?}", Stacks::new(&site.aws).events(stack).await?);
        let (name, holds) = (format!("all events of {stack}"), "CreateComplete");
        places.push(Place { name, text: events, holds });
    }
    let scan = json!({ "TableName": site.output("TableName")? });
    let items = site.aws.call("DynamoDB_20120810.Scan", scan).await?;
    ensure!(items["LastEvaluatedKey"].is_null(), "the ledger is larger than a page");
    places.push(Place { name: "the ledger".into(), text: items.to_string(), holds: "ACCOUNT#" });
    Ok(places)
}
