//! Stripe's webhook endpoint: there, whole, of a version that is read, and heard.

use std::collections::BTreeSet;

use super::expected::Expected;
use super::finding::{CheckFinding, System};
use super::observed::{Endpoint, Look, ObservedStack, Unseen};

/// The newest version of Stripe's API whose events are known to be read.
/// <https://docs.stripe.com/changelog>
pub const NEWEST_API_VERSION: &str = "2026-09-30.endive";

/// Versions are dates, and the oldest are of the year in which Stripe began with them.
const OLDEST_API_VERSION: &str = "2011-01-01";

pub(super) fn examine(observed: &ObservedStack, expected: &Expected) -> Vec<CheckFinding> {
    let ours = ours(observed, expected);
    vec![
        endpoint(observed, expected, &ours),
        events(expected, &ours),
        version(expected, &ours),
        undelivered(observed, expected),
    ]
}

/// The endpoints with the stack's URL that are switched on.
pub(super) fn ours<'a>(
    observed: &'a ObservedStack,
    expected: &Expected,
) -> Look<Vec<&'a Endpoint>> {
    let url = expected.webhook_url.clone()?;
    let all = observed.stripe.endpoints.as_ref().map_err(Clone::clone)?;
    Ok(all.iter().filter(|endpoint| endpoint.url == url && endpoint.enabled).collect())
}

fn endpoint(
    observed: &ObservedStack,
    expected: &Expected,
    ours: &Look<Vec<&Endpoint>>,
) -> CheckFinding {
    let looked_at = match &expected.webhook_url {
        Ok(url) => format!("one enabled endpoint for {url}"),
        Err(_) => "one enabled endpoint for the stack".to_owned(),
    };
    let finding = CheckFinding::of("webhook-endpoint", System::Stripe, looked_at);
    finding.look("the webhook endpoints", ours, |finding, ours| {
        if ours.is_empty() {
            missing(finding, observed, expected);
        }
        if ours.len() > 1 {
            let found =
                format!("{} endpoints have this URL: every event comes more than once", ours.len());
            finding.warn(found, only_one(expected, ours));
        }
        for endpoint in ours {
            wrong_kind(finding, expected, ours, endpoint);
        }
    })
}

fn missing(finding: &mut CheckFinding, observed: &ObservedStack, expected: &Expected) {
    let all = observed.stripe.endpoints.iter().flatten();
    let off = all.filter(|it| expected.webhook_url.as_ref().is_ok_and(|url| *url == it.url));
    let mend = expected.run("webhook apply");
    match off.max_by_key(|endpoint| is_marked(expected, endpoint)) {
        Some(endpoint) => finding.fail(
            format!(
                "endpoint {} is disabled: Stripe does so when deliveries fail for days",
                endpoint.id
            ),
            apply_or(expected, endpoint, "enable it"),
        ),
        None => finding.fail(
            "no endpoint has the stack's URL: Stripe tells us nothing",
            format!("{mend} (a destination with thin payloads does not count)"),
        ),
    }
}

/// Whether `webhook apply` changes it; what is not marked it only compares.
fn is_marked(expected: &Expected, endpoint: &Endpoint) -> bool {
    endpoint.stack.as_ref() == Some(&expected.stack)
}

/// What `webhook apply` does for a marked endpoint, and the operator for another.
fn apply_or(expected: &Expected, endpoint: &Endpoint, by_hand: &str) -> String {
    if is_marked(expected, endpoint) {
        return expected.run("webhook apply");
    }
    let place = dashboard(endpoint);
    format!("{by_hand} at {place}: it lacks this stack's mark, so `webhook apply` leaves it alone")
}

fn dashboard(endpoint: &Endpoint) -> String {
    format!("https://dashboard.stripe.com/webhooks/{}", endpoint.id)
}

const ANEW: &str = "when the functions have started anew";

fn only_one(expected: &Expected, ours: &[&Endpoint]) -> String {
    match ours.iter().filter(|endpoint| is_marked(expected, endpoint)).count() {
        0 | 1 => {
            let ids: Vec<_> = ours.iter().map(|endpoint| endpoint.id.as_str()).collect();
            let place = "https://dashboard.stripe.com/webhooks";
            format!("{ANEW}, delete all but the newest of {} at {place}", ids.join(", "))
        }
        _ => format!("{ANEW}, {}", expected.run("webhook apply --retire")),
    }
}

/// How an endpoint is made again without an event being lost: the next one comes before it
/// goes.
pub(super) fn again(expected: &Expected, ours: &[&Endpoint], endpoint: &Endpoint) -> String {
    let (roll, retire) =
        (expected.run("webhook apply --roll"), expected.run("webhook apply --retire"));
    let marked = ours.iter().filter(|endpoint| is_marked(expected, endpoint)).count();
    match (is_marked(expected, endpoint), marked) {
        (true, 1) => format!("{roll}; {ANEW}, {retire}"),
        (true, _) => format!("the last roll is not over: {ANEW}, {retire}, then look again"),
        (false, 0) => format!("{roll}; {ANEW}, delete it at {}", dashboard(endpoint)),
        (false, _) => format!("{ANEW}, delete it at {}", dashboard(endpoint)),
    }
}

