//! The website's public part, as a Lambda function behind an HTTP API.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tollgate_functions::config::{SiteConfig, environment, log_filter};
use tollgate_functions::handlers::site::{self, Site};
use tollgate_functions::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(&log_filter(environment));
    let site = &Site::new(&SiteConfig::read(environment)?);
    let handle = async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
        Ok::<_, Error>(site::handle(site, &event.payload))
    };
    lambda_runtime::run(service_fn(handle)).await
}
