//! `tollgate doctor` on a deployment that is well, and on ones in which something was broken.

use std::path::PathBuf;
use std::sync::MutexGuard;

use aws_config::SdkConfig;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tollgate::cli::{Io, Surroundings, run};
use tollgate_core::ledger::{KeyCount, StackRecord};
use tollgate_core::policy::Policy;
use tollgate_core::ports::Ledger;
use tollgate_functions::adapters::stripe::API_VERSION;
use tollgate_local::clock::StackClock;
use tollgate_local::stack::{Options, Stack, TABLE};
use tollgate_operator::doctor::NEWEST_API_VERSION;
use tollgate_operator::storefront::{METADATA_SECRET, METADATA_STACK};
use tollgate_standin::api_gateway::{KeySource, NewApiKey, Patch, PatchOp};
use tollgate_standin::clock::VirtualClock;
use tollgate_standin::cognito::AppClient;
use tollgate_standin::sqs::Outgoing;
use tollgate_standin::stripe::{
    Card, EndpointUpdate, Metadata, NewCustomer, NewEndpoint, Stripe, SubscriptionData,
};
use tollgate_standin::world::{API_ID, BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE, POOL_ID};

use super::CommandClock;
use super::screens::assert_shows;

const SECRETS: [&str; 3] = ["StripeKeySecret", "WebhookSecrets", "KeySecrets"];

/// A local stack, set up as a careful operator would.
struct Clinic {
    stack: Stack,
    plans: PathBuf,
    clock: StackClock,
    sdk: SdkConfig,
    own_key: Option<&'static str>,
}

/// What the command printed, and how it ended.
struct Told {
    code: u8,
    out: String,
}

impl Told {
    /// What is not well: check and verdict.
    fn turned(&self) -> Vec<(String, String)> {
        let told: Value = serde_json::from_str(&self.out).expect("it is JSON");
        let checks = told["checks"].as_array().expect("there are checks").iter();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = checks.map(|check| (word(&check["check"]), word(&check["verdict"])));
        all.filter(|(_, verdict)| verdict != "ok").collect()
    }
}

impl Clinic {
    async fn open() -> Self {
        let start = "2026-03-01T09:00:00Z".parse().unwrap();
        let options = Options { start, ..Options::default() };
        let stack = Stack::start(options).await.unwrap();
        let plans = format!("{}/doctor-{}.toml", env!("CARGO_TARGET_TMPDIR"), port(&stack));
        std::fs::write(&plans, &stack.world.plans_toml).unwrap();
        let (clock, sdk) = (stack.clock().clone(), stack.sdk.clone());
        let clinic = Self { stack, plans: plans.into(), clock, sdk, own_key: None };
        clinic.narrow_the_endpoint();
        clinic.stack.world.cognito.change_config(|pool| pool.email_as_username = true);
        clinic.put("StripeKeySecret", "rk_test_local");
        let stripe_account = Some(clinic.stripe().settings_mut().account_id.clone());
        clinic.belongs_to(stripe_account, POOL_ID).await;
        clinic.protect(true).await;
        clinic
    }

    /// The local stack's own endpoint takes every event, in the account's version.
    fn narrow_the_endpoint(&self) {
        let mut stripe = self.stack.world.stripe.account();
        let ids: Vec<_> = stripe.endpoints().map(|endpoint| endpoint.id.clone()).collect();
        ids.iter().for_each(|id| stripe.delete_endpoint(id).unwrap());
        let (_, secret) = stripe.create_endpoint(NewEndpoint {
            url: format!("{}/webhook", self.stack.urls.tollgate),
            enabled_events: Policy::default()
                .event_types()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            api_version: Some(API_VERSION.to_owned()),
            metadata: Metadata::from([(METADATA_STACK.into(), "local".into())]),
        });
        drop(stripe);
        self.put("WebhookSecrets", &secret);
    }

    fn put(&self, secret: &str, value: &str) {
        self.stack.world.secrets.put(secret, value, value).unwrap();
    }

