//! The runbook: each chapter breaks a shop, runs the chapter's commands, and checks that
//! everybody has what they pay for.

mod alarms;
mod backup;
mod book;
mod careless;
mod forgotten;
mod lost;
mod mistakes;
mod people;
mod play;
mod rolled_back;
mod stripe;

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::{Value, json};
use tollgate_core::policy::Policy;
use tollgate_core::ports::Ledger as _;
use tollgate_events::AccountId;
use tollgate_events::EventRef;
use tollgate_standin::stripe::{Metadata, NewEndpoint};

use self::book::chapters;
use crate::command::{Input, Operator, Said};
use crate::shop::{Shop, Told};

/// A shop whose webhook endpoint is its own, as `tollgate webhook apply` makes it.
async fn shop() -> anyhow::Result<Shop> {
    let shop = Shop::open().await?;
    let secret = {
        let mut stripe = shop.stripe();
        let ids: Vec<_> = stripe.endpoints().map(|endpoint| endpoint.id.clone()).collect();
        ids.iter().try_for_each(|id| stripe.delete_endpoint(id))?;
        let (_, secret) = stripe.create_endpoint(NewEndpoint {
            url: format!("{}/webhook", shop.stack.urls.tollgate),
            enabled_events: Policy::default()
                .event_types()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            api_version: None,
            metadata: Metadata::from([("tollgate_stack".into(), "local".into())]),
        });
        secret
    };
    shop.stack.world.secrets.put("WebhookSecrets", &secret, &secret)?;
    restart(&shop).await?;
    Ok(shop)
}

/// The functions start anew, with what is stored now.
async fn restart(shop: &Shop) -> Told {
    shop.stack.deploy(&BTreeMap::new()).await
}

/// The functions are deployed with one variable changed.
async fn deploy(shop: &Shop, variable: &'static str, value: &str) -> Told {
    shop.stack.deploy(&BTreeMap::from([(variable, value.to_owned())])).await
}

/// The hourly comparison runs, and what it wakes is seen to.
async fn an_hour_passes(shop: &Shop) -> Told {
    shop.hours(1).await?;
    shop.stack.compare().await?;
    shop.settle().await
}

/// The control plane has its pace: who finds no room waits for the next sweep, or the one after.
async fn paces_itself(shop: &Shop) -> Told {
    for _ in 0..6 {
        shop.minutes(5).await?;
    }
    Ok(())
}

/// The operator, who says yes to everything.
async fn tollgate(shop: &Shop, line: &str) -> anyhow::Result<Said> {
    let mut operator = Operator::of(&shop.stack);
    operator.environment.insert("USER", "ops".to_owned());
    let line = format!("{line} --yes");
    // Boxed: a test's future holds one of each of its commands.
    Box::pin(operator.tollgate_while_it_runs(&line, Input::Piped(""))).await
}

/// The same, and it ends well.
async fn does(shop: &Shop, line: &str) -> anyhow::Result<String> {
    let said = tollgate(shop, line).await?;
    anyhow::ensure!(said.exit == 0, "{line}: {said:?}");
    Ok(said.out)
}

/// Every invariant holds but the one of this number; and when everything on record comes once
/// more, nothing changes but the records (the fifth).
async fn ends_well(shop: &Shop, but: &str) -> Told {
    shop.holds_but(but).await?;
    let (before, attempts) = (state(shop).await?, attempts_of(shop).await?);
    let operator = Operator::of(&shop.stack);
    let replayed =
        operator.tollgate("events replay --from 2026-03-01 --yes", Input::Piped("")).await;
    anyhow::ensure!(replayed.exit == 0, "{replayed:?}");
    shop.settle().await?;
    assert_eq!(state(shop).await?, before, "a replay changes nothing");
    let again: BTreeMap<_, _> =
        attempts.into_iter().map(|(event, count)| (event, count + 1)).collect();
    assert_eq!(attempts_of(shop).await?, again, "and every event was looked at");
    shop.holds_but(but).await
}

