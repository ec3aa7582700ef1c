//! `tollgate events`: what came is listed and shown, and comes once more.

use jiff::SignedDuration;
use serde_json::Value;
use tollgate_core::account::PlanId;
use tollgate_core::ledger::StoredEvent;
use tollgate_core::ports::Ledger as _;
use tollgate_events::AccountId;
use tollgate_standin::calls::Service;
use tollgate_standin::stripe::{Card, DeliveryAnswer, NewCustomer, SubscriptionData};
use tollgate_standin::world::{BULK_QUEUE, EVENTS_QUEUE};

use super::screens::assert_shows;
use super::{Input, Operator, Said, joined};

const NONE: Input = Input::Piped("");

/// Ann, who has signed up and pays for basic.
struct Scene {
    operator: Operator,
    ann: AccountId,
    customer: String,
    subscription: String,
}

impl Scene {
    async fn open() -> anyhow::Result<Self> {
        let operator = Operator { columns: None, ..Operator::start().await? };
        let ann = joined(&operator.stack, "ann").await?;
        operator.stack.advance(SignedDuration::from_mins(5)).await?;
        ann.buy("basic").await?;
        operator.stack.settle().await?;
        let ann = ann.id()?;
        let account = operator.stack.ledger.account(&ann).await?.expect("she has signed up");
        let customer = account.access.customers.first().expect("she has bought").to_string();
        let subscription = operator.stripe().subscriptions_of(&customer)[0].id.clone();
        Ok(Self { operator, ann, customer, subscription })
    }

    async fn events(&self, line: &str) -> Said {
        self.operator.tollgate(&format!("events {line}"), NONE).await
    }

    /// While the stack goes on.
    async fn followed(&self, line: &str) -> anyhow::Result<Said> {
        self.operator.tollgate_while_it_runs(&format!("events {line}"), NONE).await
    }

    /// Ann moves to another plan; the endpoint is down, and hears nothing of it for now.
    fn change_unheard(&self, plan: &str) {
        let mut stripe = self.operator.stripe();
        let price = stripe.price_by_lookup_key(&format!("{plan}_monthly")).expect("it is sold");
        let price = price.id.clone();
        stripe.change_price(&self.subscription, &price).expect("it is live");
        for delivery in stripe.due_deliveries() {
            stripe.settle(&delivery, DeliveryAnswer::Status(503));
        }
    }

    /// Time passes, and nobody looks.
    fn pass(&self, time: SignedDuration) {
        self.operator.stack.world.stripe.advance_to(self.operator.stack.clock().time() + time);
    }

    async fn change(&self, plan: &str) -> anyhow::Result<()> {
        {
            let mut stripe = self.operator.stripe();
            let price = stripe.price_by_lookup_key(&format!("{plan}_monthly")).expect("it is sold");
            let price = price.id.clone();
            stripe.change_price(&self.subscription, &price).expect("it is live");
        }
        self.pass(SignedDuration::from_secs(1));
        self.operator.stack.settle().await
    }

    async fn plan(&self) -> anyhow::Result<Option<PlanId>> {
        let account = self.operator.stack.ledger.account(&self.ann).await?;
        Ok(account.and_then(|account| account.access.plan))
    }

    /// Every record.
    async fn records(&self) -> anyhow::Result<Vec<StoredEvent>> {
        let (from, now) = ("2026-03-01T00:00:00Z".parse()?, self.operator.stack.clock().time());
        let page = self.operator.stack.ledger.events(from, now, None).await?;
        assert_eq!(page.next, None, "one page holds them");
        Ok(page.items)
    }

