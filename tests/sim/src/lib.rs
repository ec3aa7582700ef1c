//! Deterministic simulation of Tollgate and its oracle.
//!
//! One seed is one life of a small business: users sign up, pay, stop paying and go,
//! while calls fail, answers are lost, events come late, twice and out of order, and
//! workers are killed where they wait. Then the weather turns fair, everything comes
//! to rest, and the [`oracle`] compares the world with what Stripe and Cognito entitle
//! each account to. Everything follows from the seed; nothing here reads a real clock,
//! opens a socket or starts a thread.
//!
//! Beside the seeds there is the [`scene`]: one worker, one flow, and exactly one call
//! that goes wrong, tried for every flow, every call and everything that can go wrong with
//! it; and the [`switch`]: how long a key answers 403 while it changes its plan.
//!
//! Not simulated: the control plane's budget, the blast limit, secret rotation,
//! several catalogs, edits by hand.

pub mod executor;
pub mod faults;
pub mod flood;
pub mod lives;
pub mod oracle;
pub mod run;
pub mod scene;
pub mod switch;

#[cfg(test)]
mod tests;
