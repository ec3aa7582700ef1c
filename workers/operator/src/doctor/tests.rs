//! From one healthy deployment, one thing is broken at a time: exactly its check turns.

mod mends;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use tollgate_events::{AccountId, PriceId, ProductId};

use super::*;
use crate::storefront::{
    ObservedPlan, ObservedPortal, PortalSettings, StorefrontOwner, UsageSettings,
};

use CheckVerdict::{CouldNotLook, Failure, Ok as Fine, Warning};
use tollgate_core::account::UsagePlanId;
use tollgate_core::catalog::{CatalogFile, Period, Quota, Throttle};
use tollgate_core::halt::Halt;
use tollgate_core::policy::Policy;
use tollgate_core::ports::{Service, Unreadable};

const PLANS: &str = r#"
revision = 3
default_plan = "free"
stages = ["api1:prod"]

[portal]
configuration = "bpc_1"

[[plans]]
id = "free"
rank = 0
usage_plan = "up-free"
quota = { limit = 100, period = "MONTH" }
throttle = { rate = 1.0, burst = 2 }

[[plans]]
id = "pro"
rank = 20
usage_plan = "up-pro"
quota = { limit = 100000, period = "MONTH" }
throttle = { rate = 50.0, burst = 100 }
prices = ["price_old"]
lookup_keys = ["pro_monthly", "pro_yearly"]
products = ["prod_pro"]

[[plans]]
id = "team"
rank = 30
usage_plan = "up-team"
prices = ["price_team"]
"#;

const TRIGGER: &str = "arn:aws:lambda:eu-central-1:1:function:shop-cognito-trigger";
const URL: &str = "https://api.example/webhook";

struct Scene {
    observed: ObservedStack,
    expected: Expected,
}

fn shape() -> TableShape {
    let index = IndexShape { hash: "due_shard".into(), range: "review_at".into(), whole: true };
    let indexes = BTreeMap::from([("due".to_owned(), index)]);
    TableShape { hash: "pk".into(), range: "sk".into(), indexes }
}

fn expected() -> Expected {
    Expected {
        stack: "shop".into(),
        command: "tollgate --stack shop".into(),
        livemode: true,
        catalog: Ok(CatalogFile::parse(PLANS).unwrap()),
        user_pool_id: "eu-central-1_Pool".into(),
        audience: Ok(vec!["client-web".into()]),
        trigger: Ok(TRIGGER.into()),
        api_stage: Ok("api1:prod".into()),
        webhook_url: Ok(URL.into()),
        table_name: "shop-ledger".into(),
        table: shape(),
        expires_at: "expires_at".into(),
        events_end: true,
    }
}

fn usage_plan(id: &str, limit: u32, rate: f64, burst: u32) -> ObservedPlan {
    ObservedPlan {
        id: UsagePlanId::parse(id).unwrap(),
        name: id.into(),
        owner: Some(StorefrontOwner { stack: "shop".into(), plan: String::new() }),
        settings: UsageSettings {
            stages: ["api1:prod".to_owned()].into(),
            quota: Some(Quota { limit, period: Period::Month }),
            throttle: Some(Throttle { rate, burst }),
        },
    }
}

fn price(id: &str, lookup_key: Option<&str>, product: &str) -> SeenPrice {
    let lookup_key = lookup_key.map(str::to_owned);
    SeenPrice {
        id: id.into(),
        lookup_key,
        product: product.into(),
        active: true,
        recurring: true,
        metered: false,
        currency: "usd".into(),
    }
}

fn pair(name: &'static str) -> QueuePair {
    let arn = |dead: &str| format!("arn:aws:sqs:eu-central-1:1:shop-{name}{dead}.fifo");
    let letters = ObservedQueue {
        arn: arn("-dlq"),
        fifo: true,
        high_throughput: true,
        visibility: SignedDuration::from_secs(180),
        retention: SignedDuration::from_hours(14 * 24),
        redrive: None,
        messages: Messages::default(),
    };
    let queue = ObservedQueue {
        arn: arn(""),
        retention: SignedDuration::from_hours(4 * 24),
        redrive: Some(Redrive { target: arn("-dlq"), max_receives: 5 }),
        messages: Messages { visible: 7, ..Messages::default() },
        ..letters.clone()
    };
    QueuePair { name, queue: Ok(queue), dead_letters: Ok(letters) }
}

/// A secret that holds so many signing secrets: those of `we_1`, `we_2` and so on.
fn set(parts: usize) -> Look<Secret> {
    let fingerprints = (1..=parts).map(|n| format!("secret of we_{n}")).collect();
    Ok(Secret::Set(SecretValue { fault: None, fingerprints }))
}

fn custom() -> CustomAttribute {
    CustomAttribute {
        kind: "String".into(),
        mutable: true,
        min_length: Some(0),
        max_length: Some(2048),
    }
}

/// What Stripe is to send by the default policy.
fn event_types() -> Vec<String> {
    Policy::default().event_types().into_iter().map(str::to_owned).collect()
}

