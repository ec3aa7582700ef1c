//! The sweeps, as a scheduled Lambda function.

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;
use tollgate_functions::adapters::clients::sdk_config;
use tollgate_functions::adapters::system::SystemClock;
use tollgate_functions::config::{Settings, SweepConfig, environment, log_filter};
use tollgate_functions::{handlers, setup, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(&log_filter(environment));
    let sdk = sdk_config().await;
    let settings = Settings::load(environment, SweepConfig::SECRETS, &sdk).await;
    let config = settings.read(|get| SweepConfig::read(get))?;
    let sweep = &setup::sweep(config, &sdk, SystemClock)?;
    let handle = async |schedule: LambdaEvent<Value>| {
        handlers::sweep::handle(sweep, &schedule.payload).await?;
        Ok::<_, Diagnostic>(())
    };
    lambda_runtime::run(service_fn(handle)).await
}