    /// What was said, with names for what is called otherwise in every run, and columns told
    /// apart by two spaces.
    fn told(&self, text: &str) -> String {
        let mut text = text.replace(self.ann.as_str(), "ANN");
        text = text.replace(&self.customer, "CUSTOMER").replace(&self.subscription, "SUBSCRIPTION");
        let kinds: Vec<_> = {
            let stripe = self.operator.stripe();
            stripe.events().map(|event| (event.id.clone(), event.kind)).collect()
        };
        let plans: Vec<_> = self.operator.stack.world.api_gateway.scene(|model, _| {
            model.plans().map(|plan| (plan.id.clone(), plan.name.clone())).collect()
        });
        for (id, plan) in plans {
            text = text.replace(&id, &format!("<{plan}>"));
        }
        for (id, kind) in kinds {
            text = text.replace(&id, &format!("<{kind}>"));
        }
        let lines = text.lines().map(|line| {
            let indent = line.len() - line.trim_start().len();
            let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
            let cells: Vec<_> = cells.map(without_run).collect();
            format!("{}{}", &line[..indent], cells.join("  "))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The id of the newest event of a type.
    fn newest(&self, kind: &str) -> String {
        let stripe = self.operator.stripe();
        let event = stripe.events().find(|event| event.kind == kind);
        event.map(|event| event.id.clone()).expect("it was made")
    }
}

/// The name of a replay is random.
fn without_run(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let named = word.strip_prefix('r').and_then(|rest| rest.get(..8));
        match named.filter(|run| run.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Some(run) => word.replace(&format!("r{run}"), "RUN"),
            None => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn events_are_listed_newest_first() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let all = scene.told(&scene.events("list").await.out);
    let (first, last) = (all.lines().nth(1), all.lines().last());
    assert!(first.is_some_and(|it| it.contains("checkout.session.completed")), "{all}");
    assert!(last.is_some_and(|it| it.contains("sign_up")), "{all}");
    assert_shows("events-list", &all);
    Ok(())
}

#[tokio::test]
async fn a_list_is_of_what_is_asked_for() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let ids = async |options: &str| -> anyhow::Result<Vec<String>> {
        let said = scene.events(&format!("--json list {options}")).await;
        assert_eq!(said.exit, 0, "{said:?}");
        let listed: Value = serde_json::from_str(&said.out)?;
        let events = listed["events"].as_array().expect("a list").iter();
        Ok(events.map(|event| format!("{}/{}", text(event, "source"), text(event, "id"))).collect())
    };
    let mut all = ids("").await?;
    assert_eq!(ids("--limit 2").await?, all[..2]);
    let stripes: Vec<_> = all.iter().filter(|id| id.starts_with("stripe/")).cloned().collect();
    assert_eq!(ids(&format!("--customer {}", scene.customer)).await?, stripes);
    assert_eq!(ids(&format!("--account {}", scene.ann)).await?, all);
    let paid = scene.newest("invoice.paid");
    assert_eq!(ids("--type 'invoice.*' --outcome applied --outcome unchanged").await?.len(), 1);
    assert_eq!(ids(&paid).await?, [format!("stripe/{paid}")]);
    assert_eq!(ids("--outcome parked").await?, Vec::<String>::new());
    assert_eq!(ids("--from-stripe --since 1h").await?.len(), stripes.len());
    assert_eq!(ids("--from-stripe --undelivered").await?, Vec::<String>::new());
    all.reverse();
    assert_eq!(ids("--oldest-first --from 2026-03-01").await?, all);
    assert_eq!(ids("--oldest-first --limit 1 --to 2026-03-01T09:01:00Z").await?, all[..1]);
    assert_eq!(scene.events("list --to 2026-02-01").await.out, "No such events.\n");
    Ok(())
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

#[tokio::test]
async fn an_event_is_shown_with_what_it_changed() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let name = scene.newest("checkout.session.completed");
    let shown = scene.events(&format!("show {name}")).await;
    let session = scene.operator.stripe().event(&name).map(|event| event.object["id"].clone());
    let session = session.as_ref().and_then(Value::as_str).expect("it is the newest").to_owned();
    let shown = scene.told(&shown.out).replace(&session, "SESSION");
    assert!(shown.contains("free → basic\n  SUBSCRIPTION is live"), "{shown}");
    assert_shows("events-show", &shown);
    let as_json = scene.events(&format!("show {name} --json")).await;
    let as_json: Value = serde_json::from_str(&as_json.out)?;
    assert_eq!(as_json["record"]["account"], scene.ann.as_str());
    assert!(as_json["history"][0]["version"].is_number(), "{as_json}");
    Ok(())
}

/// The endpoint is down while Ann buys more: Stripe has it, the ledger has not.
#[tokio::test]
async fn what_the_endpoint_missed_is_replayed_from_stripe() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    scene.change_unheard("pro");
    let before = scene.records().await?;
    scene.operator.writes();
    let dry = scene.events("replay --from-stripe --undelivered --dry-run").await;
    assert_eq!(
        (dry.exit, scene.told(&dry.out).as_str()),
        (
            4,
            "\
~ ANN: basic → pro; SUBSCRIPTION is live
    detach from usage plan <basic>
    attach to usage plan <pro>
    write attributes (custom:plan=pro)
Would move 1 account (1 event of 1 account)."
        )
    );
    assert_eq!(
        (scene.records().await?, scene.operator.writes()),
        (before, vec!["AdminGetUser".into()])
    );

    let line = "replay --from-stripe --undelivered --yes --wait";
    let replayed = scene.followed(line).await?;
    assert_eq!(
        (replayed.exit, scene.told(&replayed.out).as_str()),
        (
            0,
            "\
1 event to replay (from Stripe's list).
Sent 1 event as replay RUN; before: 1 not on record.
Handled again: 1 applied."
        ),
        "{replayed:?}"
    );
    assert_eq!(scene.plan().await?, PlanId::parse("pro").ok());
    let dry = scene.events("replay --from-stripe --since 2h --dry-run").await;
    assert_eq!(
        (dry.exit, scene.told(&dry.out).as_str()),
        (0, "Nothing would change (5 events of 1 account).")
    );
    Ok(())
}

/// Stopped after any call, the replay says how to go on; then every event has come once more,
/// and none of them twice.
#[tokio::test]
async fn a_replay_that_was_stopped_goes_on_as_it_says() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    for plan in ["pro", "basic"].repeat(12) {
        scene.change(plan).await?;
    }
    let line = "replay --from 2026-03-01 --type 'customer.subscription.*' --yes";
    for patience in [0, 1, 2] {
        let before = scene.records().await?;
        scene.operator.patience.set(patience);
        let stopped = scene.events(line).await;
        scene.operator.patience.set(usize::MAX);
        assert_eq!(stopped.exit, 5, "{patience}: {stopped:?}");
        let Some((_, rest)) = stopped.err.split_once("To go on: `tollgate --stack local events ")
        else {
            assert_eq!(stopped.err, "Stopped while counting: nothing was sent.\n");
            continue;
        };
        let goes_on = scene.events(&format!("{} --yes", rest.trim().trim_end_matches('`'))).await;
        assert_eq!(goes_on.exit, 0, "{goes_on:?}");
        scene.operator.stack.settle().await?;
        let after = scene.records().await?;
        for (before, after) in before.iter().zip(&after) {
            let kind = &before.record.envelope().expect("all can be read").kind;
            let again = u64::from(kind.starts_with("customer.subscription."));
            assert_eq!(after.attempts, before.attempts + again, "{kind}, stopped at {patience}");
        }
        scene.pass(SignedDuration::from_mins(6));
    }
    scene.operator.patience.set(1);
    let stopped = scene.events(&format!("{line} --wait --wait-for 20m")).await;
    scene.operator.patience.set(usize::MAX);
    assert!(stopped.err.contains(" --wait --wait-for PT20M --resume r"), "{stopped:?}");
    Ok(())
}

/// Within five minutes SQS drops what is sent again: what the worker made of it before is what
/// became of it, and nothing is missed.
#[tokio::test]
async fn a_replay_that_goes_on_at_once_misses_nothing_that_was_handled() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    for plan in ["pro", "basic"].repeat(6) {
        scene.change(plan).await?;
    }
    let line = "replay --from-stripe --since 1h --yes --wait --wait-for 1m";
    for _ in 0..2 {
        scene.operator.stack.world.calls.take();
        scene.operator.enough_after.set(Some("SendMessageBatch"));
        let stopped = scene.events(line).await;
        scene.operator.enough_after.set(None);
        assert_eq!(stopped.exit, 5, "{stopped:?}");
        let (_, rest) = stopped
            .err
            .split_once("To go on: `tollgate --stack local events ")
            .expect("it was sending");
        let rest = format!("{} --yes", rest.trim().trim_end_matches('`'));
        scene.operator.stack.settle().await?;
        let goes_on = scene.followed(&rest).await?;
        assert_eq!(goes_on.exit, 0, "{rest}: {goes_on:?}");
        scene.pass(SignedDuration::from_mins(6));
    }
    Ok(())
}

