//! What a deployment belongs to: one Stripe account and one user pool, by the item `STACK`.
//!
//! Whoever first meets there what the ledger knows writes them down, nobody overwrites them, and
//! only an operator changes them. In front of another account or pool everybody's subscriptions
//! and users are missing: so nothing is decided there, by whatever key or setting it came to that.
//!
//! # Caveats
//! A restricted key may read its account only if it is allowed to. Where it is not, the account
//! is not known, and is not compared; what is missing still contradicts the ledger
//! ([`Mismatch`]).

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::ledger::StackRecord;
use crate::mismatch::Mismatch;
use crate::ports::{Clock, Ledger, PortError, PortResult, Ports, Stripe, Users};
use crate::timing::BELIEVED_FOR;

/// How often the first write is tried when others write the same item.
const ROUNDS: u32 = 3;

/// What the settings of a process lead to, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InUse {
    /// The account of its Stripe key, `acct_…`; `None` when the key may not read it, or nobody
    /// has asked.
    pub stripe_account: Option<String>,
    /// The id of its user pool; `None` when nobody has asked.
    pub pool: Option<String>,
}

impl InUse {
    /// Asks Stripe whose the key is.
    ///
    /// # Errors
    /// Stripe did not answer, or does not take the key.
    pub async fn of<P: Ports>(ports: &P) -> PortResult<Self> {
        let stripe_account = ports.stripe().account_id().await?;
        Ok(Self { stripe_account, pool: Some(ports.users().pool_id()) })
    }

    /// Whether it is what the stack belongs to, as far as both are known.
    ///
    /// # Errors
    /// It is another.
    pub fn fits(&self, stack: &StackRecord) -> Result<(), Mismatch> {
        let other = |expected: &Option<String>, found: &Option<String>| {
            let (expected, found) = (expected.clone()?, found.clone()?);
            (expected != found).then_some((expected, found))
        };
        if let Some((expected, found)) = other(&stack.stripe_account, &self.stripe_account) {
            return Err(Mismatch::StripeAccount { expected, found });
        }
        match other(&stack.pool, &self.pool) {
            Some((expected, found)) => Err(Mismatch::Pool { expected, found }),
            None => Ok(()),
        }
    }

    /// The stack, belonging to this where it belonged to nothing yet.
    #[must_use]
    pub fn binds(&self, stack: &StackRecord) -> StackRecord {
        let mut bound = stack.clone();
        bound.stripe_account = bound.stripe_account.or_else(|| self.stripe_account.clone());
        bound.pool = bound.pool.or_else(|| self.pool.clone());
        bound
    }
}

/// Where what the ledger knows was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// In the Stripe account in use.
    pub in_stripe: bool,
    /// In the user pool in use.
    pub in_pool: bool,
}

/// Why it cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// The stack belongs to another account or pool.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// It cannot be asked.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl From<BindingError> for PortError {
    fn from(error: BindingError) -> Self {
        match error {
            BindingError::Mismatch(mismatch) => mismatch.into(),
            BindingError::Port(error) => error,
        }
    }
}

/// What an instance has found out about where it belongs. Built once, and kept as long as the
/// instance lives: its key and its pool do not change, and so it asks once an hour at most. What
/// failed or did not fit is not believed, and asked again.
#[derive(Debug)]
pub struct Binding {
    writes: bool,
    /// Of several who want to know at once, one asks.
    asking: futures_util::lock::Mutex<()>,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    /// Since when the pool is believed to fit.
    pool: Option<Timestamp>,
    /// Since when Stripe's account is.
    stripe: Option<Timestamp>,
    /// Whose the key is, and when that was asked.
    account: Option<(Timestamp, Option<String>)>,
    /// What is known here, and stood in no `STACK`.
    unbound: InUse,
}

impl Binding {
    /// For whoever may write it down where nobody has yet.
    pub fn that_binds() -> Self {
        Self::new(true)
    }

    /// For whoever only compares.
    pub fn that_compares() -> Self {
        Self::new(false)
    }

    fn new(writes: bool) -> Self {
        Self { writes, asking: futures_util::lock::Mutex::default(), found: Mutex::default() }
    }

    /// Whether the stack belongs to the pool in use: for what asks nothing of Stripe.
    ///
    /// # Errors
    /// It belongs to another, or the ledger failed.
    pub async fn check_pool<P: Ports>(&self, ports: &P) -> Result<(), BindingError> {
        let _one = self.asking.lock().await;
        self.pool_fits(ports).await
    }

    async fn pool_fits<P: Ports>(&self, ports: &P) -> Result<(), BindingError> {
        let now = ports.clock().now();
        if is_believed(self.lock().pool, now) {
            return Ok(());
        }
        let pool = Some(ports.users().pool_id());
        self.compare(ports.ledger(), InUse { pool, ..InUse::default() }).await?;
        self.lock().pool = Some(now);
        Ok(())
    }

