//! The ledger's table; and, from the `Date` of its answer, what time AWS has.

use std::sync::{Arc, Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::{
    BillingMode, GlobalSecondaryIndexDescription, IndexStatus, KeySchemaElement, KeyType,
    PointInTimeRecoveryStatus, ProjectionType, TableDescription, TimeToLiveStatus,
};
use jiff::{SignedDuration, Timestamp};
use tollgate_core::ports::{Clock, Ledger as _, Service};
use tollgate_functions::adapters::dynamodb::DynamoLedger;
use tollgate_functions::adapters::dynamodb::table::{INDEXES, PK, SK};
use tollgate_functions::adapters::error::Operation;
use tollgate_operator::doctor::{BelongsTo, IndexShape, Look, Table, TableShape, Unseen};

use super::unseen::{aws, port};

const fn operation(name: &'static str) -> Operation {
    Operation { service: Service::Ledger, name }
}

/// Keys and indexes as the functions use them.
pub fn table_shape() -> TableShape {
    let shape = |index: &tollgate_functions::adapters::dynamodb::table::Index| IndexShape {
        hash: index.hash.to_owned(),
        range: index.range.to_owned(),
        whole: index.whole,
    };
    let indexes = INDEXES.iter().map(|index| (index.name.to_owned(), shape(index))).collect();
    TableShape { hash: PK.to_owned(), range: SK.to_owned(), indexes }
}

pub(super) struct Ledger {
    pub(super) table: Look<Table>,
    pub(super) belongs_to: Look<BelongsTo>,
    pub(super) recovery: Look<bool>,
    pub(super) time_to_live: Look<Option<String>>,
    pub(super) clock_ahead: Look<SignedDuration>,
}

pub(super) async fn look<C: Clock>(name: &str, sdk: &SdkConfig, clock: &C) -> Ledger {
    let client = Client::new(sdk);
    let ((table, clock_ahead), belongs_to, recovery, time_to_live) = tokio::join!(
        table(&client, name, clock),
        belongs_to(&client, name),
        recovery(&client, name),
        time_to_live(&client, name),
    );
    Ledger { table, belongs_to, recovery, time_to_live, clock_ahead }
}

async fn table<C: Clock>(
    client: &Client,
    name: &str,
    clock: &C,
) -> (Look<Table>, Look<SignedDuration>) {
    let date = DateOfAnswer::default();
    let request = client.describe_table().table_name(name).customize();
    let answer = request.interceptor(date.clone()).send().await;
    let ahead = date.time().map(|theirs| clock.now().duration_since(theirs));
    let table = match answer {
        Ok(answer) => answer.table().map(read).ok_or(Unseen::Absent),
        Err(error) => Err(aws(operation("DescribeTable"), "dynamodb:DescribeTable", &error)),
    };
    let no_date = || Unseen::Failed {
        needs: "an answer of DynamoDB".into(),
        why: "no answer with a date came".into(),
        denied: false,
    };
    (table, ahead.ok_or_else(no_date))
}

async fn belongs_to(client: &Client, name: &str) -> Look<BelongsTo> {
    let stack = DynamoLedger::new(client.clone(), name, None).stack().await;
    let stack = stack.map_err(|error| match error.detail.split_once(':') {
        // The port calls a table that is not there a wrong configuration.
        Some(("ResourceNotFoundException", _)) => Unseen::Absent,
        _ => port("dynamodb:GetItem", &error),
    })?;
    let halts = stack.halts();
    let several = stack.keys.is_some().then_some(stack.several);
    Ok(BelongsTo { stripe_account: stack.stripe_account, pool: stack.pool, several, halts })
}

/// Remembers the `Date` of the last answer, even of one that refuses: a clock that is wrong
/// by minutes gets no other.
#[derive(Debug, Clone, Default)]
struct DateOfAnswer(Arc<Mutex<Option<String>>>);

impl DateOfAnswer {
    fn time(&self) -> Option<Timestamp> {
        let date = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        jiff::fmt::rfc2822::parse(&date).ok().map(|time| time.timestamp())
    }
}

impl Intercept for DateOfAnswer {
    fn name(&self) -> &'static str {
        "DateOfAnswer"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

fn read(found: &TableDescription) -> Table {
    let (hash, range) = keys(found.key_schema());
    let indexes = found.global_secondary_indexes();
    let name =
        |index: &GlobalSecondaryIndexDescription| index.index_name().unwrap_or_default().to_owned();
    let unready = indexes.iter().filter(|it| it.index_status() != Some(&IndexStatus::Active));
    Table {
        status: found.table_status().map_or("", |status| status.as_str()).to_owned(),
        shape: TableShape {
            hash,
            range,
            indexes: indexes.iter().map(|index| (name(index), index_shape(index))).collect(),
        },
        unready_indexes: unready.map(name).collect(),
        on_demand: found.billing_mode_summary().and_then(|it| it.billing_mode())
            == Some(&BillingMode::PayPerRequest),
        deletion_protection: found.deletion_protection_enabled() == Some(true),
    }
}

fn index_shape(found: &GlobalSecondaryIndexDescription) -> IndexShape {
    let (hash, range) = keys(found.key_schema());
    let projection = found.projection().and_then(|projection| projection.projection_type());
    IndexShape { hash, range, whole: projection == Some(&ProjectionType::All) }
}

fn keys(schema: &[KeySchemaElement]) -> (String, String) {
    let of = |kind: KeyType| {
        let element = schema.iter().find(|element| *element.key_type() == kind);
        element.map(|element| element.attribute_name().to_owned()).unwrap_or_default()
    };
    (of(KeyType::Hash), of(KeyType::Range))
}

async fn recovery(client: &Client, name: &str) -> Look<bool> {
    let answer = client.describe_continuous_backups().table_name(name).send().await;
    let answer = answer.map_err(|error| {
        let needs = "dynamodb:DescribeContinuousBackups";
        aws(operation("DescribeContinuousBackups"), needs, &error)
    })?;
    let backups = answer.continuous_backups_description();
    let recovery = backups.and_then(|it| it.point_in_time_recovery_description());
    let status = recovery.and_then(|recovery| recovery.point_in_time_recovery_status());
    Ok(status == Some(&PointInTimeRecoveryStatus::Enabled))
}

async fn time_to_live(client: &Client, name: &str) -> Look<Option<String>> {
    let answer = client.describe_time_to_live().table_name(name).send().await;
    let answer = answer.map_err(|error| {
        aws(operation("DescribeTimeToLive"), "dynamodb:DescribeTimeToLive", &error)
    })?;
    let found = answer.time_to_live_description();
    let on = found.filter(|it| {
        matches!(
            it.time_to_live_status(),
            Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
        )
    });
    Ok(on.and_then(|it| it.attribute_name()).map(str::to_owned))
}
