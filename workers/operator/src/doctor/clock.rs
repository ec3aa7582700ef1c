//! This machine's clock against AWS's.

use jiff::SignedDuration;

use super::finding::{CheckFinding, System};
use super::observed::ObservedStack;

/// From here on a difference is worth a word.
pub const SKEW_WARNS: SignedDuration = SignedDuration::from_secs(60);

/// From here on AWS refuses signatures, and webhook signatures look stale.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html>
pub const SKEW_FAILS: SignedDuration = SignedDuration::from_secs(300);

pub(super) fn examine(observed: &ObservedStack) -> CheckFinding {
    let finding =
        CheckFinding::of("clock-skew", System::Clock, "this machine's clock against AWS's");
    finding.look("the time", &observed.clock_ahead, |finding, ahead| {
        let skew = ahead.abs();
        let found = format!(
            "it is {} s {}",
            skew.as_secs(),
            if ahead.is_negative() { "behind" } else { "ahead" }
        );
        let mend = "set the clock by NTP (`timedatectl set-ntp true`)";
        if skew > SKEW_FAILS {
            finding.fail(format!("{found}: signatures are refused"), mend);
        } else if skew > SKEW_WARNS {
            finding.warn(found, mend);
        }
    })
}
