//! CloudTrail's records of user pools, as a Lambda function behind EventBridge.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use tollgate_functions::adapters::clients::sdk_config;
use tollgate_functions::adapters::system::SystemClock;
use tollgate_functions::config::{TriggerConfig, environment, log_filter};
use tollgate_functions::{handlers, setup, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(&log_filter(environment));
    let config = TriggerConfig::read(environment)?;
    let pool = &setup::pool(config, &sdk_config().await, SystemClock);
    let handle =
        async |event: LambdaEvent<Value>| handlers::eventbridge::handle(pool, &event.payload).await;
    lambda_runtime::run(service_fn(handle)).await
}