/// What `plans apply` makes: the first price of each plan that is sold.
fn portal() -> ObservedPortal {
    let file = CatalogFile::parse(PLANS).unwrap();
    let sold = [("pro_monthly", "price_m", "prod_pro"), ("price_team", "price_team", "prod_team")];
    let sold = sold.map(|(offer, price, product)| {
        let (price, product) = (PriceId::parse(price), ProductId::parse(product));
        (offer.to_owned(), (price.unwrap(), product.unwrap()))
    });
    let (settings, left_out) =
        PortalSettings::wanted(file.catalog.plans(), &sold.into(), &file.brand);
    assert_eq!((settings.products.len(), left_out), (2, vec![]));
    ObservedPortal { id: "bpc_1".into(), active: true, stack: Some("shop".into()), settings }
}

fn stripe() -> Stripe {
    let endpoint = Endpoint {
        id: "we_1".into(),
        url: URL.into(),
        enabled: true,
        events: event_types(),
        api_version: Some(NEWEST_API_VERSION.into()),
        livemode: true,
        connect: false,
        stack: Some("shop".into()),
        secret: Some("secret of we_1".into()),
    };
    let other = Endpoint {
        id: "we_other".into(),
        url: "https://other.example".into(),
        events: vec!["*".into()],
        api_version: None,
        ..endpoint.clone()
    };
    Stripe {
        key: Ok(StripeKey { restricted: true, livemode: Some(true) }),
        accepted: Ok(true),
        account: Ok(Some("acct_1".into())),
        // An old price is archived, and still counts for those who pay it.
        prices: Ok(vec![
            SeenPrice { active: false, ..price("price_old", None, "prod_pro") },
            price("price_m", Some("pro_monthly"), "prod_pro"),
            price("price_y", Some("pro_yearly"), "prod_pro"),
            price("price_team", None, "prod_team"),
        ]),
        products: Ok(vec![Product { id: "prod_pro".into(), active: true }]),
        portal: Ok(Some(portal())),
        business_name: Ok(Some("Sample API".into())),
        endpoints: Ok(vec![endpoint, other]),
        undelivered: Ok(0),
        newest_checkout: Ok(Some(CheckoutCustomer { customer: true, customer_account: false })),
        unreadable: Ok(vec![]),
    }
}

fn odd() -> Unreadable {
    let listing = (Service::Stripe, "GET /v1/prices");
    Unreadable::new(listing, Some("price_odd"), None, "id: missing")
}

fn healthy() -> Scene {
    let client = AppClient {
        id: "client-web".into(),
        name: "web".into(),
        writes: Some(vec!["email".into(), "name".into()]),
    };
    let backend = AppClient { id: "client-2".into(), name: "backend".into(), writes: None };
    let mut team = usage_plan("up-team", 0, 0.0, 0);
    (team.settings.quota, team.settings.throttle) = (None, None);
    let by_hand = usage_plan("by-hand", 1, 1.0, 1);
    let triggers = Triggers {
        post_confirmation: Some(TRIGGER.into()),
        post_authentication: Some(format!("{TRIGGER}:live")),
        pre_token_generation: Some(TRIGGER.into()),
    };
    let attributes = ["custom:apiid", "custom:plan"].map(|name| (name.to_owned(), custom()));
    let api = Api { key_source: "HEADER".into(), methods: 3, methods_with_key: 2 };
    let observed = ObservedStack {
        pool: Ok(UserPool { attributes: attributes.into(), triggers, names_are_free: false }),
        clients: Ok(vec![client, backend]),
        usage_plans: Ok(vec![
            usage_plan("up-free", 100, 1.0, 2),
            by_hand,
            usage_plan("up-pro", 100_000, 50.0, 100),
            team,
        ]),
        stages: BTreeMap::from([("api1:prod".to_owned(), Ok(()))]),
        apis: BTreeMap::from([("api1".to_owned(), Ok(api))]),
        api_keys: Ok(7_999),
        stripe: stripe(),
        belongs_to: Ok(BelongsTo {
            stripe_account: Some("acct_1".into()),
            pool: Some("eu-central-1_Pool".into()),
            several: Some(Vec::new()),
            halts: Vec::new(),
        }),
        secrets: Secrets {
            stripe_key: set(1),
            sweep_key: Some(set(1)),
            webhook: set(1),
            key_derivation: set(2),
        },
        queues: vec![pair("events"), pair("bulk")],
        table: Ok(Table {
            status: "ACTIVE".into(),
            shape: shape(),
            unready_indexes: vec![],
            on_demand: true,
            deletion_protection: true,
        }),
        point_in_time_recovery: Ok(true),
        time_to_live: Ok(Some("expires_at".into())),
        clock_ahead: Ok(SignedDuration::from_secs(-60)),
    };
    Scene { observed, expected: expected() }
}

impl Scene {
    fn examine(&self) -> Findings {
        examine(&self.observed, &self.expected)
    }
}

