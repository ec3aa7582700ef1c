//! The commit: one transaction, and what DynamoDB's refusal of it means.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    self, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use tollgate_core::account::{Account, KeyId};
use tollgate_core::ledger::{Commit, CommitResult, CustomerLink};
use tollgate_core::ports::{Class, PortError, PortResult};
use tollgate_events::{AccountId, CustomerId};

use super::events;
use super::items::{self, ACCOUNT, Key, RELEASED, Update};
use super::json::Item;
use super::table::PK;
use super::{DynamoLedger, operation, read_link};
use crate::adapters::error::{Operation, class_of_code};

const OPERATION: &str = "TransactWriteItems";
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>
const MOST_ITEMS: usize = 100;
/// The longest `ClientRequestToken`, in characters.
const LONGEST_TOKEN: usize = 36;
const FAILED: &str = "ConditionalCheckFailed";

/// What one write of the transaction is about; the reasons of a cancellation are in
/// the order of the writes.
#[derive(Debug)]
enum Target {
    State,
    Entry,
    Customer(CustomerId),
    Unconditional,
}

type Write = (Target, TransactWriteItem);

/// Commits. See [`DynamoLedger`] on a commit whose answer is lost.
pub(super) async fn commit(ledger: &DynamoLedger, commit: &Commit) -> PortResult<CommitResult> {
    let token = commit.account.commit_id.as_deref().map(token);
    commit_as(ledger, commit, token).await
}

pub(super) async fn commit_as(
    ledger: &DynamoLedger,
    commit: &Commit,
    token: Option<String>,
) -> PortResult<CommitResult> {
    let writes = writes(ledger, commit)?;
    if writes.len() > MOST_ITEMS {
        return Err(too_many(writes.len()));
    }
    let (targets, items): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
    let request = ledger.client.transact_write_items().set_transact_items(Some(items));
    let Err(error) = request.set_client_request_token(token).send().await else {
        return Ok(CommitResult::Committed);
    };
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            verdict(&commit.account, &targets, cancelled.cancellation_reasons())
        }
        _ => Err(operation(OPERATION).sdk(&error)),
    }
}

fn too_many(count: usize) -> PortError {
    let detail = format!(
        "the commit has {count} items and DynamoDB takes {MOST_ITEMS} in one transaction; \
         record some of its events apart"
    );
    operation(OPERATION).error(Class::Invalid, detail)
}

/// A commit id that is short enough is its own token, else its digest is.
fn token(commit_id: &str) -> String {
    if commit_id.len() <= LONGEST_TOKEN {
        return commit_id.to_owned();
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, commit_id.as_bytes());
    let mut token: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    token.truncate(LONGEST_TOKEN);
    token
}

fn writes(ledger: &DynamoLedger, commit: &Commit) -> PortResult<Vec<Write>> {
    let (table, account) = (&ledger.table, &commit.account.id);
    let mut writes = vec![(Target::State, state(table, &commit.account)?)];
    if let Some(entry) = &commit.entry {
        writes.push((Target::Entry, put_new(table, items::entry(account, entry))?));
    }
    for customer in commit.link.iter().collect::<BTreeSet<_>>() {
        let item = items::link(&Key::customer(customer), account);
        let condition = if commit.by_operator { ANY_BUT_ANOTHERS } else { OWN_OR_NOBODYS };
        let write = put_customer(table, item, condition, account)?;
        writes.push((Target::Customer(customer.clone()), write));
    }
    for customer in commit.unlink.iter().collect::<BTreeSet<_>>() {
        let item = items::released(customer, account);
        let write = put_customer(table, item, ANY_BUT_ANOTHERS, account)?;
        writes.push((Target::Customer(customer.clone()), write));
    }
    for key in new_keys(commit) {
        let item = items::link(&Key::api_key(key), account);
        writes.push((Target::Unconditional, into_put(put(table, item))?));
    }
    for memory in &commit.memories {
        writes.push((Target::Unconditional, into_put(put(table, items::memory(memory)))?));
    }
    for upsert in events::merge(&commit.records) {
        let write = update(table, &upsert.key(), upsert.update(ledger.retention), None)?;
        writes.push((Target::Unconditional, write));
    }
    Ok(writes)
}

/// The state, if the epoch is ours, no newer catalog has decided, and this very
/// commit has not been made.
fn state(table: &str, account: &Account) -> PortResult<TransactWriteItem> {
    let state = items::state(account);
    // The values that the update sets are the ones that the conditions compare with.
    let mut condition = "#epoch = :epoch AND #catalog_revision <= :catalog_revision".to_owned();
    if account.commit_id.is_some() {
        condition += " AND (attribute_not_exists(#commit_id) OR #commit_id <> :commit_id)";
    }
    update(table, &Key::state(&account.id), state, Some(condition))
}

/// The keys that this commit's history entry names for the first time.
fn new_keys(commit: &Commit) -> BTreeSet<&KeyId> {
    let Some(entry) = &commit.entry else { return BTreeSet::new() };
    let retiring = entry.before.retiring.iter().map(|key| &key.id);
    let before: BTreeSet<_> =
        entry.before.keys.values().map(|key| &key.id).chain(retiring).collect();
    let after = entry.after.keys.values().map(|key| &key.id);
    after.filter(|id| !before.contains(id)).collect()
}

fn put(table: &str, item: Item) -> types::builders::PutBuilder {
    Put::builder().table_name(table).set_item(Some(item))
}