    fn stripe(&self) -> MutexGuard<'_, Stripe> {
        self.stack.world.stripe.account()
    }

    /// What the ledger says that the stack belongs to.
    async fn belongs_to(&self, stripe_account: Option<String>, pool: &str) {
        let stack = self.stack.ledger.stack().await.unwrap();
        // A comparison has run.
        let keys = Some(KeyCount { count: 0, at: self.clock.time() });
        let stack = StackRecord { stripe_account, pool: Some(pool.into()), keys, ..stack };
        assert!(self.stack.ledger.put_stack(&stack).await.unwrap());
    }

    async fn protect(&self, on: bool) {
        let table = aws_sdk_dynamodb::Client::new(&self.stack.sdk);
        let update = table.update_table().table_name(TABLE).deletion_protection_enabled(on);
        update.send().await.unwrap();
    }

    /// Runs the command; the value of no secret is in what it prints.
    async fn doctor(&self, arguments: &[&str]) -> Told {
        self.run(&["tollgate", "--stack", "local", "doctor"], arguments).await
    }

    async fn run(&self, command: &[&str], arguments: &[&str]) -> Told {
        let all = [command, arguments, &[self.plans.to_str().unwrap()]].concat();
        let environment = |name: &str| self.variable(name);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut io = Io {
            out: &mut out,
            err: &mut err,
            input: &mut &[][..],
            interactive: false,
            colour: false,
            columns: None,
            interrupted: &|| false,
            hidden: || Err(std::io::ErrorKind::Unsupported.into()),
        };
        let (sdk, clock) = (Some(self.sdk.clone()), CommandClock::alone(self.clock.clone()));
        let surroundings = Surroundings { environment: &environment, sdk, clock };
        let code = run(all.into_iter().map(Into::into), &mut io, surroundings).await;
        let (out, err) = (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap());
        assert_eq!(err, "");
        for secret in SECRETS {
            let value = self.stack.world.secrets.value(secret).unwrap();
            let shown = !value.trim().is_empty() && out.contains(value.trim());
            assert!(!shown, "the value of {secret} is in the output");
        }
        Told { code, out }
    }

    /// The operator's environment; the functions' variables, where no stack is named.
    fn variable(&self, name: &str) -> Option<String> {
        let urls = &self.stack.urls;
        let queue = |name: &str| format!("{}/000000000000/{name}", urls.aws);
        let secret = |name: &str| self.stack.world.secrets.value(name);
        match name {
            "STRIPE_API_BASE" => Some(urls.stripe.clone()),
            "STRIPE_SECRET_KEY" => self.own_key.map(str::to_owned),
            "STRIPE_SECRET_KEY_ARN" => Some("StripeKeySecret".into()),
            "STRIPE_WEBHOOK_SECRETS" => secret("WebhookSecrets"),
            "TOLLGATE_KEY_SECRETS" => secret("KeySecrets"),
            "TOLLGATE_STACK" => Some("local".into()),
            "TOLLGATE_LIVEMODE" => Some("false".into()),
            "TOLLGATE_TABLE" => Some(TABLE.into()),
            "TOLLGATE_USER_POOL_ID" => Some(POOL_ID.into()),
            "TOLLGATE_EVENTS_QUEUE_URL" => Some(queue(EVENTS_QUEUE)),
            "TOLLGATE_BULK_QUEUE_URL" => Some(queue(BULK_QUEUE)),
            _ => None,
        }
    }

    fn usage_plan(&self, name: &str) -> String {
        self.stack
            .world
            .api_gateway
            .scene(|model, _| model.plans().find(|plan| plan.name == name).unwrap().id.clone())
    }
}

fn port(stack: &Stack) -> &str {
    stack.urls.tollgate.rsplit(':').next().unwrap()
}

#[tokio::test]
async fn a_healthy_deployment_passes_and_every_check_is_told() {
    let clinic = Clinic::open().await;
    let told = clinic.doctor(&["--strict"]).await;
    let shown = told.out.replace(&clinic.stack.urls.tollgate, "http://tollgate");
    assert_shows("doctor", &shown);
    assert_eq!(told.code, 0);
    let told = clinic.doctor(&["--json"]).await;
    let json: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&json["stack"], &json["verdict"]), (&json!("local"), &json!("ok")));
    assert_eq!(json["counts"]["ok"], json!(json["checks"].as_array().unwrap().len()));
    assert_eq!(told.code, 0);
}

/// What the command makes is the newest that doctor says is read.
#[test]
fn an_endpoint_that_the_command_makes_has_the_newest_version_that_is_read() {
    assert_eq!(API_VERSION, NEWEST_API_VERSION);
}

type Break = fn(&mut Clinic);

