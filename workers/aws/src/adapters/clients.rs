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
/// API Gateway's control plane allows an account ten calls a second in all, so a
/// throttled call goes back to the error policy soon. A `CreateApiKey` whose answer
/// was lost is repeated too, and then answers 409: the convergence observes.
const API_GATEWAY_ATTEMPTS: u32 = 2;

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

/// API Gateway's client: as the others, but with fewer attempts.
pub fn api_gateway(config: &SdkConfig) -> aws_sdk_apigateway::Client {
    let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
    let retries = retries.with_max_attempts(API_GATEWAY_ATTEMPTS);
    let config = aws_sdk_apigateway::config::Builder::from(config).retry_config(retries).build();
    aws_sdk_apigateway::Client::from_conf(config)
}
