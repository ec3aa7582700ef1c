//! The Lambda functions: an adapter for each port, configuration, handlers, and one thin binary for
//! each function.
//!
//! Nothing is decided here, and nothing of a terminal or a deployment is in this package's tree: it
//! is what SAM builds. The operator's command stands on the same adapters, in `tollgate`.
//!
//! Begin with a function's file in `src/bin`, then its handler in [`handlers`]; a service's calls
//! are in the module of [`adapters`] that has its name.
#![warn(missing_docs)]

pub mod adapters;
pub mod config;
pub mod handlers;
pub mod setup;
pub mod telemetry;