/// What is not well, by check.
fn turned(findings: &Findings) -> Vec<(&'static str, CheckVerdict)> {
    let all = findings.findings.iter().map(|finding| (finding.check, finding.verdict()));
    all.filter(|(_, verdict)| *verdict != Fine).collect()
}

#[test]
fn a_healthy_deployment_passes_every_check() {
    let findings = healthy().examine();
    assert_eq!(turned(&findings), []);
    assert!(findings.passes(true));
    let ids: BTreeSet<_> = findings.findings.iter().map(|finding| finding.check).collect();
    assert_eq!(ids.len(), findings.findings.len(), "each check is there once");
}

type Break = fn(&mut Scene);

fn client(scene: &mut Scene) -> &mut AppClient {
    &mut scene.observed.clients.as_mut().unwrap()[1]
}

fn pool(scene: &mut Scene) -> &mut UserPool {
    scene.observed.pool.as_mut().unwrap()
}

fn attribute<'a>(scene: &'a mut Scene, name: &str) -> &'a mut CustomAttribute {
    pool(scene).attributes.get_mut(name).unwrap()
}

fn plans(scene: &mut Scene) -> &mut Vec<ObservedPlan> {
    scene.observed.usage_plans.as_mut().unwrap()
}

fn prices(scene: &mut Scene) -> &mut Vec<SeenPrice> {
    scene.observed.stripe.prices.as_mut().unwrap()
}

fn the_portal(scene: &mut Scene) -> &mut ObservedPortal {
    scene.observed.stripe.portal.as_mut().unwrap().as_mut().unwrap()
}

/// The portal after `plans apply`: what is sold otherwise is offered otherwise.
fn offer_what_is_sold(scene: &mut Scene) {
    let Ok(prices) = scene.observed.stripe.prices.clone() else { return };
    let sold = portal::sold(&scene.expected, &prices);
    let Ok(file) = scene.expected.catalog.clone() else { return };
    the_portal(scene).settings = PortalSettings::wanted(file.catalog.plans(), &sold, &file.brand).0;
}

fn endpoint(scene: &mut Scene) -> &mut Endpoint {
    &mut scene.observed.stripe.endpoints.as_mut().unwrap()[0]
}

fn queue(scene: &mut Scene) -> &mut ObservedQueue {
    scene.observed.queues[1].queue.as_mut().unwrap()
}

fn letters(scene: &mut Scene) -> &mut ObservedQueue {
    scene.observed.queues[0].dead_letters.as_mut().unwrap()
}

fn table(scene: &mut Scene) -> &mut Table {
    scene.observed.table.as_mut().unwrap()
}

fn catalog(scene: &mut Scene, from: &str, to: &str) {
    assert!(PLANS.contains(from), "the test replaces nothing: {from}");
    scene.expected.catalog = Ok(CatalogFile::parse(&PLANS.replacen(from, to, 1)).unwrap());
}

fn faulty() -> Look<Secret> {
    let fault = Some("has a part without a version".into());
    Ok(Secret::Set(SecretValue { fault, fingerprints: Vec::new() }))
}

