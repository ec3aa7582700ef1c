//! `tollgate reconcile`: what differs, mended; a lost table, rebuilt.

use anyhow::Context;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tollgate_core::account::Slot;
use tollgate_core::key_name::key_name;
use tollgate_core::ports::Ledger;
use tollgate_events::{AccountId, SubscriptionId};
use tollgate_local::stack::TABLE;
use tollgate_standin::api_gateway::NewApiKey;
use tollgate_standin::calls::Service;
use tollgate_standin::stripe::{Card, Interval, NewCustomer, NewPrice, When};

use super::screens::assert_shows;
use super::{Input, Operator, Said, joined, paying};

const NONE: Input = Input::Piped("");

/// A stack with Ann, who pays for pro, and Bob, who pays for nothing, an hour later.
struct Town {
    operator: Operator,
    ann: AccountId,
    bob: AccountId,
}

impl Town {
    async fn open() -> anyhow::Result<Self> {
        let operator = Operator::start().await?;
        let ann = paying(&operator.stack, "ann", "pro").await?.id()?;
        let bob = joined(&operator.stack, "bob").await?.id()?;
        operator.stack.advance(SignedDuration::from_hours(1)).await?;
        // It says what the stack belongs to.
        operator.stack.compare().await?;
        operator.stack.world.calls.take();
        Ok(Self { operator, ann, bob })
    }

    async fn key(&self, account: &AccountId) -> anyhow::Result<String> {
        let account = self.operator.stack.ledger.account(account).await?.context("no account")?;
        Ok(account.key().context("no key")?.id.to_string())
    }

    fn make_key(&self, owner: &AccountId, generation: u32) -> anyhow::Result<String> {
        let name = Some(key_name("local", owner, Slot::Primary, generation));
        let new = NewApiKey { name, ..NewApiKey::default() };
        let gateway = &self.operator.stack.world.api_gateway;
        let made = gateway.scene(|model, now| model.create_api_key(new, now));
        Ok(made.map_err(|refusal| anyhow::anyhow!("{refusal}"))?.id)
    }

    /// Bob's key is taken off its plan by hand.
    async fn meddle(&self) -> anyhow::Result<()> {
        let key = self.key(&self.bob).await?;
        let functions = self.operator.stack.functions();
        let free = functions.worker.catalog.default_plan();
        let free = free.context("there is a default plan")?.usage_plan.clone();
        let gateway = &self.operator.stack.world.api_gateway;
        let off = |model: &mut tollgate_standin::api_gateway::Model, now| {
            model.delete_usage_plan_key(free.as_str(), &key, now)
        };
        gateway.scene(off).map_err(|refusal| anyhow::anyhow!("{refusal}"))
    }

    /// The table is deleted, and the stack's deployment has made it anew.
    async fn lose_the_table(&self) -> anyhow::Result<()> {
        let table = aws_sdk_dynamodb::Client::new(&self.operator.stack.sdk);
        let items = table.scan().table_name(TABLE).send().await?.items.unwrap_or_default();
        anyhow::ensure!(!items.is_empty(), "it was empty already");
        for item in items {
            let key = ["pk", "sk"].map(|name| Some((name.to_owned(), item.get(name)?.clone())));
            let key = key.into_iter().flatten().collect();
            table.delete_item().table_name(TABLE).set_key(Some(key)).send().await?;
        }
        Ok(())
    }

    async fn reconcile(&self, options: &str) -> anyhow::Result<Said> {
        let said = self.operator.tollgate(&format!("reconcile {options}"), NONE).await;
        Ok(Said { out: self.named(&said.out)?, ..said })
    }

