//! `tollgate stack`: what the stack belongs to, shown, and changed on record.

use serde_json::{Value, json};
use tollgate_core::ledger::Outcome;
use tollgate_core::ports::Ledger;
use tollgate_events::{EventId, EventRef, Source};
use tollgate_local::stack::OTHER_STRIPE_KEY;
use tollgate_operator::REBIND;
use tollgate_standin::world::POOL_ID;

use super::{Input, Operator, Said, paying};

const NONE: Input = Input::Piped("");
const OTHER: &str = "acct_1Elsewhere000000";

/// A stack that Ann has bought from, so that it is known what it belongs to.
async fn in_operation() -> anyhow::Result<(Operator, String)> {
    let mut operator = Operator::start().await?;
    operator.environment.insert("USER", "olga".to_owned());
    paying(&operator.stack, "ann", "pro").await?;
    operator.stack.compare().await?;
    let account = operator.stripe().settings_mut().account_id.clone();
    Ok((operator, account))
}

impl Operator {
    fn has_a_key_of_another_account(&self) -> anyhow::Result<()> {
        let key = OTHER_STRIPE_KEY;
        Ok(self.stack.world.secrets.put("StripeKeySecret", key, key)?)
    }

    async fn belongs_to(&self) -> anyhow::Result<[Option<String>; 2]> {
        let stack = self.stack.ledger.stack().await?;
        Ok([stack.stripe_account, stack.pool])
    }
}

fn has(said: &Said, exit: u8, parts: &[&str]) {
    assert_eq!(said.exit, exit, "{said:?}");
    for part in parts {
        assert!(format!("{}{}", said.out, said.err).contains(part), "{part}: {said:?}");
    }
}

#[tokio::test]
async fn what_the_stack_belongs_to_is_shown() -> anyhow::Result<()> {
    let (operator, account) = in_operation().await?;
    has(&operator.tollgate("stack show", NONE).await, 0, &[&account, POOL_ID]);
    operator.has_a_key_of_another_account()?;
    let said = operator.tollgate("stack show", NONE).await;
    has(&said, 1, &[&account, OTHER, "this stack belongs to", "secrets set stripe-key"]);
    let said = operator.tollgate("stack show --json", NONE).await;
    let shown: Value = serde_json::from_str(&said.out)?;
    let expected = json!({
        "stripe_account": { "stack": account, "in_use": OTHER },
        "pool": { "stack": POOL_ID, "in_use": POOL_ID },
        "fits": false,
        "frozen": null,
    });
    assert_eq!((said.exit, shown), (1, expected));
    Ok(())
}

/// The operator's own key may be of whatever account: what counts is the functions'.
#[tokio::test]
async fn the_functions_key_is_asked() -> anyhow::Result<()> {
    let (mut operator, account) = in_operation().await?;
    operator.environment.insert("STRIPE_SECRET_KEY", OTHER_STRIPE_KEY.to_owned());
    let said = operator.tollgate("stack show", NONE).await;
    has(&said, 0, &[&account]);
    assert!(!said.out.contains(OTHER), "{said:?}");
    // But what it would compare with its own is refused.
    has(&operator.tollgate("reconcile", NONE).await, 3, &["this stack belongs to"]);
    Ok(())
}

