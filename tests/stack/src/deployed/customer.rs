//! A customer of the deployed API, at their browser and their terminal: everything over HTTP.

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::site::Site;

/// Where the customer does things.
#[derive(Clone)]
pub struct World {
    /// Follows no redirect.
    pub http: reqwest::Client,
    /// The deployment.
    pub site: Site,
    /// The app client with which customers sign in.
    pub client_id: String,
    /// The protected API, with its path.
    pub api: String,
    /// The account API.
    pub account: String,
}

/// A customer.
pub struct Customer {
    world: World,
    /// How they sign in.
    pub username: String,
    /// Cognito's id of them.
    pub sub: String,
    token: String,
}

/// The password of every customer here.
pub const PASSWORD: &str = "Correct-horse-7";

impl Customer {
    /// Signs up and confirms the address.
    ///
    /// # Errors
    /// Cognito refuses.
    pub async fn sign_up(world: &World, name: &str) -> anyhow::Result<Self> {
        let username = format!("{name}@example.com");
        let attributes = json!([{ "Name": "email", "Value": username }]);
        let signed_up = json!({
            "ClientId": world.client_id, "Username": username, "Password": PASSWORD,
            "UserAttributes": attributes,
        });
        let signed_up = world.site.cognito("SignUp", signed_up).await?;
        let sub = signed_up["UserSub"].as_str().context("a user has a sub")?.to_owned();
        // No mail arrives here: the seller confirms the address.
        let user = json!({ "UserPoolId": world.site.output("UserPoolId")?, "Username": username });
        world.site.cognito("AdminConfirmSignUp", user).await?;
        Ok(Self { world: world.clone(), username, sub, token: String::new() })
    }

    /// Signs in, and keeps the ID token. Cognito invokes the PreTokenGeneration trigger.
    ///
    /// # Errors
    /// Cognito refuses.
    pub async fn sign_in(&mut self) -> anyhow::Result<()> {
        let credentials = json!({ "USERNAME": self.username, "PASSWORD": PASSWORD });
        let asked = json!({
            "ClientId": self.world.client_id,
            "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": credentials,
        });
        let answer = self.world.site.cognito("InitiateAuth", asked).await?;
        let token = answer["AuthenticationResult"]["IdToken"].as_str();
        self.token = token.context("no ID token")?.to_owned();
        Ok(())
    }

    /// A request to the account API; status and body.
    ///
    /// # Errors
    /// No answer.
    pub async fn account(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(u16, Value)> {
        let mut request = self.world.http.request(method, format!("{}{path}", self.world.account));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.with_context(|| path.to_owned())?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// The account, as its owner sees it.
    ///
    /// # Errors
    /// The answer is not 200.
    pub async fn overview(&self) -> anyhow::Result<Value> {
        let (status, body) = self.account(Method::GET, "/account", None).await?;
        ensure!(status == 200, "GET /account answered {status}: {body}");
        Ok(body)
    }

    /// The key's value.
    ///
    /// # Errors
    /// The answer is not 200.
    pub async fn key(&self) -> anyhow::Result<String> {
        let (status, body) = self.account(Method::GET, "/account/key", None).await?;
        ensure!(status == 200, "GET /account/key answered {status}");
        body["key"].as_str().map(str::to_owned).context("GET /account/key shows no key")
    }

    /// Buys a plan: opens Checkout, and pays on Stripe's page with a card that works.
    ///
    /// # Errors
    /// A request is refused.
    pub async fn buy(&self, plan: &str) -> anyhow::Result<()> {
        let wanted = Some(json!({ "plan": plan }));
        let (status, body) = self.account(Method::POST, "/account/checkout", wanted).await?;
        let url = body["url"].as_str();
        let url = url.with_context(|| format!("checkout answered {status}: {body}"))?;
        let paid = self.world.http.post(url).form(&[("choice", "pays")]).send().await?;
        ensure!(paid.status().is_redirection(), "Checkout answered {}", paid.status());
        Ok(())
    }

    /// Cancels a subscription at once, in Stripe's billing portal.
    ///
    /// # Errors
    /// A request is refused.
    pub async fn cancel(&self, subscription: &str) -> anyhow::Result<()> {
        let (status, body) = self.account(Method::POST, "/account/portal", None).await?;
        let url = body["url"].as_str();
        let url = url.with_context(|| format!("portal answered {status}: {body}"))?;
        let form = [("action", "cancel_now"), ("subscription", subscription)];
        let done = self.world.http.post(url).form(&form).send().await?;
        ensure!(done.status().is_redirection(), "the portal answered {}", done.status());
        Ok(())
    }

    /// Calls the protected API; status and message.
    ///
    /// # Errors
    /// No answer.
    pub async fn call_api(&self, key: Option<&str>) -> anyhow::Result<(u16, String)> {
        call_api(&self.world, key).await
    }
}

/// Calls the protected API; status and message.
///
/// # Errors
/// No answer.
pub async fn call_api(world: &World, key: Option<&str>) -> anyhow::Result<(u16, String)> {
    let mut request = world.http.get(&world.api);
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let response = request.send().await.context("the protected API")?;
    let status = response.status().as_u16();
    let body: Value = serde_json::from_str(&response.text().await?).unwrap_or(Value::Null);
    Ok((status, body["message"].as_str().unwrap_or_default().to_owned()))
}
