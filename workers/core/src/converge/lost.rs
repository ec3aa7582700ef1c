//! A ledger that has forgotten: before anything is decided of an account for the first time,
//! API Gateway is asked whether it has a key of it.
//!
//! A lost table knows nothing of accounts that have a key and perhaps pay; one restored from a
//! backup, nothing of those that came since. To whoever trusts it, their next event looks like a first one: the account
//! would get a second key, and its attributes would name it. So nothing is moved, the events
//! wait in the account, and a person is called.
//!
//! A user's own sign-up is not asked about: their `sub` is as new as they are.

use tollgate_events::{Via, cognito};

use super::{Run, Stop};
use crate::key_name::key_owner;
use crate::ports::{ApiGateway, ApiKey, Ports};

impl<P: Ports> Run<'_, P> {
    /// Stops where the ledger knows nothing of an account that has a key of ours.
    pub(super) async fn not_forgotten(&self) -> Result<(), Stop> {
        let signs_up = self
            .events
            .iter()
            .any(|event| event.kind == cognito::SIGN_UP && event.via == Via::Trigger);
        // Whoever is opened again had a key, and the ledger knows of it: what another worker's late
        // call has made since is an orphan.
        let had_a_key = self.account.generations > 0;
        if !self.account.is_undecided() || had_a_key || signs_up {
            return Ok(());
        }
        self.afford(1).await?;
        let keys = self.worker.ports.api_gateway().keys_of(&self.account.id).await?;
        let is_ours = |key: &ApiKey| {
            key_owner(&self.worker.stack, &key.name).as_ref() == Some(&self.account.id)
        };
        if keys.iter().any(is_ours) { Err(Stop::LedgerLost) } else { Ok(()) }
    }
}
