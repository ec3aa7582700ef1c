//! All ports of a worker as one value.

use aws_config::SdkConfig;
use tollgate_core::ports::{Clock, Ports};

use super::api_gateway::ControlPlane;
use super::cognito::UserPool;
use super::dynamodb::DynamoLedger;
use super::stripe::{StripeApi, StripeApiError};
use super::system::SystemEntropy;
use crate::config::{LedgerConfig, StripeConfig, WorkerConfig};

/// The real services behind the ports. The clock is the caller's: Lambda passes the
/// system's, the local stack one that can be moved.
#[derive(Debug, Clone)]
pub struct AwsPorts<C> {
    /// Stripe's API.
    pub stripe: StripeApi,
    /// API Gateway's control plane.
    pub api_gateway: ControlPlane,
    /// The Cognito user pool.
    pub users: UserPool,
    /// The ledger.
    pub ledger: DynamoLedger,
    /// Time.
    pub clock: C,
    /// Randomness.
    pub entropy: SystemEntropy,
}

impl<C: Clock> AwsPorts<C> {
    /// Builds every client, once for each process.
    ///
    /// # Errors
    /// [`StripeApiError`] when Stripe's key or URL cannot go into a request.
    pub fn new(config: &WorkerConfig, sdk: &SdkConfig, clock: C) -> Result<Self, StripeApiError> {
        Self::on(&config.ledger, &config.user_pool_id, &config.stripe, sdk, clock)
    }

    /// Builds every client on the settings that each needs.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn on(
        ledger: &LedgerConfig,
        user_pool_id: &str,
        stripe: &StripeConfig,
        sdk: &SdkConfig,
        clock: C,
    ) -> Result<Self, StripeApiError> {
        let table = aws_sdk_dynamodb::Client::new(sdk);
        let pool = aws_sdk_cognitoidentityprovider::Client::new(sdk);
        Ok(Self {
            stripe: StripeApi::new(&stripe.key, &stripe.endpoint)?,
            api_gateway: ControlPlane::new(aws_sdk_apigateway::Client::new(sdk)),
            users: UserPool::new(pool, user_pool_id),
            ledger: DynamoLedger::new(table, &ledger.table, ledger.event_retention),
            clock,
            entropy: SystemEntropy,
        })
    }
}

impl<C: Clock> Ports for AwsPorts<C> {
    type Stripe = StripeApi;
    type ApiGateway = ControlPlane;
    type Users = UserPool;
    type Ledger = DynamoLedger;
    type Clock = C;
    type Entropy = SystemEntropy;

    fn stripe(&self) -> &StripeApi {
        &self.stripe
    }

    fn api_gateway(&self) -> &ControlPlane {
        &self.api_gateway
    }

    fn users(&self) -> &UserPool {
        &self.users
    }

    fn ledger(&self) -> &DynamoLedger {
        &self.ledger
    }

    fn clock(&self) -> &C {
        &self.clock
    }

    fn entropy(&self) -> &SystemEntropy {
        &self.entropy
    }
}
