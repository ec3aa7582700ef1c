//! A customer of the API at their browser and their terminal: everything over HTTP.

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tollgate_events::AccountId;

use crate::stack::Stack;

/// What an HTTP request came to.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// What was asked: method and path, or Cognito's operation.
    pub request: String,
    /// The HTTP status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// After how many seconds to ask again.
    pub retry_after: Option<u64>,
}

impl HttpAnswer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

/// A customer.
pub struct Customer<'a> {
    stack: &'a Stack,
    username: String,
    token: String,
}

const PASSWORD: &str = "Correct-horse-7";
const CLIENT_ID: &str = "tollgate-local";

impl<'a> Customer<'a> {
    /// Somebody who has not signed up yet.
    pub fn new(stack: &'a Stack, username: &str) -> Self {
        Self { stack, username: username.to_owned(), token: String::new() }
    }

    /// Signs up with Cognito and confirms the address.
    ///
    /// # Errors
    /// A request was refused.
    pub async fn sign_up(&self) -> anyhow::Result<Vec<HttpAnswer>> {
        let email = json!([{ "Name": "email", "Value": format!("{}@example.com", self.username) }]);
        let signed_up = self
            .cognito(
                "SignUp",
                json!({
                    "ClientId": CLIENT_ID,
                    "Username": self.username,
                    "Password": PASSWORD,
                    "UserAttributes": email,
                }),
            )
            .await?;
        let code = self.stack.world.cognito.code(&self.username).context("no code was sent")?;
        let confirmed = self
            .cognito(
                "ConfirmSignUp",
                json!({
                    "ClientId": CLIENT_ID,
                    "Username": self.username,
                    "ConfirmationCode": code,
                }),
            )
            .await?;
        Ok(vec![signed_up, confirmed])
    }

    /// Signs in; the ID token is kept.
    ///
    /// # Errors
    /// The request was refused.
    pub async fn sign_in(&mut self) -> anyhow::Result<HttpAnswer> {
        let answer = self
            .cognito(
                "InitiateAuth",
                json!({
                    "ClientId": CLIENT_ID,
                    "AuthFlow": "USER_PASSWORD_AUTH",
                    "AuthParameters": { "USERNAME": self.username, "PASSWORD": PASSWORD },
                }),
            )
            .await?;
        let token = answer.json()["AuthenticationResult"]["IdToken"].as_str().map(str::to_owned);
        self.token = token.context("no ID token")?;
        Ok(answer)
    }

    /// The account's id: the token's `sub`.
    ///
    /// # Errors
    /// Not signed in.
    pub fn id(&self) -> anyhow::Result<AccountId> {
        let claims = self.stack.world.cognito.verify_id_token(&self.token)?;
        Ok(AccountId::parse(claims.sub)?)
    }

    /// A request to the account API; where faults are about, who is told to try again does.
    ///
    /// # Errors
    /// No answer.
    pub async fn account(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<HttpAnswer> {
        let mut tries = self.stack.tries();
        loop {
            tries -= 1;
            let answer = self.ask(method, path, body.as_ref()).await?;
            if answer.status != 503 || tries == 0 {
                return Ok(answer);
            }
        }
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<HttpAnswer> {
        let url = format!("{}{path}", self.stack.urls.tollgate);
        let mut request = self.stack.http.request(method.parse()?, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        read(format!("{method} {path}"), request).await
    }

    /// The key's value, as the account API shows it.
    ///
    /// # Errors
    /// There is none (yet).
    pub async fn key(&self) -> anyhow::Result<String> {
        let answer = self.account("GET", "/account/key", None).await?;
        let Some(key) = answer.json()["key"].as_str().map(str::to_owned) else {
            bail!("GET /account/key answered {}: {}", answer.status, answer.body);
        };
        Ok(key)
    }

    /// Buys a plan: opens Checkout and pays on Stripe's page with a card that works.
    ///
    /// # Errors
    /// A request was refused.
    pub async fn buy(&self, plan: &str) -> anyhow::Result<Vec<HttpAnswer>> {
        let wanted = Some(json!({ "plan": plan }));
        let opened = self.account("POST", "/account/checkout", wanted).await?;
        let url = link(&opened)?;
        let paid = self.stack.http.post(url).form(&[("choice", "pays")]);
        let paid = read("POST /pay/{session}".to_owned(), paid).await?;
        Ok(vec![opened, paid])
    }

    /// Does something in Stripe's billing portal: `switch` (to a price), `cancel_later`,
    /// `cancel_now`, `keep`.
    ///
    /// # Errors
    /// A request was refused.
    pub async fn portal(
        &self,
        action: &str,
        subscription: &str,
        price: &str,
    ) -> anyhow::Result<Vec<HttpAnswer>> {
        let opened = self.account("POST", "/account/portal", None).await?;
        let url = link(&opened)?;
        let form = [("action", action), ("subscription", subscription), ("price", price)];
        let done = self.stack.http.post(url).form(&form);
        let done = read(format!("POST /portal/{{session}} {action}"), done).await?;
        Ok(vec![opened, done])
    }

    /// Calls the protected API.
    ///
    /// # Errors
    /// No answer.
    pub async fn hello(&self, key: Option<&str>) -> anyhow::Result<HttpAnswer> {
        let mut request = self.stack.http.get(format!("{}/prod/hello", self.stack.urls.api));
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        read("GET /hello".to_owned(), request).await
    }

    /// A request to Cognito; the administrator's too.
    ///
    /// # Errors
    /// It was refused.
    pub async fn cognito(&self, operation: &str, body: Value) -> anyhow::Result<HttpAnswer> {
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        let request = self
            .stack
            .http
            .post(&self.stack.urls.aws)
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.1")
            .body(body.to_string());
        let answer = read(operation.to_owned(), request).await?;
        if answer.status != 200 {
            bail!("{operation} answered {}: {}", answer.status, answer.body);
        }
        Ok(answer)
    }
}

fn link(answer: &HttpAnswer) -> anyhow::Result<String> {
    let url = answer.json()["url"].as_str().map(str::to_owned);
    url.with_context(|| format!("{} answered {}: {}", answer.request, answer.status, answer.body))
}

async fn read(request: String, sent: reqwest::RequestBuilder) -> anyhow::Result<HttpAnswer> {
    let response = sent.send().await.with_context(|| request.clone())?;
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let location = header("location").map(str::to_owned);
    let retry_after = header("retry-after").and_then(|value| value.parse().ok());
    let body = response.text().await?;
    Ok(HttpAnswer { request, status, body, location, retry_after })
}
