//! The requests as they come, with the members that are modelled. Another member
//! is refused: it would ask for something that the stand-in does not do.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::error::{Code, CognitoError};

/// An attribute on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Attribute {
    name: String,
    #[serde(default)]
    value: String,
}

/// What to do about the invitation.
#[derive(Deserialize)]
pub(super) enum MessageAction {
    /// Send none.
    #[serde(rename = "SUPPRESS")]
    Suppress,
}

fn attributes<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let list = Vec::<Attribute>::deserialize(from)?;
    Ok(list.into_iter().map(|attribute| (attribute.name, attribute.value)).collect())
}

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident { $($(#[$meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase", deny_unknown_fields)]
        pub(super) struct $name { $($(#[$meta])* pub(super) $field: $type,)* }
    )*};
}

requests! {
    /// `AdminGetUser`, `AdminDisableUser`, `AdminEnableUser`, `AdminDeleteUser`.
    AdminUser {
        user_pool_id: String,
        username: String,
    }
    AdminUpdateUserAttributes {
        user_pool_id: String,
        username: String,
        #[serde(deserialize_with = "attributes")]
        user_attributes: BTreeMap<String, String>,
    }
    AdminCreateUser {
        user_pool_id: String,
        username: String,
        temporary_password: Option<SecretString>,
        #[expect(dead_code, reason = "no message is ever sent, so suppressing it changes nothing")]
        message_action: Option<MessageAction>,
        #[serde(default, deserialize_with = "attributes")]
        user_attributes: BTreeMap<String, String>,
    }
    ListUsers {
        user_pool_id: String,
        attributes_to_get: Option<Vec<String>>,
        #[serde(default)]
        limit: usize,
        pagination_token: Option<String>,
        filter: Option<String>,
    }
    DescribeUserPool {
        user_pool_id: String,
    }
    ListUserPoolClients {
        user_pool_id: String,
        max_results: Option<usize>,
        next_token: Option<String>,
    }
    DescribeUserPoolClient {
        user_pool_id: String,
        client_id: String,
    }
    SignUp {
        client_id: String,
        username: String,
        password: SecretString,
        #[serde(default, deserialize_with = "attributes")]
        user_attributes: BTreeMap<String, String>,
    }
    ConfirmSignUp {
        client_id: String,
        username: String,
        confirmation_code: String,
    }
    ForgotPassword {
        client_id: String,
        username: String,
    }
    ConfirmForgotPassword {
        client_id: String,
        username: String,
        confirmation_code: String,
        password: SecretString,
    }
    InitiateAuth {
        client_id: String,
        auth_flow: String,
        #[serde(default)]
        auth_parameters: BTreeMap<String, SecretString>,
    }
    RespondToAuthChallenge {
        client_id: String,
        challenge_name: String,
        session: String,
        #[serde(default)]
        challenge_responses: BTreeMap<String, SecretString>,
    }
    DeleteUser {
        access_token: String,
    }
    UpdateUserAttributes {
        access_token: String,
        #[serde(deserialize_with = "attributes")]
        user_attributes: BTreeMap<String, String>,
    }
}

/// Reads a request. The error names the member that is missing or not modelled,
/// never a value.
pub(super) fn read<T: DeserializeOwned>(body: Value) -> Result<T, CognitoError> {
    serde_json::from_value(body).map_err(|error| {
        let text = error.to_string();
        if text.starts_with("unknown") {
            let message = format!("not implemented by the stand-in: {text}");
            return CognitoError::new(Code::NotImplemented, message);
        }
        let missing = text.starts_with("missing field");
        let message = if missing { text } else { "a member has another type".to_owned() };
        CognitoError::new(Code::Serialization, message)
    })
}