/// Through an app client that is on the second page.
fn users_may_write_their_plan(clinic: &mut Clinic) {
    clinic.stack.world.cognito.change_config(|pool| {
        let client = pool.clients[0].clone();
        pool.clients.extend((2..=61).map(|n| AppClient { id: format!("c{n}"), ..client.clone() }));
        let last = pool.clients[60].write_attributes.as_mut().unwrap();
        last.insert("custom:plan".into());
    });
}

/// So many that they are on two pages.
fn keys_run_out(clinic: &mut Clinic) {
    let plans =
        format!("{}\n[policy]\nkey_quota = 600\nkey_reserve = 99\n", clinic.stack.world.plans_toml);
    std::fs::write(&clinic.plans, plans).unwrap();
    clinic.stack.world.api_gateway.scene(|model, now| {
        for _ in 0..501 {
            model.create_api_key(NewApiKey::default(), now).unwrap();
        }
    });
}

fn a_plan_loses_its_stage(clinic: &mut Clinic) {
    let (op, path) = (PatchOp::Remove, "/apiStages".to_owned());
    let patch = Patch { op, path, value: Some("api1:prod".into()) };
    let plan = clinic.usage_plan("pro");
    let gateway = &clinic.stack.world.api_gateway;
    gateway.scene(|model, _| model.update_usage_plan(&plan, &[patch]).unwrap());
}

fn a_price_is_archived(clinic: &mut Clinic) {
    let mut stripe = clinic.stack.world.stripe.account();
    let price = stripe.price_by_lookup_key("pro_monthly").unwrap().id.clone();
    stripe.set_price_active(&price, false).unwrap();
}

fn the_endpoint_changes(clinic: &mut Clinic, update: EndpointUpdate) {
    let mut stripe = clinic.stack.world.stripe.account();
    let endpoint = stripe.endpoints().next().unwrap().id.clone();
    stripe.update_endpoint(&endpoint, update).unwrap();
}

fn the_endpoint_forgets_an_event(clinic: &mut Clinic) {
    let kinds = Policy::default().event_types().into_iter().filter(|kind| *kind != "invoice.paid");
    let enabled_events = Some(kinds.map(str::to_owned).collect());
    the_endpoint_changes(clinic, EndpointUpdate { enabled_events, ..EndpointUpdate::default() });
}

fn nobody_hears_of_a_sale(clinic: &mut Clinic) {
    let mut stripe = clinic.stack.world.stripe.account();
    let price = stripe.price_by_lookup_key("pro_monthly").unwrap().id.clone();
    let customer = stripe.create_customer(NewCustomer::default());
    stripe.set_card(&customer, Card::Pays).unwrap();
    stripe.subscribe(&customer, &[&price], SubscriptionData::default()).unwrap();
    drop(stripe);
    clinic.clock.advance(SignedDuration::from_mins(11));
}

fn a_letter_dies(clinic: &mut Clinic) {
    let letter = Outgoing { body: "{}".into(), group: Some("a".into()), dedup: Some("a".into()) };
    let sqs = &clinic.stack.world.sqs;
    sqs.scene(|model, now| model.send_message(DEAD_LETTER_QUEUES[1], letter, now).unwrap());
}