    /// What was printed, with names for what is drawn anew.
    fn named(&self, text: &str) -> anyhow::Result<String> {
        let mut text = text.to_owned();
        let names: Vec<_> =
            self.operator.stack.world.api_gateway.scene(|model, _| {
                model.keys().map(|key| (key.id.clone(), key.name.clone())).collect()
            });
        let owner = |name: Option<String>, id: &AccountId| {
            name.is_some_and(|name| name.contains(id.as_str()))
        };
        for (id, name) in names {
            let whose = [(&self.ann, "<ann's key>"), (&self.bob, "<bob's key>")];
            let whose = whose.iter().find(|(account, _)| owner(name.clone(), account));
            text = text.replace(&id, whose.map_or("<key>", |(_, word)| word));
        }
        Ok(text.replace(self.ann.as_str(), "<ann>").replace(self.bob.as_str(), "<bob>"))
    }

    /// What the command has changed since the last time.
    fn changed(&self) -> Vec<String> {
        let calls = self.operator.stack.world.calls.take().into_iter();
        let reads = ["Get", "GET", "List", "Describe", "Query", "BatchGetItem"];
        calls
            .filter(|call| !reads.iter().any(|read| call.operation.starts_with(read)))
            .map(|call| call.operation.to_owned())
            .collect()
    }
}

#[tokio::test]
async fn what_differs_is_told_and_mended_at_a_word() -> anyhow::Result<()> {
    let town = Town::open().await?;
    let said = town.reconcile("").await?;
    assert_eq!((said.exit, said.out.as_str()), (0, QUIET), "{said:?}");
    town.meddle().await?;
    let nobody = AccountId::parse("nobody")?;
    let (orphan, replaced) = (town.make_key(&nobody, 1)?, town.make_key(&town.ann, 0)?);
    town.operator.stack.world.clock.advance(SignedDuration::from_hours(1));
    let said = town.reconcile("").await?;
    let differs = DIFFERS.replace("<orphan>", "<key>").replace("<replaced>", "<ann's key>");
    assert_eq!((said.exit, said.out.as_str()), (1, differs.as_str()), "{said:?}");
    assert_eq!(town.reconcile("--repair --dry-run").await?.exit, 4);
    assert_eq!(town.reconcile("--repair").await?.exit, 3, "nobody confirmed it");
    let own = town.key(&town.ann).await?;
    for options in [format!("--repair --delete {own} --yes"), format!("--delete {orphan} --yes")] {
        let said = town.reconcile(&options).await?;
        assert_eq!(said.exit, 2, "it is no orphan, or nothing is to be repaired: {said:?}");
    }
    assert_eq!(town.changed(), [""; 0]);

    let said = town.reconcile(&format!("--repair --delete {orphan} --yes")).await?;
    assert_eq!(said.exit, 0, "{said:?}");
    // A key that is gone has no name any more.
    let differs = DIFFERS.replace("<orphan>", &orphan).replace("<replaced>", &replaced);
    let mut deleted = [
        format!("deleted {orphan} tollgate/local/nobody/primary/1\n"),
        format!("deleted {replaced} tollgate/local/<ann>/primary/0\n"),
    ];
    deleted.sort();
    let expected = format!(
        "{differs}\n1 woken: `tollgate --stack local queue status` shows them go by\n{}",
        deleted.concat()
    );
    assert_eq!(said.out, expected);
    // The counts of keys and of payers are noted, as every comparison does.
    let acts = ["UpdateItem", "UpdateItem", "SendMessageBatch", "DeleteApiKey", "DeleteApiKey"];
    let mut changed = town.changed();
    changed.sort();
    let mut expected = acts.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(changed, expected);
    town.operator.stack.settle().await?;
    let said = town.reconcile("--json").await?;
    let told: Value = serde_json::from_str(&said.out)?;
    assert_eq!((said.exit, &told["found"], &told["repaired"]), (0, &json!([]), &Value::Null));
    Ok(())
}

const QUIET: &str = "\
2 accounts (1 paying), 2 users, 1 subscription, 2 of 2 keys ours
Nothing differs.
";

const DIFFERS: &str = "\
2 accounts (1 paying), 2 users, 1 subscription, 4 of 4 keys ours

     1  usage_plan: the key is on no usage plan, on two, or on the wrong one
        <bob>

     1  replaced: a key of ours, older than its account's own: --repair deletes it
        <replaced> tollgate/local/<ann>/primary/0

     1  orphan: a key of ours that no account names, and perhaps the newest of its owner: --repair leaves it, unless it is named with --delete
        <orphan> tollgate/local/nobody/primary/1

