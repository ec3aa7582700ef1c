//! From configuration to what a function runs on: every client, built once.
//!
//! The clock is the caller's: Lambda passes the system's, the local stack one that can
//! be moved.

use aws_config::SdkConfig;
use tollgate_core::account_api::{AccountApi, Returning};
use tollgate_core::binding::Binding;
use tollgate_core::converge::Worker;
use tollgate_core::ingress::{DEFAULT_TOLERANCE, PoolIngress, Webhook};
use tollgate_core::ports::Clock;
use tollgate_core::share::Share;

use crate::adapters::AwsPorts;
use crate::adapters::dynamodb::DynamoLedger;
use crate::adapters::sqs::SqsQueue;
use crate::adapters::stripe::StripeApiError;
use crate::config::{
    AccountConfig, LedgerConfig, QueueConfig, SweepConfig, TriggerConfig, WebhookConfig,
    WorkerConfig,
};
use crate::handlers::sweep::Sweep;

/// The queues.
pub fn queue(config: &QueueConfig, sdk: &SdkConfig) -> SqsQueue {
    SqsQueue::new(aws_sdk_sqs::Client::new(sdk), &config.events_url, &config.bulk_url)
}

/// The ledger.
pub fn ledger(config: &LedgerConfig, sdk: &SdkConfig) -> DynamoLedger {
    DynamoLedger::new(aws_sdk_dynamodb::Client::new(sdk), &config.table, config.event_retention)
}

/// The webhook endpoint.
pub fn webhook<C: Clock>(config: WebhookConfig, sdk: &SdkConfig, clock: C) -> Webhook<SqsQueue, C> {
    let queue = queue(&config.queues, sdk);
    Webhook { secrets: config.secrets, tolerance: DEFAULT_TOLERANCE, queue, clock }
}

/// What listens to the user pool.
pub fn pool<C: Clock>(
    config: TriggerConfig,
    sdk: &SdkConfig,
    clock: C,
) -> PoolIngress<SqsQueue, C> {
    let queue = queue(&config.queues, sdk);
    PoolIngress { pool_id: config.user_pool_id, queue, clock }
}

/// The worker.
///
/// # Errors
/// [`StripeApiError`] when Stripe's key or URL cannot go into a request.
pub fn worker<C: Clock>(
    config: WorkerConfig,
    sdk: &SdkConfig,
    clock: C,
) -> Result<Worker<AwsPorts<C>>, StripeApiError> {
    Ok(Worker {
        ports: AwsPorts::new(&config, sdk, clock)?,
        share: Share::of(&config.catalog.policy, config.instances),
        catalog: config.catalog.catalog,
        policy: config.catalog.policy,
        deriver: config.deriver,
        stack: config.stack,
        livemode: config.livemode,
        binding: Binding::that_binds(),
    })
}

/// The sweeps.
///
/// # Errors
/// As for [`worker`].
pub fn sweep<C: Clock>(
    config: SweepConfig,
    sdk: &SdkConfig,
    clock: C,
) -> Result<Sweep<AwsPorts<C>, SqsQueue>, StripeApiError> {
    let SweepConfig { stack, ledger, user_pool_id, queues, catalog, stripe } = config;
    let ports = AwsPorts::on(&ledger, &user_pool_id, &stripe, sdk, clock)?;
    Ok(Sweep { ports, queue: queue(&queues, sdk), catalog, stack })
}

/// The account API.
///
/// # Errors
/// As for [`worker`].
pub fn account_api<C: Clock>(
    config: AccountConfig,
    sdk: &SdkConfig,
    clock: C,
) -> Result<AccountApi<AwsPorts<C>>, StripeApiError> {
    let returning = Returning::new(config.return_url, config.allowed_origins);
    let worker = worker(config.worker, sdk, clock)?;
    // It never writes what the stack belongs to.
    let worker = Worker { binding: Binding::that_compares(), ..worker };
    Ok(AccountApi::new(worker, returning))
}
