//! Tollgate as a whole, in one process, on a virtual clock: stories over HTTP, what comes
//! in broken, what is done though its answer is lost, what each event costs in calls, what
//! the operator's command does, and the contract with AWS and Stripe.

mod bad_input;
mod builds;
mod calls;
mod command;
mod contract;
mod demo;
mod deploy_script;
mod local;
mod lost_answers;
mod openapi;
mod pages;
mod runbook;
mod scenarios;
mod shop;
