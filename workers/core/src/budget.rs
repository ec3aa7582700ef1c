//! One number for all of Tollgate: how often API Gateway's control plane is called.
//!
//! AWS allows everybody in an account and Region together [`LIMIT`] calls a second, and does not
//! raise it. `control_plane_calls_per_second` of them are Tollgate's; whoever calls has a
//! [`share`](Caller::per_call) of these, and the rest is left to the seller.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>

use jiff::SignedDuration;

use crate::policy::{LIMIT, Policy};

/// How many callers have a share.
const CALLERS: u32 = 4;

/// Who calls the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The workers, all together: what the others leave.
    Workers,
    /// The hourly comparison: one call a second.
    Sweep,
    /// The operator's command: one call a second.
    Command,
    /// The account API, all its instances together: one call a second.
    AccountApi,
}

impl Caller {
    /// The time that one of its calls takes up. Where there is less than a call a second for
    /// each, they share alike.
    pub fn per_call(self, policy: &Policy) -> SignedDuration {
        let all = policy.control_plane_calls_per_second.clamp(1, LIMIT);
        let (calls, seconds) = match self {
            _ if all < CALLERS => (all, CALLERS),
            Self::Workers => (all - (CALLERS - 1), 1),
            Self::Sweep | Self::Command | Self::AccountApi => (1, 1),
        };
        SignedDuration::from_nanos(1_000_000_000 * i64::from(seconds) / i64::from(calls))
    }

    /// How many calls it may make in so long: one at least.
    pub fn calls_in(self, span: SignedDuration, policy: &Policy) -> u32 {
        let calls = span.as_nanos() / self.per_call(policy).as_nanos();
        u32::try_from(calls).unwrap_or(u32::MAX).max(1)
    }
}

/// How many calls a second are left to the seller's own deployments.
pub fn left_to_the_seller(policy: &Policy) -> u32 {
    LIMIT.saturating_sub(policy.control_plane_calls_per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shares_together_are_the_number() {
        for number in 1..=LIMIT {
            let policy = Policy { control_plane_calls_per_second: number, ..Policy::default() };
            let callers = [Caller::Workers, Caller::Sweep, Caller::Command, Caller::AccountApi];
            let rates = callers.map(|caller| 1.0 / caller.per_call(&policy).as_secs_f64());
            let together: f64 = rates.iter().sum();
            assert!((together - f64::from(number)).abs() < 0.001, "{number}: {rates:?}");
            assert!(rates.iter().all(|rate| *rate <= rates[0]), "the workers have most: {rates:?}");
            let others = f64::from(number.min(CALLERS)) / f64::from(CALLERS);
            assert!(rates[1..].iter().all(|rate| (rate - others).abs() < 0.001), "{rates:?}");
            assert_eq!(left_to_the_seller(&policy) + number, LIMIT);
        }
    }
}