/// One thing broken, the check that turns, how, and a word of what it says.
#[rustfmt::skip]
const BREAKS: &[(&str, CheckVerdict, &str, Break)] = &[
    ("catalog-default-plan", Warning, "disabled key", |it| catalog(it, "default_plan = \"free\"\n", "")),
    ("catalog-plans-for-sale", Warning, "buy plan `team`", |it| catalog(it, "prices = [\"price_team\"]", "")),
    ("catalog-policy", Failure, "no free user", |it| catalog(it, "prices = [\"price_team\"]", "prices = [\"price_team\"]\n[policy]\nkey_quota = 20000\nkey_reserve = 20000")),
    ("catalog-policy", Warning, "payment link", |it| catalog(it, "prices = [\"price_team\"]", "prices = [\"price_team\"]\n[policy]\ntrust_payment_links = true")),

    ("pool-attributes", Failure, "has no custom:apiid", |it| drop(pool(it).attributes.remove("custom:apiid"))),
    ("pool-attributes", Failure, "not mutable", |it| attribute(it, "custom:plan").mutable = false),
    ("pool-attributes", Failure, "type Number", |it| attribute(it, "custom:plan").kind = "Number".into()),
    ("pool-attributes", Failure, "the 8 characters", |it| attribute(it, "custom:plan").max_length = Some(7)),
    ("pool-attributes", Failure, "the 20 characters", |it| attribute(it, "custom:apiid").max_length = Some(9)),
    ("pool-attributes", Failure, "of 3 characters", |it| attribute(it, "custom:plan").min_length = Some(4)),
    ("pool-attributes-not-writable", Failure, "backend (client-2) can write custom:plan", |it| client(it).writes = Some(vec!["custom:plan".into()])),
    ("pool-clients", Failure, "no app client client-ios", |it| it.expected.audience.as_mut().unwrap().push("client-ios".into())),
    ("pool-clients", Failure, "no client's tokens", |it| it.expected.audience = Ok(vec![])),
    ("pool-triggers", Failure, "PostConfirmation calls nothing", |it| pool(it).triggers.post_confirmation = None),
    ("pool-triggers", Failure, "PreTokenGeneration calls nothing", |it| pool(it).triggers.pre_token_generation = None),
    ("pool-triggers", Warning, "PostAuthentication calls another", |it| pool(it).triggers.post_authentication = Some(format!("{TRIGGER}-2"))),

    ("pool-user-names", Warning, "another user's sub", |it| pool(it).names_are_free = true),
    ("pool-of-stack", Failure, "belongs to eu-central-1_Other", |it| it.observed.belongs_to.as_mut().unwrap().pool = Some("eu-central-1_Other".into())),

    ("usage-plans-stages", Failure, "does not cover api1:prod", |it| plans(it)[0].settings.stages.clear()),
    ("usage-plans-stages", Failure, "also covers api2:prod", |it| assert!(plans(it)[2].settings.stages.insert("api2:prod".into()))),
    ("usage-plans-limits", Warning, "100 a month, not 100000", |it| plans(it)[2].settings.quota.as_mut().unwrap().limit = 100),
    ("usage-plans-limits", Warning, "100 a day, not 100 a month", |it| plans(it)[0].settings.quota.as_mut().unwrap().period = Period::Day),
    ("usage-plans-limits", Warning, "throttle none", |it| plans(it)[2].settings.throttle = None),
    ("usage-plans-differ", Warning, "`pro` allows nothing that `free`", |it| {
        plans(it)[2].settings = plans(it)[0].settings.clone();
        catalog(it, "limit = 100000, period = \"MONTH\" }\nthrottle = { rate = 50.0, burst = 100 }",
                    "limit = 100, period = \"MONTH\" }\nthrottle = { rate = 1.0, burst = 2 }");
    }),
    ("stages-exist", Failure, "no stage api1:prod", |it| drop(it.observed.stages.insert("api1:prod".into(), Err(Unseen::Absent)))),
    ("stages-of-stack", Failure, "not api1:v2", |it| it.expected.api_stage = Ok("api1:v2".into())),
    ("methods-require-key", Warning, "nobody is stopped", |it| it.observed.apis.get_mut("api1").unwrap().as_mut().unwrap().methods_with_key = 0),
    ("api-key-source", Warning, "AUTHORIZER", |it| it.observed.apis.get_mut("api1").unwrap().as_mut().unwrap().key_source = "AUTHORIZER".into()),
    ("control-plane-share", Warning, "are refused", |it| it.expected.catalog.as_mut().unwrap().policy.control_plane_calls_per_second = 10),
    ("api-keys-quota", Warning, "8000 keys", |it| it.observed.api_keys = Ok(8_000)),
    ("api-keys-quota", Failure, "9500 keys", |it| it.observed.api_keys = Ok(9_500)),
    ("usage-plans-quota", Warning, "240 usage plans", |it| plans(it).resize(240, usage_plan("more", 1, 1.0, 1))),

    ("stripe-key", Failure, "refuses the key", |it| it.observed.stripe.accepted = Ok(false)),
    ("stripe-key-mode", Failure, "for a sandbox", |it| it.observed.stripe.key.as_mut().unwrap().livemode = Some(false)),
    ("stripe-key-restricted", Warning, "secret key", |it| it.observed.stripe.key.as_mut().unwrap().restricted = false),
    ("stripe-account-of-stack", Failure, "account acct_2", |it| it.observed.stripe.account = Ok(Some("acct_2".into()))),
    ("stripe-prices", Failure, "pro_monthly stands for no price", |it| prices(it)[1].lookup_key = None),
    ("stripe-prices", Warning, "pro_yearly stands for no price", |it| prices(it)[2].lookup_key = None),
    ("stripe-prices", Warning, "price_old stands for no price", |it| drop(prices(it).remove(0))),
    ("stripe-prices", Failure, "price_team stands for no price", |it| drop(prices(it).remove(3))),
    ("stripe-prices", Failure, "`pro` cannot be bought", |it| prices(it)[1].active = false),
    ("stripe-prices", Failure, "`team` cannot be bought", |it| prices(it)[3].active = false),
    ("stripe-prices", Failure, "paid once", |it| prices(it)[1].recurring = false),
    ("stripe-prices", Warning, "paid once", |it| prices(it)[2].recurring = false),
    ("stripe-prices", Warning, "is billed by usage", |it| prices(it)[1].metered = true),
    ("stripe-prices", Warning, "in eur: who has paid one", |it| prices(it)[3].currency = "eur".into()),
    ("stripe-products", Failure, "no product prod_pro", |it| it.observed.stripe.products = Ok(vec![])),
    ("stripe-products", Warning, "prod_pro is archived", |it| it.observed.stripe.products.as_mut().unwrap()[0].active = false),
    ("stripe-price-one-plan", Failure, "price_team belongs to `pro` and `team`", |it| prices(it)[3].product = "prod_pro".into()),
    ("stripe-checkout-customer", Warning, "names an account", |it| it.observed.stripe.newest_checkout = Ok(Some(CheckoutCustomer { customer: false, customer_account: true }))),
    ("stripe-portal", Warning, "as somebody has saved it", |it| catalog(it, "[portal]\nconfiguration = \"bpc_1\"\n", "")),
    ("stripe-portal", Failure, "there is no configuration bpc_1", |it| it.observed.stripe.portal = Ok(None)),
    ("stripe-portal", Failure, "bpc_1 is not active", |it| the_portal(it).active = false),
    ("stripe-portal", Warning, "differs in when a better plan is paid", |it| the_portal(it).settings.proration = "create_prorations".into()),
    ("stripe-portal", Warning, "differs in the prices", |it| drop(the_portal(it).settings.products.pop_first())),
    ("stripe-business-name", Failure, "no business name", |it| it.observed.stripe.business_name = Ok(Some(String::new()))),
    ("stripe-business-name", CouldNotLook, "may not read", |it| it.observed.stripe.business_name = Ok(None)),
    ("stripe-rows", Warning, "price_odd: id: missing", |it| it.observed.stripe.unreadable.as_mut().unwrap().push(odd())),

    ("webhook-endpoint", Failure, "is for the other mode", |it| endpoint(it).livemode = false),
    ("webhook-endpoint", Failure, "connected accounts", |it| endpoint(it).connect = true),
    ("webhook-endpoint", Failure, "thin events", |it| endpoint(it).events.push("v2.core.account.closed".into())),
    ("webhook-events", Failure, "does not send invoice.paid", |it| endpoint(it).events.retain(|kind| kind != "invoice.paid")),
    ("webhook-events", Warning, "also sends product.created", |it| endpoint(it).events.push("product.created".into())),
    ("webhook-events", Warning, "every type", |it| endpoint(it).events = vec!["*".into()]),
    ("webhook-api-version", Warning, "newer than this build", |it| endpoint(it).api_version = Some("2026-10-28.fir".into())),
    ("webhook-api-version", Warning, "which is unknown", |it| endpoint(it).api_version = Some("newest".into())),
    ("webhook-api-version", Warning, "no version of its own", |it| endpoint(it).api_version = None),
    ("webhook-undelivered", Warning, "3 not delivered", |it| it.observed.stripe.undelivered = Ok(3)),

    ("several-subscriptions", Warning, "account ann pays for several", |it| it.observed.belongs_to.as_mut().unwrap().several = Some(vec![AccountId::parse("ann").unwrap()])),
    ("blast-limit", Warning, "blast limit has stopped", |it| it.observed.belongs_to.as_mut().unwrap().halts = vec![Halt::Losses { since: None }]),
    ("blast-limit", Warning, "cancellation limit has stopped", |it| it.observed.belongs_to.as_mut().unwrap().halts = vec![Halt::Cancellations { since: None }]),
    ("blast-limit", Warning, "frozen", |it| it.observed.belongs_to.as_mut().unwrap().halts = vec![Halt::Frozen { why: "why".into() }]),

    ("secret-stripe-key", Failure, "no value yet", |it| it.observed.secrets.stripe_key = Ok(Secret::Empty)),
    ("secret-sweep-stripe-key", Failure, "no secret for", |it| it.observed.secrets.sweep_key = Some(Err(Unseen::Absent))),
    ("secret-key-derivation", Failure, "part without a version", |it| it.observed.secrets.key_derivation = faulty()),
    ("secret-webhook-count", Warning, "2 secrets for 1 endpoints", |it| it.observed.secrets.webhook = set(2)),
    ("secret-webhook-count", Failure, "none of the stored secrets is that of we_1", |it| endpoint(it).secret = Some("another".into())),

    ("queues-fifo", Failure, "not FIFO", |it| queue(it).fifo = false),
    ("queues-fifo", Warning, "high-throughput", |it| letters(it).high_throughput = false),
    ("queues-visibility", Failure, "for 179 s", |it| queue(it).visibility = SignedDuration::from_secs(179)),
    ("queues-redrive", Failure, "`bulk` has no dead-letter queue", |it| queue(it).redrive = None),
    ("queues-redrive", Failure, "after 4 receives", |it| queue(it).redrive.as_mut().unwrap().max_receives = 4),
    ("queues-redrive", Failure, "to arn:other", |it| queue(it).redrive.as_mut().unwrap().target = "arn:other".into()),
    ("queues-retention", Warning, "of `events` keeps for 95 h", |it| letters(it).retention = SignedDuration::from_hours(95)),
    ("queues-dead-letters", Warning, "has 2 messages", |it| letters(it).messages.visible = 2),

    ("table-exists", Failure, "DELETING", |it| table(it).status = "DELETING".into()),
    ("table-keys", Failure, "`id` and `sk`", |it| table(it).shape.hash = "id".into()),
    ("table-indexes", Failure, "no index `due`", |it| table(it).shape.indexes.clear()),
    ("table-indexes", Failure, "another projection", |it| table(it).shape.indexes.get_mut("due").unwrap().whole = false),
    ("table-indexes", Failure, "not ready", |it| table(it).unready_indexes.push("due".into())),
    ("table-on-demand", Warning, "provisioned", |it| table(it).on_demand = false),
    ("table-recovery", Warning, "is off", |it| it.observed.point_in_time_recovery = Ok(false)),
    ("table-deletion-protection", Warning, "is off", |it| table(it).deletion_protection = false),
    ("table-ttl", Warning, "stay for ever", |it| it.observed.time_to_live = Ok(None)),
    ("table-ttl", Failure, "on for `review_at`", |it| {
        it.expected.events_end = false;
        it.observed.time_to_live = Ok(Some("review_at".into()));
    }),

    ("clock-skew", Warning, "61 s ahead", |it| it.observed.clock_ahead = Ok(SignedDuration::from_secs(61))),
    ("clock-skew", Failure, "301 s behind", |it| it.observed.clock_ahead = Ok(SignedDuration::from_secs(-301))),
];

