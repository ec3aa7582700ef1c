//! The secrets: there, with a value, and the value of the right form.

use super::expected::Expected;
use super::finding::{CheckFinding, System};
use super::observed::{Endpoint, Look, ObservedStack, Secret, SecretValue, Unseen};
use super::webhook::{again, ours};

pub(super) fn examine(observed: &ObservedStack, expected: &Expected) -> Vec<CheckFinding> {
    let seen = &observed.secrets;
    let secret = |check, what, name, seen| secret(expected, check, what, name, seen);
    let mut findings =
        vec![secret("secret-stripe-key", "the Stripe key", "stripe-key", &seen.stripe_key)];
    if let Some(sweep) = &seen.sweep_key {
        let what = "the sweep's Stripe key";
        findings.push(secret("secret-sweep-stripe-key", what, "sweep-stripe-key", sweep));
    }
    let what = "the webhook's signing secrets";
    findings.push(secret("secret-webhook", what, "webhook-secrets", &seen.webhook));
    let what = "the key-derivation secrets";
    findings.push(secret("secret-key-derivation", what, "key-secrets", &seen.key_derivation));
    findings.push(count(observed, expected));
    findings
}

fn secret(
    expected: &Expected,
    check: &'static str,
    what: &str,
    name: &str,
    seen: &Look<Secret>,
) -> CheckFinding {
    let set = expected.run(&format!("secrets set {name}"));
    let finding = CheckFinding::of(check, System::SecretsManager, what);
    let deploy = "deploy the stack again: it makes the secret";
    finding.look_for(&format!("secret for {what}"), seen, deploy, |finding, secret| match secret {
        Secret::Empty => finding.fail(format!("{what}: there is no value yet"), set),
        Secret::Set(SecretValue { fault: Some(fault), .. }) => {
            finding.fail(format!("{what}: the value {fault}"), set);
        }
        Secret::Set(_) => {}
    })
}

/// Every endpoint signs with a secret of its own; while one is rolled it has two.
fn count(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "the endpoints' own signing secrets, as many as endpoints";
    let finding = CheckFinding::of("secret-webhook-count", System::SecretsManager, looked_at);
    let ours = ours(observed, expected);
    finding.look("the webhook's signing secrets", &observed.secrets.webhook, |finding, secret| {
        let Secret::Set(SecretValue { fault: None, fingerprints }) = secret else {
            return finding.unseen("a valid value", &Unseen::Absent);
        };
        match &ours {
            Err(unseen) => finding.unseen("the webhook endpoints", unseen),
            Ok(ours) if ours.is_empty() => {
                finding.unseen("the webhook endpoint", &Unseen::Absent);
            }
            Ok(ours) => compare(finding, expected, ours, fingerprints),
        }
    })
}

/// A count tells only of endpoints without a mark: of the others it is known whose each is.
fn compare(finding: &mut CheckFinding, expected: &Expected, ours: &[&Endpoint], stored: &[String]) {
    let is_stored = |it: &&&Endpoint| it.secret.as_ref().is_none_or(|it| stored.contains(it));
    let refused: Vec<_> = ours.iter().filter(|it| !is_stored(it)).collect();
    for endpoint in &refused {
        let found = format!(
            "none of the stored secrets is that of {}: its events are refused",
            endpoint.id
        );
        finding.fail(found, again(expected, ours, endpoint));
    }
    let mend = expected.run("secrets set webhook-secrets");
    let (endpoints, secrets) = (ours.len(), stored.len());
    if secrets < endpoints && refused.is_empty() {
        let found = format!("{endpoints} endpoints, {secrets} secrets: the rest is refused");
        finding.fail(found, mend);
    } else if secrets > endpoints {
        finding.warn(
            format!("{secrets} secrets for {endpoints} endpoints: an old one is still good"),
            format!("when the rolling is over, {mend} with the new one alone"),
        );
    }
}
