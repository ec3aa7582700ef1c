//! A customer's browser and terminal: what they ask of Tollgate, of Stripe's pages and of the API,
//! wherever these are.

use anyhow::{Context, bail};
use serde_json::{Value, json};

/// Where the account API shows the value of the account's own key.
const KEY_VALUE: &str = "/account/keys/default/value";

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

/// Where a customer does things, and as whom.
#[derive(Debug, Clone)]
pub struct Browser {
    /// Follows no redirect.
    pub http: reqwest::Client,
    /// Where the account API is, without its path.
    pub tollgate: String,
    /// The method of the protected API that says hello.
    pub hello: String,
    /// The ID token; empty before the sign-in.
    pub token: String,
    /// How often a request is made that is told to come again.
    pub tries: usize,
}

impl Browser {
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
        let mut tries = self.tries;
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
        let url = format!("{}{path}", self.tollgate);
        let mut request = self.http.request(method.parse()?, url);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
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
        let answer = self.account("GET", KEY_VALUE, None).await?;
        let Some(key) = answer.json()["value"].as_str().map(str::to_owned) else {
            bail!("GET {KEY_VALUE} answered {}: {}", answer.status, answer.body);
        };
        Ok(key)
    }

    /// Buys a plan: opens Checkout and pays on Stripe's page with a card that works.
    ///
    /// # Errors
    /// A request was refused.
    pub async fn buy(&self, plan: &str) -> anyhow::Result<Vec<HttpAnswer>> {
        let wanted = Some(json!({ "plan": plan }));
        let opened = self.account("POST", "/account/plan", wanted).await?;
        let url = link(&opened)?;
        let paid = self.http.post(url).form(&[("choice", "pays")]);
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
        let done = self.http.post(url).form(&form);
        let done = read(format!("POST /portal/{{session}} {action}"), done).await?;
        Ok(vec![opened, done])
    }

    /// Asks for a plan while another is paid for, and does on Stripe's page what it is for: `switch`,
    /// or `cancel_later`.
    ///
    /// # Errors
    /// A request was refused.
    pub async fn choose(
        &self,
        plan: &str,
        action: &str,
        subscription: &str,
    ) -> anyhow::Result<Vec<HttpAnswer>> {
        let wanted = Some(json!({ "plan": plan }));
        let opened = self.account("POST", "/account/plan", wanted).await?;
        let url = link(&opened)?;
        let form = [("action", action), ("subscription", subscription)];
        let done = self.http.post(url).form(&form);
        let done = read(format!("POST /portal/{{session}} {action}"), done).await?;
        Ok(vec![opened, done])
    }

    /// Calls the protected API.
    ///
    /// # Errors
    /// No answer.
    pub async fn hello(&self, key: Option<&str>) -> anyhow::Result<HttpAnswer> {
        let mut request = self.http.get(&self.hello);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        read("GET /hello".to_owned(), request).await
    }
}

fn link(answer: &HttpAnswer) -> anyhow::Result<String> {
    let url = answer.json()["url"].as_str().map(str::to_owned);
    url.with_context(|| format!("{} answered {}: {}", answer.request, answer.status, answer.body))
}

pub(crate) async fn read(
    request: String,
    sent: reqwest::RequestBuilder,
) -> anyhow::Result<HttpAnswer> {
    let response = sent.send().await.with_context(|| request.clone())?;
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let location = header("location").map(str::to_owned);
    let retry_after = header("retry-after").and_then(|value| value.parse().ok());
    let body = response.text().await?;
    Ok(HttpAnswer { request, status, body, location, retry_after })
}