#[test]
fn one_broken_thing_turns_exactly_its_check_and_has_a_mend() {
    for (check, verdict, says, broken) in BREAKS {
        let mut scene = healthy();
        broken(&mut scene);
        if *check != "stripe-portal" {
            offer_what_is_sold(&mut scene);
        }
        let findings = scene.examine();
        assert_eq!(turned(&findings), [(*check, *verdict)], "{says}");
        let finding = findings.findings.iter().find(|it| it.check == *check).unwrap();
        let [problem] = &finding.problems[..] else { panic!("{check}: {:?}", finding.problems) };
        assert!(problem.found.contains(says), "{check}: {}", problem.found);
        assert!(!problem.mend.is_empty(), "{check}");
        assert!(!findings.passes(true) && findings.passes(false) == (*verdict != Failure));
    }
}

/// What is not there fails once; what depends on it says that it could not look.
#[test]
fn what_is_missing_fails_once_and_the_rest_of_it_is_not_judged() {
    let cases: &[(&str, &[&str], Break)] = &[
        ("catalog-parses", BY_CATALOG, |it| it.expected.catalog = Err("line 3: no".into())),
        (
            "usage-plans-exist",
            &["usage-plans-stages", "usage-plans-limits", "usage-plans-differ"],
            |it| drop(plans(it).remove(2)),
        ),
        ("secret-webhook", &["secret-webhook-count"], |it| {
            it.observed.secrets.webhook = Ok(Secret::Empty);
        }),
        ("pool-exists", &["pool-attributes", "pool-triggers", "pool-user-names"], |it| {
            it.observed.pool = Err(Unseen::Absent);
        }),
        ("webhook-endpoint", BY_ENDPOINT, |it| {
            endpoint(it).url = "https://elsewhere.example".into();
        }),
        ("webhook-endpoint", BY_ENDPOINT, |it| endpoint(it).enabled = false),
        (
            "queues-exist",
            &["queues-fifo", "queues-visibility", "queues-redrive", "queues-retention"],
            |it| it.observed.queues[1].queue = Err(Unseen::Absent),
        ),
        (
            "table-exists",
            &["table-keys", "table-indexes", "table-on-demand", "table-deletion-protection"],
            |it| it.observed.table = Err(Unseen::Absent),
        ),
    ];
    for (check, blind, broken) in cases {
        let mut scene = healthy();
        broken(&mut scene);
        let wanted = blind.iter().map(|check| (*check, CouldNotLook)).chain([(*check, Failure)]);
        let turned: BTreeSet<_> = turned(&scene.examine()).into_iter().collect();
        assert_eq!(turned, wanted.collect());
    }
}