`tollgate --stack local reconcile --repair` wakes what differs; the workers look again and mend it.
";

#[tokio::test]
async fn a_lost_table_is_rebuilt_and_nobody_loses_anything() -> anyhow::Result<()> {
    let town = Town::open().await?;
    let keys = (town.key(&town.ann).await?, town.key(&town.bob).await?);
    town.lose_the_table().await?;
    town.changed();
    let said = town.reconcile("--json").await?;
    let told: Value = serde_json::from_str(&said.out)?;
    let kinds: Vec<_> = told["found"].as_array().context("a list")?.iter().collect();
    let kinds: Vec<_> = kinds.iter().map(|it| (&it["kind"], &it["count"])).collect();
    let (none, unlinked, unknown) =
        (json!("no_account"), json!("unlinked"), json!("unknown_owner"));
    let (one, two) = (json!(1), json!(2));
    assert_eq!(kinds, [(&none, &two), (&unlinked, &one), (&unknown, &two)], "{said:?}");
    assert_eq!(said.exit, 1);
    assert_eq!(town.reconcile("--rebuild --yes").await?.exit, 2, "nobody answers for it");
    let would = town.reconcile("--rebuild --dry-run --by olga --json").await?;
    let told: Value = serde_json::from_str(&would.out)?;
    let (dry, rebuilt) = (json!(false), json!(2));
    assert_eq!((would.exit, &told["written"], &told["rebuilt"]), (4, &dry, &rebuilt));
    assert_eq!(town.changed(), [""; 0]);

    let said = town.reconcile("--rebuild --yes --by olga").await?;
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(said.out.contains("Written back: 2 accounts, 1 paying, with 1 customer"), "{said:?}");
    assert_shows("reconcile-rebuilt", &said.out);
    assert_eq!(town.changed().len(), 2 * 2 + 1, "two writes each, and what it belongs to");
    assert_eq!(town.reconcile("--rebuild --yes --by olga").await?.exit, 0);
    assert_eq!(town.changed(), [""; 0], "again, it has nothing to do");
    assert_eq!(town.reconcile("--repair --yes").await?.exit, 0);
    town.operator.stack.settle().await?;
    let said = town.reconcile("").await?;
    assert_eq!((said.exit, said.out.as_str()), (0, QUIET), "{said:?}");
    assert_eq!((town.key(&town.ann).await?, town.key(&town.bob).await?), keys);
    let moved = town
        .operator
        .stack
        .world
        .calls
        .take()
        .into_iter()
        .any(|call| call.service == Service::ApiGateway && !call.operation.starts_with("Get"));
    assert!(!moved);
    Ok(())
}

#[tokio::test]
async fn more_than_the_limit_is_refused_until_it_is_accepted() -> anyhow::Result<()> {
    let town = Town::open().await?;
    for _ in 0..11 {
        town.make_key(&town.bob, 0)?;
    }
    town.operator.stack.world.clock.advance(SignedDuration::from_hours(1));
    let said = town.reconcile("--repair --yes").await?;
    assert_eq!(said.exit, 3, "{said:?}");
    assert!(said.err.contains("11 keys would be deleted, and the blast limit is 10"), "{said:?}");
    assert!(said.out.contains("… and 1 more: --list"), "{said:?}");
    assert_eq!(town.changed(), [""; 0]);
    let said = town.reconcile("--repair --accept --yes --list").await?;
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(said.err.contains("The blast limit is lifted until 2026-03-01T"), "{said:?}");
    assert_eq!(said.out.matches("\ndeleted ").count(), 11, "{said:?}");
    let stack = town.operator.stack.ledger.stack().await?;
    assert!(stack.blast.accepted_until.is_some());
    assert_eq!(town.reconcile("").await?.exit, 0);
    Ok(())
}

