//! The worker, as a Lambda function behind both queues.

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tollgate_functions::adapters::clients::sdk_config;
use tollgate_functions::adapters::system::SystemClock;
use tollgate_functions::config::{Settings, WorkerFunctionConfig, environment, log_filter};
use tollgate_functions::{handlers, setup, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(&log_filter(environment));
    let sdk = sdk_config().await;
    let settings = Settings::load(environment, WorkerFunctionConfig::SECRETS, &sdk).await;
    let config = settings.read(|get| WorkerFunctionConfig::read(get))?;
    let queue = &setup::queue(&config.queues, &sdk);
    let worker = &setup::worker(config.worker, &sdk, SystemClock)?;
    let handle = async |event: LambdaEvent<SqsEvent>| {
        let deadline = handlers::deadline(&event.context);
        handlers::sqs::handle(worker, queue, event.payload, deadline).await
    };
    lambda_runtime::run(service_fn(handle)).await
}
