//! The ledger's table: as the code makes it, protected, and there to stay.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tollgate_functions::adapters::dynamodb::table::{EXPIRES_AT, INDEXES, Index, PK, SK};

use super::view::{Resource, list, resources};
use super::{Assertion, AssertionResult, GONE, Mistake, verdict};

pub(super) const ASSERTIONS: &[Assertion] = &[
    Assertion {
        name: "the table has the keys and indexes of the code",
        check: as_in_code,
        mistake: Mistake {
            place: "/Resources/Table/Properties/GlobalSecondaryIndexes/0/KeySchema/1/AttributeName",
            value: r#""first_at""#,
        },
    },
    Assertion {
        name: "the table is paid on demand",
        check: |template| each(template, "BillingMode", &json!("PAY_PER_REQUEST")),
        mistake: Mistake { place: "/Resources/Table/Properties/BillingMode", value: GONE },
    },
    Assertion {
        name: "the table can be restored to any second",
        check: |template| {
            let wanted = json!({"PointInTimeRecoveryEnabled": true});
            each(template, "PointInTimeRecoverySpecification", &wanted)
        },
        mistake: Mistake {
            place: "/Resources/Table/Properties/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled",
            value: "false",
        },
    },
    Assertion {
        name: "the table is encrypted with a key in KMS",
        check: |template| each(template, "SSESpecification", &json!({"SSEEnabled": true})),
        mistake: Mistake { place: "/Resources/Table/Properties/SSESpecification", value: GONE },
    },
    Assertion {
        name: "the table is protected from deletion",
        check: |template| each(template, "DeletionProtectionEnabled", &json!(true)),
        mistake: Mistake {
            place: "/Resources/Table/Properties/DeletionProtectionEnabled",
            value: "false",
        },
    },
    Assertion {
        name: "the table drops what has expired",
        check: |template| {
            let wanted = json!({"AttributeName": EXPIRES_AT, "Enabled": true});
            each(template, "TimeToLiveSpecification", &wanted)
        },
        mistake: Mistake {
            place: "/Resources/Table/Properties/TimeToLiveSpecification/AttributeName",
            value: r#""ttl""#,
        },
    },
    Assertion {
        name: "ledger and key-derivation secret survive the stack",
        check: survives,
        mistake: Mistake {
            place: "/Resources/KeySecrets/UpdateReplacePolicy",
            value: r#""Delete""#,
        },
    },
];

fn tables(template: &Value) -> Vec<Resource<'_>> {
    resources(template, "AWS::DynamoDB::Table")
}

/// Every table, of which there is one, has this.
fn each(template: &Value, property: &str, wanted: &Value) -> AssertionResult {
    let tables = tables(template);
    let wrong = tables.iter().filter(|table| table.properties[property] != *wanted);
    let wrong = wrong.map(|table| format!("{}: {property} is not {wanted}", table.id));
    verdict(
        (tables.len() != 1).then(|| "there is not one table".to_owned()).into_iter().chain(wrong),
    )
}

fn as_in_code(template: &Value) -> AssertionResult {
    let tables = tables(template);
    let [table] = tables.as_slice() else { return Err("there is not one table".into()) };
    let mut problems = Vec::new();
    if keys(&table.properties["KeySchema"]) != [(PK, "HASH"), (SK, "RANGE")] {
        problems.push("other keys".to_owned());
    }
    let found: BTreeMap<_, _> = list(&table.properties["GlobalSecondaryIndexes"])
        .into_iter()
        .map(|index| (index["IndexName"].as_str().unwrap_or_default(), index))
        .collect();
    for index in &INDEXES {
        if found.get(index.name).is_none_or(|found| !same(found, index)) {
            problems.push(format!("the index {} is missing, or another", index.name));
        }
    }
    if found.len() != INDEXES.len() {
        problems.push("indexes that the code does not know".into());
    }
    verdict(problems)
}

fn same(found: &Value, index: &Index) -> bool {
    let projection = if index.whole { "ALL" } else { "KEYS_ONLY" };
    keys(&found["KeySchema"]) == [(index.hash, "HASH"), (index.range, "RANGE")]
        && found["Projection"] == json!({"ProjectionType": projection})
}

fn keys(schema: &Value) -> Vec<(&str, &str)> {
    list(schema)
        .into_iter()
        .filter_map(|key| Some((key["AttributeName"].as_str()?, key["KeyType"].as_str()?)))
        .collect()
}

/// The secret that nobody can make again is the one that CloudFormation generates.
fn survives(template: &Value) -> AssertionResult {
    let generated = |secret: &Resource<'_>| !secret.properties["GenerateSecretString"].is_null();
    let secrets = resources(template, "AWS::SecretsManager::Secret").into_iter().filter(generated);
    let mut kept: Vec<_> = secrets.chain(tables(template)).collect();
    let enough = kept.len() >= 2;
    kept.retain(|it| {
        it.whole["DeletionPolicy"] != "Retain" || it.whole["UpdateReplacePolicy"] != "Retain"
    });
    let goes = kept.into_iter().map(|it| format!("{} would go", it.id));
    verdict((!enough).then(|| "one of them is missing".to_owned()).into_iter().chain(goes))
}
