use secrecy::ExposeSecret;

use super::*;

const CATALOG: &str = "revision = 7\nstages = [\"api1:prod\"]\n\
    [[plans]]\nid = \"pro\"\nrank = 1\nusage_plan = \"up\"\n";

const ALL: [(&str, &str); 12] = [
    ("TOLLGATE_STACK", "shop-1"),
    ("TOLLGATE_TABLE", "ledger"),
    ("TOLLGATE_EVENTS_QUEUE_URL", "https://sqs/events.fifo"),
    ("TOLLGATE_BULK_QUEUE_URL", "https://sqs/bulk.fifo"),
    ("TOLLGATE_USER_POOL_ID", "pool"),
    ("TOLLGATE_LIVEMODE", "false"),
    ("TOLLGATE_CATALOG", CATALOG),
    ("STRIPE_SECRET_KEY", "rk_test_hidden"),
    ("STRIPE_API_BASE", ""),
    ("STRIPE_WEBHOOK_SECRETS", "whsec_hidden1, whsec_hidden2"),
    (
        "TOLLGATE_KEY_SECRETS",
        "1=hidden-0123456789-0123456789-0123=,2=hidden-0123456789-0123456789-0124",
    ),
    ("TOLLGATE_RETURN_URL", "https://shop.example/account"),
];

/// All settings, with some changed.
fn with(changes: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    |name| {
        let found = changes.iter().chain(&ALL).find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    }
}

#[test]
fn everything_is_read() {
    let config = WorkerConfig::read(with(&[])).unwrap();
    assert_eq!(config.stack, "shop-1");
    assert_eq!(config.ledger, LedgerConfig { table: "ledger".into(), event_retention: None });
    assert_eq!(config.catalog.catalog.revision, 7);
    assert_eq!(config.stripe.key.expose_secret(), "rk_test_hidden");
    assert_eq!(config.stripe.endpoint.base, None, "blank is not set");
    assert_eq!(config.deriver.newest(), 2);
    assert!(!config.livemode);
    assert_eq!(config.instances, 4, "two mappings at their least");
    let busier = with(&[("TOLLGATE_WORKER_CONCURRENCY", "12")]);
    assert_eq!(WorkerConfig::read(busier).unwrap().instances, 12);
    let webhook = WebhookConfig::read(with(&[])).unwrap();
    assert_eq!(webhook.secrets.len(), 2);
    assert_eq!(webhook.queues.bulk_url, "https://sqs/bulk.fifo");
    assert_eq!(SweepConfig::read(with(&[])).unwrap().catalog.catalog.revision, 7);
    let account = AccountConfig::read(with(&[])).unwrap();
    assert_eq!(account.return_url, "https://shop.example/account");
    let generated = &[(
        "TOLLGATE_KEY_SECRETS",
        "{\"1\": \"hidden,=0123456789-0123456789-0123\", \"3\": \"hidden-0123456789-0123456789-0124\"}",
    )];
    let generated = WorkerConfig::read(with(generated));
    assert_eq!(generated.unwrap().deriver.newest(), 3, "as CloudFormation generates it");
    let kept = with(&[("TOLLGATE_EVENT_RETENTION_DAYS", "30")]);
    let ledger = DeadLetterConfig::read(kept).unwrap().ledger;
    assert_eq!(ledger.event_retention, Some(SignedDuration::from_hours(720)));
}

#[test]
fn all_that_is_missing_is_named_at_once_and_only_what_is_needed() {
    fn missing<T: std::fmt::Debug>(read: Result<T, ConfigError>) -> Vec<&'static str> {
        read.unwrap_err().problems.iter().map(|problem| problem.variable).collect()
    }
    let nothing = |_: &str| None;
    assert_eq!(
        missing(WebhookConfig::read(nothing)),
        ["TOLLGATE_EVENTS_QUEUE_URL", "TOLLGATE_BULK_QUEUE_URL", "STRIPE_WEBHOOK_SECRETS",]
    );
    assert_eq!(
        missing(TriggerConfig::read(nothing)),
        ["TOLLGATE_EVENTS_QUEUE_URL", "TOLLGATE_BULK_QUEUE_URL", "TOLLGATE_USER_POOL_ID"]
    );
    assert_eq!(missing(DeadLetterConfig::read(nothing)), ["TOLLGATE_TABLE"]);
    assert_eq!(
        missing(SweepConfig::read(nothing)),
        [
            "TOLLGATE_STACK",
            "TOLLGATE_TABLE",
            "TOLLGATE_USER_POOL_ID",
            "TOLLGATE_EVENTS_QUEUE_URL",
            "TOLLGATE_BULK_QUEUE_URL",
            "TOLLGATE_LIVEMODE",
            "TOLLGATE_CATALOG",
            "STRIPE_SECRET_KEY",
        ]
    );
    assert_eq!(
        missing(WorkerConfig::read(nothing)),
        [
            "TOLLGATE_STACK",
            "TOLLGATE_TABLE",
            "TOLLGATE_USER_POOL_ID",
            "TOLLGATE_LIVEMODE",
            "TOLLGATE_CATALOG",
            "STRIPE_SECRET_KEY",
            "TOLLGATE_KEY_SECRETS",
        ]
    );
}

