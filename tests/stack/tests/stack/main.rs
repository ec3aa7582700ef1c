//! Tollgate as a whole, in one process, on a virtual clock: stories over HTTP, what comes
//! in broken, what each event costs in calls, and the contract with AWS and Stripe.

mod bad_input;
mod calls;
mod contract;
mod demo;
mod scenarios;
mod shop;
