//! One adapter per port: the real services behind `tollgate_core::ports`.
//!
//! **Architecture invariant:** an adapter translates calls and classifies failures;
//! no rule of billing hides here.

pub mod api_gateway;
pub mod clients;
pub mod cognito;
pub mod dynamodb;
pub mod error;
pub mod hindrance;
mod ports;
pub mod sqs;
pub mod stripe;
pub mod system;

pub use ports::AwsPorts;
