//! The AWS SDK's clients: built once for each process, with bounds on every call.
//!
//! Region, credentials and endpoints come from the environment in the SDK's own way:
//! `AWS_ENDPOINT_URL`, or for one service `AWS_ENDPOINT_URL_DYNAMODB`, `…_SQS`,
//! `…_API_GATEWAY`, `…_COGNITO_IDENTITY_PROVIDER`.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

/// How often the SDK tries a call that it knows to be safe to repeat. Few: behind
/// every worker is a queue that retries with patience.
const ATTEMPTS: u32 = 3;
/// Loads region, credentials and endpoints, and bounds every call: 1 s to connect,
/// 5 s for each attempt, 12 s in all.
pub async fn sdk_config() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(12))
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .load()
        .await
}

/// What reaches an AWS at this address, which takes whatever credentials there are: the local stack,
/// a stub. `caller` signs. Nothing is taken from the environment, which means another AWS.
pub fn made_up(url: &str, caller: &str) -> SdkConfig {
    let credentials = Credentials::new(caller, "local", None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(url)
        .build()
}

/// The same, without retries: a stub's answer is looked at, not waited out.
#[cfg(test)]
pub(crate) fn stubbed(url: &str) -> SdkConfig {
    made_up(url, "test").into_builder().retry_config(RetryConfig::disabled()).build()
}
