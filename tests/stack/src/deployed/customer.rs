//! A customer of the deployed API, at their browser and their terminal: everything over HTTP.

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_local::browser::{Browser, HttpAnswer};

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

impl World {
    /// A browser in which nobody has signed in.
    fn browser(&self) -> Browser {
        Browser {
            http: self.http.clone(),
            tollgate: self.account.clone(),
            hello: self.api.clone(),
            token: String::new(),
            tries: 1,
        }
    }
}

/// A customer.
pub struct Customer {
    world: World,
    /// How they sign in.
    pub username: String,
    /// Cognito's id of them.
    pub sub: String,
    browser: Browser,
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
        let browser = world.browser();
        Ok(Self { world: world.clone(), username, sub, browser })
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
        self.browser.token = token.context("no ID token")?.to_owned();
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
        let answer = self.browser.account(method.as_str(), path, body).await?;
        Ok((answer.status, answer.json()))
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
        self.browser.key().await
    }

    /// Buys a plan: opens Checkout, and pays on Stripe's page with a card that works.
    ///
    /// # Errors
    /// A request is refused.
    pub async fn buy(&self, plan: &str) -> anyhow::Result<()> {
        went_on(&self.browser.buy(plan).await?)
    }

    /// Asks for the free plan, and confirms on the portal's page that the subscription ends with its
    /// period.
    ///
    /// # Errors
    /// A request is refused.
    pub async fn ask_to_end(&self, subscription: &str) -> anyhow::Result<()> {
        went_on(&self.browser.choose("free", "cancel_later", subscription).await?)
    }

    /// Calls the protected API; status and message.
    ///
    /// # Errors
    /// No answer.
    pub async fn call_api(&self, key: Option<&str>) -> anyhow::Result<(u16, String)> {
        call_api(&self.world, key).await
    }
}

/// Whether Stripe's page sent the browser on.
fn went_on(answers: &[HttpAnswer]) -> anyhow::Result<()> {
    let page = answers.last().context("nothing was asked")?;
    ensure!(page.location.is_some(), "{} answered {}", page.request, page.status);
    Ok(())
}

/// Calls the protected API; status and message.
///
/// # Errors
/// No answer.
pub async fn call_api(world: &World, key: Option<&str>) -> anyhow::Result<(u16, String)> {
    let answer = world.browser().hello(key).await?;
    let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    Ok((answer.status, message))
}
