//! One Cognito user pool: exactly what Tollgate calls, and what its customers'
//! browsers need to sign up and sign in on a local stack.
//!
//! Users, their attributes under a schema, tokens, Lambda triggers and CloudTrail
//! records behave as AWS documents them. Not here: groups, MFA, SRP, hosted pages,
//! several pools in one stand-in, user names that ignore case.

mod actions;
mod cloudtrail;
mod directory;
mod error;
mod http;
mod listing;
mod model;
mod operations;
mod ports;
mod requests;
mod schema;
mod session;
mod tokens;
mod triggers;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::SignedDuration;

use crate::clock::VirtualClock;
use crate::gate::Gate;

pub use error::{Code, CognitoError};
pub use http::router;
pub use model::{User, UserStatus};
pub use schema::{AppClient, CustomAttribute, PoolConfig, TokenEvent, TriggerConfig};
pub use session::SignIn;
pub use tokens::{Claims, TokenError, Tokens};
pub use triggers::{TriggerFuture, Triggers};

use model::State;
use tokens::SigningKey;

/// The stand-in; clones share the pool.
#[derive(Clone)]
pub struct CognitoStandin {
    clock: VirtualClock,
    gate: Gate,
    config: Arc<PoolConfig>,
    state: Arc<Mutex<State>>,
    key: Arc<OnceLock<SigningKey>>,
    hook: Arc<Mutex<Option<Arc<dyn Triggers>>>>,
}

impl CognitoStandin {
    /// An empty pool.
    ///
    /// # Errors
    /// [`Code::InvalidParameter`] when Cognito would refuse the pool's custom attributes.
    pub fn new(clock: VirtualClock, gate: Gate, config: PoolConfig) -> Result<Self, CognitoError> {
        config.check()?;
        let state = State::new(&config);
        Ok(Self {
            clock,
            gate,
            config: Arc::new(config),
            state: Arc::new(Mutex::new(state)),
            key: Arc::default(),
            hook: Arc::default(),
        })
    }

    /// The pool's configuration.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// From now on triggers are called, one after the other, instead of being kept
    /// for [`take_triggers`](Self::take_triggers). Only the HTTP face calls them.
    pub fn set_triggers(&self, hook: Arc<dyn Triggers>) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
    }

    /// From now on `ListUsers` shows the pool as it was this long ago; none by default.
    pub fn set_list_lag(&self, lag: SignedDuration) {
        self.lock().users.set_lag(lag);
    }

    /// Where tokens say that they come from, `http://127.0.0.1:4000`; AWS's own
    /// endpoint by default. The issuer is this, a slash and the pool's id.
    pub fn set_endpoint(&self, endpoint: impl Into<String>) {
        self.lock().endpoint = endpoint.into();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hook(&self) -> Option<Arc<dyn Triggers>> {
        self.hook.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
