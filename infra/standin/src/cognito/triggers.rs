//! Lambda triggers: their events, and calling them as Cognito does.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html>

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::CognitoStandin;
use super::error::{Code, CognitoError};
use super::hook::Triggers;
use super::schema::{PoolConfig, TokenEvent};
use super::user::User;

/// How often Cognito calls a function that does not answer.
const TRIES: usize = 3;

/// An occasion on which Cognito calls a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    ConfirmSignUp,
    ConfirmForgotPassword,
    PostAuthentication,
    Token(Token),
}

/// On which way tokens are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Authentication,
    HostedAuth,
    NewPasswordChallenge,
    RefreshTokens,
}

impl Occasion {
    fn source(self) -> &'static str {
        match self {
            Self::ConfirmSignUp => "PostConfirmation_ConfirmSignUp",
            Self::ConfirmForgotPassword => "PostConfirmation_ConfirmForgotPassword",
            Self::PostAuthentication => "PostAuthentication_Authentication",
            Self::Token(Token::Authentication) => "TokenGeneration_Authentication",
            Self::Token(Token::HostedAuth) => "TokenGeneration_HostedAuth",
            Self::Token(Token::NewPasswordChallenge) => "TokenGeneration_NewPasswordChallenge",
            Self::Token(Token::RefreshTokens) => "TokenGeneration_RefreshTokens",
        }
    }

    /// The event's version, request and response; `None` when no function is set.
    fn shape(self, config: &PoolConfig, user: &User) -> Option<(&'static str, Value, Value)> {
        let triggers = &config.triggers;
        let mut request = json!({ "userAttributes": attributes(user) });
        match self {
            Self::ConfirmSignUp | Self::ConfirmForgotPassword => {
                triggers.post_confirmation.then_some(("1", request, json!({})))
            }
            Self::PostAuthentication => {
                request["newDeviceUsed"] = json!(false);
                triggers.post_authentication.then_some(("1", request, json!({})))
            }
            Self::Token(_) => {
                let version = triggers.pre_token_generation?;
                request["groupConfiguration"] = json!({
                    "groupsToOverride": [], "iamRolesToOverride": [], "preferredRole": null,
                });
                let response = if version == TokenEvent::V1 {
                    "claimsOverrideDetails"
                } else {
                    request["scopes"] = json!([super::tokens::SCOPE]);
                    "claimsAndScopeOverrideDetails"
                };
                Some((version.version(), request, json!({ response: null })))
            }
        }
    }
}

/// The attributes as triggers see them.
fn attributes(user: &User) -> BTreeMap<&str, &str> {
    let written = user.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    written
        .chain([("sub", user.sub.as_str()), ("cognito:user_status", user.status.name())])
        .collect()
}

/// The event of an occasion; `None` when the pool has no function for it.
pub(super) fn event(
    config: &PoolConfig,
    user: &User,
    client: &str,
    occasion: Occasion,
) -> Option<Value> {
    let (version, request, response) = occasion.shape(config, user)?;
    Some(json!({
        "version": version,
        "triggerSource": occasion.source(),
        "region": config.region(),
        "userPoolId": config.pool_id,
        "userName": user.username,
        "callerContext": { "awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": client },
        "request": request,
        "response": response,
    }))
}

impl CognitoStandin {
    /// The trigger events that came due since, where no functions are set.
    pub fn take_triggers(&self) -> Vec<Value> {
        std::mem::take(&mut self.lock().due_triggers)
    }

    /// Keeps an occasion's events for [`take_triggers`](Self::take_triggers).
    pub(super) fn keep(&self, user: &User, client: &str, occasions: &[Occasion]) {
        let events = occasions.iter().filter_map(|it| event(&self.config(), user, client, *it));
        self.lock().due_triggers.extend(events);
    }

    /// Calls the functions of the occasions in turn, or keeps their events when none are set.
    pub(super) async fn fire(
        &self,
        user: &User,
        client: &str,
        occasions: &[Occasion],
    ) -> Result<(), CognitoError> {
        let Some(hook) = self.hook() else {
            self.keep(user, client, occasions);
            return Ok(());
        };
        for occasion in occasions {
            if let Some(event) = event(&self.config(), user, client, *occasion) {
                call(&*hook, occasion.source(), event).await?;
            }
        }
        Ok(())
    }
}

/// Calls one function, up to three times. Its answer must be the event as it went:
/// Cognito would take changes of `response`, but no function here makes any.
async fn call(hook: &dyn Triggers, source: &str, event: Value) -> Result<(), CognitoError> {
    let trigger = match source.split_once('_').map_or(source, |(trigger, _)| trigger) {
        "TokenGeneration" => "PreTokenGeneration",
        other => other,
    };
    let mut failure = String::new();
    for _ in 0..TRIES {
        match hook.invoke(trigger, event.clone()).await {
            Ok(answer) if answer == event => return Ok(()),
            Ok(_) => {
                let message = "Unrecognizable lambda output";
                return Err(CognitoError::new(Code::InvalidLambdaResponse, message));
            }
            Err(message) => failure = message,
        }
    }
    let message = format!("{trigger} failed with error {failure}.");
    Err(CognitoError::new(Code::UserLambdaValidation, message))
}
