//! CloudTrail's records of Cognito users deleted, disabled and enabled, as
//! EventBridge delivers them: Cognito has no trigger for these.
//!
//! A record names the user by `additionalEventData.sub`; the user name in it is
//! hidden, and not read. Which pool is ours is the caller's to know.
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/logging-using-cloudtrail.html>

use jiff::Timestamp;
use serde_json::Value;

use crate::envelope::whole_second;
use crate::{AccountId, Envelope, EventId, IdError, Source, Subject, Via};

/// The kind of the event of a user who was deleted, or deleted themselves.
pub const USER_DELETED: &str = "user_deleted";

/// The kind of the event of a user who was disabled.
pub const USER_DISABLED: &str = "user_disabled";

/// The kind of the event of a user who was enabled.
pub const USER_ENABLED: &str = "user_enabled";

/// What a record tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The user pool, where the record names it; a user's own `DeleteUser` does not.
    pub pool_id: Option<String>,
    /// What to do about it.
    pub reading: Reading,
}

/// What to do about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Look at the account.
    Wake(Box<Envelope>),
    /// A call of another kind, or one that failed.
    Nothing,
}

/// Why a record of a call that matters cannot be acted on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloudtrailError {
    /// No `eventID`.
    #[error("the record of {call} has no eventID")]
    NoEventId {
        /// The API call.
        call: &'static str,
    },
    /// An `eventID` that cannot name an event.
    #[error("the record of {call} has an eventID that is not an identifier")]
    BadEventId {
        /// The API call.
        call: &'static str,
        /// What is wrong with it.
        #[source]
        source: IdError,
    },
    /// No `additionalEventData.sub`.
    #[error("record {event} of {call} does not name the user's sub")]
    NoSub {
        /// The record.
        event: EventId,
        /// The API call.
        call: &'static str,
    },
    /// A `sub` that cannot name an account.
    #[error("record {event} of {call} has a sub that is not an identifier")]
    BadSub {
        /// The record.
        event: EventId,
        /// The API call.
        call: &'static str,
        /// What is wrong with it.
        #[source]
        source: IdError,
    },
}

/// Reads an EventBridge event.
///
/// A record without a readable `eventTime` happened now.
///
/// # Errors
/// [`CloudtrailError`] when a user was deleted, disabled or enabled, but the record
/// does not say which.
pub fn read(event: &Value, now: Timestamp) -> Result<Record, CloudtrailError> {
    let detail = &event["detail"];
    let reading = match acted_on(event) {
        Some((call, kind)) => wake(detail, call, kind, now)?,
        None => Reading::Nothing,
    };
    Ok(Record { pool_id: pool_id(detail), reading })
}

/// The call and our kind for it, when it is one that matters and succeeded.
fn acted_on(event: &Value) -> Option<(&'static str, &'static str)> {
    let detail = &event["detail"];
    // Cognito writes an empty errorCode in some records of calls that succeeded.
    let failed = detail["errorCode"].as_str().is_some_and(|code| !code.is_empty());
    let ours = event["source"] == "aws.cognito-idp"
        && event["detail-type"] == "AWS API Call via CloudTrail";
    if failed || !ours {
        return None;
    }
    match detail["eventName"].as_str()? {
        "AdminDeleteUser" => Some(("AdminDeleteUser", USER_DELETED)),
        "DeleteUser" => Some(("DeleteUser", USER_DELETED)),
        "AdminDisableUser" => Some(("AdminDisableUser", USER_DISABLED)),
        "AdminEnableUser" => Some(("AdminEnableUser", USER_ENABLED)),
        _ => None,
    }
}

fn pool_id(detail: &Value) -> Option<String> {
    ["requestParameters", "additionalEventData"]
        .iter()
        .find_map(|part| detail[*part]["userPoolId"].as_str())
        .map(str::to_owned)
}

fn wake(
    detail: &Value,
    call: &'static str,
    kind: &'static str,
    now: Timestamp,
) -> Result<Reading, CloudtrailError> {
    let id = detail["eventID"].as_str().ok_or(CloudtrailError::NoEventId { call })?;
    let id = EventId::parse(id).map_err(|source| CloudtrailError::BadEventId { call, source })?;
    let Some(sub) = detail["additionalEventData"]["sub"].as_str() else {
        return Err(CloudtrailError::NoSub { event: id, call });
    };
    let account = match AccountId::parse(sub) {
        Ok(account) => account,
        Err(source) => return Err(CloudtrailError::BadSub { event: id, call, source }),
    };
    let subject = Subject::account(account);
    let mut envelope =
        Envelope::received(Source::Cloudtrail, Via::Eventbridge, id, kind, subject, now);
    let time = detail["eventTime"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    envelope.occurred_at = time.map_or(envelope.received_at, whole_second);
    Ok(Reading::Wake(Box::new(envelope)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(detail: &Value) -> Value {
        json!({"source": "aws.cognito-idp", "detail-type": "AWS API Call via CloudTrail",
               "detail": detail})
    }

    #[test]
    fn each_unusable_record_says_why() {
        let call = "DeleteUser";
        let sub = |sub: &str| json!({"sub": sub});
        for (detail, expected) in [
            (json!({"eventName": call}), "the record of DeleteUser has no eventID"),
            (
                json!({"eventName": call, "eventID": ""}),
                "the record of DeleteUser has an eventID that is not an identifier",
            ),
            (
                json!({"eventName": call, "eventID": "1", "additionalEventData": null}),
                "record 1 of DeleteUser does not name the user's sub",
            ),
            (
                json!({"eventName": call, "eventID": "1", "additionalEventData": sub("a b")}),
                "record 1 of DeleteUser has a sub that is not an identifier",
            ),
        ] {
            let error = read(&event(&detail), Timestamp::UNIX_EPOCH).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn other_services_and_failed_calls_are_nothing() {
        let detail = json!({"eventName": "DeleteUser"});
        let failed = json!({"eventName": "DeleteUser", "errorCode": "NotAuthorizedException"});
        let mut other_source = event(&detail);
        other_source["source"] = "aws.iam".into();
        let mut other_type = event(&detail);
        other_type["detail-type"] = "AWS Console Sign In via CloudTrail".into();
        for event in [Value::Null, event(&failed), other_source, other_type] {
            let record = read(&event, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(record, Record { pool_id: None, reading: Reading::Nothing });
        }
    }

    #[test]
    fn an_unreadable_time_is_now() {
        let detail = json!({"eventName": "AdminEnableUser", "eventID": "1", "eventTime": "noon",
                            "additionalEventData": {"sub": "a"}});
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let Reading::Wake(envelope) = read(&event(&detail), now).unwrap().reading else { panic!() };
        assert_eq!(envelope.occurred_at, now);
    }
}
