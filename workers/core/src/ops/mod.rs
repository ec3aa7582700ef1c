//! What an operator does: acts on an account, and replays of events. The command
//! `tollgate` parses and prints; everything else is here.
//!
//! **Architecture invariant:** nothing here moves a plan or a key. An act changes what the
//! ledger holds about an account and converges it; a replay puts events on the queue again.
//! Both go the way of every event.

mod acts;
mod rehearsal;
mod replay;

pub use acts::{Act, OperatorAct, accept_blast};
pub use rehearsal::{Rehearsal, Rehearsed, Step};
pub use replay::{
    About, Cursor, Few, Found, LISTED_FOR, NoCursor, Progress, Replay, Selection, Sent, Supply,
    Tally, TooOld, count, look_up, new_run,
};
