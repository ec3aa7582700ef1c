//! The two faces of a world of stand-ins, and how a case opens one.
//!
//! A case sets its scene on the [`World`], which both faces have underneath, and acts
//! and looks through the ports.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use axum::Router;
use jiff::Timestamp;
use tollgate_core::ports::{Ports, Queue};
use tollgate_functions::adapters::AwsPorts;
use tollgate_functions::adapters::api_gateway::ControlPlane;
use tollgate_functions::adapters::clients::made_up;
use tollgate_functions::adapters::dynamodb::table;
use tollgate_functions::adapters::sqs::SqsQueue;
use tollgate_functions::config::{QueueConfig, WorkerConfig};
use tollgate_functions::setup;
use tollgate_local::access::Access;
use tollgate_local::clock::StackClock;
use tollgate_local::faults::Faults;
use tollgate_local::front::{self, Front};
use tollgate_sim::gate::Calm;
use tollgate_sim::ports::SqsPort;
use tollgate_sim::world::World;
use tollgate_standin::stripe;
use tollgate_standin::world::{BULK_QUEUE, EVENTS_QUEUE, POOL_ID};

/// The ledger's table.
const TABLE: &str = "tollgate";
/// What Stripe's pages are called under; nobody opens them here.
const STRIPE_PAGES: &str = "https://stripe.test";

/// A face of a world: what a case acts through.
pub(crate) trait Face: Sized {
    type Ports: Ports;
    type Queue: Queue;

    async fn open(world: World) -> Stand<Self>;
}

/// A world, and one face of it.
pub(crate) struct Stand<F: Face> {
    pub(crate) ports: F::Ports,
    pub(crate) queue: F::Queue,
    pub(crate) world: World,
}

impl<F: Face> Stand<F> {
    /// The operations that were called since the last time: a port logs them at its gate, a
    /// stand-in that is called over HTTP by itself.
    pub(crate) fn take_operations(&self) -> Vec<&'static str> {
        let ports = self.world.gate.take_calls().into_iter().map(|call| call.operation);
        let http = self.world.calls.take().into_iter().map(|call| call.operation);
        ports.chain(http).collect()
    }
}

/// The stand-ins as ports, as the simulation has them.
pub(crate) struct OnThePorts;

/// The HTTP face behind the real adapters; the ledger is an embedded DynamoDB.
pub(crate) struct OnTheWire;

/// A new world, as the sample API's.
pub(crate) fn world() -> World {
    let start = Timestamp::from_second(1_800_000_000).expect("in range");
    World::new(start, 1, STRIPE_PAGES, Arc::new(Calm))
}

/// A face of a new world.
pub(crate) async fn stand<F: Face>() -> Stand<F> {
    F::open(world()).await
}

impl Face for OnThePorts {
    type Ports = World;
    type Queue = SqsPort;

    async fn open(world: World) -> Stand<Self> {
        Stand { ports: world.clone(), queue: world.queue(), world }
    }
}

impl Face for OnTheWire {
    type Ports = AwsPorts<StackClock>;
    type Queue = SqsQueue;

    async fn open(world: World) -> Stand<Self> {
        under(&Faults::default(), world).await
    }
}

/// The HTTP face with these faults before it.
pub(crate) async fn under(faults: &Faults, world: World) -> Stand<OnTheWire> {
    let front = Front {
        sqs: world.sqs.service(),
        cognito: tollgate_standin::cognito::router([(*world.cognito).clone()]),
        api_gateway: world.api_gateway.control_plane(),
        secrets: world.secrets.clone(),
        cloudformation: world.cloudformation.service(),
        dynamodb: serve_dynamodb().await,
        http: reqwest::Client::builder().no_proxy().build().expect("no options to go wrong"),
        calls: world.calls.clone(),
        access: Access::default(),
        clock: world.clock.standin(),
    };
    let aws = serve(faults.over_aws(front::router(front))).await;
    let stripe = serve(faults.over_stripe(stripe::router((*world.stripe).clone()))).await;
    let sdk = sdk(&aws);
    let database = aws_sdk_dynamodb::Client::new(&sdk);
    table::create_table(&database, TABLE).await.expect("the database is new");
    let config = WorkerConfig::read(settings(&world, &stripe)).expect("all is set");
    let mut ports =
        AwsPorts::new(&config, &sdk, world.clock.standin().into()).expect("the key is text");
    // Without the client's own retries: a refusal is looked at, not waited out.
    ports.api_gateway = ControlPlane::new(aws_sdk_apigateway::Client::new(&sdk));
    Stand { ports, queue: queue(&aws, &sdk), world }
}

/// Serves on a free port until the test's runtime ends; returns the URL.
async fn serve(router: Router) -> String {
    let (listener, url) = listen().await;
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

async fn serve_dynamodb() -> String {
    let (listener, url) = listen().await;
    let database = dynoxide::Database::memory().expect("memory is there");
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    url
}

async fn listen() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    (listener, url)
}

/// A refusal is looked at, not waited out.
fn sdk(endpoint: &str) -> SdkConfig {
    made_up(endpoint, "test").into_builder().retry_config(RetryConfig::disabled()).build()
}

fn settings(world: &World, stripe: &str) -> impl Fn(&str) -> Option<String> {
    let (catalog, stripe) = (world.plans_toml.clone(), stripe.to_owned());
    move |name| {
        let value = match name {
            "TOLLGATE_STACK" => "contract",
            "TOLLGATE_TABLE" => TABLE,
            "TOLLGATE_USER_POOL_ID" => POOL_ID,
            "TOLLGATE_LIVEMODE" => "false",
            "TOLLGATE_CATALOG" => &catalog,
            // Restricted, as it should be.
            "STRIPE_SECRET_KEY" => "rk_test_contract",
            "STRIPE_API_BASE" => &stripe,
            "TOLLGATE_KEY_SECRETS" => "1=contract-0123456789-0123456789-01",
            _ => return None,
        };
        Some(value.to_owned())
    }
}

fn queue(endpoint: &str, sdk: &SdkConfig) -> SqsQueue {
    let url = |name: &str| format!("{endpoint}/000000000000/{name}");
    let config = QueueConfig { events_url: url(EVENTS_QUEUE), bulk_url: url(BULK_QUEUE) };
    setup::queue(&config, sdk)
}