/// What somebody did, and what the doctor says of it.
#[rustfmt::skip]
const BREAKS: &[(&str, &str, Break)] = &[
    ("pool-attributes-not-writable", "failure", users_may_write_their_plan),
    ("pool-clients", "failure", |it| {
        let parameters = [("UserPoolClientIds".to_owned(), " , ".to_owned())];
        it.stack.world.cloudformation.set_parameters("local", parameters);
    }),
    ("pool-clients", "failure", |it| {
        let parameters = [("UserPoolClientIds".to_owned(), String::new())];
        it.stack.world.cloudformation.set_parameters("local", parameters);
    }),
    ("pool-triggers", "failure", |it| it.stack.world.cognito.change_config(|pool| pool.triggers.post_confirmation = false)),
    ("pool-clients", "failure", |it| it.stack.world.cognito.change_config(|pool| pool.clients.clear())),
    ("pool-user-names", "warning", |it| it.stack.world.cognito.change_config(|pool| pool.email_as_username = false)),
    ("api-keys-quota", "failure", keys_run_out),
    ("usage-plans-stages", "failure", a_plan_loses_its_stage),
    ("methods-require-key", "warning", |it| it.stack.world.api_gateway.scene(|model, _| {
        for resource in model.rest_api_mut(API_ID).unwrap().resources.values_mut() {
            resource.methods.insert("GET".into(), false);
        }
    })),
    ("api-key-source", "warning", |it| it.stack.world.api_gateway.scene(|model, _| {
        model.rest_api_mut(API_ID).unwrap().key_source = KeySource::Authorizer;
    })),
    ("stripe-prices", "failure", a_price_is_archived),
    ("stripe-portal", "warning", |it| {
        let id = it.stack.world.plans_toml.split('"').find(|it| it.starts_with("bpc_")).unwrap().to_owned();
        it.stripe().update_configuration(&id, |row| row.features.invoice_history = false).unwrap();
    }),
    ("stripe-business-name", "failure", |it| it.stripe().settings_mut().business_name = None),
    ("webhook-events", "failure", the_endpoint_forgets_an_event),
    ("webhook-undelivered", "warning", nobody_hears_of_a_sale),
    ("stripe-account-of-stack", "failure", |it| it.stripe().settings_mut().account_id = "acct_1Elsewhere000000".into()),
    ("stripe-key-restricted", "warning", |it| it.put("StripeKeySecret", "sk_test_local")),
    ("secret-webhook-count", "failure", |it| {
        // As `webhook apply` marks an endpoint whose secret it has stored.
        let metadata = Metadata::from([(METADATA_SECRET.into(), "0123456789abcdef".into())]);
        the_endpoint_changes(it, EndpointUpdate { metadata, ..EndpointUpdate::default() });
    }),
    ("secret-key-derivation", "failure", |it| it.put("KeySecrets", " ")),
    ("secret-key-derivation", "failure", |it| it.put("KeySecrets", "1=too-short")),
    ("queues-visibility", "failure", |it| {
        let short = SignedDuration::from_secs(30);
        it.stack.world.sqs.change_settings(EVENTS_QUEUE, |it| it.visibility_timeout = short).unwrap();
    }),
    ("queues-dead-letters", "warning", a_letter_dies),
    ("clock-skew", "failure", |it| {
        it.clock = VirtualClock::starting_at(it.clock.time()).into();
        it.clock.advance(SignedDuration::from_mins(6));
    }),
];

#[tokio::test]
async fn what_is_broken_is_named_and_nothing_else() {
    for (check, verdict, broken) in BREAKS {
        let mut clinic = Clinic::open().await;
        broken(&mut clinic);
        let told = clinic.doctor(&["--json"]).await;
        let mut turned = told.turned();
        // The portal offers a price that is not sold any more.
        if *check == "stripe-prices" {
            turned.retain(|(check, _)| check != "stripe-portal");
        }
        assert_eq!(turned, [((*check).to_owned(), (*verdict).to_owned())]);
        assert_eq!(told.code, u8::from(*verdict == "failure"), "{check}");
        assert_eq!(clinic.doctor(&["--strict"]).await.code, 1, "{check}");
    }
}

/// No usage plan covers a stage that was deleted.
#[tokio::test]
async fn a_stage_that_was_deleted_is_missed_by_the_usage_plans_too() {
    let clinic = Clinic::open().await;
    let stage = clinic.stack.world.stage();
    clinic.stack.world.api_gateway.scene(|model, _| model.remove_stage(&stage));
    let told = clinic.doctor(&["--json"]).await;
    let turned = ["usage-plans-stages", "stages-exist"];
    assert_eq!(told.turned(), turned.map(|check| (check.to_owned(), "failure".to_owned())));
    assert_eq!(told.code, 1);
}

#[tokio::test]
async fn a_problem_stands_below_its_check_with_its_mend() {
    let mut clinic = Clinic::open().await;
    a_plan_loses_its_stage(&mut clinic);
    let told = clinic.doctor(&[]).await;
    let plan = clinic.usage_plan("pro");
    let lines = format!(
        "
  ✗ usage-plans-stages            every usage plan covers exactly the catalog's stages
      ✗ plan `pro` ({plan}) does not cover api1:prod
        → aws apigateway update-usage-plan --usage-plan-id {plan} \
         --patch-operations op=add,path=/apiStages,value=api1:prod
"
    );
    assert!(told.out.contains(&lines), "{}", told.out);
    let summary = "\n58 checks: 57 ok, 0 warnings, 1 failure, 0 not looked at\n";
    assert!(told.out.ends_with(summary), "{}", told.out);
}

