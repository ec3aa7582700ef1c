//! What the operations answer, as awsJson spells it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::schema::{PoolConfig, STANDARD, TokenEvent};
use super::session::SignIn;
use super::tokens::Tokens;
use super::user::User;

pub(super) fn by_mail() -> Value {
    json!({ "AttributeName": "email", "DeliveryMedium": "EMAIL", "Destination": "***" })
}

pub(super) fn user_view(user: &User, wanted: Option<&[String]>) -> Value {
    json!({
        "Username": user.username,
        "Attributes": attributes_view(user, wanted),
        "UserCreateDate": seconds(user.created),
        "UserLastModifiedDate": seconds(user.modified),
        "Enabled": user.enabled,
        "UserStatus": user.status.name(),
    })
}

/// `AdminGetUser` names the attributes otherwise than everyone else.
pub(super) fn admin_view(user: &User) -> Value {
    let mut view = user_view(user, None);
    view["UserAttributes"] = view["Attributes"].take();
    view.as_object_mut().map(|view| view.remove("Attributes"));
    view
}

fn attributes_view(user: &User, wanted: Option<&[String]>) -> Vec<Value> {
    let all = user.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    all.chain([("sub", user.sub.as_str())])
        .filter(|(name, _)| wanted.is_none_or(|wanted| wanted.iter().any(|it| it == name)))
        .map(|(name, value)| json!({ "Name": name, "Value": value }))
        .collect()
}

pub(super) fn sign_in_view(sign_in: &SignIn) -> Value {
    match sign_in {
        SignIn::Tokens(tokens) => tokens_view(tokens),
        SignIn::NewPassword { session, username } => json!({
            "ChallengeName": "NEW_PASSWORD_REQUIRED",
            "Session": session,
            "ChallengeParameters": { "USER_ID_FOR_SRP": username, "requiredAttributes": "[]" },
        }),
    }
}

pub(super) fn tokens_view(tokens: &Tokens) -> Value {
    let mut result = json!({
        "AccessToken": tokens.access_token,
        "IdToken": tokens.id_token,
        "ExpiresIn": tokens.expires_in.as_secs(),
        "TokenType": "Bearer",
    });
    if let Some(token) = &tokens.refresh_token {
        result["RefreshToken"] = json!(token);
    }
    json!({ "AuthenticationResult": result, "ChallengeParameters": {} })
}

pub(super) fn schema_view(config: &PoolConfig) -> Vec<Value> {
    let attribute = |name: &str, mutable: bool| {
        let kind = if name.ends_with("_verified") { "Boolean" } else { "String" };
        json!({
            "Name": name,
            "AttributeDataType": kind,
            "DeveloperOnlyAttribute": false,
            "Mutable": mutable,
            "Required": name == "sub",
        })
    };
    let standard = STANDARD.iter().map(|name| attribute(name, true));
    let custom = config.custom.iter().map(|it| {
        let mut view = attribute(&format!("custom:{}", it.name), it.mutable);
        view["StringAttributeConstraints"] = json!({ "MinLength": "0", "MaxLength": "2048" });
        view
    });
    standard.chain([attribute("sub", false)]).chain(custom).collect()
}

pub(super) fn lambda_view(config: &PoolConfig) -> Value {
    let function = config.function();
    let triggers = &config.triggers;
    let mut view = json!({});
    if triggers.post_confirmation {
        view["PostConfirmation"] = json!(function);
    }
    if triggers.post_authentication {
        view["PostAuthentication"] = json!(function);
    }
    if let Some(version) = triggers.pre_token_generation {
        let version = match version {
            TokenEvent::V1 => "V1_0",
            TokenEvent::V2 => "V2_0",
            TokenEvent::V3 => "V3_0",
        };
        view["PreTokenGeneration"] = json!(function);
        view["PreTokenGenerationConfig"] =
            json!({ "LambdaArn": function, "LambdaVersion": version });
    }
    view
}

/// Seconds since 1970, as awsJson writes times.
fn seconds(at: Timestamp) -> Value {
    json!(SignedDuration::from_millis(at.as_millisecond()).as_secs_f64())
}
