//! A user.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use secrecy::SecretString;

/// Where a user stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserStatus {
    /// Signed up, but the code was not given yet.
    Unconfirmed,
    /// Signed up, or given a password of their own.
    Confirmed,
    /// Made by an administrator: the first sign-in must change the password.
    ForceChangePassword,
    /// Of a third-party identity provider.
    ExternalProvider,
}

impl UserStatus {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unconfirmed => "UNCONFIRMED",
            Self::Confirmed => "CONFIRMED",
            Self::ForceChangePassword => "FORCE_CHANGE_PASSWORD",
            Self::ExternalProvider => "EXTERNAL_PROVIDER",
        }
    }
}

/// A user.
#[derive(Clone)]
pub struct User {
    /// The `sub`.
    pub sub: String,
    /// The user name: chosen, or the `sub`, or `Google_123`.
    pub username: String,
    /// Where they stand.
    pub status: UserStatus,
    /// Whether they may sign in.
    pub enabled: bool,
    /// Their attributes, without `sub`. An absent one is not there: Cognito deletes
    /// an attribute that is written with an empty value.
    pub attributes: BTreeMap<String, String>,
    /// When they were made.
    pub created: Timestamp,
    /// When they were last written.
    pub modified: Timestamp,
    pub(super) password: Option<SecretString>,
}

/// Without what is personal.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sub, status, enabled, .. } = self;
        write!(f, "User({sub}, {}, enabled: {enabled})", status.name())
    }
}

impl User {
    /// Whether they came from a third-party identity provider.
    pub fn is_federated(&self) -> bool {
        self.status == UserStatus::ExternalProvider
    }

    /// An attribute, `sub` among them.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        match name {
            "sub" => Some(self.sub.as_str()),
            name => self.attributes.get(name).map(String::as_str),
        }
    }

    /// Writes attributes: an empty value deletes. Another address is not verified, unless that is
    /// written with it.
    /// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminUpdateUserAttributes.html>
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-email-phone-verification.html>
    pub(super) fn write(&mut self, attributes: BTreeMap<String, String>) {
        for name in ["email", "phone_number"] {
            let differs =
                attributes.get(name).is_some_and(|new| self.attributes.get(name) != Some(new));
            if differs {
                self.attributes.insert(format!("{name}_verified"), "false".to_owned());
            }
        }
        for (name, value) in attributes {
            if value.is_empty() {
                self.attributes.remove(&name);
            } else {
                self.attributes.insert(name, value);
            }
        }
    }
}
