//! What came of an operator's act: the worker converges the account, and the ledger tells.

use jiff::Timestamp;
use tollgate_core::account::Account;
use tollgate_core::ledger::{Outcome, StepTaken};
use tollgate_core::ports::{Ledger, PortResult};
use tollgate_events::AccountId;

use super::ActReceipt;

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The worker has seen to it.
    Settled,
    /// It waits for something that comes by itself.
    Waits {
        /// For what.
        why: String,
        /// When the account is looked at again.
        until: Option<Timestamp>,
    },
    /// It waits for a person.
    Parked {
        /// Why.
        why: String,
    },
    /// The worker has not seen to it yet.
    Pending,
}

/// What came of an act so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aftermath {
    /// How far it is.
    pub state: State,
    /// The account now.
    pub account: Account,
    /// What was done since.
    pub steps: Vec<StepTaken>,
}

/// How many history entries may be the consequence of an act; usually it is one.
const MOST_ENTRIES: usize = 10;

/// Looks once.
///
/// # Errors
/// The ledger failed.
pub async fn aftermath<L: Ledger>(
    ledger: &L,
    id: &AccountId,
    acted: &ActReceipt,
) -> PortResult<Aftermath> {
    let account = ledger.account(id).await?.unwrap_or_else(|| Account::new(id.clone()));
    let state = state(ledger, &account, acted).await?;
    let mut entries = ledger.history(id, None, MOST_ENTRIES).await?;
    entries.retain(|entry| entry.version > acted.version);
    entries.reverse();
    let steps = entries.into_iter().flat_map(|entry| entry.steps).collect();
    Ok(Aftermath { state, account, steps })
}

/// The act's event stands in the account until the worker has seen to it.
async fn state<L: Ledger>(ledger: &L, account: &Account, acted: &ActReceipt) -> PortResult<State> {
    let is_it = |event: &tollgate_events::Envelope| event.event_ref() == acted.event;
    let waits = account.open || account.deferred.iter().any(is_it);
    let Some(stored) = ledger.event(&acted.event).await? else { return Ok(State::Pending) };
    if !waits && stored.record.outcome != Outcome::Parked {
        return Ok(State::Settled);
    }
    // Its first line says who did it, and why.
    let detail = stored.record.detail.as_deref().and_then(|told| told.split_once('\n'));
    let why = detail.map_or_else(|| "nothing more is known".to_owned(), |(_, why)| why.to_owned());
    Ok(match stored.record.outcome {
        Outcome::Parked => State::Parked { why },
        Outcome::Deferred => State::Waits { why, until: account.review_at },
        Outcome::Applied | Outcome::Unchanged | Outcome::Waiting | Outcome::Ignored => {
            State::Pending
        }
    })
}