/// A limit that has stopped is told by all that foretell or mend, with when and what ends it; and
/// nothing ends well that it holds back.
#[tokio::test]
async fn what_has_stopped_is_told_and_holds_back() -> anyhow::Result<()> {
    let town = Town::open().await?;
    let stack = &town.operator.stack;
    let mut record = stack.ledger.stack().await?;
    record.blast.stopped = true;
    record.blast.stopped_at = Some("2026-03-01T09:30:00Z".parse()?);
    assert!(stack.ledger.put_stack(&record).await?);
    let stop = "the blast limit has stopped since 2026-03-01T09:30:00Z";
    let mend = "`tollgate --stack local reconcile --accept`";
    let is_told = |said: &Said| said.out.contains(stop) && said.out.contains(mend);

    // It holds back nothing: everything agrees.
    for line in
        ["reconcile", "events replay --since 2h --dry-run", "events replay --since 2h --yes"]
    {
        let said = town.operator.tollgate(line, NONE).await;
        assert!(said.exit == 0 && is_told(&said), "{line}: {said:?}");
    }
    let doctor = town.operator.tollgate("doctor", NONE).await;
    assert!(doctor.out.contains(stop), "{doctor:?}");

    // Ann would lose pro by this file, and nothing explains it.
    let wrong = stack.world.plans_toml.replace("revision = 1", "revision = 2");
    let wrong = wrong.replace("basic_monthly", "x").replace("pro_monthly", "basic_monthly");
    let wrong = wrong.replace("\"x\"", "\"pro_monthly\"");
    let plans = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("stopped.toml");
    std::fs::write(&plans, wrong)?;
    let run = async |line: &str| {
        let line = format!("{line} --plans {}", plans.display());
        town.operator.tollgate(&line, NONE).await
    };
    for line in ["reconcile", "reconcile --repair --dry-run", "events replay --since 2h --dry-run"]
    {
        let said = run(line).await;
        assert!(said.exit == 3 && is_told(&said), "{line}: {said:?}");
    }
    let dry = run("events replay --since 2h --dry-run").await;
    assert!(dry.out.contains("! 1 account would be parked: the blast limit is reached"), "{dry:?}");
    let json: Value =
        serde_json::from_str(&run("events replay --since 2h --dry-run --json").await.out)?;
    assert_eq!(
        (&json["totals"]["over_the_blast_limit"], &json["held"][0]["of"][0]),
        (&json!(1), &json!(town.ann))
    );
    assert_eq!(json["halts"][0]["halt"], "blast_limit");
    let repaired = run("reconcile --repair --yes").await;
    assert!(repaired.exit == 3 && repaired.out.contains("woken"), "{repaired:?}");
    assert!(repaired.err.contains(stop) && repaired.err.contains(mend), "{repaired:?}");

    assert_eq!(run("reconcile --repair --accept --dry-run").await.exit, 4);
    let accepted = run("reconcile --repair --accept --yes").await;
    assert_eq!(accepted.exit, 0, "{accepted:?}");
    assert_eq!(run("events replay --since 2h --dry-run").await.exit, 4);
    Ok(())
}

/// How many strangers the seller has, who buy something else: three pages of them.
const STRANGERS: usize = 250;

