//! What an operator does: acts on an account, replays of events, the comparison of all systems
//! and the way back from a lost table, why an account has what it has; and beside these what the
//! catalog asks for ([`storefront`]) and whether a deployment is as it should be ([`doctor`]).
//!
//! The command `tollgate` parses and prints; everything else is here. No AWS and no HTTP: it
//! stands on the ports and on the engine of `tollgate_core`, and no function is built with it.
//!
//! Begin with [`OperatorAct`] for an act, with [`Reconcile`] for the comparison.
//!
//! **Architecture invariant:** nothing here moves a plan, nor a key that an account has. An act
//! changes what the ledger holds about an account and wakes it; a replay puts events on the queue
//! again. The worker does the rest, as for every event. Only `reconcile --repair` deletes keys, of
//! which no account can have any use.
#![warn(missing_docs)]

mod acts;
mod aftermath;
mod backlog;
mod dismiss;
pub mod doctor;
mod explain;
mod forecast;
mod operate;
mod rebuild;
mod reconcile;
mod rehearsal;
mod replay;
mod stack;
pub mod storefront;

pub use acts::{Act, OperatorAct, accept_blast};
pub use aftermath::{Aftermath, State, aftermath};
pub use backlog::{Backlog, Count, Trouble, backlog, troubles};
pub use dismiss::{Dismissed, dismiss};
pub use explain::{Cause, Change, changes, history};
pub use forecast::{Forecast, KeyStock, Live, Minted, Pace, Reached, count_keys, forecast, minted};
pub use operate::{ActError, ActReceipt, Operate};
pub use rebuild::{
    Doubt, Doubted, OVERLAP, REBUILD, REBUILT_CLOSED, REBUILT_GRANT, REBUILT_HOLD, Rebuild,
    RebuildReport, Rebuilt, doubts,
};
pub use reconcile::{
    ACCEPTED_FOR, Excess, ExcessOf, Reconcile, Repaired, Word, excesses, is_held_back,
};
pub use rehearsal::{PutOff, Rehearsal, RehearsalStep, Rehearsed, What};
pub use replay::{
    AboutWhom, Cursor, EventPage, EventSource, LISTED_FOR, NoCursor, Replay, ReplayProgress,
    Selected, Selection, Sent, Tally, TooOld, count, look_up, new_run,
};
pub use stack::{OperateStack, REBIND, StackAct};