#[tokio::test]
async fn a_secret_that_is_set_twice_hides_no_other_problem() {
    let twice = ["STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY_ARN"];
    let get = |name: &str| twice.contains(&name).then(|| "sk_test_hidden".to_owned());
    let sdk = aws_config::SdkConfig::builder().build();
    let settings = Settings::load(get, WorkerConfig::SECRETS, &sdk).await;
    let problems = settings.read(|get| WorkerConfig::read(get)).unwrap_err().problems;
    let variables: Vec<_> = problems.iter().map(|problem| problem.variable).collect();
    let expected = [
        "STRIPE_SECRET_KEY_ARN",
        "TOLLGATE_STACK",
        "TOLLGATE_TABLE",
        "TOLLGATE_USER_POOL_ID",
        "TOLLGATE_LIVEMODE",
        "TOLLGATE_CATALOG",
        "TOLLGATE_KEY_SECRETS",
    ];
    assert_eq!(variables, expected);
}

#[test]
fn what_is_wrong_is_told_without_telling_secrets() {
    type Case = (&'static [(&'static str, &'static str)], &'static str);
    let cases: [Case; 18] = [
        (&[("TOLLGATE_LIVEMODE", "yes")], "TOLLGATE_LIVEMODE is neither"),
        (&[("TOLLGATE_LIVEMODE", "true")], "STRIPE_SECRET_KEY is a sandbox key"),
        (&[("STRIPE_SECRET_KEY", "sk_live_hidden")], "STRIPE_SECRET_KEY is a live key"),
        (&[("STRIPE_SECRET_KEY", "pk_test_hidden")], "STRIPE_SECRET_KEY is not a secret key"),
        (&[("STRIPE_API_BASE", "stripe.com")], "STRIPE_API_BASE is not a URL"),
        (&[("STRIPE_CA_BUNDLE", "/no/such/roots.pem")], "STRIPE_CA_BUNDLE names the file"),
        (
            &[("STRIPE_CA_BUNDLE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))],
            "Cargo.toml, which has no certificate",
        ),
        (&[("TOLLGATE_STACK", "a/b")], "TOLLGATE_STACK may have"),
        (&[("TOLLGATE_TABLE", "  ")], "TOLLGATE_TABLE is not set"),
        (
            &[("TOLLGATE_EVENT_RETENTION_DAYS", "0")],
            "TOLLGATE_EVENT_RETENTION_DAYS is not a number",
        ),
        (
            &[("TOLLGATE_WORKER_CONCURRENCY", "0")],
            "TOLLGATE_WORKER_CONCURRENCY is not a number of workers",
        ),
        (&[("TOLLGATE_CATALOG", "revision = 1")], "TOLLGATE_CATALOG is refused"),
        (&[("TOLLGATE_CATALOG", "/no/such/plans.toml")], "TOLLGATE_CATALOG names the file"),
        (&[("TOLLGATE_KEY_SECRETS", "1=hidden")], "TOLLGATE_KEY_SECRETS is refused"),
        (&[("TOLLGATE_KEY_SECRETS", "hidden")], "TOLLGATE_KEY_SECRETS has a part without"),
        (&[("TOLLGATE_KEY_SECRETS", "{\"one\": \"hidden\"}")], "TOLLGATE_KEY_SECRETS has a part"),
        (&[("TOLLGATE_KEY_SECRETS", "{\"1\": \"hidden\"}")], "TOLLGATE_KEY_SECRETS is refused"),
        (
            &[("TOLLGATE_KEY_SECRETS", "1=hidden,1=hidden")],
            "TOLLGATE_KEY_SECRETS has version 1 twice",
        ),
    ];
    for (changes, expected) in cases {
        let error = WorkerConfig::read(with(changes)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("hidden"), "{error}");
        assert_eq!(error.matches("\n- ").count(), 1, "one problem: {error}");
    }
    let swapped = WebhookConfig::read(with(&[("STRIPE_WEBHOOK_SECRETS", "sk_test_hidden")]));
    let error = swapped.unwrap_err().to_string();
    assert!(error.contains("does not begin with whsec_") && !error.contains("hidden"), "{error}");
}

#[test]
fn no_secret_shows_in_debug_output() {
    let text = format!("{:?}{:?}", WorkerConfig::read(with(&[])), WebhookConfig::read(with(&[])));
    assert!(!text.contains("hidden"), "{text}");
}
