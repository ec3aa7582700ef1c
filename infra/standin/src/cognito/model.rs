//! All that a pool remembers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::directory::Directory;
use super::schema::PoolConfig;

/// Who is signed in: what a refresh token stands for.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) username: String,
    pub(super) sub: String,
    pub(super) client: String,
    pub(super) signed_in: Timestamp,
    pub(super) origin: String,
    /// What its access tokens are for.
    pub(super) scope: String,
    /// What the first ID token repeats, of the managed login.
    pub(super) nonce: Option<String>,
}

/// A browser that is signed in to the managed login.
#[derive(Clone)]
pub(super) struct Browser {
    pub(super) username: String,
    pub(super) sub: String,
    pub(super) signed_in: Timestamp,
}

/// What an authorization code stands for, once.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) browser: Browser,
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) scope: String,
    pub(super) at: Timestamp,
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
    /// What the managed login has begun, by code.
    pub(super) grants: BTreeMap<String, Grant>,
    /// Who is signed in to the managed login, by its cookie.
    pub(super) browsers: BTreeMap<String, Browser>,
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
            grants: BTreeMap::new(),
            browsers: BTreeMap::new(),
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
        self.browsers.retain(|_, browser| browser.username != username);
    }
}
