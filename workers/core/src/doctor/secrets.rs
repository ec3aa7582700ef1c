//! The secrets: there, with a value, and the value of the right form.

use super::expected::Expected;
use super::finding::{Finding, System};
use super::observed::{Look, Observed, Secret, SecretValue, Unseen};
use super::webhook::ours;

pub(super) fn examine(observed: &Observed, expected: &Expected) -> Vec<Finding> {
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
) -> Finding {
    let set = expected.run(&format!("secrets set {name}"));
    let finding = Finding::of(check, System::SecretsManager, what);
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
fn count(observed: &Observed, expected: &Expected) -> Finding {
    let looked_at = "as many signing secrets as endpoints";
    let finding = Finding::of("secret-webhook-count", System::SecretsManager, looked_at);
    let ours = ours(observed, expected);
    finding.look("the webhook's signing secrets", &observed.secrets.webhook, |finding, secret| {
        let Secret::Set(value @ SecretValue { fault: None, .. }) = secret else {
            return finding.unseen("a valid value", &Unseen::Absent);
        };
        let mend = expected.run("secrets set webhook-secrets");
        match &ours {
            Err(unseen) => finding.unseen("the webhook endpoints", unseen),
            Ok(ours) if value.parts < ours.len() => finding.fail(
                format!("{} endpoints, {} secrets: the rest is refused", ours.len(), value.parts),
                mend,
            ),
            Ok(ours) if ours.is_empty() => {
                finding.unseen("the webhook endpoint", &Unseen::Absent);
            }
            Ok(ours) if value.parts > ours.len() => finding.warn(
                format!(
                    "{} secrets for {} endpoints: an old one is still good",
                    value.parts,
                    ours.len()
                ),
                format!("when the rolling is over, {mend} with the new one alone"),
            ),
            Ok(_) => {}
        }
    })
}
