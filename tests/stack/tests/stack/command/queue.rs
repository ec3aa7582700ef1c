//! `tollgate queue status`: what is left to do, and what needs a person.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tollgate_core::ports::{Clock, Ledger};
use tollgate_standin::stripe::{Card, NewCustomer};
use tollgate_standin::world::{DEAD_LETTER_QUEUES, EVENTS_QUEUE};

use super::screens::assert_shows;
use super::{Input, Operator, joined, plain};

const NONE: Input = Input::Piped("");

#[tokio::test]
async fn a_quiet_stack_needs_nobody() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let said = operator.tollgate("queue status", NONE).await;
    assert_eq!(said.exit, 0, "{said:?}");
    assert_shows("queue-quiet", &said.out);
    assert_eq!(operator.writes(), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn what_needs_a_person_is_told_and_fails() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let stack = &operator.stack;
    // A stranger pays, and something that is no event comes.
    let price = operator.stripe().price_by_lookup_key("pro_monthly").map(|it| it.id.clone());
    let stranger = operator.stripe().create_customer(NewCustomer::default());
    operator.stripe().set_card(&stranger, Card::Pays)?;
    operator.stripe().subscribe(&stranger, &[&price.unwrap_or_default()], Default::default())?;
    stack.put_on_queue(EVENTS_QUEUE, "no event").await?;
    stack.settle().await?;
    // An account is due, a message is dead, and the blast limit has stopped.
    let ann = joined(stack, "ann").await?;
    let now = stack.clock().now();
    stack.ledger.claim(&ann.id()?, now, now + SignedDuration::from_secs(1)).await?;
    stack.clock().advance(SignedDuration::from_mins(10));
    stack.put_on_queue(DEAD_LETTER_QUEUES[1], "dead").await?;
    let mut record = stack.ledger.stack().await?;
    record.blast.stopped = true;
    record.blast.count = 10;
    assert!(stack.ledger.put_stack(&record).await?);

    let said = operator.tollgate("queue status", NONE).await;
    assert_eq!(said.exit, 1, "{said:?}");
    assert_shows("queue-trouble", &plain(&said.out, &[]));
    let said = operator.tollgate("queue status --json", NONE).await;
    let told: Value = serde_json::from_str(&said.out)?;
    assert_eq!(told["needs_a_person"], json!(["dead_letters", "parked", "blast_limit"]));
    assert_eq!(told["queues"][3]["visible"], 1);
    assert_eq!(said.exit, 1);
    Ok(())
}