/// What nobody can judge without a valid catalog.
const BY_CATALOG: &[&str] = &[
    "catalog-default-plan",
    "catalog-plans-for-sale",
    "catalog-policy",
    "pool-attributes",
    "usage-plans-exist",
    "usage-plans-stages",
    "usage-plans-limits",
    "usage-plans-differ",
    "stages-exist",
    "stages-of-stack",
    "methods-require-key",
    "api-key-source",
    "control-plane-share",
    "api-keys-quota",
    "stripe-prices",
    "stripe-products",
    "stripe-price-one-plan",
    "stripe-portal",
    "webhook-events",
];

/// What nobody can judge where no endpoint has the stack's URL.
const BY_ENDPOINT: &[&str] = &["webhook-events", "webhook-api-version", "secret-webhook-count"];

fn unknown<T>() -> Look<T> {
    Err(Unseen::Unknown { why: "it is broken".into(), mend: "mend it".into() })
}

/// Every source of what is compared, how it breaks, and the checks that look at it.
#[rustfmt::skip]
const SOURCES: &[(&[&str], Break)] = &[
    (BY_CATALOG, |it| it.expected.catalog = Err("no".into())),
    (&["pool-clients"], |it| it.expected.audience = unknown()),
    (&["pool-triggers"], |it| it.expected.trigger = unknown()),
    (&["stages-of-stack"], |it| it.expected.api_stage = unknown()),
    (&["webhook-endpoint", "webhook-events", "webhook-api-version", "secret-webhook-count"], |it| it.expected.webhook_url = unknown()),
    (&["pool-exists", "pool-attributes", "pool-triggers", "pool-user-names"], |it| it.observed.pool = unknown()),
    (&["pool-attributes-not-writable", "pool-clients"], |it| it.observed.clients = unknown()),
    (&["usage-plans-exist", "usage-plans-stages", "usage-plans-limits", "usage-plans-differ", "usage-plans-quota"], |it| it.observed.usage_plans = unknown()),
    (&["stages-exist"], |it| it.observed.stages.clear()),
    (&["stages-exist"], |it| it.observed.stages.values_mut().for_each(|it| *it = unknown())),
    (&["methods-require-key", "api-key-source"], |it| it.observed.apis.values_mut().for_each(|it| *it = unknown())),
    (&["methods-require-key", "api-key-source"], |it| it.observed.apis.clear()),
    (&["api-keys-quota"], |it| it.observed.api_keys = unknown()),
    (&["stripe-key-mode", "stripe-key-restricted"], |it| it.observed.stripe.key = unknown()),
    (&["stripe-key-mode"], |it| it.observed.stripe.key.as_mut().unwrap().livemode = None),
    (&["stripe-key"], |it| it.observed.stripe.accepted = unknown()),
    (&["stripe-account-of-stack"], |it| it.observed.stripe.account = unknown()),
    (&["stripe-prices", "stripe-price-one-plan", "stripe-portal"], |it| it.observed.stripe.prices = unknown()),
    (&["stripe-portal"], |it| it.observed.stripe.portal = unknown()),
    (&["stripe-business-name"], |it| it.observed.stripe.business_name = unknown()),
    (&["stripe-products"], |it| it.observed.stripe.products = unknown()),
    (&["webhook-endpoint", "webhook-events", "webhook-api-version", "secret-webhook-count"], |it| it.observed.stripe.endpoints = unknown()),
    (&["webhook-undelivered"], |it| it.observed.stripe.undelivered = unknown()),
    (&["stripe-checkout-customer"], |it| it.observed.stripe.newest_checkout = unknown()),
    (&["stripe-rows"], |it| it.observed.stripe.unreadable = unknown()),
    (&["pool-of-stack", "stripe-account-of-stack", "several-subscriptions", "blast-limit"], |it| it.observed.belongs_to = unknown()),
    (&["secret-stripe-key"], |it| it.observed.secrets.stripe_key = unknown()),
    (&["secret-sweep-stripe-key"], |it| it.observed.secrets.sweep_key = Some(unknown())),
    (&["secret-webhook", "secret-webhook-count"], |it| it.observed.secrets.webhook = unknown()),
    (&["secret-key-derivation"], |it| it.observed.secrets.key_derivation = unknown()),
    (&["queues-exist", "queues-fifo", "queues-visibility", "queues-redrive", "queues-retention"], |it| it.observed.queues[0].queue = unknown()),
    (&["queues-exist", "queues-fifo", "queues-redrive", "queues-retention", "queues-dead-letters"], |it| it.observed.queues[0].dead_letters = unknown()),
    (&["table-exists", "table-keys", "table-indexes", "table-on-demand", "table-deletion-protection"], |it| it.observed.table = unknown()),
    (&["table-recovery"], |it| it.observed.point_in_time_recovery = unknown()),
    (&["table-ttl"], |it| it.observed.time_to_live = unknown()),
    (&["clock-skew"], |it| it.observed.clock_ahead = unknown()),
];

