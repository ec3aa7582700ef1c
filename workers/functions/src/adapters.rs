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

/// An SDK's configuration for a stub's address, without retries.
#[cfg(test)]
pub(crate) fn stubbed(url: &str) -> aws_config::SdkConfig {
    use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
    let credentials = Credentials::new("test", "test", None, None, "test");
    aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .endpoint_url(url)
        .build()
}
