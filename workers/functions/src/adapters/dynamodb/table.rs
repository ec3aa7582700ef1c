//! The table's definition: keys, indexes, billing. `infra/template.yaml` deploys the
//! same; this one makes the table for the local stack and for tests.
//!
//! Deliberately not here: point-in-time recovery, deletion protection and TTL, which
//! are the template's business.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use tollgate_core::ports::{Class, PortResult};

use super::operation;

/// Partition key of every item.
pub const PK: &str = "pk";
/// Sort key of every item.
pub const SK: &str = "sk";
/// The attribute for the table's TTL; written only when a retention is configured.
pub const EXPIRES_AT: &str = "expires_at";

/// An index of the table, sparse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// The index's name.
    pub name: &'static str,
    /// Its partition key, text.
    pub hash: &'static str,
    /// Its sort key, text.
    pub range: &'static str,
    /// Whether it projects everything, or the keys alone.
    pub whole: bool,
}

/// Accounts with a `review_at`, by shard.
pub const DUE: Index = Index { name: "due", hash: "due_shard", range: "review_at", whole: true };
/// Unsettled events, by what they wait for. The index and its key keep the names with which they
/// are deployed.
pub const UNSETTLED: Index =
    Index { name: "stuck", hash: "stuck_on", range: "first_at", whole: true };
/// Events by the day on which they were first recorded, and shard.
pub const RECENT: Index =
    Index { name: "recent", hash: "recent_day", range: "first_at", whole: true };
/// All accounts, by shard. It has the keys alone, none of which ever changes: claims and
/// commits do not write to it, so that an account costs one write here in its life.
pub const ACCOUNTS: Index =
    Index { name: "accounts", hash: "account_shard", range: PK, whole: false };

/// All indexes.
pub const INDEXES: [Index; 4] = [DUE, UNSETTLED, RECENT, ACCOUNTS];

/// How many shards `due` and `accounts` have: spreads the writes of one moment over partitions.
pub const ACCOUNT_SHARDS: u8 = 16;
/// How many shards each day of `recent` has.
pub const RECENT_SHARDS: u8 = 4;

/// Creates the table, on demand, with its indexes.
///
/// # Errors
/// What `CreateTable` answers; a table that exists is one of them.
pub async fn create_table(client: &Client, table: &str) -> PortResult<()> {
    let operation = operation("CreateTable");
    let build = |error: BuildError| operation.error(Class::Invalid, error.to_string());
    let mut request = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key(PK, KeyType::Hash).map_err(build)?)
        .key_schema(key(SK, KeyType::Range).map_err(build)?);
    for name in attribute_names() {
        request = request.attribute_definitions(text(name).map_err(build)?);
    }
    for index in INDEXES {
        request = request.global_secondary_indexes(global(index).map_err(build)?);
    }
    request.send().await.map_err(|error| operation.sdk(&error))?;
    Ok(())
}

/// Every attribute that is a key somewhere, once.
fn attribute_names() -> Vec<&'static str> {
    let mut names = vec![PK, SK];
    for name in INDEXES.iter().flat_map(|index| [index.hash, index.range]) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn text(name: &str) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build()
}

fn global(index: Index) -> Result<GlobalSecondaryIndex, BuildError> {
    let kind = if index.whole { ProjectionType::All } else { ProjectionType::KeysOnly };
    GlobalSecondaryIndex::builder()
        .index_name(index.name)
        .key_schema(key(index.hash, KeyType::Hash)?)
        .key_schema(key(index.range, KeyType::Range)?)
        .projection(Projection::builder().projection_type(kind).build())
        .build()
}