impl Town {
    /// The seller sells more than the API. In the middle of his list is one subscription that
    /// Stripe shows otherwise than its pages say; others have odd fields that nobody needs.
    fn sell_newsletters(&self) -> anyhow::Result<String> {
        let mut stripe = self.operator.stack.world.stripe.account();
        let product = stripe.create_product("A newsletter", Default::default());
        let price = stripe.create_price(NewPrice::new(&product, Interval::Month, 500))?;
        let mut sold = Vec::new();
        for _ in 0..STRANGERS {
            let customer = stripe.create_customer(NewCustomer::default());
            stripe.set_card(&customer, Card::Pays)?;
            sold.push(stripe.subscribe(&customer, &[&price], Default::default())?);
        }
        for (nth, (field, raw)) in [
            ("/description", r#""half of a pair: \ud83d""#),
            ("/metadata/n", r#""\ude00""#),
            ("/cancel_at", "1e999"),
            ("/created", "1.5"),
            ("/items/data/0/price", "null"),
            ("/items/data/0/quantity", "99999999999999999999"),
            ("/latest_invoice", "[]"),
        ]
        .into_iter()
        .enumerate()
        {
            stripe.make_odd(&sold[30 * nth], field, raw);
        }
        stripe.make_odd(&sold[125], "/status", "null");
        Ok(sold.swap_remove(125))
    }

    /// What is told of the one that cannot be read.
    fn told(odd: &str) -> String {
        format!("        Stripe GET /v1/subscriptions: {odd}: status: missing, or no text\n")
    }
}

/// One row costs that row: the sweep, the comparison, a batch of others' events and a rebuild
/// do their work, and say that it was left out.
#[tokio::test]
async fn one_strangers_odd_row_among_hundreds_stops_nothing() -> anyhow::Result<()> {
    let town = Town::open().await?;
    let odd = town.sell_newsletters()?;
    town.operator.stack.settle().await?;
    let report = town.operator.stack.compare().await?;
    assert_eq!((report.unreadable.count, report.wakes()), (1, 0));
    assert_eq!(report.subscriptions, STRANGERS, "Ann's, and all of theirs but one");

    town.meddle().await?;
    let said = town.reconcile("").await?;
    let told = Town::told(&odd);
    assert!(said.out.contains("     1  usage_plan"), "{said:?}");
    assert!(said.out.contains("     1  rows that cannot be read were left out"), "{said:?}");
    assert!(said.out.contains(&told), "{said:?}");
    let json: Value = serde_json::from_str(&town.reconcile("--json").await?.out)?;
    assert_eq!(json["unreadable"]["count"], 1);

    // One batch with events of the odd one and of Ann, who cancels.
    let anns = {
        let mut stripe = town.operator.stack.world.stripe.account();
        stripe.set_metadata(&odd, &[("n".to_owned(), "1".to_owned())].into())?;
        let anns = stripe.customers().find(|it| it.metadata.contains_key("tollgate_account"));
        let anns = anns.context("Ann is a customer")?.id.clone();
        let anns = stripe.subscriptions_of(&anns)[0].id.clone();
        stripe.cancel(&anns, When::PeriodEnd)?;
        anns
    };
    town.operator.stack.settle().await?;
    let account = town.operator.stack.ledger.account(&town.ann).await?.context("no account")?;
    assert_eq!(account.access.reason.subscription().map(SubscriptionId::as_str), Some(&*anns));
    assert!(account.review_at.is_some(), "until the period's end");
    // Its own events call nobody either.
    let parked = town.operator.stack.ledger.unsettled(None).await?.items;
    assert_eq!(parked, [], "what a stranger's row does not say is nobody's business");
    assert_eq!(town.reconcile("--repair --yes").await?.exit, 0);
    town.operator.stack.settle().await?;

    town.lose_the_table().await?;
    let said = town.reconcile("--rebuild --yes --by olga").await?;
    assert!(said.out.contains("Written back: 2 accounts, 1 paying"), "{said:?}");
    assert_eq!((said.exit, said.out.matches(&told).count()), (0, 2), "before and after: {said:?}");

    // Where the row is of an account that is to be written back, that one is left.
    town.lose_the_table().await?;
    town.operator.stack.world.stripe.account().make_odd(&anns, "/status", "null");
    let said = town.reconcile("--rebuild --yes --by olga --json").await?;
    let json: Value = serde_json::from_str(&said.out)?;
    assert_eq!((said.exit, &json["rebuilt"], &json["left"]), (1, &json!(1), &json!(1)));
    assert_eq!(json["unreadable"]["count"], 2);
    assert!(town.operator.stack.ledger.account(&town.ann).await?.is_none());
    Ok(())
}

/// Ctrl-C ends the look, or what comes after it; the command goes on when it is repeated.
#[tokio::test]
async fn what_was_interrupted_is_made_by_the_next() -> anyhow::Result<()> {
    let town = Town::open().await?;
    town.meddle().await?;
    let replaced = town.make_key(&town.ann, 0)?;
    town.operator.stack.world.clock.advance(SignedDuration::from_hours(1));
    let line = "--repair --accept --yes --json";
    town.operator.patience.set(0);
    let looked = town.reconcile(line).await?;
    town.operator.patience.set(usize::MAX);
    assert_eq!((looked.exit, looked.out.as_str()), (5, ""));
    assert_eq!(town.changed(), [""; 0]);

    // What it accepts is the first that it writes.
    town.operator.enough_after.set(Some("UpdateItem"));
    let accepted = town.reconcile(line).await?;
    town.operator.enough_after.set(None);
    let told: Value = serde_json::from_str(&accepted.out)?;
    assert_eq!((accepted.exit, &told["repaired"]), (5, &Value::Null));
    assert!(told["accepted_until"].is_string(), "{told}");
    let mend = "\"mend\":\"Repeat the command to go on.\"";
    assert!(accepted.err.contains(mend), "{accepted:?}");
    assert_eq!(town.changed(), ["UpdateItem"]);

    let repaired = town.reconcile("--repair --yes").await?;
    assert_eq!(repaired.exit, 0, "{repaired:?}");
    assert!(repaired.out.contains(&format!("deleted {replaced}")), "{repaired:?}");
    town.operator.stack.settle().await?;
    assert_eq!(town.reconcile("").await?.exit, 0);
    Ok(())
}

impl Town {
    /// Writes a proof into a subscription; returns the one that was there.
    fn prove(&self, subscription: &str, proof: &str) -> anyhow::Result<String> {
        let mut stripe = self.operator.stack.world.stripe.account();
        let before = stripe.subscription(subscription)?.metadata.get("tollgate_proof").cloned();
        let proof = [("tollgate_proof".to_owned(), proof.to_owned())].into();
        stripe.set_metadata(subscription, &proof)?;
        before.context("it had one")
    }
}

/// Another Stripe account's key explains nobody's plan: that is seen before anything is written,
/// and what was written all the same is made good with the right one.
#[tokio::test]
async fn a_rebuild_that_explains_nothing_is_refused_until_it_is_accepted() -> anyhow::Result<()> {
    let town = Town::open().await?;
    let ann = town.operator.stack.ledger.account(&town.ann).await?.context("she is there")?;
    let subscription = ann.access.reason.subscription().context("she pays")?.to_string();
    town.lose_the_table().await?;
    // By these secrets the proof of Ann's subscription is none.
    let proof = town.prove(&subscription, "1:00")?;
    town.changed();
    for option in ["--yes", "--dry-run", "--yes --json"] {
        let said = town.reconcile(&format!("--rebuild --by olga {option}")).await?;
        assert_eq!(said.exit, 3, "{said:?}");
        let problem = "of 1 accounts on more than the default plan, 1 have no subscription";
        assert!(said.err.contains(problem) && said.err.contains("--accept"), "{said:?}");
        assert!(said.err.contains("have a proof that these derivation secrets did not make"));
        assert!(said.out.contains(problem), "{said:?}");
    }
    assert_eq!(town.changed(), [""; 0]);
    let said = town.reconcile("--rebuild --accept --yes --by olga").await?;
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(said.out.contains("     1  granted their plan"), "{said:?}");
    town.prove(&subscription, &proof)?;
    let said = town.reconcile("--rebuild --yes --by olga").await?;
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(
        said.out.contains("once more, as a rebuild had guessed at them: 1 account"),
        "{said:?}"
    );
    let ann = town.operator.stack.ledger.account(&town.ann).await?.context("she is there")?;
    assert_eq!((ann.access.grants.len(), ann.access.customers.len()), (0, 1));
    assert_eq!(town.reconcile("").await?.exit, 0);
    Ok(())
}