/// How often each event on record was looked at; what is no envelope is looked at once.
async fn attempts_of(shop: &Shop) -> anyhow::Result<BTreeMap<EventRef, u64>> {
    let (from, now) = ("2026-03-01T00:00:00Z".parse()?, shop.stack.clock().time());
    let (mut found, mut page) = (BTreeMap::new(), None);
    loop {
        let events = shop.stack.ledger.events(from, now, page.as_deref()).await?;
        let read = events.items.into_iter().filter(|it| it.record.envelope().is_some());
        found.extend(read.map(|it| (it.record.event, it.attempts)));
        page = events.next;
        if page.is_none() {
            return Ok(found);
        }
    }
}

/// What a replay must leave as it is.
async fn state(shop: &Shop) -> anyhow::Result<Value> {
    let mut accounts = Vec::new();
    for user in shop.stack.world.cognito.users() {
        let account =
            shop.account(&AccountId::parse(user.sub.as_str())?).await?.context("no account")?;
        let told = user.attribute("custom:plan");
        accounts.push(json!([account.id, account.version, account.access, told]));
    }
    anyhow::ensure!(!accounts.is_empty(), "there is somebody");
    let keys: Vec<_> = shop.stack.world.api_gateway.scene(|model, _| {
        model.keys().map(|key| json!([key.id, key.enabled, key.plans])).collect()
    });
    let stripe = shop.stripe();
    let customers = stripe.customers().map(|customer| customer.id.clone());
    let rows = customers.flat_map(|customer| stripe.subscriptions_of(&customer));
    let rows: Vec<_> = rows.map(|row| json!([row.id, row.status.as_str()])).collect();
    Ok(json!({ "accounts": accounts, "keys": keys, "subscriptions": rows }))
}

/// Each story is two tests: its chapter as it is, and with a backup restored in its middle.
macro_rules! chapters_are_played {
    ($($title:path => $file:ident::$story:ident,)+) => {
        const PLAYED: &[&str] = &[$($title),+];
        $(mod $story {
            use super::play::Play;

            #[tokio::test]
            async fn as_it_is() -> super::Told {
                Box::pin(super::$file::$story(&mut Play::plain())).await
            }

            #[tokio::test]
            async fn with_a_backup_restored_in_its_middle() -> super::Told {
                let mut play = Play::with_a_backup();
                Box::pin(super::$file::$story(&mut play)).await?;
                play.was_played();
                Ok(())
            }
        })+
    };
}

chapters_are_played! {
    stripe::DOWN => stripe::runbook_the_webhook_endpoint_was_down_for_four_days,
    mistakes::MAPPING => mistakes::runbook_a_wrong_plan_mapping_was_deployed,
    mistakes::DEAD_LETTERS => mistakes::runbook_a_dead_letter_queue_has_filled,
    lost::TABLE_GONE => lost::runbook_the_ledgers_table_is_gone,
    lost::TABLE_GONE => lost::runbook_a_rebuild_with_a_wrong_key_is_done_again,
    backup::RESTORED => backup::runbook_the_table_was_restored_from_a_backup,
    stripe::LEAKED => stripe::runbook_the_signing_secret_has_leaked,
    stripe::KEY_ENDED => stripe::runbook_the_stripe_key_has_leaked_or_has_expired,
    lost::DERIVATION => lost::runbook_the_key_derivation_secret_has_leaked,
    people::WRONG_PLAN => people::runbook_a_user_claims_to_be_on_the_wrong_plan,
    people::TWICE => people::runbook_a_customer_claims_to_be_charged_twice,
    stripe::UNREADABLE => stripe::runbook_a_row_cannot_be_read,
    people::STAGE_LOST => people::runbook_a_stage_was_made_anew,
    people::THROTTLED => people::runbook_api_gateway_throttles,
    alarms::SYSTEMIC => alarms::runbook_the_alarm_systemic,
    mistakes::POOL => mistakes::runbook_a_wrong_user_pool_was_deployed,
    mistakes::KEY => mistakes::runbook_a_stripe_key_of_another_account_was_stored,
    alarms::UNREADABLE => alarms::runbook_the_alarm_unreadable,
    rolled_back::VERSION => rolled_back::runbook_a_version_was_rolled_back,
}

#[test]
fn every_chapter_has_its_tests() {
    let mut played = PLAYED.to_vec();
    played.dedup();
    assert_eq!(chapters(), played);
}
