//! docs/command.md, what each command may do: what every command was seen to call on the local
//! stack, in the words of IAM and of Stripe's restricted keys.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use jiff::SignedDuration;
use tollgate_core::ledger::StackRecord;
use tollgate_core::ports::Ledger;
use tollgate_functions::adapters::dynamodb::table::create_table;
use tollgate_local::access::{Asked, Need};
use tollgate_local::secrets::arns;
use tollgate_local::stack::{Stack, TABLE};
use tollgate_standin::api_gateway::{Key, NewApiKey};
use tollgate_standin::world::{BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE};

use super::{chapter, rows, text};
use crate::command::{Input, filled, input, prepared};

/// Each row of the page, and what is run for it.
const ROWS: &[(&str, &[&str])] = &[
    ("`plans show`", &["plans show {plans}"]),
    ("`plans apply`", &["plans apply {more} --yes", "plans apply {less} --yes"]),
    (
        "`webhook apply`",
        &[
            "webhook apply --plans {plans} --yes",
            "webhook apply --roll --plans {plans} --yes",
            "webhook apply --retire --plans {plans} --yes",
        ],
    ),
    ("`secrets set`", &["secrets set webhook-secrets --yes"]),
    ("`secrets set key-secrets`, `secrets rotate`", &["secrets rotate key-secrets --yes"]),
    ("`doctor`", &["doctor {less}"]),
    (
        "`account show`, `list`, `history`",
        &[
            "account show ann@example.com",
            "account show {payer}",
            "account list",
            "account history ann@example.com",
        ],
    ),
    (
        "`account …`, to act",
        &[
            "account grant ann@example.com pro --plans {plans} --yes --no-wait",
            "account revoke-grant ann@example.com pro --yes --no-wait",
            "account hold ann@example.com --yes --no-wait",
            "account release ann@example.com --yes --no-wait",
            "account lift-dispute ann@example.com {dispute} --yes --no-wait",
            "account rotate-key ann@example.com --yes --no-wait",
            "account unlink ann@example.com {payer} --yes --no-wait",
            "account close bob@example.com --yes",
        ],
    ),
    ("`account link`", &["account link ann@example.com {payer} --yes --no-wait"]),
    ("`account … --dry-run`", &["account hold ann@example.com --dry-run --plans {plans}"]),
    (
        "`events list`, `show`",
        &[
            "events list",
            "events list --outcome parked",
            "events list --account ann@example.com",
            "events show {event}",
        ],
    ),
    (
        "the same with `--from-stripe`",
        &["events list --from-stripe --since 1h --account ann@example.com"],
    ),
    ("`events replay`", &["events replay --since 1h --yes"]),
    ("`events replay --dry-run`", &["events replay --since 1h --dry-run --plans {plans}"]),
    ("`events dismiss`", &["events dismiss {junk} --yes"]),
    ("`reconcile`", &["reconcile --plans {plans}"]),
    ("`reconcile --repair`", &["reconcile --repair --plans {plans} --yes"]),
    ("`reconcile --accept`", &["reconcile --accept --plans {plans} --yes"]),
    ("`reconcile --rebuild`", &["reconcile --rebuild --plans {plans} --by ops --yes"]),
    ("`stack show`", &["stack show"]),
    ("`stack rebind`", &["stack rebind --yes"]),
    ("`stack freeze`, `unfreeze`", &["stack freeze --yes", "stack unfreeze --yes"]),
    ("`queue status`", &["queue status"]),
    ("`keys forecast`", &["keys forecast --plans {plans}"]),
    ("`keys forecast --count`", &["keys forecast --count --plans {plans}"]),
];

/// What one command asked for.
#[derive(Default)]
struct Rights {
    /// By action: on what.
    aws: BTreeMap<String, BTreeSet<String>>,
    /// What is only read of Stripe, and what is written.
    read: BTreeSet<String>,
    written: BTreeSet<String>,
}

impl Rights {
    fn add(&mut self, before: &Asked, after: &Asked) {
        for (need, _) in after.aws.iter().filter(|(need, n)| before.aws.get(*need) != Some(n)) {
            // That is every command's.
            if need.caller == COMMAND && need.action != "cloudformation:DescribeStacks" {
                self.aws.entry(need.action.clone()).or_default().insert(place(need));
            }
        }
        let new = after.stripe.iter().filter(|(call, n)| before.stripe.get(*call) != Some(n));
        for ((_, call), _) in new.filter(|((caller, _), _)| caller == OPERATOR) {
            let (method, object) = object(call);
            let of = if method == "GET" { &mut self.read } else { &mut self.written };
            of.insert(object);
        }
    }

