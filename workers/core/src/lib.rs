//! The engine: what an event comes to, and no AWS.
//!
//! An event wakes, state decides: the worker claims the account, loads the facts
//! ([`ports`]), [`decide`](decide::decide)s the desired access with a pure function,
//! [`plan`](plan::plan)s the steps from what is observed, applies them and commits
//! ([`converge`]). Webhook, sign-up, schedule, replay and operator all enter by
//! this path.
//!
//! What an operator does beside that is in `tollgate_operator`; what calls AWS and Stripe is in
//! `tollgate_functions`.
//!
//! Begin with [`Worker::converge`](converge::Worker::converge), and with [`batch`] for the way
//! from a queue's message to it.
//!
//! **Architecture invariant:** `decide` and `plan` are total, deterministic and
//! free of IO; neither sees [`ports`].
#![warn(missing_docs)]

pub mod account;
pub mod account_api;
pub mod accounts;
pub mod batch;
pub mod binding;
pub mod boundary;
pub mod budget;
pub mod catalog;
pub mod converge;
mod customers;
pub mod decide;
pub mod derive;
pub mod error_policy;
pub mod halt;
pub mod ingress;
pub mod key_name;
pub mod ledger;
pub mod mismatch;
pub mod pace;
pub mod person;
pub mod plan;
pub mod policy;
pub mod ports;
pub mod purchase;
pub mod resolve;
pub mod scan;
pub mod share;
pub mod shell;
pub mod stripe;
pub mod sweep;
pub mod text;
pub mod timing;
pub mod words;