    /// Whether the stack belongs to the Stripe account and the pool in use.
    ///
    /// # Errors
    /// It belongs to others, or Stripe or the ledger failed.
    pub async fn check<P: Ports>(&self, ports: &P) -> Result<(), BindingError> {
        let _one = self.asking.lock().await;
        let now = ports.clock().now();
        if is_believed(self.lock().stripe, now) {
            return self.pool_fits(ports).await;
        }
        let stripe_account = self.account(ports, now).await?;
        let pool = Some(ports.users().pool_id());
        self.compare(ports.ledger(), InUse { stripe_account, pool }).await?;
        let mut found = self.lock();
        (found.pool, found.stripe) = (Some(now), Some(now));
        Ok(())
    }

    /// What the ledger knows was met: where nobody has said yet what the stack belongs to, it is
    /// this. To be told after a check.
    ///
    /// # Errors
    /// Somebody has just said otherwise, or the ledger failed.
    pub async fn met<P: Ports>(&self, ports: &P, met: Met) -> Result<(), BindingError> {
        let _one = self.asking.lock().await;
        let InUse { stripe_account, pool } = self.lock().unbound.clone();
        let stripe_account = stripe_account.filter(|_| met.in_stripe);
        let pool = pool.filter(|_| met.in_pool);
        let in_use = InUse { stripe_account, pool };
        if !self.writes || in_use == InUse::default() {
            return Ok(());
        }
        for _ in 0..ROUNDS {
            let stack = self.compare(ports.ledger(), in_use.clone()).await?;
            let bound = in_use.binds(&stack);
            if bound == stack || ports.ledger().put_stack(&bound).await? {
                let mut found = self.lock();
                found.unbound.stripe_account.take_if(|_| in_use.stripe_account.is_some());
                found.unbound.pool.take_if(|_| in_use.pool.is_some());
                break;
            }
            // Others write the same item: whoever looks next may be first.
        }
        Ok(())
    }

    async fn account<P: Ports>(&self, ports: &P, now: Timestamp) -> PortResult<Option<String>> {
        let known = self.lock().account.clone();
        if let Some((_, account)) = known.filter(|(at, _)| is_believed(Some(*at), now)) {
            return Ok(account);
        }
        let account = ports.stripe().account_id().await?;
        self.lock().account = Some((now, account.clone()));
        Ok(account)
    }

    /// Compares, and notes what stands nowhere yet.
    async fn compare<L: Ledger>(
        &self,
        ledger: &L,
        in_use: InUse,
    ) -> Result<StackRecord, BindingError> {
        let stack = ledger.stack().await?;
        in_use.fits(&stack)?;
        let mut found = self.lock();
        if let Some(account) = in_use.stripe_account {
            found.unbound.stripe_account = Some(account).filter(|_| stack.stripe_account.is_none());
        }
        if let Some(pool) = in_use.pool {
            found.unbound.pool = Some(pool).filter(|_| stack.pool.is_none());
        }
        Ok(stack)
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_believed(since: Option<Timestamp>, now: Timestamp) -> bool {
    since.is_some_and(|since| now.duration_since(since) < BELIEVED_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_use(stripe_account: Option<&str>, pool: &str) -> InUse {
        InUse { stripe_account: stripe_account.map(str::to_owned), pool: Some(pool.to_owned()) }
    }

    #[test]
    fn who_comes_first_binds_and_nobody_after() {
        let first = in_use(Some("acct_1"), "pool_1");
        let bound = first.binds(&StackRecord { paying: 7, ..StackRecord::default() });
        assert_eq!(bound.stripe_account.as_deref(), Some("acct_1"));
        assert_eq!((bound.pool.as_deref(), bound.paying), (Some("pool_1"), 7));
        assert_eq!(in_use(Some("acct_2"), "pool_2").binds(&bound), bound);
        // What the first could not read, the next writes.
        let half = in_use(None, "pool_1").binds(&StackRecord::default());
        assert_eq!((half.stripe_account.as_deref(), half.pool.as_deref()), (None, Some("pool_1")));
        assert_eq!(first.binds(&half), StackRecord { paying: 0, ..bound });
    }

    #[test]
    fn what_is_not_known_is_not_compared() {
        let stack = in_use(Some("acct_1"), "pool_1").binds(&StackRecord::default());
        for (account, pool, fits) in [
            (Some("acct_1"), "pool_1", true),
            (None, "pool_1", true),
            (Some("acct_2"), "pool_1", false),
            (Some("acct_1"), "pool_2", false),
            (None, "pool_2", false),
        ] {
            let in_use = in_use(account, pool);
            assert_eq!(in_use.fits(&stack).is_ok(), fits, "{in_use:?}");
            assert_eq!(in_use.fits(&StackRecord::default()), Ok(()));
        }
    }
}
