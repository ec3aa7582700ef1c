//! The users, and all else that a pool remembers.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secrecy::SecretString;
use serde_json::Value;
use tollgate_events::AccountId;

use super::directory::Directory;
use super::schema::PoolConfig;

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
    pub id: AccountId,
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
        let Self { id, status, enabled, .. } = self;
        write!(f, "User({id}, {}, enabled: {enabled})", status.name())
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
            "sub" => Some(self.id.as_str()),
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

/// Who is signed in: what a refresh token stands for.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) username: String,
    pub(super) id: AccountId,
    pub(super) client: String,
    pub(super) signed_in: Timestamp,
    pub(super) origin: String,
}

/// Everything behind the lock.
pub(super) struct State {
    pub(super) users: Directory,
    /// Codes sent for a sign-up or a forgotten password, by user name.
    pub(super) codes: BTreeMap<String, String>,
    /// Sessions, by refresh token.
    pub(super) sessions: BTreeMap<String, Session>,
    /// Sign-ins that wait for a new password: user name and client, by session.
    pub(super) challenges: BTreeMap<String, (String, String)>,
    pub(super) due_triggers: Vec<Value>,
    pub(super) cloudtrail: Vec<Value>,
    pub(super) endpoint: String,
    random: ChaCha8Rng,
}

impl State {
    /// Identifiers follow from the pool's id, so that a run can be repeated.
    pub(super) fn new(config: &PoolConfig) -> Self {
        let mut seed = [0; 32];
        seed.iter_mut().zip(config.pool_id.bytes()).for_each(|(to, from)| *to = from);
        Self {
            users: Directory::default(),
            codes: BTreeMap::new(),
            sessions: BTreeMap::new(),
            challenges: BTreeMap::new(),
            due_triggers: Vec::new(),
            cloudtrail: Vec::new(),
            endpoint: format!("https://cognito-idp.{}.amazonaws.com", config.region()),
            random: ChaCha8Rng::from_seed(seed),
        }
    }

    /// A version 4 UUID.
    pub(super) fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = hex::encode(bytes);
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// Six digits.
    pub(super) fn code(&mut self) -> String {
        format!("{:06}", self.random.next_u32() % 1_000_000)
    }

    /// A token that says nothing.
    pub(super) fn opaque(&mut self) -> String {
        let mut bytes = [0; 32];
        self.random.fill_bytes(&mut bytes);
        hex::encode(bytes)
    }

    /// Forgets everything that a user could still sign in with.
    pub(super) fn sign_out(&mut self, username: &str) {
        self.sessions.retain(|_, session| session.username != username);
        self.challenges.retain(|_, (name, _)| name != username);
    }
}
