//! What a pool is configured to hold, and who may write it.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html>

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Code, CognitoError};

/// The standard attributes (of OpenID Connect) that every pool has, without `sub`.
pub(super) const STANDARD: [&str; 18] = [
    "address",
    "birthdate",
    "email",
    "email_verified",
    "family_name",
    "gender",
    "given_name",
    "identities",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "phone_number_verified",
    "picture",
    "preferred_username",
    "website",
    "zoneinfo",
];

/// Standard attributes that no user may write, whatever the app client says.
const NEVER_BY_USERS: [&str; 3] = ["email_verified", "phone_number_verified", "identities"];

/// At most this many custom attributes to a pool.
const MAX_CUSTOM: usize = 50;
/// At most this many characters to a custom attribute's name, without `custom:`.
const MAX_NAME: usize = 20;
/// At most this many characters to a value.
const MAX_VALUE: usize = 2048;

/// A custom attribute of the pool; always a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomAttribute {
    /// Its name without `custom:`, at most 20 characters.
    pub name: String,
    /// Whether it can be written after the user was made.
    pub mutable: bool,
}

/// An app client of the pool; without a secret, as a browser has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppClient {
    /// Its id.
    pub id: String,
    /// What users may write of themselves through it, with `custom:` where it
    /// belongs. `None`: the standard attributes, as Cognito has it by default.
    pub write_attributes: Option<BTreeSet<String>>,
    /// Where the managed login sends codes to, each exactly; none, and it is none of the login's.
    pub callback_urls: Vec<String>,
    /// Where the managed login sends the browser after signing out.
    pub logout_urls: Vec<String>,
}

/// Which version of the `PreTokenGeneration` event a pool sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TokenEvent {
    /// `V1_0`: the ID token.
    #[default]
    V1,
    /// `V2_0`: the access token too.
    V2,
    /// `V3_0`: machines' access tokens too.
    V3,
}

impl TokenEvent {
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::V1 => "1",
            Self::V2 => "2",
            Self::V3 => "3",
        }
    }
}

/// Which triggers have a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerConfig {
    /// `PostConfirmation`.
    pub post_confirmation: bool,
    /// `PostAuthentication`.
    pub post_authentication: bool,
    /// `PreTokenGeneration`, and its version.
    pub pre_token_generation: Option<TokenEvent>,
}

impl Default for TriggerConfig {
    fn default() -> Self {
        Self {
            post_confirmation: true,
            post_authentication: true,
            pre_token_generation: Some(TokenEvent::V1),
        }
    }
}

/// A pool's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// `<region>_<letters>`.
    pub pool_id: String,
    /// Its custom attributes.
    pub custom: Vec<CustomAttribute>,
    /// Its app clients.
    pub clients: Vec<AppClient>,
    /// Its triggers.
    pub triggers: TriggerConfig,
    /// Whether users sign up and in with their e-mail address; their user name is
    /// then the `sub`.
    pub email_as_username: bool,
}

impl PoolConfig {
    /// A pool as Tollgate wants it: both attributes mutable, and one client
    /// (`tollgate-local`) through which users write neither.
    pub fn tollgate(pool_id: impl Into<String>) -> Self {
        let custom = |name: &str| CustomAttribute { name: name.into(), mutable: true };
        let client = AppClient {
            id: "tollgate-local".into(),
            write_attributes: Some(["email", "name"].map(str::to_owned).into()),
            callback_urls: Vec::new(),
            logout_urls: Vec::new(),
        };
        Self {
            pool_id: pool_id.into(),
            custom: vec![custom("apiid"), custom("plan")],
            clients: vec![client],
            triggers: TriggerConfig::default(),
            email_as_username: false,
        }
    }

    /// The Region: what stands before the underscore in the pool's id.
    pub fn region(&self) -> &str {
        self.pool_id.split_once('_').map_or("us-east-1", |(region, _)| region)
    }

    /// The ARN, in the account that the stand-ins share.
    pub fn arn(&self) -> String {
        format!("arn:aws:cognito-idp:{}:{}:userpool/{}", self.region(), ACCOUNT, self.pool_id)
    }

    /// The ARN of the function behind every trigger.
    pub fn function(&self) -> String {
        format!("arn:aws:lambda:{}:{ACCOUNT}:function:stand-in", self.region())
    }

    pub(super) fn check(&self) -> Result<(), CognitoError> {
        let names: BTreeSet<&str> = self.custom.iter().map(|it| it.name.as_str()).collect();
        let named = |name: &&str| (1..=MAX_NAME).contains(&name.chars().count());
        if names.len() != self.custom.len() || names.len() > MAX_CUSTOM || !names.iter().all(named)
        {
            return Err(CognitoError::invalid(
                "at most 50 custom attributes, each with its own name of 1 to 20 characters",
            ));
        }
        Ok(())
    }

    pub(super) fn client(&self, id: &str) -> Result<&AppClient, CognitoError> {
        self.clients.iter().find(|client| client.id == id).ok_or_else(|| {
            let message = format!("User pool client {id} does not exist.");
            CognitoError::new(Code::ResourceNotFound, message)
        })
    }

    /// Whether what a user writes of themselves may be written through the client.
    pub(super) fn check_user_may_write(
        &self,
        client: &AppClient,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), CognitoError> {
        let may = |name: &str| match &client.write_attributes {
            _ if NEVER_BY_USERS.contains(&name) => false,
            Some(listed) => listed.contains(name),
            None => STANDARD.contains(&name),
        };
        if attributes.keys().all(|name| may(name)) {
            return Ok(());
        }
        Err(CognitoError::not_authorized("A client attempted to write unauthorized attribute"))
    }

    /// Whether a new user can have these attributes.
    pub(super) fn check_new(
        &self,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), CognitoError> {
        if let Some(name) = attributes.keys().find(|name| !self.defines(name)) {
            return Err(CognitoError::invalid(format!(
                "Attributes did not conform to the schema: Type for attribute {{{name}}} could not be determined"
            )));
        }
        check_lengths(attributes)
    }

    /// Whether an existing user's attributes can be changed to these.
    pub(super) fn check_update(
        &self,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), CognitoError> {
        if let Some(name) = attributes.keys().find(|name| !self.defines(name)) {
            return Err(CognitoError::invalid(format!(
                "user.{name}: Attribute does not exist in the schema.\n"
            )));
        }
        if let Some(name) = attributes.keys().find(|name| !self.is_mutable(name)) {
            return Err(CognitoError::invalid(format!(
                "user.{name}: Attribute cannot be updated.\n"
            )));
        }
        check_lengths(attributes)
    }

    fn defines(&self, name: &str) -> bool {
        name == "sub" || STANDARD.contains(&name) || self.custom(name).is_some()
    }

    fn is_mutable(&self, name: &str) -> bool {
        name != "sub" && self.custom(name).is_none_or(|custom| custom.mutable)
    }

    fn custom(&self, name: &str) -> Option<&CustomAttribute> {
        let name = name.strip_prefix("custom:")?;
        self.custom.iter().find(|custom| custom.name == name)
    }
}

/// The AWS account that the pool is in.
pub(super) const ACCOUNT: &str = "123456789012";

fn check_lengths(attributes: &BTreeMap<String, String>) -> Result<(), CognitoError> {
    let long = attributes.iter().find(|(_, value)| value.chars().count() > MAX_VALUE);
    long.map_or(Ok(()), |(name, _)| {
        Err(CognitoError::invalid(format!(
            "Attributes did not conform to the schema: {name}: String must be no longer than {MAX_VALUE} characters"
        )))
    })
}
