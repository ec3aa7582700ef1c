//! The stand-in itself: what it is made of, and what can be set on it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use jiff::SignedDuration;

use super::error::CognitoError;
use super::hook::Triggers;
use super::model::State;
use super::schema::PoolConfig;
use super::signing::SigningKey;
use crate::calls::Calls;
use crate::clock::VirtualClock;

/// The stand-in; clones share the pool.
#[derive(Clone)]
pub struct CognitoStandin {
    pub(super) clock: VirtualClock,
    pub(super) calls: Calls,
    config: Arc<RwLock<Arc<PoolConfig>>>,
    pub(super) state: Arc<Mutex<State>>,
    pub(super) key: Arc<OnceLock<SigningKey>>,
    pub(super) hook: Arc<Mutex<Option<Arc<dyn Triggers>>>>,
}

impl CognitoStandin {
    /// An empty pool.
    ///
    /// # Errors
    /// `InvalidParameterException` when Cognito would refuse the pool's custom attributes.
    pub fn new(
        clock: VirtualClock,
        calls: Calls,
        config: PoolConfig,
    ) -> Result<Self, CognitoError> {
        config.check()?;
        let state = State::new(&config);
        Ok(Self {
            clock,
            calls,
            config: Arc::new(RwLock::new(Arc::new(config))),
            state: Arc::new(Mutex::new(state)),
            key: Arc::default(),
            hook: Arc::default(),
        })
    }

    /// The pool's configuration.
    pub fn config(&self) -> Arc<PoolConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the pool's clients and triggers, as its owner can at any time. (Attributes
    /// cannot be changed or removed; a scene in which they are others begins so.)
    pub fn change_config(&self, change: impl FnOnce(&mut PoolConfig)) {
        let mut config = self.config.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut config));
    }

    /// From now on the HTTP face and the asynchronous sign-ins call these functions,
    /// one after the other. Without them, and by the synchronous actions always, the
    /// events are kept for [`take_triggers`](Self::take_triggers).
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

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hook(&self) -> Option<Arc<dyn Triggers>> {
        self.hook.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
