//! One adapter per port: the real services behind `tollgate_core::ports`.
//!
//! **Architecture invariant:** an adapter translates calls and classifies failures;
//! no rule of billing hides here.

pub mod api_gateway;
pub mod clients;
pub mod cognito;
pub mod dynamodb;
pub(crate) mod error;
pub(crate) mod hindrance;
mod ports;
pub mod secrets;
pub mod sqs;
pub mod stripe;
#[cfg(test)]
pub(crate) mod stub;
pub mod system;
pub mod usage_plans;

pub use ports::AwsPorts;
