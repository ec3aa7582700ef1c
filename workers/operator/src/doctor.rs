//! What goes wrong in practice, and how it is mended: the pure part of `tollgate doctor`.
//!
//! [`examine`] compares what was [`ObservedStack`] with what is [`Expected`], and says of each
//! check what was looked at, how it stands and what to do. What could not be looked at (a
//! permission that the operator lacks) is data too: it makes a check say so, and no more.
//!
//! **Architecture invariant:** no IO, no clock, no secret. Gathering is the adapter's
//! business, which hands over a secret's faults and never its value.

mod api_gateway;
mod binding;
mod catalog;
mod clock;
mod cognito;
mod expected;
mod finding;
mod observed;
mod portal;
mod queues;
mod secrets;
mod stripe;
mod table;
#[cfg(test)]
mod tests;
mod webhook;

pub use clock::{SKEW_FAILS, SKEW_WARNS};
pub use expected::{Audience, Expected};
pub use finding::{CheckFinding, CheckVerdict, Findings, Problem, System};
pub use observed::{
    Api, AppClient, BelongsTo, CheckoutCustomer, CustomAttribute, Endpoint, IndexShape, Look,
    Messages, ObservedQueue, ObservedStack, Product, QueuePair, Redrive, Secret, SecretValue,
    Secrets, SeenPrice, Stripe, StripeKey, Table, TableShape, Triggers, Unseen, UserPool,
};
pub use queues::{MIN_RECEIVES, MIN_VISIBILITY};
pub use webhook::NEWEST_API_VERSION;

use tollgate_core::shell::in_context;

/// Every check, in the order in which they are reported. Commands are as one types them for this
/// stack.
pub fn examine(observed: &ObservedStack, expected: &Expected) -> Findings {
    let mut findings = catalog::examine(expected);
    findings.extend(cognito::examine(observed, expected));
    findings.extend(api_gateway::examine(observed, expected));
    findings.extend(stripe::examine(observed, expected));
    findings.extend(portal::examine(observed, expected));
    findings.extend(webhook::examine(observed, expected));
    findings.extend(secrets::examine(observed, expected));
    findings.extend(queues::examine(observed, expected));
    findings.extend(table::examine(observed, expected));
    findings.push(clock::examine(observed));
    for problem in findings.iter_mut().flat_map(|finding| &mut finding.problems) {
        problem.found = in_context(&problem.found, &expected.command);
        problem.mend = in_context(&problem.mend, &expected.command);
    }
    Findings { findings }
}
