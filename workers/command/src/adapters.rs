//! What only the command calls: usage plans as such, secrets, and in Stripe what is sold. The rest is
//! in `tollgate_functions::adapters`.

pub mod secrets;
pub mod stripe;
pub mod usage_plans;

/// An SDK's configuration for a stub's address, without retries.
#[cfg(test)]
pub(crate) fn stubbed(url: &str) -> aws_config::SdkConfig {
    let retries = aws_config::retry::RetryConfig::disabled();
    let stub = tollgate_functions::adapters::clients::made_up(url, "test");
    stub.into_builder().retry_config(retries).build()
}
