//! Every call that a function makes is allowed by its role in the template, and nothing
//! is allowed that no function needs.
//!
//! The local stack plays a customer's life; each function signs with its own name, so
//! that every call is known by its function ([`tollgate_local::access`]). Then each
//! permission is taken away in turn: the check has to fail each time. What Lambda itself
//! does with a role (polling queues, writing logs) is added by hand.
//!
//! Deliberately not here: what refers to other things than roles, such as resource
//! policies and the rights of API Gateway to invoke; those are the assertions' business.

mod life;
mod policy;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{bail, ensure};
use serde_json::Value;
use tollgate_local::access::{ACCOUNT, Asked, Need, REGION};

use self::policy::{Statement, allows};
use super::build::FUNCTIONS;

/// Permissions that nothing played here uses: function, action, and how the resource
/// ends. Each needs a reason beside it.
const UNUSED: [(&str, &str, &str); 0] = [];

/// What is asked of Stripe in cases that are not played: that a subscription has more
/// items than Stripe embeds, that a Checkout session is paid for in the moment in which it
/// is to expire, that a plan is sold by a price's id, that a customer was deleted, that a
/// subscription is past due whose price was another when it was last paid, that a plan ends with a
/// refund, and that an account is shut while a page of its owner's is open.
const RARE: [(&str, &str); 9] = [
    ("worker", "GET /v1/invoice_payments"),
    ("worker", "POST /v1/checkout/sessions/{id}/expire"),
    ("worker", "GET /v1/subscription_items"),
    ("account", "GET /v1/subscription_items"),
    ("sweep", "GET /v1/subscription_items"),
    ("account", "GET /v1/checkout/sessions/{id}"),
    ("account", "GET /v1/prices/{id}"),
    ("worker", "GET /v1/prices/{id}"),
    ("account", "GET /v1/customers/{id}"),
];

/// The function that has no right but its log, whatever visitors ask of it.
const SILENT: &str = "site";

/// Statements by function.
type Roles = BTreeMap<String, Vec<Statement>>;

/// Compares the roles of the translated template with what the functions ask for;
/// returns a summary.
///
/// # Errors
/// A call is not allowed, a permission is not needed, the documentation's table of
/// Stripe's calls is not what is called, or the template says what is not understood.
pub async fn check(main_template: &Value) -> anyhow::Result<String> {
    let roles = template::roles(main_template)?;
    let asked = life::play().await?;
    let needs = all_needs(&asked);
    for function in FUNCTIONS {
        let called = asked.aws.keys().any(|need| need.caller == function);
        if function == SILENT {
            ensure!(!called, "{function} made a call: nothing of AWS is its business");
        } else {
            ensure!(called, "{function} made no call: what was played shows nothing of it");
        }
    }
    let denied = denied(&roles, &needs);
    ensure!(denied.is_empty(), "not allowed by the template:\n{}", lines(&denied));
    let taken = take_away_each(&roles, &needs)?;
    documented(&asked)?;
    let calls: usize = asked.aws.values().sum();
    let mut summary = format!(
        "{calls} calls to AWS of {} functions, in {} ways: all allowed; each of {taken} \
         permissions was taken away in turn, and was missed\n",
        FUNCTIONS.len(),
        needs.len(),
    );
    summary.push_str(&life::stripe_table(&asked));
    Ok(summary)
}

/// What the functions asked for, and what Lambda does with their roles.
fn all_needs(asked: &Asked) -> BTreeSet<Need> {
    let mut needs: BTreeSet<_> = asked.aws.keys().cloned().collect();
    needs.retain(|need| FUNCTIONS.contains(&need.caller.as_str()));
    // The event source mapping asks a queue for its attributes too.
    // <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
    let polled = needs.iter().filter(|need| need.action == "sqs:ReceiveMessage");
    let attributes: Vec<_> = polled
        .map(|need| Need { action: "sqs:GetQueueAttributes".into(), ..need.clone() })
        .collect();
    needs.extend(attributes);
    for function in FUNCTIONS {
        needs.extend(["logs:CreateLogStream", "logs:PutLogEvents"].map(|action| Need {
            caller: function.to_owned(),
            action: action.to_owned(),
            resource: format!(
                "arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/local-{function}:log-stream:1"
            ),
            leading_keys: BTreeSet::new(),
        }));
    }
    needs
}

/// The needs that no role meets.
fn denied<'a>(roles: &Roles, needs: impl IntoIterator<Item = &'a Need>) -> Vec<String> {
    let is_allowed =
        |need: &Need| roles.get(&need.caller).is_some_and(|statements| allows(statements, need));
    let denied: BTreeSet<_> = needs
        .into_iter()
        .filter(|need| !is_allowed(need))
        .map(|need| format!("{}: {} on {}", need.caller, need.action, need.resource))
        .collect();
    denied.into_iter().collect()
}

