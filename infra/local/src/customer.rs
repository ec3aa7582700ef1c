//! A customer of the API at their browser and their terminal: everything over HTTP.

use crate::addresses::CLIENT_ID;
use std::ops::Deref;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tollgate_events::AccountId;

pub use crate::browser::HttpAnswer;
use crate::browser::{Browser, read};
use crate::stack::Stack;

/// A customer.
pub struct Customer<'a> {
    stack: &'a Stack,
    username: String,
    browser: Browser,
}

impl Deref for Customer<'_> {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.browser
    }
}

const PASSWORD: &str = "Correct-horse-7";

impl<'a> Customer<'a> {
    /// Somebody who has not signed up yet.
    pub fn new(stack: &'a Stack, username: &str) -> Self {
        let browser = Browser {
            http: stack.http.clone(),
            tollgate: stack.urls.tollgate.clone(),
            hello: format!("{}/prod/hello", stack.urls.api),
            token: String::new(),
            tries: stack.tries(),
        };
        Self { stack, username: username.to_owned(), browser }
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
        self.browser.token = token.context("no ID token")?;
        Ok(answer)
    }

    /// The account's id: the token's `sub`.
    ///
    /// # Errors
    /// Not signed in.
    pub fn id(&self) -> anyhow::Result<AccountId> {
        let claims = self.stack.world.cognito.verify_id_token(&self.browser.token)?;
        Ok(AccountId::parse(claims.sub)?)
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
