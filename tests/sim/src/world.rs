//! The world of the stand-ins as the workers see it: each system is a port behind one gate, and
//! the ledger is in memory.

use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;
use tollgate_core::catalog::CatalogFile;
use tollgate_core::ports::Ports;
use tollgate_standin::api_gateway::ApiGatewayStandin;
use tollgate_standin::clock::VirtualClock;
use tollgate_standin::cognito::{CognitoStandin, PoolConfig};
use tollgate_standin::sqs::SqsStandin;
use tollgate_standin::stripe::{Settings, StripeStandin};
use tollgate_standin::world as standins;
use tollgate_standin::world::{BULK_QUEUE, EVENTS_QUEUE};

use crate::gate::{Faults, Gate};
use crate::ledger::MemoryLedger;
use crate::planted::Bug;
use crate::ports::{Gated, SeededEntropy, SimClock, SqsPort};

/// The systems and the ledger of one deployment. What is no port (queues as their poller sees
/// them, secrets) is the stand-ins' own.
#[derive(Clone)]
pub struct World {
    standins: standins::World,
    /// The one gate.
    pub gate: Gate,
    /// The one clock.
    pub clock: SimClock,
    /// Stripe.
    pub stripe: Gated<StripeStandin>,
    /// API Gateway, control plane and data plane.
    pub api_gateway: Gated<ApiGatewayStandin>,
    /// Cognito.
    pub cognito: Gated<CognitoStandin>,
    /// The ledger.
    pub ledger: MemoryLedger,
    /// Randomness.
    pub entropy: SeededEntropy,
}

/// When every world begins.
pub fn dawn() -> Timestamp {
    "2026-01-15T09:00:00Z".parse().expect("it is a timestamp")
}

impl World {
    /// A world at `start`, under the given faults, whose ids and randomness follow from
    /// the seed.
    pub fn new(start: Timestamp, seed: u64, base_url: &str, faults: Arc<dyn Faults>) -> Self {
        Self::on(VirtualClock::starting_at(start), seed, base_url, faults)
    }

    /// The same on a clock of the caller's.
    pub fn on(clock: VirtualClock, seed: u64, base_url: &str, faults: Arc<dyn Faults>) -> Self {
        let standins = standins::World::on(clock.clone(), seed, base_url);
        // What happens in live mode is what the seeds are to meet.
        standins.stripe.account().settings_mut().sends_again_as_live = true;
        let gate = Gate::new(faults);
        Self {
            clock: clock.into(),
            stripe: Gated::new(standins.stripe.clone(), gate.clone()),
            api_gateway: Gated::new(standins.api_gateway.clone(), gate.clone()),
            cognito: Gated::new(standins.cognito.clone(), gate.clone()),
            ledger: MemoryLedger::new(gate.clone()),
            entropy: SeededEntropy::new(seed),
            standins,
            gate,
        }
    }

    /// The same world with another Stripe account, empty and of these settings.
    #[must_use]
    pub fn with_stripe(self, settings: Settings) -> Self {
        let stripe = StripeStandin::new(self.clock.standin(), self.calls.clone(), settings);
        Self { stripe: Gated::new(stripe, self.gate.clone()), ..self }
    }

    /// The same world with another user pool, in which nobody is.
    ///
    /// # Panics
    /// Where Cognito would refuse the pool's custom attributes.
    #[must_use]
    pub fn with_pool(self, config: PoolConfig) -> Self {
        let pool = CognitoStandin::new(self.clock.standin(), self.calls.clone(), config);
        let pool = pool.expect("the pool's attributes are ones that Cognito takes");
        Self { cognito: Gated::new(pool, self.gate.clone()), ..self }
    }

    /// The same world, in which no queue has been made.
    #[must_use]
    pub fn without_queues(mut self) -> Self {
        self.standins.sqs = SqsStandin::new(self.clock.standin(), self.calls.clone());
        self
    }

    /// The catalog and policy.
    pub fn catalog(&self) -> CatalogFile {
        CatalogFile::parse(&self.plans_toml).expect("the catalog is valid")
    }

    /// Adds lines to `plans.toml`, which is the sample API's at first.
    pub fn add_to_plans(&mut self, lines: &str) {
        self.standins.plans_toml += lines;
    }

    /// The way to the two queues.
    pub fn queue(&self) -> SqsPort {
        SqsPort::new(self.sqs.clone(), self.gate.clone(), EVENTS_QUEUE, BULK_QUEUE)
    }

    /// Plants a bug in this world, to see it caught; there is none otherwise.
    pub fn plant(&self, bug: Bug) {
        self.gate.plant(bug);
    }
}

impl Deref for World {
    type Target = standins::World;

    fn deref(&self) -> &standins::World {
        &self.standins
    }
}

impl Ports for World {
    type Stripe = Gated<StripeStandin>;
    type ApiGateway = Gated<ApiGatewayStandin>;
    type Users = Gated<CognitoStandin>;
    type Ledger = MemoryLedger;
    type Clock = SimClock;
    type Entropy = SeededEntropy;

    fn stripe(&self) -> &Self::Stripe {
        &self.stripe
    }

    fn api_gateway(&self) -> &Self::ApiGateway {
        &self.api_gateway
    }

    fn users(&self) -> &Self::Users {
        &self.cognito
    }

    fn ledger(&self) -> &MemoryLedger {
        &self.ledger
    }

    fn clock(&self) -> &SimClock {
        &self.clock
    }

    fn entropy(&self) -> &SeededEntropy {
        &self.entropy
    }
}
