//! A customer's life on the deployed stack, over HTTP wherever a person would, with a look
//! into the ledger, API Gateway and Cognito after each step.
//!
//! What Cognito and CloudTrail would send and ministack does not is sent in their place, and
//! printed as such.

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_core::ports::Clock;
use tollgate_functions::adapters::system::SystemClock;
use tollgate_standin::stripe::When;

use super::customer::{Customer, World, call_api};
use super::shop::Shop;
use super::site::{Expected, key_of};
use super::wait::until;

/// The plan of those who pay nothing.
const FREE: Expected<'_> = Expected { plan: "free", status: "active" };
/// The plan that is bought.
const PRO: Expected<'_> = Expected { plan: "pro", status: "active" };

/// What is left of a life: customers, and the values of their keys.
pub struct Lived {
    /// On the free plan, with a key.
    pub ann: Customer,
    /// Gone.
    pub ben: Customer,
    /// The values of their keys, which nobody may have written down.
    pub keys: Vec<String>,
}

/// Plays it.
///
/// # Errors
/// Something is not as it should be.
pub async fn live(world: &World, shop: &Shop) -> anyhow::Result<Lived> {
    told("nobody has a key: the API and the account API refuse");
    strangers(world, shop).await?;
    told("ann signs up; PostConfirmation is sent in Cognito's place (ministack lacks it)");
    let mut ann = Customer::sign_up(world, "ann").await?;
    post_confirmation(world, &ann).await?;
    let first = world.site.settled(&ann.sub, FREE).await?;
    told("ben signs up and in: PreTokenGeneration, invoked by ministack's Cognito, catches up");
    let mut ben = Customer::sign_up(world, "ben").await?;
    ben.sign_in().await?;
    world.site.settled(&ben.sub, FREE).await?;
    told("the account API shows ann her plan and her key; the key opens the API");
    ann.sign_in().await?;
    let key = shown(&ann, "free").await?;
    told("the free plan throttles (429), and its quota ends (429)");
    use_up(world, &key).await?;
    told("ann buys pro: Checkout, webhook over HTTP, queue, worker; her key stays the same");
    ann.buy("pro").await?;
    let paid = world.site.settled(&ann.sub, PRO).await?;
    ensure!(key_of(&paid)? == key_of(&first)?, "the key was replaced");
    ensure!(shown(&ann, "pro").await? == key, "the key's value changed");
    told("the same event again, over HTTP and as SQS would after five minutes: nothing changes");
    again(world, shop, &ann, &paid).await?;
    told("ann asks for the free plan: the portal's page for the end of her subscription");
    ann.ask_to_end(subscription_of(&paid)?).await?;
    told("the seller ends it at once: back on the free plan, with the same key");
    shop.stripe.account().cancel(subscription_of(&paid)?, When::Now)?;
    let ended = world.site.settled(&ann.sub, FREE).await?;
    ensure!(key_of(&ended)? == key_of(&first)?, "the key was replaced");
    told("ben buys pro, and is deleted");
    ben.buy("pro").await?;
    world.site.settled(&ben.sub, PRO).await?;
    let bens = ben.key().await?;
    Ok(Lived { ann, ben, keys: vec![key, bens] })
}

/// Prints what happens next.
pub(super) fn told(what: &str) {
    println!("  {what}");
}

async fn strangers(world: &World, shop: &Shop) -> anyhow::Result<()> {
    for key in [None, Some("not-a-key-of-anybody-at-all")] {
        let (status, message) = call_api(world, key).await?;
        ensure!((status, message.as_str()) == (403, "Forbidden"), "the API answered {status}");
    }
    for path in ["/account", "/account/keys/default/value"] {
        let answer = world.http.get(format!("{}{path}", world.account)).send().await?;
        ensure!(answer.status() == 401, "{path} without a token answered {}", answer.status());
    }
    let endpoint = {
        let stripe = shop.stripe.account();
        stripe.endpoints().next().context("no webhook endpoint")?.url.clone()
    };
    let now = SystemClock.now().as_second();
    let body = r#"{"id":"evt_forged","object":"event","type":"customer.subscription.updated"}"#;
    let forged = world.http.post(endpoint).body(body);
    let forged = forged.header("stripe-signature", format!("t={now},v1={}", "0".repeat(64)));
    let status = forged.send().await?.status();
    ensure!(status == 400, "a forged event was answered with {status}");
    println!(
        "    403 without a key and with a wrong one, 401 without a token, 400 for a forged event"
    );
    Ok(())
}