/// Without the stack's outputs, doctor looks at what the functions' variables name.
#[tokio::test]
async fn what_only_the_stack_knows_is_not_looked_at_without_it() {
    let clinic = Clinic::open().await;
    let told = clinic.run(&["tollgate", "doctor"], &["--json"]).await;
    let unseen = [
        "pool-clients",
        "pool-triggers",
        "stages-of-stack",
        "webhook-endpoint",
        "webhook-events",
        "webhook-api-version",
        "secret-webhook-count",
    ];
    assert_eq!(told.turned(), unseen.map(|it| (it.to_owned(), "could-not-look".to_owned())));
    assert_eq!(told.code, 0);
}

#[tokio::test]
async fn a_table_that_can_be_deleted_is_warned_of() {
    let clinic = Clinic::open().await;
    clinic.protect(false).await;
    let told = clinic.doctor(&["--json"]).await;
    assert_eq!(told.turned(), [("table-deletion-protection".into(), "warning".into())]);
}

#[tokio::test]
async fn a_disabled_endpoint_fails_and_leaves_the_rest_of_it_unseen() {
    let mut clinic = Clinic::open().await;
    let disabled = Some(true);
    the_endpoint_changes(&mut clinic, EndpointUpdate { disabled, ..EndpointUpdate::default() });
    let told = clinic.doctor(&[]).await;
    assert_eq!(told.code, 1);
    assert!(told.out.contains("tollgate --stack local webhook apply"), "{}", told.out);
}

#[tokio::test]
async fn a_key_that_stripe_refuses_is_told_by_the_operators_own() {
    let mut clinic = Clinic::open().await;
    clinic.put("StripeKeySecret", "rk_live_of-the-other-mode");
    clinic.own_key = Some("rk_test_operator");
    let told = clinic.doctor(&["--json"]).await;
    let turned = [
        ("stripe-key", "failure"),
        ("stripe-key-mode", "failure"),
        ("stripe-account-of-stack", "could-not-look"),
        ("stripe-business-name", "could-not-look"),
        ("secret-stripe-key", "failure"),
    ];
    let turned = turned.map(|(check, verdict)| (check.to_owned(), verdict.to_owned()));
    assert_eq!(told.turned(), turned);
}

/// Nothing that a key of the other mode sees is held against the stack.
#[tokio::test]
async fn what_a_key_of_the_other_mode_sees_is_not_judged() {
    let mut clinic = Clinic::open().await;
    clinic.own_key = Some("rk_live_operator");
    let told = clinic.doctor(&["--json"]).await;
    let unseen = [
        "stripe-prices",
        "stripe-products",
        "stripe-price-one-plan",
        "stripe-checkout-customer",
        "stripe-rows",
        "stripe-portal",
        "webhook-endpoint",
        "webhook-events",
        "webhook-api-version",
        "webhook-undelivered",
        "secret-webhook-count",
    ];
    assert_eq!(told.turned(), unseen.map(|it| (it.to_owned(), "could-not-look".to_owned())));
    assert!(told.out.contains("STRIPE_SECRET_KEY of your environment is for real payments"));
    assert_eq!(told.code, 0);
    clinic.own_key = None;
    clinic.put("StripeKeySecret", "rk_live_of-the-other-mode");
    let told = clinic.doctor(&["--json"]).await;
    let unseen: Vec<_> = unseen
        .into_iter()
        .chain(["stripe-account-of-stack", "stripe-business-name"])
        .map(str::to_owned)
        .collect();
    let (blind, failed): (Vec<_>, Vec<_>) =
        told.turned().into_iter().partition(|(check, _)| unseen.contains(check));
    assert!(blind.iter().all(|(_, verdict)| verdict == "could-not-look"), "{blind:?}");
    let checks = ["stripe-key", "stripe-key-mode", "secret-stripe-key"];
    assert_eq!(failed, checks.map(|check| (check.to_owned(), "failure".to_owned())));
}