/// Takes every permission (an action on a resource) from every role, one at a time, and
/// returns how many there are; each must be missed.
fn take_away_each(roles: &Roles, needs: &BTreeSet<Need>) -> anyhow::Result<usize> {
    let (mut taken, mut unneeded) = (0, Vec::new());
    for (function, statements) in roles {
        let needs: Vec<_> = needs.iter().filter(|need| need.caller == *function).collect();
        for (index, statement) in statements.iter().enumerate() {
            for pair in 0..statement.pairs.len() {
                let mut less = statements.clone();
                let (action, resource) = less[index].pairs.remove(pair);
                let roles = Roles::from([(function.clone(), less)]);
                let missed = !denied(&roles, needs.iter().copied()).is_empty();
                if !missed && !excused(function, &action, &resource) {
                    unneeded.push(format!("{function}: {action} on {resource}"));
                }
                taken += 1;
            }
        }
    }
    if unneeded.is_empty() {
        return Ok(taken);
    }
    bail!("allowed by the template, and never used:\n{}", lines(&unneeded))
}

fn excused(function: &str, action: &str, resource: &str) -> bool {
    UNUSED
        .iter()
        .any(|(who, what, end)| *who == function && *what == action && resource.ends_with(end))
}

fn lines(texts: &[String]) -> String {
    texts.iter().fold(String::new(), |mut all, text| {
        let _ = writeln!(all, "  {text}");
        all
    })
}

/// What `docs/security.md` says that each function asks of Stripe: what a restricted key
/// has to allow. It must be what was asked, no less and no more.
const SECURITY: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/security.md"));

fn documented(asked: &Asked) -> anyhow::Result<()> {
    let documented = documented_calls(SECURITY);
    let rare = RARE.map(|(function, call)| (function.to_owned(), call.to_owned()));
    let asked: BTreeSet<_> = asked.stripe.keys().cloned().chain(rare).collect();
    let tell = |(function, call): &(String, String)| format!("{function}: {call}");
    let missing: Vec<_> = asked.difference(&documented).map(tell).collect();
    let idle: Vec<_> = documented.difference(&asked).map(tell).collect();
    ensure!(
        missing.is_empty() && idle.is_empty(),
        "docs/security.md does not have:\n{}docs/security.md has, and nobody asked:\n{}",
        lines(&missing),
        lines(&idle)
    );
    Ok(())
}

/// The rows of the table: `` | `GET /v1/…` | permission | functions | ``.
fn documented_calls(text: &str) -> BTreeSet<(String, String)> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let rows = rows.filter(|(call, _)| call.contains(" /v1/"));
    rows.flat_map(|(call, rest)| {
        let functions = rest.rsplit(" | ").next().unwrap_or_default().trim_end_matches(" |");
        let functions = functions.split(", ").map(|function| function.trim_matches('`').to_owned());
        functions.map(move |function| (function, call.to_owned()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn need(action: &str, resource: &str) -> Need {
        let (action, resource) = (action.to_owned(), resource.to_owned());
        Need { caller: "worker".into(), action, resource, leading_keys: BTreeSet::new() }
    }

    fn roles(statements: &Value) -> Roles {
        let statements = statements.as_array().unwrap().iter().map(Statement::read);
        Roles::from([("worker".to_owned(), statements.map(Result::unwrap).collect())])
    }

    #[test]
    fn each_permission_is_missed_when_it_is_taken_away() {
        let needs = BTreeSet::from([need("a:B", "r1"), need("a:B", "r2"), need("a:C", "r1")]);
        let exact = json!([
            { "Effect": "Allow", "Action": "a:B", "Resource": ["r1", "r2"] },
            { "Effect": "Allow", "Action": "a:C", "Resource": "r1" },
        ]);
        assert_eq!(denied(&roles(&exact), &needs), [""; 0]);
        assert_eq!(take_away_each(&roles(&exact), &needs).unwrap(), 3);
        let broad =
            json!([{ "Effect": "Allow", "Action": ["a:B", "a:C"], "Resource": ["r1", "r2"] }]);
        let error = take_away_each(&roles(&broad), &needs).unwrap_err().to_string();
        assert!(error.ends_with("never used:\n  worker: a:C on r2\n"), "{error}");
        let double = json!([
            { "Effect": "Allow", "Action": ["a:B", "a:C"], "Resource": "*" },
            { "Effect": "Allow", "Action": "a:C", "Resource": "r1" },
        ]);
        assert!(take_away_each(&roles(&double), &needs).is_err(), "allowed twice");
    }

    #[test]
    fn a_call_without_a_role_is_denied() {
        let needs = [need("a:B", "r1")];
        assert_eq!(denied(&Roles::new(), &needs), ["worker: a:B on r1"]);
    }

    #[test]
    fn the_table_of_stripes_calls_is_read() {
        let text = "| call | key | functions |\n\
                    | `GET /v1/charges/{id}` | Charges: read | `worker`, `account` |\n\
                    | `apigateway:GET` | no | `worker` |\n";
        let expected =
            ["worker", "account"].map(|it| (it.to_owned(), "GET /v1/charges/{id}".to_owned()));
        assert_eq!(documented_calls(text), BTreeSet::from(expected));
    }
}