    /// The page's cells.
    fn told(&self) -> [String; 2] {
        // Actions of a service that are for the same stand together.
        let mut together = BTreeMap::<_, Vec<&str>>::new();
        for (action, places) in &self.aws {
            let (service, name) = action.split_once(':').expect("it is of a service");
            together.entry((service, places)).or_default().push(name);
        }
        let aws = together.into_iter().map(|((service, places), names)| {
            let (first, more) = names.split_first().expect("there is one");
            let names = more.iter().map(|name| format!(", `{name}`")).collect::<String>();
            let places: Vec<_> =
                places.iter().filter(|it| !it.is_empty()).map(String::as_str).collect();
            let on = if places.is_empty() { "" } else { " on " };
            format!("`{service}:{first}`{names}{on}{}", places.join(", "))
        });
        let list = |word: &str, objects: &BTreeSet<String>| {
            let objects: Vec<_> = objects.iter().cloned().collect();
            (!objects.is_empty()).then(|| format!("{word} {}", objects.join(", ")))
        };
        let read = self.read.difference(&self.written).cloned().collect();
        let stripe = [list("write", &self.written), list("read", &read)];
        let stripe: Vec<_> = stripe.into_iter().flatten().collect();
        let or_none = |text: String| if text.is_empty() { "nothing".to_owned() } else { text };
        [or_none(aws.collect::<Vec<_>>().join("; ")), or_none(stripe.join("; "))]
    }
}

/// Who signs the command's calls on the local stack, and whose key it has.
const COMMAND: &str = "visitor";
const OPERATOR: &str = "operator";

/// A resource in the page's words.
fn place(need: &Need) -> String {
    let resource = need.resource.as_str();
    let end = resource.rsplit(':').next().unwrap_or_default();
    let secrets = [
        (arns::STRIPE_KEY, "Stripe's key"),
        (arns::SWEEP_STRIPE_KEY, "the sweep's Stripe key"),
        (arns::WEBHOOK, "the webhook's secrets"),
        (arns::KEYS, "the key-derivation secrets"),
    ];
    if let Some((_, name)) = secrets.iter().find(|(arn, _)| *arn == resource) {
        return (*name).to_owned();
    }
    match need.action.split(':').next().unwrap_or_default() {
        "dynamodb" => match end.split_once("/index/") {
            Some((_, index)) => format!("the index `{index}`"),
            None => "the table".to_owned(),
        },
        "sqs" if end == EVENTS_QUEUE => "`events`".to_owned(),
        "sqs" if end == BULK_QUEUE => "`bulk`".to_owned(),
        "sqs" if DEAD_LETTER_QUEUES.contains(&end) => "the dead-letter queues".to_owned(),
        "apigateway" => format!("`{}`", without_ids(end)),
        _ => String::new(),
    }
}

/// Every second part of a path of API Gateway's is an id.
fn without_ids(path: &str) -> String {
    let parts = path.trim_start_matches('/').split('/').enumerate();
    let parts = parts.map(|(n, part)| if n % 2 == 1 { "*" } else { part });
    parts.fold(String::new(), |all, part| format!("{all}/{part}"))
}

/// A call to Stripe: its method, and what a restricted key calls its object.
fn object(call: &str) -> (&str, String) {
    let (method, path) = call.split_once(" /v1/").expect("it is one");
    let name = match path.split('/').next().unwrap_or_default() {
        "subscription_items" => "subscriptions",
        "checkout" => "checkout_sessions",
        "billing_portal" => "customer_portal",
        name => name,
    };
    let capital = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
    (method, name.split('_').map(capital).collect::<Vec<_>>().join(" "))
}

/// Files of plans for `plans apply`: with a plan more, and then with less of it.
fn plans(stack: &Stack, file: &str) -> anyhow::Result<[String; 2]> {
    // A file of a stack's beginning: its portal is not configured yet.
    let sample = stack.world.plans_toml.split("\n[portal]").next().unwrap_or_default();
    let plan = |quota: u32| {
        format!(
            "{sample}\n[[plans]]\nid = \"more\"\nrank = 99\nquota = {{ limit = {quota}, period = \"DAY\" }}\n\
             [[plans.offers]]\nlookup_key = \"more_monthly\"\nunit_amount = 9900\n\
             currency = \"usd\"\ninterval = \"month\"\n"
        )
    };
    let files = ["more", "less"].map(|name| file.replace("habits-", &format!("{name}-")));
    for (file, quota) in files.iter().zip([1000, 900]) {
        std::fs::write(file, plan(quota))?;
    }
    Ok(files)
}

