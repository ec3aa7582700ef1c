//! The whole product in one process: stand-ins behind HTTP, an embedded DynamoDB, and
//! Tollgate's functions on the real SDKs between them.
//!
//! What AWS does between the services is done here, on request and in order: SQS's
//! event source mappings, EventBridge, the sweep's schedule. Time is a virtual clock; of
//! [`serve`](crate::serve), real time.
//! Whoever calls a function that failed calls it again, as in AWS (`retries`).

mod retries;
mod serving;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use aws_config::SdkConfig;
use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::task::JoinHandle;
use tollgate_core::sweep::DriftReport;
use tollgate_functions::adapters::dynamodb::DynamoLedger;
use tollgate_functions::adapters::dynamodb::table::create_table;
use tollgate_functions::handlers::{self, sweep::Swept};
use tollgate_standin::clock::VirtualClock;
use tollgate_standin::cognito::{self, CognitoStandin, PoolConfig};
use tollgate_standin::stripe::http::{router_of as stripe_router, webhook_client};
use tollgate_standin::stripe::{Settings, StripeStandin};
use tollgate_standin::world::{
    BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE, MAX_RECEIVES, POOL_ID, World,
};

use self::serving::{listen, listeners, noted, serve, url};
use self::settings::{VISITOR, register_webhook, sdk, start};
use crate::access::Access;
use crate::addresses::{CLIENT_ID, queue_url};
pub use crate::addresses::{TABLE, Urls};
use crate::clock::StackClock;
use crate::faults::Faults;
use crate::front::{self, Front};
use crate::functions::{self, Deployed, Functions, TriggerFunction};
use crate::outputs;
use crate::secrets::{self};
use crate::storefront;

/// A user pool of the same account that is not the product's, and has no users.
pub const OTHER_POOL_ID: &str = "us-east-1_Elsewhere";

/// A key of a Stripe account that is not the product's, and has no customers.
pub const OTHER_STRIPE_KEY: &str = "sk_test_elsewhere";

/// A function that can be broken on purpose, to show that it would be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The worker takes its messages and does nothing.
    Worker,
    /// The webhook answers 200 and does nothing.
    Webhook,
    /// The EventBridge target does nothing.
    Eventbridge,
}

/// How to start a stack.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The first of four ports in a row; any free ones without it.
    pub port: Option<u16>,
    /// What the clock shows at first.
    pub start: Timestamp,
    /// What is broken.
    pub broken: Option<Broken>,
    /// What the functions' own requests meet; those of the stack and of its visitors
    /// pass by another way.
    pub faults: Option<Faults>,
    /// Whether what is sold has prices, terms and a name, as for whoever looks at the page.
    pub storefront: bool,
}

/// A running stack; it ends with this value.
pub struct Stack {
    /// The far ends.
    pub world: World,
    /// Tollgate.
    deployed: Deployed,
    /// Where it is.
    pub urls: Urls,
    /// A client that follows no redirect.
    pub http: reqwest::Client,
    /// The clients' configuration, for whoever wants to look at the table or the queues.
    pub sdk: SdkConfig,
    /// The ledger, for whoever wants to look: no fault is on this way to it.
    pub ledger: DynamoLedger,
    /// What each function has asked of AWS and Stripe.
    pub access: Access,
    clock: StackClock,
    /// Where the functions reach everything: through the faults, if there are any.
    ways: Urls,
    faults: Option<Faults>,
    poller: aws_sdk_sqs::Client,
    dead_poller: aws_sdk_sqs::Client,
    broken: Option<Broken>,
    servers: Vec<JoinHandle<()>>,
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl Stack {
    /// Starts everything.
    ///
    /// # Errors
    /// A port is taken (the message says what to do), or a part does not start.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        Self::start_on(VirtualClock::starting_at(options.start), options).await
    }