#[tokio::test]
async fn another_account_is_taken_by_an_operators_word_alone() -> anyhow::Result<()> {
    let (operator, account) = in_operation().await?;
    operator.has_a_key_of_another_account()?;
    let before = operator.belongs_to().await?;
    for line in ["reconcile", "reconcile --repair --yes", "reconcile --rebuild --yes"] {
        has(&operator.tollgate(line, NONE).await, 3, &["this stack belongs to", "stack rebind"]);
    }
    let moves = format!("{account} → {OTHER}");
    let line = "stack rebind --why 'a new  sandbox'";
    has(&operator.tollgate(&format!("{line} --dry-run"), NONE).await, 4, &[&moves]);
    has(&operator.tollgate(line, NONE).await, 3, &["nobody confirmed it"]);
    has(&operator.tollgate(line, Input::Typed("no\n")).await, 3, &[&moves]);
    has(&operator.tollgate("stack rebind --yes", NONE).await, 2, &["--why"]);
    assert_eq!(operator.belongs_to().await?, before);

    let said = operator.tollgate(line, Input::Typed("yes\n")).await;
    has(&said, 0, &[&moves, POOL_ID, "On record: operator/op_"]);
    assert_eq!(operator.belongs_to().await?, [Some(OTHER.into()), before[1].clone()]);
    has(&operator.tollgate("stack show", NONE).await, 0, &[OTHER]);
    has(&operator.tollgate(line, NONE).await, 0, &["Nothing to change."]);

    // Who and why is on record, and stays when it is replayed.
    let id = said.out.split("operator/").nth(1).and_then(|rest| rest.lines().next());
    let id = EventId::parse(id.unwrap_or_default())?;
    let event = EventRef { source: Source::Operator, id };
    let record =
        async || anyhow::Ok(operator.stack.ledger.event(&event).await?.map(|it| it.record));
    let told = record().await?.expect("it is on record");
    assert_eq!(told.outcome, Outcome::Applied);
    assert_eq!(told.envelope().map(|it| it.kind.as_str()), Some(REBIND));
    let detail = told.detail.unwrap_or_default();
    assert!(detail.starts_with("olga: a new sandbox\n") && detail.contains(&moves), "{detail}");
    let line = format!("events replay {} --yes", event.id);
    has(&operator.tollgate(&line, NONE).await, 0, &[]);
    operator.stack.settle().await?;
    let told = record().await?.expect("it is on record");
    assert_eq!(told.outcome, Outcome::Unchanged);
    assert!(told.detail.is_some_and(|detail| detail.starts_with("olga: a new sandbox\n")));
    assert_eq!(operator.belongs_to().await?[0].as_deref(), Some(OTHER));
    Ok(())
}

/// Something is wrong, and nobody knows what yet.
#[tokio::test]
async fn a_freeze_stops_losses_until_it_ends() -> anyhow::Result<()> {
    let (operator, _) = in_operation().await?;
    let frozen = async || anyhow::Ok(operator.stack.ledger.stack().await?.frozen);
    let line = "stack freeze --why 'prices  look wrong'";
    has(
        &operator.tollgate(&format!("{line} --dry-run"), NONE).await,
        4,
        &["no → prices look wrong"],
    );
    has(&operator.tollgate(line, NONE).await, 3, &["nobody confirmed it"]);
    has(&operator.tollgate("stack freeze --yes", NONE).await, 2, &["--why"]);
    assert_eq!(frozen().await?, None);
    // A key of another account is in nobody's way then.
    operator.has_a_key_of_another_account()?;
    let said = operator.tollgate(&format!("{line} --yes"), NONE).await;
    has(&said, 0, &["On record: operator/op_"]);
    assert_eq!(frozen().await?.as_deref(), Some("prices look wrong"));
    let shown = operator.tollgate("stack show", NONE).await;
    assert!(shown.out.contains("Frozen: nothing is taken from anybody. prices look wrong"));
    has(&operator.tollgate("stack unfreeze --why mended --yes", NONE).await, 0, &["On record"]);
    assert_eq!(frozen().await?, None);
    Ok(())
}

/// A key that may not say whose it is takes the account away: nobody knows, until somebody does.
#[tokio::test]
async fn an_account_that_may_not_be_read_is_none() -> anyhow::Result<()> {
    let (operator, account) = in_operation().await?;
    operator.stack.world.secrets.put("StripeKeySecret", "rk_test_1", "rk_test_1")?;
    operator.stripe().settings_mut().restricted_keys_read_account = false;
    has(&operator.tollgate("stack show", NONE).await, 0, &[&account, "may not read"]);
    let said = operator.tollgate("stack rebind --why x --yes --json", NONE).await;
    let told: Value = serde_json::from_str(&said.out)?;
    assert_eq!((said.exit, &told["changes"]), (0, &json!(true)));
    assert_eq!(operator.belongs_to().await?, [None, Some(POOL_ID.into())]);
    Ok(())
}
