//! Cognito's Lambda triggers: who signed up, and who signed in without a key.
//!
//! A trigger's event is only looked at. Cognito wants it back as it came, with
//! fields that no type here knows, so the caller echoes the JSON value itself.
//! Which pool is ours is the caller's to know; nothing of the event but the `sub`
//! gets into an envelope.
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html>

use jiff::Timestamp;
use serde_json::Value;

use crate::{AccountId, Envelope, EventId, IdError, Source, Subject, Via, check_word};

/// The kind of the event of a confirmed sign-up.
pub const SIGN_UP: &str = "sign_up";

/// The kind of the wake of a user who signs in without a key: one whom an
/// administrator made, or whose sign-up was lost.
pub const CATCH_UP: &str = "catch_up";

/// The user attribute that holds the API key's id.
pub const ATTRIBUTE_API_ID: &str = "custom:apiid";

/// The user attribute that holds the plan's id, or says why there is no key.
pub const ATTRIBUTE_PLAN: &str = "custom:plan";

/// What [`ATTRIBUTE_PLAN`] says instead of a plan's id. Whoever has one of these and no key is
/// known to have none: waking them at every sign-in would be for nothing.
pub const WORDS_INSTEAD_OF_A_PLAN: [&str; 5] = ["none", "held", "disabled", "closed", "waiting"];

/// What a trigger tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The user pool it comes from.
    pub pool_id: String,
    /// What to do about it.
    pub reading: Reading,
}

/// What to do about a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Look at the account.
    Wake(Box<Envelope>),
    /// Only echo the event.
    Nothing,
}

/// Why a value is not a trigger's event that can be acted on. None of them repeats
/// an attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CognitoError {
    /// No `userPoolId`.
    #[error("the trigger's event names no user pool")]
    NoPool,
    /// No `triggerSource`, or one that is no word.
    #[error("the trigger's event names no trigger source")]
    NoTriggerSource,
    /// No `sub` among the user's attributes.
    #[error("the {trigger_source} event has no sub among the user's attributes")]
    NoSub {
        /// The trigger source.
        trigger_source: String,
    },
    /// A `sub` that cannot name an account.
    #[error("the {trigger_source} event's sub is not an identifier")]
    BadSub {
        /// The trigger source.
        trigger_source: String,
        /// What is wrong with it.
        #[source]
        source: IdError,
    },
}

/// Reads a trigger's event of any version.
///
/// A sign-up (`PostConfirmation_ConfirmSignUp`) always wakes the account. A sign-in
/// or token (`PostAuthentication_*`, `TokenGeneration_*`) does when the user has no
/// key and nothing says that this is meant to be. A machine's token
/// (`TokenGeneration_ClientCredentials`) has no user. Other triggers do nothing.
///
/// # Errors
/// [`CognitoError`]; the event is to be echoed all the same.
pub fn read(event: &Value, now: Timestamp) -> Result<Trigger, CognitoError> {
    let pool_id = event["userPoolId"].as_str().ok_or(CognitoError::NoPool)?.to_owned();
    // It stands in errors: a word, or nothing.
    let source = event["triggerSource"].as_str().filter(|source| check_word(source).is_ok());
    let source = source.ok_or(CognitoError::NoTriggerSource)?;
    let attributes = &event["request"]["userAttributes"];
    let reading = match source {
        "PostConfirmation_ConfirmSignUp" => wake(SIGN_UP, source, attributes, now)?,
        "TokenGeneration_ClientCredentials" => Reading::Nothing,
        _ if is_sign_in(source) && lacks_key(attributes) => {
            wake(CATCH_UP, source, attributes, now)?
        }
        _ => Reading::Nothing,
    };
    Ok(Trigger { pool_id, reading })
}

fn is_sign_in(trigger_source: &str) -> bool {
    ["PostAuthentication_", "TokenGeneration_"].iter().any(|it| trigger_source.starts_with(it))
}

fn lacks_key(attributes: &Value) -> bool {
    let text = |name: &str| attributes[name].as_str().unwrap_or_default();
    text(ATTRIBUTE_API_ID).is_empty() && !WORDS_INSTEAD_OF_A_PLAN.contains(&text(ATTRIBUTE_PLAN))
}

fn wake(
    kind: &str,
    trigger_source: &str,
    attributes: &Value,
    now: Timestamp,
) -> Result<Reading, CognitoError> {
    let named = || trigger_source.to_owned();
    let bad = |source| CognitoError::BadSub { trigger_source: named(), source };
    let sub = attributes["sub"]
        .as_str()
        .ok_or_else(|| CognitoError::NoSub { trigger_source: named() })?;
    let account = AccountId::parse(sub).map_err(bad)?;
    let id = EventId::of_wake(kind, sub);
    let subject = Subject::account(account);
    let envelope = Envelope::received(Source::Cognito, Via::Trigger, id, kind, subject, now);
    Ok(Reading::Wake(Box::new(envelope)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_unusable_event_says_why_and_only_when_it_matters() {
        let event = |source: &str, attributes: Value| {
            json!({"userPoolId": "pool", "triggerSource": source,
                   "request": {"userAttributes": attributes}})
        };
        let signed_up = "PostConfirmation_ConfirmSignUp";
        for (event, expected) in [
            (Value::Null, "the trigger's event names no user pool"),
            (json!({"userPoolId": "pool"}), "the trigger's event names no trigger source"),
            (
                event(&format!("TokenGeneration_{}", "x".repeat(129)), Value::Null),
                "the trigger's event names no trigger source",
            ),
            (
                event(signed_up, Value::Null),
                "the PostConfirmation_ConfirmSignUp event has no sub among the user's attributes",
            ),
            (
                event("TokenGeneration_Authentication", json!({"sub": "a b"})),
                "the TokenGeneration_Authentication event's sub is not an identifier",
            ),
            (
                // Names an account, but with its kind no event.
                event(signed_up, json!({"sub": "x".repeat(129)})),
                "the PostConfirmation_ConfirmSignUp event's sub is not an identifier",
            ),
        ] {
            let error = read(&event, Timestamp::UNIX_EPOCH).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        for event in [
            event("CustomMessage_SignUp", Value::Null),
            event("PreSignUp_AdminCreateUser", Value::Null),
            event("PostAuthentication_Authentication", json!({ATTRIBUTE_API_ID: "key"})),
        ]
        .into_iter()
        .chain(
            WORDS_INSTEAD_OF_A_PLAN
                .map(|word| event("TokenGeneration_RefreshTokens", json!({ATTRIBUTE_PLAN: word}))),
        ) {
            let trigger = read(&event, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(trigger.reading, Reading::Nothing);
        }
    }
}
