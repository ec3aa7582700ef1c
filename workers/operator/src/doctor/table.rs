//! The ledger's table.

use super::expected::Expected;
use super::finding::{CheckFinding, System};
use super::observed::{ObservedStack, Table, TableShape};

pub(super) fn examine(observed: &ObservedStack, expected: &Expected) -> Vec<CheckFinding> {
    let finding = |check, looked_at: &str| CheckFinding::of(check, System::DynamoDb, looked_at);
    let name = format!("table {}", expected.table_name);
    let exists = finding("table-exists", &format!("{name} is active"));
    let exists =
        exists.look_for(&name, &observed.table, "deploy the stack again", |finding, table| {
            if table.status != "ACTIVE" {
                let found = format!("{name} is {}", table.status);
                finding
                    .fail(found, "wait until it is active; a table that is being deleted is lost");
            }
        });
    let table = |finding: CheckFinding, judge: &dyn Fn(&mut CheckFinding, &Table)| {
        finding.look(&name, &observed.table, |finding, table| judge(finding, table))
    };
    vec![
        exists,
        table(finding("table-keys", "its keys"), &|it, table| keys(it, &table.shape, expected)),
        table(finding("table-indexes", "its indexes"), &|it, table| indexes(it, table, expected)),
        table(finding("table-on-demand", "it takes what comes"), &on_demand),
        recovery(observed, expected),
        table(
            finding("table-deletion-protection", "nobody deletes it by accident"),
            &|it, table| {
                protection(it, table, expected);
            },
        ),
        expiry(observed, expected),
        halts(observed),
    ]
}

/// What the worker notes in the stack's own item when it has stopped.
fn halts(observed: &ObservedStack) -> CheckFinding {
    let looked_at = "no limit and no freeze holds losses back";
    let finding = CheckFinding::of("blast-limit", System::DynamoDb, looked_at);
    finding.look("what holds losses back", &observed.belongs_to, |finding, stack| {
        for halt in &stack.halts {
            finding.warn(halt.to_string(), halt.mend());
        }
    })
}

fn keys(finding: &mut CheckFinding, found: &TableShape, expected: &Expected) {
    let wanted = &expected.table;
    if (&found.hash, &found.range) != (&wanted.hash, &wanted.range) {
        finding.fail(
            format!(
                "its keys are `{}` and `{}`, not `{}` and `{}`",
                found.hash, found.range, wanted.hash, wanted.range
            ),
            "a table's keys cannot be changed: point the stack to the ledger's table",
        );
    }
}

fn indexes(finding: &mut CheckFinding, table: &Table, expected: &Expected) {
    let mend = "deploy the stack again; one index is made at a time";
    for (name, wanted) in &expected.table.indexes {
        match table.shape.indexes.get(name) {
            None => finding.fail(format!("there is no index `{name}`"), mend),
            Some(found) if found != wanted => {
                finding.fail(format!("index `{name}` has other keys or another projection"), mend);
            }
            Some(_) if table.unready_indexes.contains(name) => {
                finding.fail(format!("index `{name}` is not ready"), "wait until it is active");
            }
            Some(_) => {}
        }
    }
}

fn on_demand(finding: &mut CheckFinding, table: &Table) {
    if !table.on_demand {
        finding.warn(
            "its capacity is provisioned: a flood is throttled, and waits on the queue",
            "deploy the stack again, or set the billing mode to PAY_PER_REQUEST",
        );
    }
}

fn recovery(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "it can be restored to any point in time";
    let finding = CheckFinding::of("table-recovery", System::DynamoDb, looked_at);
    finding.look("its backups", &observed.point_in_time_recovery, |finding, on| {
        if !on {
            finding.warn(
                "point-in-time recovery is off",
                format!(
                    "aws dynamodb update-continuous-backups --table-name {} \
                     --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
                    expected.table_name
                ),
            );
        }
    })
}

fn protection(finding: &mut CheckFinding, table: &Table, expected: &Expected) {
    if !table.deletion_protection {
        finding.warn(
            "deletion protection is off",
            format!(
                "aws dynamodb update-table --table-name {} --deletion-protection-enabled",
                expected.table_name
            ),
        );
    }
}

fn expiry(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let wanted = &expected.expires_at;
    let looked_at = if expected.events_end {
        format!("settled event records end by `{wanted}`")
    } else {
        "nothing in it ends by itself".to_owned()
    };
    let finding = CheckFinding::of("table-ttl", System::DynamoDb, looked_at);
    finding.look("its TTL", &observed.time_to_live, |finding, on| {
        let name = &expected.table_name;
        match (expected.events_end, on) {
            (true, on) if on.as_ref() != Some(wanted) => finding.warn(
                "a retention is set, but the table's TTL is not on for it: records stay for ever",
                format!(
                    "aws dynamodb update-time-to-live --table-name {name} \
                     --time-to-live-specification Enabled=true,AttributeName={wanted}"
                ),
            ),
            // The template has it on, whether or not a retention writes it.
            (false, Some(other)) if other != wanted => finding.fail(
                format!("the table's TTL is on for `{other}`: it may delete what is not to end"),
                format!(
                    "aws dynamodb update-time-to-live --table-name {name} \
                     --time-to-live-specification Enabled=false,AttributeName={other}"
                ),
            ),
            _ => {}
        }
    })
}
