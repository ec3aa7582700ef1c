//! Records dead letters as parked, as a Lambda function behind both dead-letter queues.

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tollgate_functions::adapters::clients::sdk_config;
use tollgate_functions::adapters::system::SystemClock;
use tollgate_functions::config::{DeadLetterConfig, environment, log_filter};
use tollgate_functions::{handlers, setup, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(&log_filter(environment));
    let config = DeadLetterConfig::read(environment)?;
    let ledger = &setup::ledger(&config.ledger, &sdk_config().await);
    let handle = async |event: LambdaEvent<SqsEvent>| {
        handlers::sqs::dead_letters(ledger, &SystemClock, event.payload).await
    };
    lambda_runtime::run(service_fn(handle)).await
}
