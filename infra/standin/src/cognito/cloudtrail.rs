//! CloudTrail's records of acts on users, as EventBridge delivers them.
//!
//! A record mirrors the request, with what it says of the user hidden; only
//! `additionalEventData.sub` tells who. `DeleteUser` has no pool in its request, so
//! its record names none.
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/logging-using-cloudtrail.html>

use jiff::Timestamp;
use serde_json::{Value, json};

use super::CognitoStandin;
use super::model::State;
use super::schema::{ACCOUNT, PoolConfig};
use super::user::User;

const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// An act that leaves a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    AdminDelete,
    AdminDisable,
    AdminEnable,
    Delete,
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::AdminDelete => "AdminDeleteUser",
            Self::AdminDisable => "AdminDisableUser",
            Self::AdminEnable => "AdminEnableUser",
            Self::Delete => "DeleteUser",
        }
    }

    fn identity(self) -> Value {
        match self {
            Self::Delete => json!({
                "type": "Unknown", "principalId": "Anonymous",
            }),
            Self::AdminDelete | Self::AdminDisable | Self::AdminEnable => json!({
                "type": "IAMUser",
                "principalId": "AIDAEXAMPLE",
                "arn": format!("arn:aws:iam::{ACCOUNT}:user/admin"),
                "accountId": ACCOUNT,
                "userName": "admin",
            }),
        }
    }

    fn request(self, config: &PoolConfig) -> Value {
        match self {
            Self::Delete => json!({ "accessToken": HIDDEN }),
            Self::AdminDelete | Self::AdminDisable | Self::AdminEnable => {
                json!({ "userPoolId": config.pool_id, "username": HIDDEN })
            }
        }
    }
}

impl State {
    /// Records an act that succeeded.
    pub(super) fn record(&mut self, act: Act, user: &User, config: &PoolConfig, now: Timestamp) {
        let time = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let [id, event_id, request_id] = [self.uuid(), self.uuid(), self.uuid()];
        self.cloudtrail.push(json!({
            "version": "0",
            "id": id,
            "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.cognito-idp",
            "account": ACCOUNT,
            "time": time,
            "region": config.region(),
            "resources": [],
            "detail": {
                "eventVersion": "1.08",
                "userIdentity": act.identity(),
                "eventTime": time,
                "eventSource": "cognito-idp.amazonaws.com",
                "eventName": act.name(),
                "awsRegion": config.region(),
                "sourceIPAddress": "192.0.2.1",
                "userAgent": "stand-in",
                "requestParameters": act.request(config),
                "responseElements": null,
                "additionalEventData": { "sub": user.sub },
                "requestID": request_id,
                "eventID": event_id,
                "readOnly": false,
                "eventType": "AwsApiCall",
                "managementEvent": true,
                "recipientAccountId": ACCOUNT,
                "eventCategory": "Management",
            },
        }));
    }
}

impl CognitoStandin {
    /// The records that CloudTrail would have delivered since, oldest first.
    pub fn take_cloudtrail(&self) -> Vec<Value> {
        std::mem::take(&mut self.lock().cloudtrail)
    }
}
