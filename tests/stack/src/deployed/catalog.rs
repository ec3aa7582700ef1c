//! What the test sells: a free plan so small that its limits show at once, and `pro`.

use anyhow::Context;
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_standin::stripe::Interval;

use super::aws::Aws;
use super::shop::Shop;

/// The plans: id, rank, month's quota, rate, burst, lookup key of the price.
const PLANS: [(&str, u32, u32, f64, u32, &str); 2] =
    [("free", 0, 6, 1.0, 2, ""), ("pro", 20, 100_000, 50.0, 100, "pro_monthly")];

/// A catalog that is deployed.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// `plans.toml`.
    pub text: String,
    /// Each plan's usage plan.
    pub usage_plans: Vec<(String, String)>,
}

/// Makes usage plans and prices, and the catalog that names them.
///
/// # Errors
/// API Gateway or Stripe refuses.
pub async fn sell(aws: &Aws, shop: &Shop, stack: &str, stage: &str) -> anyhow::Result<Catalog> {
    let mut text = format!("revision = 1\ndefault_plan = \"free\"\nstages = [\"{stage}\"]\n");
    let mut usage_plans = Vec::new();
    for (id, rank, limit, rate, burst, lookup_key) in PLANS {
        let (api, stage) = stage.split_once(':').context("an API and its stage")?;
        let plan = json!({
            "name": format!("tollgate/{stack}/{id}"),
            "apiStages": [{ "apiId": api, "stage": stage }],
            "quota": { "limit": limit, "period": "MONTH", "offset": 0 },
            "throttle": { "rateLimit": rate, "burstLimit": burst },
            "tags": { "tollgate:stack": stack, "tollgate:plan": id },
        });
        let made = aws.rest("apigateway", Method::POST, "/usageplans", Some(plan)).await?;
        let made = made.as_ref().and_then(|it| it["id"].as_str()).context("no usage plan")?;
        usage_plans.push((id.to_owned(), made.to_owned()));
        let keys = if lookup_key.is_empty() {
            Value::from([0; 0].as_slice())
        } else {
            json!([lookup_key])
        };
        text.push_str(&format!(
            "\n[[plans]]\nid = \"{id}\"\nrank = {rank}\nusage_plan = \"{made}\"\n\
             quota = {{ limit = {limit}, period = \"MONTH\" }}\n\
             throttle = {{ rate = {rate:.1}, burst = {burst} }}\nlookup_keys = {keys}\n"
        ));
        if !lookup_key.is_empty() {
            let mut stripe = shop.stripe.account();
            stripe.add_product_price("Pro", Interval::Month, 4900, lookup_key)?;
        }
    }
    Ok(Catalog { text, usage_plans })
}
