//! A ledger that has forgotten: before anything is decided of an account for the first time,
//! API Gateway is asked whether it has a key of it.
//!
//! A lost table knows nothing of accounts that have a key and perhaps pay; one restored from a
//! backup, nothing of those that came since. To whoever trusts it, their next event looks like a first one: the account
//! would get a second key, and its attributes would name it. So nothing is moved, the events
//! wait in the account, and a person is called.
//!
//! A user's own sign-up is not asked about the first time, as long as nobody has told them of a plan:
//! their `sub` is as new as they are. Whose message comes again has perhaps got a key since the backup.

use crate::account::Known;
use crate::timing::JUST_NOW;
use tollgate_events::{Envelope, Via, cognito};

use super::{Run, Stop};
use crate::decide::stale::is_forgotten;
use crate::key_name::key_owner;
use crate::ports::{ApiKey, Ports};

impl<P: Ports> Run<'_, P> {
    /// Stops where the ledger knows nothing of an account that has a key of ours.
    pub(super) async fn must_be_remembered(&mut self) -> Result<(), Stop> {
        if !self.is_unknown() || self.signs_up() {
            return Ok(());
        }
        self.has_no_key().await
    }

    /// Stops where API Gateway has a key of an account of which the ledger knows none.
    async fn has_no_key(&mut self) -> Result<(), Stop> {
        self.afford(1).await?;
        let keys = self.keys_there().await?;
        let is_ours = |key: &ApiKey| {
            key_owner(&self.worker.stack, &key.name).as_ref() == Some(&self.account.id)
        };
        if keys.iter().any(is_ours) { Err(Stop::LedgerLost) } else { Ok(()) }
    }

    /// Stops where the ledger knows nothing of an account whose user was told something: that they are
    /// held, or closed, which somebody has decided; or, though they sign up, of a plan that they have
    /// a key for.
    pub(super) async fn word_must_be_remembered(&mut self) -> Result<(), Stop> {
        let read = self.attributes_read.as_ref().filter(|_| self.evidence.is_meant);
        let word = read.and_then(|read| read.plan.as_deref());
        // A worker may not have lived to write down what it wrote.
        let told = word.filter(|word| !self.account.may_have_told(word));
        if !self.is_unknown() {
            return Ok(());
        }
        if is_forgotten(&self.account.access, told) {
            return Err(Stop::LedgerLost);
        }
        // Who does not sign up has been asked about.
        if told.is_some() && self.signs_up() { self.has_no_key().await } else { Ok(()) }
    }

    /// Whoever is opened again had a key, and the ledger knows of it: what another worker's late
    /// call has made since is an orphan.
    fn is_unknown(&self) -> bool {
        self.account.known() < Known::Decided && self.account.generations == 0
    }

    /// A user's own sign-up, just now: nobody has decided anything of them before. A message that
    /// comes late, or again, may be of somebody whom the ledger has forgotten since. One that waits in
    /// the account does not.
    pub(super) fn signs_up(&self) -> bool {
        let is = |event: &Envelope| {
            event.kind == cognito::SIGN_UP
                && event.via == Via::Trigger
                && self.now.duration_since(event.occurred_at) < JUST_NOW
                && !self.invocation.comes_again(&event.event_ref())
        };
        self.inbox.events.iter().any(is)
    }
}
