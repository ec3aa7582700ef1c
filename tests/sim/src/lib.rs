//! Deterministic simulation of Tollgate and its oracle.
//!
//! One seed is some months of a small business: users sign up, pay, stop paying and go,
//! while calls fail, answers are lost, events come late, twice and out of order, and
//! workers are killed where they wait. Then it is calm: nothing fails any more, everything comes
//! to rest, and the [`oracle`] compares the world with what Stripe and Cognito entitle
//! each account to. Everything follows from the seed; nothing here reads a real clock,
//! opens a socket or starts a thread.
//!
//! Beside the seeds there is the [`scene`]: one worker, one flow, and exactly one call
//! that goes wrong, tried for every flow, every call and everything that can go wrong with
//! it; the [`switch`] and the [`upgrades`]: how long a key answers 403 while it changes its plan,
//! while nothing fails and while others use the control plane too; and the [`flood`]: thousands of
//! sign-ups against the control plane's limits.
//!
//! Not in the seeds: the reserve of keys, which has stories of its own. No SDK, no HTTP and no DynamoDB
//! either: those are `tollgate_stack`'s.
//!
//! Begin with [`run`], which runs one seed.

pub mod actors;
pub mod call_step;
mod comparison;
pub mod coverage;
pub mod executor;
pub mod faults;
pub mod flood;
pub mod gate;
pub mod hunt;
mod lease_check;
pub mod ledger;
pub mod market;
pub mod operator;
pub mod oracle;
pub mod owner;
pub mod planted;
pub mod ports;
mod receipt;
mod recovery;
mod region;
pub mod report;
pub mod run;
pub mod scene;
pub mod script;
pub mod settings;
pub mod shrink;
pub mod story;
pub mod switch;
mod tasks;
pub mod upgrades;
pub mod workers;
pub mod world;

#[cfg(test)]
mod tests;
