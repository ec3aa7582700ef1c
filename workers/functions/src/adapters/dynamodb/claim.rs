//! The claim: one conditional update that begins a convergence and replaces the read.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use tollgate_core::account::Account;
use tollgate_core::ledger::Claim;
use tollgate_core::ports::{Entropy, PortResult};
use tollgate_core::timing::UNFINISHED_REVIEW_AFTER;
use tollgate_events::AccountId;

use super::items::{self, CLAIM_ID, Key, Update};
use super::json::Item;
use super::table::{ACCOUNTS, DUE};
use super::{DynamoLedger, operation, read_account, unreadable};

/// Claims the account. See [`DynamoLedger`] on a claim whose answer is lost.
pub(super) async fn claim(
    ledger: &DynamoLedger,
    account: &AccountId,
    now: Timestamp,
    lease_until: Timestamp,
) -> PortResult<Claim> {
    let claim_id = ledger.entropy.hex();
    claim_as(ledger, account, now, lease_until, &claim_id).await
}

pub(super) async fn claim_as(
    ledger: &DynamoLedger,
    account: &AccountId,
    now: Timestamp,
    lease_until: Timestamp,
    claim_id: &str,
) -> PortResult<Claim> {
    let mut update = update(account, lease_until, claim_id);
    let lease = update.name("lease_until");
    let now = update.value("now", items::instant(now));
    let answer = ledger
        .client
        .update_item()
        .table_name(&ledger.table)
        .set_key(Some(Key::state(account).attributes()))
        .update_expression(update.expression())
        .condition_expression(format!("attribute_not_exists({lease}) OR {lease} <= {now}"))
        .set_expression_attribute_names(Some(update.names))
        .set_expression_attribute_values(Some(update.values))
        .return_values(ReturnValue::AllOld)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(taken(account_before(account, answer.attributes)?, lease_until)),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                refused(failed.item().unwrap_or(&Item::new()), claim_id)
            }
            _ => Err(operation("UpdateItem").sdk(&error)),
        },
    }
}

/// Raises the epoch, takes the lease. What a commit's condition
/// needs is there from the first claim on, and so is the account's place in `accounts`.
fn update(account: &AccountId, lease_until: Timestamp, claim_id: &str) -> Update {
    let mut update = Update::default();
    update.set("id", items::text(account.as_str()));
    update.raise("epoch", 1);
    update.set("lease_until", items::instant(lease_until));
    // Due until a commit says otherwise: the sweep finds what nobody finished.
    let review_at = lease_until.saturating_add(UNFINISHED_REVIEW_AFTER);
    let review_at = review_at.expect("a duration has no calendar");
    update.set(DUE.range, items::instant(review_at));
    update.set(DUE.hash, items::account_shard(account));
    update.set(CLAIM_ID, items::text(claim_id));
    update.set(ACCOUNTS.hash, items::account_shard(account));
    update.set_first("open", AttributeValue::Bool(false));
    update.set_first("version", items::number(0));
    update.set_first("catalog_revision", items::number(0));
    update.set_first(items::ACCESS, items::no_access());
    update
}

fn account_before(account: &AccountId, old: Option<Item>) -> PortResult<Account> {
    // There was none: DynamoDB returns nothing, the embedded one only the keys.
    match old.filter(|item| item.contains_key("epoch")) {
        Some(item) => read_account(&item),
        None => Ok(Account::new(account.clone())),
    }
}

fn taken(before: Account, lease_until: Timestamp) -> Claim {
    let epoch = before.epoch + 1;
    Claim::Taken { account: Box::new(Account { epoch, lease_until: Some(lease_until), ..before }) }
}

/// The lease lives: another's, or our own from an attempt whose answer was lost.
fn refused(item: &Item, claim_id: &str) -> PortResult<Claim> {
    if items::text_of(item, CLAIM_ID) == Some(claim_id) {
        return Ok(Claim::Taken { account: Box::new(read_account(item)?) });
    }
    let until = items::instant_of(item, "lease_until");
    Ok(Claim::Leased { until: until.ok_or_else(|| unreadable(item, "no lease_until"))? })
}
