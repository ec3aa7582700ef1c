//! What only the command calls: usage plans as such, secrets, and in Stripe
//! what is sold. The rest is in
//! `tollgate_functions::adapters`.

pub mod secrets;
pub mod stripe;
pub mod usage_plans;

/// An SDK's configuration for a stub's address, without retries.
#[cfg(test)]
pub(crate) fn stubbed(url: &str) -> aws_config::SdkConfig {
    use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
    let credentials = Credentials::new("test", "test", None, None, "test");
    aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .endpoint_url(url)
        .build()
}
