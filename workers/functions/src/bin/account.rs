//! The account API, as a Lambda function behind an HTTP API.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tollgate_functions::adapters::clients::sdk_config;
use tollgate_functions::adapters::system::SystemClock;
use tollgate_functions::config::{AccountConfig, Settings, environment, log_filter};
use tollgate_functions::{handlers, setup, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(&log_filter(environment));
    let sdk = sdk_config().await;
    let settings = Settings::load(environment, AccountConfig::SECRETS, &sdk).await;
    let config = settings.read(|get| AccountConfig::read(get))?;
    let queue = &setup::queue(&config.queues, &sdk);
    let api = &setup::account_api(config, &sdk, SystemClock)?;
    let handle = async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
        Ok::<_, Error>(handlers::account::handle(api, queue, &event.payload).await)
    };
    lambda_runtime::run(service_fn(handle)).await
}
