//! The Lambda functions: one adapter per port, configuration, handlers, thin binaries.
#![warn(missing_docs)]

pub mod adapters;
pub mod config;
pub mod handlers;
pub mod setup;
pub mod telemetry;
