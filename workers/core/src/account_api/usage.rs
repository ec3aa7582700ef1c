//! How much of a quota is used, asked of API Gateway once a minute at most for each account.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::AccountApi;
use crate::account::{Account, KeyId, UsagePlanId};
use crate::catalog::{Period, Quota};
use crate::ports::{ApiGateway, Class, Clock, Ledger, PortResult, Ports, UsageSeen};
use crate::timing::USAGE_IS_FRESH_FOR;

/// The use of a quota. Best effort, as API Gateway's quotas are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageView {
    /// Requests so far, as far as that is known.
    #[schema(required)]
    pub used: Option<u64>,
    /// Requests left, as far as that is known.
    #[schema(required)]
    pub remaining: Option<u64>,
    /// Requests in a period.
    pub limit: u32,
    /// When the period ends, where that is known: of a week, AWS does not say.
    #[schema(required)]
    pub resets_at: Option<Timestamp>,
    /// When API Gateway said so.
    #[schema(required)]
    pub as_of: Option<Timestamp>,
}

impl<P: Ports> AccountApi<P> {
    /// The use of the current period.
    pub(super) async fn usage(&self, account: &Account) -> PortResult<Option<UsageView>> {
        let access = &account.access;
        let plan = access.plan.as_ref().and_then(|id| self.worker.catalog.plan(id));
        let (Some(key), Some(usage_plan), Some(Quota { limit, period })) =
            (account.key(), &access.usage_plan, plan.and_then(|plan| plan.quota))
        else {
            return Ok(None);
        };
        let remaining = self.remaining(account, (usage_plan, &key.id), limit).await?;
        // What a period has left is the same whichever period it is; days only add up to a month.
        let (remaining, as_of) = remaining.unzip();
        let used = remaining.map(|remaining| u64::from(limit).saturating_sub(remaining));
        let resets_at = resets_at(period, self.worker.ports.clock().now());
        Ok(Some(UsageView { used, remaining, limit, resets_at, as_of }))
    }

    /// What is left, and as of when: from the account's row, or from API Gateway, for whoever
    /// takes the row's minute first.
    async fn remaining(
        &self,
        account: &Account,
        (usage_plan, key): (&UsagePlanId, &KeyId),
        limit: u32,
    ) -> PortResult<Option<(u64, Timestamp)>> {
        let (ledger, now) = (self.worker.ports.ledger(), self.worker.ports.clock().now());
        let stored = ledger.usage_seen(&account.id).await?;
        let known = stored.as_ref().filter(|it| it.is_of(usage_plan, key)).and_then(|it| it.left);
        let is_fresh = |it: &UsageSeen| now.duration_since(it.asked_at) < USAGE_IS_FRESH_FOR;
        if stored.as_ref().is_some_and(is_fresh) {
            return Ok(known);
        }
        let mut row = UsageSeen {
            revision: stored.map_or(0, |it| it.revision),
            usage_plan: usage_plan.clone(),
            key: key.clone(),
            left: known,
            asked_at: now,
        };
        if !ledger.put_usage_seen(&account.id, &row).await? || !self.may_call().await? {
            return Ok(known);
        }
        let left = match self.left(usage_plan, key, limit).await {
            // The rest of the page does not wait for it.
            Err(error) if matches!(error.class, Class::Throttled { .. } | Class::Unavailable) => {
                tracing::warn!(account = %account.id, %error, "usage cannot be read");
                return Ok(known);
            }
            left => left?,
        };
        row.revision += 1;
        row.left = Some((left, now));
        ledger.put_usage_seen(&account.id, &row).await?;
        Ok(row.left)
    }

    /// API Gateway counts by day, and what remains is that of the newest day.
    async fn left(&self, usage_plan: &UsagePlanId, key: &KeyId, limit: u32) -> PortResult<u64> {
        let today = self.worker.ports.clock().now().strftime("%Y-%m-%d").to_string();
        let first = format!("{}-01", &today[..7]);
        let gateway = self.worker.ports.api_gateway();
        let usage = gateway.usage(usage_plan, key, &first, &today).await?;
        Ok(usage.map_or(u64::from(limit), |usage| usage.remaining))
    }
}

/// When a quota begins afresh: at midnight, or on the first of a month, in UTC.
fn resets_at(period: Period, now: Timestamp) -> Option<Timestamp> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let next = match period {
        Period::Day => today.tomorrow().ok()?,
        Period::Month => today.first_of_month().checked_add(1.month()).ok()?,
        Period::Week => return None,
    };
    Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_begins_afresh_at_midnight_or_on_the_first() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (period, now, told) in [
            (Period::Day, "2026-12-31T23:59:59Z", Some("2027-01-01T00:00:00Z")),
            (Period::Day, "2026-12-31T00:00:00Z", Some("2027-01-01T00:00:00Z")),
            (Period::Month, "2026-12-01T00:00:00Z", Some("2027-01-01T00:00:00Z")),
            (Period::Month, "2028-01-31T12:00:00Z", Some("2028-02-01T00:00:00Z")),
            (Period::Week, "2026-12-01T00:00:00Z", None),
        ] {
            assert_eq!(resets_at(period, at(now)), told.map(at), "{period:?} {now}");
        }
    }
}
