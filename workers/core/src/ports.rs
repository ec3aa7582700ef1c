//! What Tollgate needs of the world, one trait for each system.
//!
//! Two implementations each: the adapters in `tollgate-functions` (the real
//! services) and the stand-ins, wrapped in `tollgate-sim`; one contract suite keeps
//! them honest. Every failure is classified ([`Class`]), so that the one error
//! policy can match on it exhaustively.
//!
//! **Architecture invariant:** a port says what a service does, never what
//! Tollgate wants; no rule of billing hides in an adapter.

mod api_gateway;
mod clock;
mod entropy;
mod failure;
mod ledger;
mod page;
mod queue;
mod stripe;
mod users;

pub use api_gateway::{ApiGateway, ApiKey, NewKey, PlanStages, Usage};
pub use clock::Clock;
pub use entropy::Entropy;
pub use failure::{Class, PortError, PortResult, Service};
pub use ledger::{Counter, Ledger, Request, UsageSeen};
pub use page::{LeftOut, Page, Unreadable};
pub use queue::{Queue, QueueName};
pub use stripe::{
    Bought, ChargeSeen, CheckoutRecord, CustomerRecord, CustomerSeen, NewCheckout, NewPortal,
    PortalFlow, RecentCheckout, Stripe,
};
pub use users::{NameHolder, UserRecord, Users};

/// Everything that a worker needs, as one type parameter.
pub trait Ports: Send + Sync {
    /// Stripe's API.
    type Stripe: Stripe;
    /// API Gateway's control plane.
    type ApiGateway: ApiGateway;
    /// The Cognito user pool.
    type Users: Users;
    /// The ledger.
    type Ledger: Ledger;
    /// Time.
    type Clock: Clock;
    /// Randomness.
    type Entropy: Entropy;

    /// Stripe's API.
    fn stripe(&self) -> &Self::Stripe;
    /// API Gateway's control plane.
    fn api_gateway(&self) -> &Self::ApiGateway;
    /// The Cognito user pool.
    fn users(&self) -> &Self::Users;
    /// The ledger.
    fn ledger(&self) -> &Self::Ledger;
    /// Time.
    fn clock(&self) -> &Self::Clock;
    /// Randomness.
    fn entropy(&self) -> &Self::Entropy;
}
