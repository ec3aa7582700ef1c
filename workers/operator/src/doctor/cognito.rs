//! The user pool: its attributes, who may write them, its triggers.

use std::ops::RangeInclusive;

use tollgate_core::account::PlanId;
use tollgate_core::catalog::{CatalogFile, RESERVED_PLAN_IDS};

use super::binding;
use super::expected::Expected;
use super::finding::{CheckFinding, System};
use super::observed::{ObservedStack, UserPool};

/// The attributes that Tollgate writes, by their names without `custom:`.
const ATTRIBUTES: [&str; 2] = ["apiid", "plan"];

/// An API key's id has 10 characters; twice that leaves room.
const KEY_ID_LENGTH: usize = 20;

pub(super) fn examine(observed: &ObservedStack, expected: &Expected) -> Vec<CheckFinding> {
    vec![
        exists(observed, expected),
        attributes(observed, expected),
        not_writable(observed),
        clients(observed, expected),
        triggers(observed, expected),
        names(observed),
        binding::pool(observed, expected),
    ]
}

fn exists(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let pool = format!("user pool {}", expected.user_pool_id);
    let mend = "set the stack's parameter UserPoolId to a pool in its Region, and deploy";
    CheckFinding::of("pool-exists", System::Cognito, &pool).look_for(
        &pool,
        &observed.pool,
        mend,
        |_, _| {},
    )
}

fn attributes(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "custom:apiid and custom:plan: text, mutable, long enough";
    let finding = CheckFinding::of("pool-attributes", System::Cognito, looked_at);
    finding.look_by_catalog(expected, "the user pool", &observed.pool, |finding, file, pool| {
        let words = words(file);
        for name in ATTRIBUTES {
            attribute(finding, pool, expected, name, &words);
        }
    })
}

/// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html>
fn attribute(
    finding: &mut CheckFinding,
    pool: &UserPool,
    expected: &Expected,
    name: &str,
    words: &RangeInclusive<usize>,
) {
    let full = format!("custom:{name}");
    let Some(found) = pool.attributes.get(&full) else {
        let add = format!(
            "aws cognito-idp add-custom-attributes --user-pool-id {} --custom-attributes \
             Name={name},AttributeDataType=String,Mutable=true",
            expected.user_pool_id
        );
        return finding.fail(format!("the pool has no {full}"), add);
    };
    let other_pool =
        "an attribute cannot be changed or removed: move to a pool in which it is right";
    if found.kind != "String" {
        finding.fail(format!("{full} is of type {}, not String", found.kind), other_pool);
    }
    if !found.mutable {
        finding.fail(format!("{full} is not mutable: it can never be written again"), other_pool);
    }
    let longest = if name == "plan" { *words.end() } else { KEY_ID_LENGTH };
    if found.max_length.is_some_and(|max| max < longest) {
        let found = format!("{full} takes fewer than the {longest} characters that it needs");
        finding.fail(found, other_pool);
    }
    let shortest = if name == "plan" { *words.start() } else { 10 };
    if found.min_length.is_some_and(|min| min > shortest) {
        let found = format!("{full} takes no value of {shortest} characters");
        finding.fail(found, other_pool);
    }
}

/// How many characters the words have that are written, from the shortest to the longest.
fn words(file: &CatalogFile) -> RangeInclusive<usize> {
    let plans = file.catalog.plans().iter().map(|plan| PlanId::as_str(&plan.id).len());
    let all = plans.chain(RESERVED_PLAN_IDS.map(str::len));
    all.clone().min().unwrap_or_default()..=all.max().unwrap_or_default()
}

/// Admin calls take a sub for a user name; so somebody may sign up by another's. Nobody gets
/// anything by it, but a person has to see to it each time.
fn names(observed: &ObservedStack) -> CheckFinding {
    let looked_at = "how users are named";
    let finding = CheckFinding::of("pool-user-names", System::Cognito, looked_at);
    finding.look("the user pool", &observed.pool, |finding, pool| {
        if pool.names_are_free {
            finding.warn(
                "users choose their user names, and may choose another user's sub",
                "refuse names of the form of a UUID in a pre sign-up trigger; a new pool can take \
                 e-mail addresses for names (UsernameAttributes)",
            );
        }
    })
}

/// A client without a list of its own writes the standard attributes only.
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolClientType.html>
fn not_writable(observed: &ObservedStack) -> CheckFinding {
    let looked_at = "what users may write of themselves, through every app client";
    let finding = CheckFinding::of("pool-attributes-not-writable", System::Cognito, looked_at);
    finding.look("the app clients", &observed.clients, |finding, clients| {
        for client in clients {
            let writes = client.writes.iter().flatten();
            let ours: Vec<_> = writes
                .filter(|name| ATTRIBUTES.iter().any(|ours| **name == format!("custom:{ours}")))
                .map(String::as_str)
                .collect();
            if !ours.is_empty() {
                finding.fail(
                    format!(
                        "users of app client {} ({}) can write {} themselves",
                        client.name,
                        client.id,
                        ours.join(" and ")
                    ),
                    "take them out of the client's write permissions: Cognito console, App \
                     clients, Attribute permissions (`update-user-pool-client` resets every \
                     setting that it is not given)",
                );
            }
        }
    })
}

fn clients(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "the app clients whose tokens the account API takes";
    let finding = CheckFinding::of("pool-clients", System::Cognito, looked_at);
    finding.look("the account API's audience", &expected.audience, |finding, audience| {
        let mend =
            "set the stack's parameter UserPoolClientIds to the ids of the pool's app clients";
        if audience.is_empty() {
            finding.fail("the account API takes no client's tokens", mend);
        }
        match &observed.clients {
            Err(unseen) => finding.unseen("the app clients", unseen),
            Ok(clients) => {
                let missing = |id: &&String| !clients.iter().any(|client| client.id == **id);
                for id in audience.iter().filter(missing) {
                    finding.fail(format!("the pool has no app client {id}"), mend);
                }
            }
        }
    })
}

fn triggers(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "PostConfirmation, PostAuthentication and PreTokenGeneration";
    let finding = CheckFinding::of("pool-triggers", System::Cognito, looked_at);
    finding.look("the user pool", &observed.pool, |finding, pool| {
        let triggers = [
            ("PostConfirmation", &pool.triggers.post_confirmation),
            ("PostAuthentication", &pool.triggers.post_authentication),
            ("PreTokenGeneration", &pool.triggers.pre_token_generation),
        ];
        for (name, function) in triggers {
            match (function, &expected.trigger) {
                (None, _) => finding.fail(
                    format!("{name} calls nothing"),
                    format!("{}: {name} in the pool's Lambda triggers", set_trigger(expected)),
                ),
                (Some(function), Ok(ours)) if !is_function(function, ours) => finding.warn(
                    format!("{name} calls another function, {function}"),
                    format!("let it invoke {ours} with the event as it came"),
                ),
                _ => {}
            }
        }
        if let Err(unseen) = &expected.trigger {
            finding.unseen("this stack's function for the triggers", unseen);
        }
    })
}

fn set_trigger(expected: &Expected) -> String {
    match &expected.trigger {
        Ok(function) => format!("set {function}"),
        Err(_) => format!("set the function {}-cognito-trigger", expected.stack),
    }
}

/// Whether an ARN is the function's own, or that of one of its versions or aliases.
fn is_function(arn: &str, function: &str) -> bool {
    arn.strip_prefix(function).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}
