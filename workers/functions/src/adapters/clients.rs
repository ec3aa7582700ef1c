//! The AWS SDK's clients: built once for each process, with bounds on every call.
//!
//! Region, credentials and endpoints come from the environment in the SDK's own way:
//! `AWS_ENDPOINT_URL`, or for one service `AWS_ENDPOINT_URL_DYNAMODB`, `…_SQS`,
//! `…_API_GATEWAY`, `…_COGNITO_IDENTITY_PROVIDER`.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

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