    /// The same on a clock of the caller's.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub async fn start_on(clock: VirtualClock, options: Options) -> anyhow::Result<Self> {
        let [tollgate, api, stripe, aws] = listeners(options.port).await?;
        let dynamodb = listen(None).await?;
        let urls = Urls {
            tollgate: url(&tollgate)?,
            api: url(&api)?,
            stripe: url(&stripe)?,
            aws: url(&aws)?,
        };
        let dynamodb_url = url(&dynamodb)?;
        let http = webhook_client().context("no HTTP client")?;
        let mut world = World::on(clock, 1, &urls.stripe);
        if options.storefront {
            storefront::open(&mut world, &urls)?;
        }
        world.cognito.set_endpoint(&urls.aws);
        world.cognito.change_config(|pool| {
            let page = format!("{}/", urls.tollgate);
            for client in pool.clients.iter_mut().filter(|client| client.id == CLIENT_ID) {
                client.callback_urls.push(page.clone());
                client.logout_urls.push(page.clone());
            }
        });
        let elsewhere = PoolConfig { custom: Vec::new(), ..PoolConfig::tollgate(OTHER_POOL_ID) };
        let elsewhere = CognitoStandin::new(world.clock.clone(), world.calls.clone(), elsewhere)
            .map_err(|error| anyhow::anyhow!("the other pool: {error:?}"))?;
        let access = Access::default();
        let front = Front {
            sqs: world.sqs.service(),
            cognito: cognito::router([world.cognito.clone(), elsewhere]),
            api_gateway: world.api_gateway.control_plane(),
            secrets: world.secrets.clone(),
            cloudformation: world.cloudformation.service(),
            dynamodb: dynamodb_url,
            http: http.clone(),
            calls: world.calls.clone(),
            access: access.clone(),
            clock: world.clock.clone(),
        };
        let settings = Settings {
            account_id: "acct_1Elsewhere000000".to_owned(),
            keys: vec![OTHER_STRIPE_KEY.to_owned()],
            ..Settings::default()
        };
        let elsewhere = StripeStandin::new(world.clock.clone(), world.calls.clone(), settings);
        let stripe_api = noted(&access, stripe_router([world.stripe.clone(), elsewhere]));
        let database = dynoxide::Database::memory().context("the embedded DynamoDB")?;
        let mut servers = vec![
            tokio::spawn(dynoxide::server::serve_on(dynamodb, database)),
            serve(aws, front::router(front.clone())),
            serve(stripe, stripe_api.clone()),
            serve(api, world.api_gateway.data_plane(tollgate_standin::world::API_ID)),
        ];
        let mut ways = urls.clone();
        if let Some(faults) = &options.faults {
            let (aws, stripe) = (listen(None).await?, listen(None).await?);
            (ways.aws, ways.stripe) = (url(&aws)?, url(&stripe)?);
            servers.push(serve(aws, faults.over_aws(front::router(front))));
            servers.push(serve(stripe, faults.over_stripe(stripe_api)));
        }
        secrets::create(&world.secrets, &register_webhook(&world, &urls));
        outputs::publish(&world, &urls, POOL_ID);
        let tries = retries::most(options.faults.is_some());
        let deployed = Deployed::new(start(tries, &world, &ways, &BTreeMap::new()).await?);
        world.cognito.set_triggers(Arc::new(TriggerFunction(deployed.clone())));
        let broken_webhook = options.broken == Some(Broken::Webhook);
        let routes = functions::router(deployed.clone(), world.cognito.clone(), broken_webhook);
        servers.push(serve(tollgate, routes));
        // The event source mappings, which use the roles of their functions.
        let poller = |function| aws_sdk_sqs::Client::new(&sdk(&urls.aws, function));
        let (poller, dead_poller) = (poller("worker"), poller("deadletter"));
        let sdk = sdk(&urls.aws, VISITOR);
        let table = aws_sdk_dynamodb::Client::new(&sdk);
        create_table(&table, TABLE).await?;
        let ledger = DynamoLedger::new(table, TABLE, None);
        world.calls.take();
        let Options { broken, faults, .. } = options;
        Ok(Self {
            clock: world.clock.clone().into(),
            world,
            deployed,
            urls,
            ways,
            http,
            sdk,
            ledger,
            access,
            faults,
            poller,
            dead_poller,
            broken,
            servers,
        })
    }

    /// The functions as they were deployed last.
    pub fn functions(&self) -> Arc<Functions> {
        self.deployed.functions()
    }

    /// Deploys the functions anew, some of their variables changed: they read their secrets
    /// and their catalog again.
    ///
    /// # Errors
    /// A function refuses to start with this; those from before go on.
    pub async fn deploy(&self, changed: &BTreeMap<&'static str, String>) -> anyhow::Result<()> {
        let tries = retries::most(self.faults.is_some());
        self.deployed.replace(start(tries, &self.world, &self.ways, changed).await?);
        let pool = changed.get("TOLLGATE_USER_POOL_ID").map_or(POOL_ID, String::as_str);
        outputs::publish(&self.world, &self.urls, pool);
        Ok(())
    }

    /// The clock.
    pub fn clock(&self) -> &StackClock {
        &self.clock
    }

    /// Delivers everything that is under way, until nothing is: Stripe's webhooks,
    /// CloudTrail's records, the queues.
    ///
    /// # Errors
    /// A part of the stack failed; not: a message did, it comes again in its time.
    pub async fn settle(&self) -> anyhow::Result<()> {
        loop {
            let delivered = self.world.stripe.deliver_due(&self.http).await;
            let records = self.pass_on_cloudtrail().await?;
            let messages = self.pump().await?;
            if delivered.succeeded + records + messages == 0 {
                return Ok(());
            }
        }
    }

    /// Moves the clock, and does everything that falls due on the way in its order.
    ///
    /// # Errors
    /// As for [`settle`](Self::settle).
    pub async fn advance(&self, by: SignedDuration) -> anyhow::Result<()> {
        let target = self.clock().time().checked_add(by).context("the clock's end")?;
        loop {
            self.settle().await?;
            let next = self.next_due().await?.filter(|next| *next < target);
            self.world.stripe.advance_to(next.unwrap_or(target));
            self.sweep().await?;
            self.settle().await?;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Runs the sweep once, as its schedule does; again when faults made it fail.
    ///
    /// # Errors
    /// The sweep failed.
    pub async fn sweep(&self) -> anyhow::Result<()> {
        self.run_sweep(&json!({})).await.map(drop)
    }

    /// Compares all four systems once, as its schedule does.
    ///
    /// # Errors
    /// The comparison failed.
    pub async fn compare(&self) -> anyhow::Result<DriftReport> {
        match self.run_sweep(&json!({ "sweep": "drift" })).await? {
            Swept::Drift(report) => Ok(*report),
            Swept::Due(_) => bail!("the other sweep was run"),
        }
    }

    async fn run_sweep(&self, event: &serde_json::Value) -> anyhow::Result<Swept> {
        let mut tries = self.tries();
        loop {
            tries -= 1;
            match handlers::sweep::handle(&self.functions().sweep, event).await {
                Err(failed) if tries == 0 => bail!(failed.error_message),
                Err(_) => {}
                Ok(swept) => return Ok(swept),
            }
        }
    }

    /// When something will happen next: in Stripe, on the way from it, in an account, or
    /// on a queue.
    async fn next_due(&self) -> anyhow::Result<Option<Timestamp>> {
        let now = self.clock().time();
        let (stripe, delivery) = {
            let account = self.world.stripe.account();
            (account.next_due(), account.next_delivery())
        };
        let mut times = vec![stripe, delivery];
        let far = Timestamp::from_second(253_370_764_800)?;
        times.extend(self.due_until(far).await?.into_iter().map(Some));
        times.extend(self.next_visible());
        Ok(times.into_iter().flatten().filter(|at| *at > now).min())
    }

    /// EventBridge: from CloudTrail to the function.
    async fn pass_on_cloudtrail(&self) -> anyhow::Result<usize> {
        let records = self.world.cognito.take_cloudtrail();
        for record in records.iter().filter(|_| self.broken != Some(Broken::Eventbridge)) {
            let mut tries = self.tries();
            while let Err(failed) =
                handlers::eventbridge::handle(&self.functions().eventbridge, record).await
            {
                tries -= 1;
                anyhow::ensure!(tries > 0, failed.error_message);
            }
        }
        Ok(records.len())
    }

    /// SQS's event source mappings: every visible message of every queue goes to its
    /// function; what the function does not report as failed is deleted.
    async fn pump(&self) -> anyhow::Result<usize> {
        let mut handled = 0;
        for queue in [EVENTS_QUEUE, BULK_QUEUE].into_iter().chain(DEAD_LETTER_QUEUES) {
            while let messages @ 1.. = self.pump_batch(queue).await? {
                handled += messages;
            }
        }
        Ok(handled)
    }

    /// Puts a message on a queue, as whoever may write there could.
    ///
    /// # Errors
    /// The queue does not take it.
    pub async fn put_on_queue(&self, queue: &str, body: &str) -> anyhow::Result<()> {
        let sqs = aws_sdk_sqs::Client::new(&self.sdk);
        let send = sqs.send_message().queue_url(queue_url(&self.urls, queue)).message_body(body);
        send.message_group_id("g").message_deduplication_id("d").send().await?;
        Ok(())
    }

    async fn pump_batch(&self, queue: &str) -> anyhow::Result<usize> {
        let url = queue_url(&self.urls, queue);
        let is_dead = DEAD_LETTER_QUEUES.contains(&queue);
        let sqs = if is_dead { &self.dead_poller } else { &self.poller };
        let received = sqs
            .receive_message()
            .queue_url(&url)
            .max_number_of_messages(10)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await?
            .messages
            .unwrap_or_default();
        if received.is_empty() {
            return Ok(0);
        }
        // Faults kill no message: when it is about to be a dead letter, they stop.
        let is_last = received.iter().any(|message| receives(message) + 1 >= MAX_RECEIVES);
        self.faults.iter().for_each(|faults| faults.set_calm(is_last));
        let failed = self.invoke(queue, sqs_event(queue, &received)?).await;
        self.faults.iter().for_each(|faults| faults.set_calm(false));
        let failed = failed?;
        for message in &received {
            let id = message.message_id().unwrap_or_default();
            let receipt = message.receipt_handle().unwrap_or_default();
            if !failed.iter().any(|failed| failed == id) {
                sqs.delete_message().queue_url(&url).receipt_handle(receipt).send().await?;
            }
        }
        Ok(received.len() - failed.len())
    }

    /// Invokes a queue's function; returns the ids that it reports as failed.
    async fn invoke(&self, queue: &str, event: SqsEvent) -> anyhow::Result<Vec<String>> {
        let functions = self.functions();
        let timeout = SignedDuration::from_secs(30);
        let deadline = self.clock().time().checked_add(timeout)?;
        let response = if DEAD_LETTER_QUEUES.contains(&queue) {
            handlers::sqs::dead_letters(&functions.ledger, self.clock(), event).await
        } else if self.broken == Some(Broken::Worker) {
            return Ok(Vec::new());
        } else {
            let Functions { worker, worker_queue, .. } = &*functions;
            handlers::sqs::handle(worker, worker_queue, event, deadline).await
        };
        let response = response.map_err(|diagnostic| anyhow::anyhow!(diagnostic.error_message))?;
        Ok(response.batch_item_failures.into_iter().map(|item| item.item_identifier).collect())
    }
}

/// How often a message has been received.
fn receives(message: &aws_sdk_sqs::types::Message) -> u32 {
    let name = MessageSystemAttributeName::ApproximateReceiveCount;
    let count = message.attributes().and_then(|attributes| attributes.get(&name));
    count.and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// A batch as Lambda passes it to a function.
fn sqs_event(queue: &str, messages: &[aws_sdk_sqs::types::Message]) -> anyhow::Result<SqsEvent> {
    let records: Vec<_> = messages
        .iter()
        .map(|message| {
            let attributes: BTreeMap<_, _> = message
                .attributes()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.as_str(), value))
                .collect();
            json!({
                "messageId": message.message_id(),
                "receiptHandle": message.receipt_handle(),
                "body": message.body(),
                "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
                "attributes": attributes,
            })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).context("SQS's batch")
}