/// The ledger says which pool and which account; a restricted key may not be allowed to say its
/// own.
#[tokio::test]
async fn what_the_stack_belongs_to_is_compared_where_it_is_known() {
    let clinic = Clinic::open().await;
    clinic.belongs_to(None, "us-east-1_Other").await;
    let turned = [("pool-of-stack", "failure"), ("stripe-account-of-stack", "could-not-look")];
    let turned = turned.map(|(check, verdict)| (check.to_owned(), verdict.to_owned()));
    assert_eq!(clinic.doctor(&["--json"]).await.turned(), turned);
    let told = clinic.doctor(&[]).await;
    assert!(told.out.contains("UserPoolId=us-east-1_Other"), "{}", told.out);
    assert!(told.out.contains("`tollgate --stack local stack rebind"), "{}", told.out);

    let account = clinic.stripe().settings_mut().account_id.clone();
    clinic.belongs_to(Some(account), POOL_ID).await;
    clinic.stripe().settings_mut().restricted_keys_read_account = false;
    let told = clinic.doctor(&["--json"]).await;
    let turned = ["stripe-account-of-stack", "stripe-business-name"];
    assert_eq!(told.turned(), turned.map(|it| (it.to_owned(), "could-not-look".to_owned())));
    assert_eq!(told.code, 0);
}

/// A broken catalog is told too, and everything that does not need it is still looked at.
#[tokio::test]
async fn a_catalog_that_does_not_parse_ends_nothing_else() {
    let clinic = Clinic::open().await;
    std::fs::write(&clinic.plans, "revision = 1").unwrap();
    let told = clinic.doctor(&["--json"]).await;
    let turned = told.turned();
    assert_eq!(turned[0], ("catalog-parses".into(), "failure".into()));
    let unseen = turned[1..].iter().all(|(_, verdict)| verdict == "could-not-look");
    assert!(unseen && turned.len() > 10, "what needs it is not judged: {turned:?}");
}

/// In front of AWS: refuses what is denied by the operator's permissions.
#[derive(Clone)]
struct Guard {
    aws: String,
    http: reqwest::Client,
    denied: &'static [&'static str],
}

async fn guard(
    State(guard): State<Guard>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let asked = format!("{target}{}", uri.path());
    if let Some(denied) = guard.denied.iter().find(|denied| asked.contains(**denied)) {
        let message = format!("User: somebody is not authorized to perform: {denied}");
        let body = json!({ "__type": "AccessDeniedException", "message": message }).to_string();
        let code = [("x-amzn-errortype", "AccessDeniedException")];
        return (StatusCode::FORBIDDEN, code, body).into_response();
    }
    headers.remove("host");
    let request = guard.http.request(method, format!("{}{uri}", guard.aws)).headers(headers);
    let answer = request.body(body).send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap()).into_response()
}

impl Clinic {
    async fn deny(&mut self, denied: &'static [&'static str]) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (aws, http) = (self.stack.urls.aws.clone(), self.stack.http.clone());
        let router = Router::new().fallback(guard).with_state(Guard { aws, http, denied });
        tokio::spawn(async { axum::serve(listener, router).await });
        self.sdk = self.sdk.to_builder().endpoint_url(url).build();
    }
}

/// Nobody names the dead-letter queues, and the queues that would may not be asked.
#[tokio::test]
async fn dead_letter_queues_that_nobody_tells_of_are_not_said_to_be_missing() {
    let mut clinic = Clinic::open().await;
    clinic.deny(&["AmazonSQS.GetQueueAttributes"]).await;
    let told = clinic.run(&["tollgate", "doctor"], &["--json"]).await;
    let queues = |(check, _): &(String, String)| check.starts_with("queues-");
    let turned: Vec<_> = told.turned().into_iter().filter(queues).collect();
    assert_eq!(turned.len(), 6, "{turned:?}");
    assert!(turned.iter().all(|(_, verdict)| verdict == "could-not-look"), "{turned:?}");
    assert_eq!(told.code, 0);
}

#[tokio::test]
async fn a_missing_permission_is_named_and_ends_nothing() {
    let mut clinic = Clinic::open().await;
    clinic
        .deny(&[".DescribeUserPoolClient", "/resources", "/apikeys", ".DescribeTimeToLive"])
        .await;
    let told = clinic.doctor(&["--json"]).await;
    let unseen = [
        "pool-attributes-not-writable",
        "pool-clients",
        "methods-require-key",
        "api-key-source",
        "api-keys-quota",
        "table-ttl",
    ];
    assert_eq!(told.turned(), unseen.map(|it| (it.to_owned(), "could-not-look".to_owned())));
    assert_eq!(told.code, 0);
    let told = clinic.doctor(&["--strict"]).await;
    assert!(told.out.contains("allow `cognito-idp:DescribeUserPoolClient`"), "{}", told.out);
    assert_eq!(told.code, 1);
}