fn put_new(table: &str, item: Item) -> PortResult<TransactWriteItem> {
    into_put(put(table, item).condition_expression(format!("attribute_not_exists({PK})")))
}

/// What an event may link: nobody's yet, or the account's own.
const OWN_OR_NOBODYS: &str =
    "attribute_not_exists(#account) OR (#account = :account AND attribute_not_exists(#released))";
/// What an operator may link, or release: all but what is another account's.
const ANY_BUT_ANOTHERS: &str =
    "attribute_not_exists(#account) OR #account = :account OR attribute_exists(#released)";

fn put_customer(
    table: &str,
    item: Item,
    condition: &str,
    account: &AccountId,
) -> PortResult<TransactWriteItem> {
    let put = put(table, item)
        .condition_expression(condition)
        .expression_attribute_names("#account", ACCOUNT)
        .expression_attribute_names("#released", RELEASED)
        .expression_attribute_values(":account", items::text(account.as_str()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    into_put(put)
}

fn into_put(put: types::builders::PutBuilder) -> PortResult<TransactWriteItem> {
    Ok(TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build())
}

fn update(
    table: &str,
    key: &Key,
    update: Update,
    condition: Option<String>,
) -> PortResult<TransactWriteItem> {
    let update = types::Update::builder()
        .table_name(table)
        .set_key(Some(key.attributes()))
        .update_expression(update.expression())
        .set_condition_expression(condition)
        .set_expression_attribute_names(Some(update.names))
        .set_expression_attribute_values(Some(update.values))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .map_err(incomplete)?;
    Ok(TransactWriteItem::builder().update(update).build())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn incomplete(error: BuildError) -> PortError {
    operation(OPERATION).error(Class::Invalid, error.to_string())
}

/// What a cancelled transaction means. A condition that failed is a verdict; anything
/// else is a failure, and nothing was written either way.
fn verdict(
    account: &Account,
    targets: &[Target],
    reasons: &[CancellationReason],
) -> PortResult<CommitResult> {
    let nothing = Item::new();
    for (target, reason) in targets.iter().zip(reasons) {
        if reason.code() != Some(FAILED) {
            continue;
        }
        let item = reason.item().unwrap_or(&nothing);
        return match target {
            Target::State => Ok(state_verdict(account, item)),
            Target::Entry => Ok(CommitResult::HistoryAhead),
            Target::Customer(customer) => link_verdict(customer, item),
            Target::Unconditional => Err(failure(operation(OPERATION), reasons)),
        };
    }
    Err(failure(operation(OPERATION), reasons))
}

fn state_verdict(account: &Account, item: &Item) -> CommitResult {
    let commit_id = account.commit_id.as_deref();
    if commit_id.is_some() && items::text_of(item, "commit_id") == commit_id {
        CommitResult::Committed
    } else if items::number_of(item, "catalog_revision") > Some(account.catalog_revision) {
        CommitResult::CatalogOutdated
    } else {
        CommitResult::Fenced
    }
}

fn link_verdict(customer: &CustomerId, item: &Item) -> PortResult<CommitResult> {
    let customer = customer.clone();
    match read_link(item)? {
        CustomerLink::Account(account) => Ok(CommitResult::LinkTaken { customer, account }),
        CustomerLink::Released { .. } => Ok(CommitResult::LinkReleased { customer }),
        CustomerLink::Unlinked => unreachable!("it was read from an item"),
    }
}

/// The first reason that is one. A code newer than this build is retried.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#API_TransactWriteItems_Errors>
fn failure(operation: Operation, reasons: &[CancellationReason]) -> PortError {
    let mut codes = reasons.iter().filter_map(|reason| reason.code());
    let code = codes.find(|code| *code != "None").unwrap_or("no reason");
    let class = match code {
        "ValidationError" | "ItemCollectionSizeLimitExceeded" => Class::Invalid,
        _ => class_of_code(code, || None).unwrap_or(Class::Unavailable),
    };
    operation.error(class, format!("the transaction was cancelled: {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(codes: &[&str]) -> Class {
        let reasons: Vec<_> =
            codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect();
        let account = Account::new(AccountId::parse("a").unwrap());
        let targets = [Target::State, Target::Unconditional];
        verdict(&account, &targets, &reasons).unwrap_err().class
    }

    /// The embedded database gives neither conflicts nor throttling; these are AWS's codes.
    #[test]
    fn a_cancellation_without_a_verdict_is_classified() {
        let throttled = Class::Throttled { after: None };
        assert_eq!(class(&["None", "TransactionConflict"]), Class::Conflict);
        assert_eq!(class(&["ThrottlingError", "None"]), throttled);
        assert_eq!(class(&["None", "ProvisionedThroughputExceeded"]), throttled);
        assert_eq!(class(&["ValidationError", "None"]), Class::Invalid);
        assert_eq!(class(&["None", "AccessDenied"]), Class::Denied);
        assert_eq!(class(&["SomethingNew", "None"]), Class::Unavailable);
        assert_eq!(class(&[]), Class::Unavailable);
    }

    #[test]
    fn a_token_is_never_longer_than_dynamodb_takes() {
        assert_eq!(token("short"), "short");
        let (one, other) = (token(&"x".repeat(64)), token(&"y".repeat(64)));
        assert_eq!(one.len(), LONGEST_TOKEN);
        assert_ne!(one, other);
    }
}