/// What was parked is found at any age; replayed without the stack, it is told as waiting.
#[tokio::test]
async fn what_is_parked_is_replayed_by_its_outcome() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    {
        let mut stripe = scene.operator.stripe();
        let stranger = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&stranger, Card::Pays)?;
        let price = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
        stripe.subscribe(&stranger, &[&price], SubscriptionData::default())?;
    }
    scene.operator.stack.advance(SignedDuration::from_hours(30 * 24)).await?;
    let slow = scene.events("replay --outcome parked --yes --wait --wait-for 1m").await;
    assert_eq!(
        (slow.exit, scene.told(&slow.out).as_str()),
        (
            1,
            "\
2 events to replay (last time: 2 parked).
Sent 2 events as replay RUN; before: 2 parked."
        )
    );
    let told = "error: 2 events were not handled within 1m\n  They stay on the queue: `tollgate --stack local queue status` tells how it goes.\n";
    assert_eq!(slow.err, told);
    scene.operator.stack.world.calls.take();
    scene.operator.enough_after.set(Some("SendMessageBatch"));
    let enough = scene.events("replay --outcome parked --yes --wait").await;
    scene.operator.enough_after.set(None);
    let told = "Stopped waiting for 2 events: the worker goes on.\n";
    assert_eq!((enough.exit, enough.err.as_str()), (5, told));
    let followed = scene.followed("replay --outcome parked --yes --wait --json").await?;
    let told: Value = serde_json::from_str(&followed.out)?;
    assert_eq!((followed.exit, &told["handled"]), (0, &serde_json::json!({ "waiting": 2 })));
    Ok(())
}

