//! Removes the stack: what customers depend on, and what nobody could make again, stays.

use anyhow::ensure;
use reqwest::Method;
use serde_json::json;

use super::customer::call_api;
use super::deploy::{Deployment, STACK};
use super::life::Lived;
use super::site::key_of;
use super::stacks::Stacks;

/// Deletes the main stack.
///
/// # Errors
/// It cannot be deleted, or takes with it what must stay.
pub async fn remove(deployment: &Deployment, lived: &Lived) -> anyhow::Result<()> {
    let site = &deployment.world.site;
    let state = site.state(&lived.ann.sub).await?;
    let key = key_of(&state)?;
    Stacks::new(&site.aws).delete(STACK).await?;
    let functions = site.aws.rest("lambda", Method::GET, "/2015-03-31/functions/", None).await?;
    let left = functions.unwrap_or_default()["Functions"].as_array().map_or(0, Vec::len);
    ensure!(left == 0, "{left} functions are left");
    println!("  gone: the functions");
    ensure!(site.state(&lived.ann.sub).await? == state, "the ledger is not as it was");
    let table = json!({ "TableName": site.output("TableName")? });
    let refused = site.aws.call("DynamoDB_20120810.DeleteTable", table).await;
    ensure!(refused.is_err(), "the ledger's table could be deleted");
    println!("  stays: the ledger, protected against deletion");
    let secret = json!({ "SecretId": site.output("KeySecretsArn")? });
    site.aws.call("secretsmanager.GetSecretValue", secret).await?;
    println!("  stays: the key-derivation secret");
    ensure!(site.is_on(site.usage_plan("pro")?, key).await?, "the key is not on its usage plan");
    let (status, _) = call_api(&deployment.world, lived.keys.first().map(String::as_str)).await?;
    ensure!(status == 200, "the API answers {status} to a customer's key");
    println!("  stays: usage plans and keys; the API answers 200 to ann's");
    Ok(())
}