/// With its source broken, no check says that all is well, and the others say what they said.
#[test]
fn what_was_not_compared_with_anything_is_not_well() {
    let mut looks: BTreeSet<&str> = BTreeSet::new();
    for (checks, broken) in SOURCES {
        let mut scene = healthy();
        broken(&mut scene);
        let turned: BTreeSet<_> = turned(&scene.examine()).into_iter().map(|it| it.0).collect();
        let checks: BTreeSet<_> = checks.iter().copied().collect();
        let by_itself = BTreeSet::from(["catalog-parses"]);
        assert_eq!(&turned - &by_itself, checks);
        looks.extend(checks);
    }
    looks.insert("catalog-parses");
    let all: BTreeSet<_> = healthy().examine().findings.iter().map(|it| it.check).collect();
    assert_eq!(looks, all, "each check looks at something");
}

/// What nobody has said yet, or may not be read, is not judged.
#[test]
fn what_the_stack_belongs_to_may_not_be_known() {
    let mut scene = healthy();
    scene.observed.stripe.account = Ok(None);
    assert_eq!(turned(&scene.examine()), [("stripe-account-of-stack", CouldNotLook)]);
    let mut scene = healthy();
    scene.observed.belongs_to =
        Ok(BelongsTo { stripe_account: None, pool: None, ..scene.observed.belongs_to.unwrap() });
    let both = [("pool-of-stack", CouldNotLook), ("stripe-account-of-stack", CouldNotLook)];
    assert_eq!(turned(&scene.examine()), both);
    assert!(scene.examine().passes(false));
}