fn wrong_kind(
    finding: &mut CheckFinding,
    expected: &Expected,
    ours: &[&Endpoint],
    endpoint: &Endpoint,
) {
    let id = &endpoint.id;
    let other = format!("delete {id}, then {}", expected.run("webhook apply"));
    if endpoint.livemode != expected.livemode {
        finding
            .fail(format!("{id} is for the other mode (livemode {})", endpoint.livemode), &other);
    }
    if endpoint.connect {
        finding.fail(format!("{id} is for connected accounts, whose events are ignored"), &other);
    }
    if endpoint.events.iter().any(|event| is_thin(event)) {
        let mend = again(expected, ours, endpoint);
        finding.fail(format!("{id} sends thin events, which are dropped"), mend);
    }
}

fn is_thin(kind: &str) -> bool {
    kind.starts_with("v1.") || kind.starts_with("v2.")
}

/// Which types are needed is the policy's to say.
fn events(expected: &Expected, ours: &Look<Vec<&Endpoint>>) -> CheckFinding {
    let looked_at = "the endpoint sends the types that we act on";
    let finding = CheckFinding::of("webhook-events", System::Stripe, looked_at);
    finding.look_by_catalog(expected, "the endpoint", &there(ours), |finding, file, ours| {
        for endpoint in *ours {
            types(finding, expected, &file.policy.event_types(), endpoint);
        }
    })
}

fn types(finding: &mut CheckFinding, expected: &Expected, wanted: &[&str], endpoint: &Endpoint) {
    let id = &endpoint.id;
    let mend = apply_or(expected, endpoint, &format!("choose {}", wanted.join(", ")));
    let sent: BTreeSet<&str> = endpoint.events.iter().map(String::as_str).collect();
    if sent.contains("*") {
        let found =
            format!("{id} sends every type: Stripe calls us for each, and limits how often");
        return finding.warn(found, mend);
    }
    let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
    let list = |types: Vec<&str>| types.join(", ");
    let missing: Vec<_> = wanted.difference(&sent).copied().collect();
    if !missing.is_empty() {
        finding.fail(format!("{id} does not send {}", list(missing)), &mend);
    }
    let extra = sent.difference(&wanted).copied();
    let extra: Vec<_> = extra.filter(|kind| !is_thin(kind)).collect();
    if !extra.is_empty() {
        finding.warn(format!("{id} also sends {}, which we drop", list(extra)), &mend);
    }
}

/// Our endpoints, or that there is none.
fn there<'a, 'b>(ours: &'a Look<Vec<&'b Endpoint>>) -> Look<&'a [&'b Endpoint]> {
    match ours {
        Ok(ours) if ours.is_empty() => Err(Unseen::Absent),
        Ok(ours) => Ok(ours),
        Err(unseen) => Err(unseen.clone()),
    }
}

fn version(expected: &Expected, ours: &Look<Vec<&Endpoint>>) -> CheckFinding {
    let looked_at = format!("the endpoint's API version, read up to {NEWEST_API_VERSION}");
    let finding = CheckFinding::of("webhook-api-version", System::Stripe, looked_at);
    finding.look("the endpoint", &there(ours), |finding, ours| {
        for endpoint in *ours {
            let id = &endpoint.id;
            let again = again(expected, ours, endpoint);
            match endpoint.api_version.as_deref() {
                None => finding.warn(
                    format!("{id} has no version of its own: an upgrade of the account changes it"),
                    again,
                ),
                Some(version) if !is_date(day(version)) || day(version) < OLDEST_API_VERSION => {
                    finding.warn(format!("{id} has version {version}, which is unknown"), again);
                }
                Some(version) if day(version) > day(NEWEST_API_VERSION) => finding.warn(
                    format!("{id} has version {version}, newer than this build knows"),
                    "upgrade Tollgate, or read Stripe's changelog for subscriptions, invoices, \
                     disputes and Checkout",
                ),
                Some(_) => {}
            }
        }
    })
}

/// The date in a version, without its name.
fn day(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

fn is_date(day: &str) -> bool {
    day.parse::<jiff::civil::Date>().is_ok()
}

/// Stripe tells it by event, not by endpoint: another endpoint's troubles count too.
fn undelivered(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "events of the last three days that Stripe could not deliver";
    let finding = CheckFinding::of("webhook-undelivered", System::Stripe, looked_at);
    finding.look("Stripe's events", &observed.stripe.undelivered, |finding, &count| {
        if count > 0 {
            let more = if count >= 100 { " or more" } else { "" };
            finding.warn(
                format!("{count}{more} not delivered (to whichever endpoint wants them)"),
                format!(
                    "look at the endpoint's deliveries at https://dashboard.stripe.com/webhooks \
                     and at aws logs tail /aws/lambda/{}-stripe-webhook --since 3d; Stripe goes on \
                     trying, and the comparison of all systems finds what it gives up",
                    expected.stack
                ),
            );
        }
    })
}