/// The event that Cognito sends when a sign-up is confirmed.
async fn post_confirmation(world: &World, customer: &Customer) -> anyhow::Result<()> {
    const EVENT: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../events/fixtures/cognito/PostConfirmation_ConfirmSignUp.json"
    ));
    let mut event: Value = serde_json::from_str(EVENT)?;
    event["userPoolId"] = json!(world.site.output("UserPoolId")?);
    event["userName"] = json!(customer.sub);
    event["request"]["userAttributes"]["sub"] = json!(customer.sub);
    event["request"]["userAttributes"]["email"] = json!(customer.username);
    let function = world.site.output("CognitoTriggerArn")?;
    let echoed = world.site.aws.invoke(function, &event).await?;
    ensure!(echoed == event, "the trigger did not echo its event");
    Ok(())
}

/// What the account API shows: the plan, and the key's value, which opens the API.
async fn shown(customer: &Customer, plan: &str) -> anyhow::Result<String> {
    let overview = customer.overview().await?;
    ensure!(overview["plan"] == plan, "GET /account shows {}", overview["plan"]);
    let key = customer.key().await?;
    let (status, message) = customer.call_api(Some(&key)).await?;
    ensure!(status == 200, "the API answered {status} {message}");
    for shown in ["/account/history", "/account/keys", "/plans", "/config", "/openapi.json"] {
        let (status, body) = customer.account(Method::GET, shown, None).await?;
        ensure!(status == 200 && body.is_object(), "GET {shown} answered {status}: {body}");
    }
    println!("    GET /account: {plan}; its key's value; the API answers 200 to that key");
    Ok(key)
}

/// Calls until the plan's rate and its quota have each refused.
async fn use_up(world: &World, key: &str) -> anyhow::Result<()> {
    let (mut served, mut throttled) = (0, false);
    until("the quota has ended", async || {
        // All at once, so that the rate must refuse some.
        let burst = tokio::join!(
            call_api(world, Some(key)),
            call_api(world, Some(key)),
            call_api(world, Some(key)),
            call_api(world, Some(key)),
        );
        let burst: [_; 4] = burst.into();
        let mut ended = false;
        for answer in burst {
            match answer? {
                (200, _) => served += 1,
                (429, message) if message == "Too Many Requests" => throttled = true,
                (429, message) if message == "Limit Exceeded" => ended = true,
                (status, message) => anyhow::bail!("the API answered {status} {message}"),
            }
        }
        Ok(ended.then_some(()))
    })
    .await?;
    ensure!(throttled, "no call was throttled");
    println!(
        "    {served} more calls served, then 429 Limit Exceeded; 429 Too Many Requests between"
    );
    Ok(())
}

/// An event once more changes nothing but the count of its record.
async fn again(
    world: &World,
    shop: &Shop,
    customer: &Customer,
    before: &Value,
) -> anyhow::Result<()> {
    let site = &world.site;
    let event = shop.newest("customer.subscription.created").context("Stripe has no event")?;
    let record = until("the event is on record", async || {
        Ok(Some(site.event("stripe", &event).await?).filter(|it| !it.is_null()))
    })
    .await?;
    let status = shop.send_again(&event).await?;
    ensure!(status == 200, "the webhook answered {status}");
    let group = record["account"].as_str().unwrap_or(&customer.sub);
    site.enqueue(&record["envelope"], group, &format!("{event}-again")).await?;
    let attempts = record["attempts"].as_i64().context("a record counts its attempts")?;
    until("the event was handled again", async || {
        let record = site.event("stripe", &event).await?;
        Ok((record["attempts"].as_i64() > Some(attempts)).then_some(()))
    })
    .await?;
    let after = site.settled(&customer.sub, PRO).await?;
    ensure!(after["version"] == before["version"], "the account's version changed");
    ensure!(after["access"] == before["access"], "the account's access changed");
    Ok(())
}

/// The subscription that gives the account its plan.
pub(super) fn subscription_of(state: &Value) -> anyhow::Result<&str> {
    let reason = &state["access"]["reason"];
    reason["subscription"]["subscription"].as_str().context("no subscription gives the plan")
}

/// The ID token's view of a plan, after a new sign-in.
///
/// # Errors
/// It shows another plan.
pub(super) async fn token_shows(customer: &mut Customer, plan: &str) -> anyhow::Result<()> {
    customer.sign_in().await?;
    let (status, body) = customer.account(Method::GET, "/account", None).await?;
    ensure!(status == 200 && body["plan"] == plan, "GET /account: {status} {}", body["plan"]);
    Ok(())
}