/// A second endpoint with the stack's URL.
fn twin(it: &mut Scene) {
    let secret = Some("secret of we_2".into());
    let twin = Endpoint { id: "we_2".into(), secret, ..endpoint(it).clone() };
    it.observed.stripe.endpoints.as_mut().unwrap().push(twin);
}

#[test]
fn two_endpoints_want_two_secrets() {
    let mut scene = healthy();
    twin(&mut scene);
    let wanted = [("webhook-endpoint", Warning), ("secret-webhook-count", Failure)];
    assert_eq!(turned(&scene.examine()), wanted);
    scene.observed.secrets.webhook = set(2);
    assert_eq!(turned(&scene.examine()), [("webhook-endpoint", Warning)]);
}

/// A deployment of which nothing may be seen: doctor says so, check by check.
#[test]
fn a_missing_permission_makes_a_check_say_so_and_no_more() {
    fn denied<T>() -> Look<T> {
        let (needs, why) = ("a:Permission".into(), "AccessDeniedException".into());
        Err(Unseen::Failed { needs, why, denied: true })
    }
    let mut scene = healthy();
    let blind = ObservedStack {
        pool: denied(),
        clients: denied(),
        usage_plans: denied(),
        stages: BTreeMap::from([("api1:prod".to_owned(), denied())]),
        apis: BTreeMap::from([("api1".to_owned(), denied())]),
        api_keys: denied(),
        stripe: Stripe {
            key: denied(),
            accepted: denied(),
            account: denied(),
            prices: denied(),
            products: denied(),
            portal: denied(),
            business_name: denied(),
            endpoints: denied(),
            undelivered: denied(),
            newest_checkout: denied(),
            unreadable: denied(),
        },
        secrets: Secrets {
            stripe_key: denied(),
            sweep_key: Some(denied()),
            webhook: denied(),
            key_derivation: denied(),
        },
        belongs_to: denied(),
        queues: ["events", "bulk"]
            .map(|name| QueuePair { name, queue: denied(), dead_letters: denied() })
            .into(),
        table: denied(),
        point_in_time_recovery: denied(),
        time_to_live: denied(),
        clock_ahead: denied(),
    };
    scene.observed = blind;
    let findings = scene.examine();
    assert!(findings.passes(false) && !findings.passes(true));
    for finding in &findings.findings {
        let of_the_file = ["stages-of-stack", "control-plane-share"].contains(&finding.check);
        let looks_alone = finding.check.starts_with("catalog-") || of_the_file;
        let expected = if looks_alone { Fine } else { CouldNotLook };
        assert_eq!(finding.verdict(), expected, "{}", finding.check);
        for problem in &finding.problems {
            assert_eq!(problem.mend, "allow a:Permission to whoever runs doctor");
        }
    }
}

#[test]
fn every_check_has_a_test_in_which_it_fails() {
    let broken: BTreeSet<_> = BREAKS.iter().map(|(check, ..)| *check).collect();
    let elsewhere =
        ["catalog-parses", "pool-exists", "queues-exist", "secret-webhook", "usage-plans-exist"];
    for finding in healthy().examine().findings {
        let check = finding.check;
        assert!(broken.contains(check) || elsewhere.contains(&check), "{check} never fails");
    }
}

#[test]
fn every_check_is_in_the_book() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/doctor.md");
    let book = std::fs::read_to_string(path).unwrap();
    let checks: Vec<_> = healthy().examine().findings.iter().map(|it| it.check).collect();
    let rows = book.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.collect::<Vec<_>>(), checks, "docs/doctor.md lists every check, in its order");
}

#[test]
fn a_key_tells_its_mode_and_its_kind() {
    for (key, restricted, livemode) in [
        ("sk_test_1", false, Some(false)),
        ("rk_live_1", true, Some(true)),
        ("rk_test_x_live_", true, Some(false)),
        ("sk_1", false, None),
        ("", false, None),
    ] {
        assert_eq!(StripeKey::of(key), StripeKey { restricted, livemode }, "{key}");
        let other = livemode.map(|live| if live { "real payments" } else { "a sandbox" });
        assert_eq!(StripeKey::of(key).other_mode(livemode != Some(true)), other, "{key}");
        assert_eq!(StripeKey::of(key).other_mode(livemode == Some(true)), None, "{key}");
    }
}