#[tokio::test]
async fn a_mistake_sends_nothing() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    scene.operator.stack.world.calls.take();
    for (line, exit, told) in [
        ("list --help", 0, "Examples:"),
        ("replay --help", 0, "Ctrl-C stops it"),
        ("replay --yes", 2, "it is not said which events"),
        ("replay sub_1", 2, "names no event"),
        ("replay --since yesterday", 2, "no duration"),
        ("replay --since 1h --rate 11", 2, "11 is not in 1..=10"),
        ("replay --undelivered", 2, "--from-stripe"),
        ("replay --from-stripe --from 2026-01-01", 2, "Ask from 2026-01-30T"),
        ("replay --since 1h --resume r1@2026-03-01T09:00:00Z", 2, "cannot be used with"),
        ("replay --resume r1", 2, "a cursor is what an interrupted replay printed"),
        ("replay evt_unknown --yes", 1, "these are not on record: evt_unknown"),
        ("replay evt_unknown --from-stripe --yes", 1, "are older than 30 days"),
        ("replay evt_unknown --dry-run", 1, "not on record"),
        ("show evt_unknown", 1, "events replay evt_unknown --from-stripe"),
        ("list --account", 2, "a value is required"),
        ("list --account --json", 2, "a value is required for '--account <WHO>' but none"),
        ("show --json", 2, "arguments were not provided: <EVENT>\""),
        ("replay --since 1h", 3, "nobody confirmed it"),
        ("replay --since 1h --json", 3, "nobody confirmed it"),
    ] {
        let said = scene.events(line).await;
        assert_eq!(said.exit, exit, "{line}: {said:?}");
        assert!(format!("{}{}", said.out, said.err).contains(told), "{line}: {said:?}");
    }
    let refused = scene.operator.tollgate("events replay --since 1h", Input::Typed("n\n")).await;
    assert_eq!(
        (refused.exit, scene.told(&refused.out).as_str()),
        (3, "5 events to replay (last time: 5 applied).")
    );
    let calls = scene.operator.stack.world.calls.take();
    assert!(calls.iter().all(|call| call.service != Service::Sqs), "nothing is sent");
    assert!(scene.operator.stack.world.sqs.receive(BULK_QUEUE, 10)?.is_empty());
    Ok(())
}

/// A message that is none raises no alarm for ever: it is on record who said so, and why.
#[tokio::test]
async fn what_is_nobodys_business_is_dismissed_and_can_be_replayed() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let stack = &scene.operator.stack;
    stack.put_on_queue(EVENTS_QUEUE, "no envelope").await?;
    stack.settle().await?;
    let unsettled = async || anyhow::Ok(stack.ledger.unsettled(None).await?.items);
    let parked = unsettled().await?.pop().expect("it is parked").record.event.to_string();
    let act = format!("dismiss {parked} --why 'a test of a queue' --by ops");
    let asked = scene.events(&act).await;
    assert!(asked.exit == 3 && asked.err.contains("--yes"), "{asked:?}");
    assert_eq!(scene.events(&format!("{act} --dry-run")).await.exit, 4);
    let done = scene.events(&format!("{act} --yes")).await;
    assert!(done.exit == 0 && done.out.contains("Dismissed"), "{done:?}");
    assert_eq!(unsettled().await?, []);
    let shown = scene.events(&format!("show {parked}")).await;
    assert!(shown.out.contains("dismissed by ops: a test of a queue"), "{shown:?}");
    assert!(shown.out.contains("ignored"), "{shown:?}");
    let again = scene.events(&format!("{act} --yes")).await;
    assert!(again.exit == 3 && again.err.contains("waits for nobody"), "{again:?}");
    let unknown = scene.events("dismiss evt_unknown --why x --by ops --yes").await;
    assert!(unknown.exit == 2 && unknown.err.contains("not on record"), "{unknown:?}");
    // What a stranger did can still be replayed.
    {
        let mut stripe = scene.operator.stripe();
        let stranger = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&stranger, Card::Pays)?;
        let price = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
        stripe.subscribe(&stranger, &[&price], SubscriptionData::default())?;
    }
    stack.advance(SignedDuration::from_hours(1)).await?;
    let stranger = unsettled().await?.pop().expect("it is parked").record.event.id.to_string();
    let dismissed = scene.events(&format!("dismiss {stranger} --why x --by ops --yes")).await;
    assert_eq!(dismissed.exit, 0, "{dismissed:?}");
    let replayed = scene.events(&format!("replay {stranger} --yes")).await;
    assert!(replayed.exit == 0 && replayed.out.contains("Sent 1 event"), "{replayed:?}");
    Ok(())
}