/// A key of ours that is older than its account's own, and old enough; and one that is taken off
/// its plan by hand.
fn leave_a_replaced_key(stack: &Stack) -> anyhow::Result<()> {
    let some =
        stack.world.api_gateway.scene(|model, _| model.keys().find_map(|key| key.name.clone()));
    let name =
        some.context("somebody has a key")?.strip_suffix("/1").map(|name| format!("{name}/0"));
    let key = NewApiKey { name, ..NewApiKey::default() };
    let made = stack.world.api_gateway.scene(|model, now| model.create_api_key(key, now));
    made.map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
    let off_its_plan = stack.world.api_gateway.scene(|model, now| {
        let on_a_plan = |key: &&Key| !key.plans.is_empty();
        let key = model.keys().find(on_a_plan).map(|key| (key.id.clone(), key.plans.clone()));
        let (key, plans) = key.expect("somebody has a key");
        let plan = plans.into_iter().next().expect("it is on one");
        model.delete_usage_plan_key(&plan, &key, now)
    });
    off_its_plan.map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
    stack.clock().advance(SignedDuration::from_hours(1));
    Ok(())
}

async fn belong_elsewhere(stack: &Stack) -> anyhow::Result<()> {
    let stripe_account = Some("acct_1Elsewhere000000".to_owned());
    let record = StackRecord { stripe_account, ..stack.ledger.stack().await? };
    anyhow::ensure!(stack.ledger.put_stack(&record).await?);
    Ok(())
}

async fn lose_the_table(stack: &Stack) -> anyhow::Result<()> {
    let table = aws_sdk_dynamodb::Client::new(&stack.sdk);
    table.delete_table().table_name(TABLE).send().await?;
    Ok(create_table(&table, TABLE).await?)
}

#[tokio::test]
async fn what_each_command_may_do_is_what_it_was_seen_to_call() -> anyhow::Result<()> {
    let (mut operator, mut words) = prepared().await?;
    operator.environment.insert("STRIPE_SECRET_KEY", "sk_test_local_operator".into());
    let [more, less] = plans(&operator.stack, &words[0].1)?;
    let payer = operator.tollgate("account show ann@example.com --json", Input::Piped("")).await;
    let payer: serde_json::Value = serde_json::from_str(&payer.out)?;
    let payer = payer["customers"][0].as_str().unwrap_or_default().to_owned();
    words.extend([("{more}", more), ("{less}", less), ("{payer}", payer)]);
    // The local stack's own endpoint is nobody's.
    let ids: Vec<_> = operator.stripe().endpoints().map(|it| it.id.clone()).collect();
    ids.iter().try_for_each(|id| operator.stripe().delete_endpoint(id))?;
    let (mut expected, mut refused) = (Vec::new(), Vec::new());
    for (name, lines) in ROWS {
        let mut rights = Rights::default();
        match *name {
            "`reconcile --repair`" => leave_a_replaced_key(&operator.stack)?,
            "`reconcile --rebuild`" => lose_the_table(&operator.stack).await?,
            "`stack rebind`" => belong_elsewhere(&operator.stack).await?,
            _ => {}
        }
        for line in *lines {
            let line = filled(line, &words);
            let before = operator.stack.access.asked();
            let said = operator.tollgate(&line, input(&line)).await;
            if ![0, 1, 4].contains(&said.exit) {
                refused.push(format!("{line}: {said:?}"));
            }
            rights.add(&before, &operator.stack.access.asked());
            operator.stack.settle().await?;
        }
        let [aws, stripe] = rights.told();
        expected.push(format!("| {name} | {aws} | {stripe} |"));
    }
    let page = text("docs/command.md");
    let told = rows(chapter(&page, "### What each command may do")).skip(2);
    let told: Vec<_> = told.map(|row| format!("| {} |", row.join(" | "))).collect();
    assert_eq!(refused, Vec::<String>::new(), "{}", expected.join("\n"));
    assert_eq!(told, expected, "it is to be\n{}", expected.join("\n"));
    Ok(())
}
