//! The Lambda functions: one adapter per port, configuration, thin binaries.
//!
//! **Architecture invariant:** what a subscription entitles to is decided in
//! `tollgate_billing`; here calls are translated, settings read and lines logged.
#![warn(missing_docs)]

pub mod adapters;
pub mod config;
pub mod telemetry;
