//! Stripe's webhook endpoint, as a Lambda function.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tollgate_functions::adapters::clients::sdk_config;
use tollgate_functions::adapters::system::SystemClock;
use tollgate_functions::config::{Settings, WebhookConfig, environment, log_filter};
use tollgate_functions::{handlers, setup, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(&log_filter(environment));
    let sdk = sdk_config().await;
    let settings = Settings::load(environment, WebhookConfig::SECRETS, &sdk).await;
    let config = settings.read(|get| WebhookConfig::read(get))?;
    let webhook = &setup::webhook(config, &sdk, SystemClock);
    let handle = async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
        Ok::<_, Error>(handlers::webhook::handle(webhook, &event.payload).await)
    };
    lambda_runtime::run(service_fn(handle)).await
}
