//! Quotas and what has been used of them: `GetUsage`, `UpdateUsage`.
//!
//! Used counts are kept per plan and key, by UTC day. After a move the new plan's
//! count begins afresh, and a key that comes back within the period finds its old
//! count; AWS documents neither, only that a quota belongs to a key on a plan.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::error::{Exception, Refusal};
use super::model::Model;
use super::objects::{Counter, Plan, Quota};

/// One day of one key, as `GetUsage` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayUsage {
    /// Requests on that day.
    pub used: i64,
    /// Requests left in the period at the end of that day.
    pub remaining: i64,
}

/// The UTC day of a time.
pub(super) fn day_of(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

impl Model {
    /// `GetUsage`: for each key (or only `key`) that was counted on the plan, one line
    /// for each day from `from` to `to`, both included, none after today.
    ///
    /// # Errors
    /// `NotFoundException` without the plan; `BadRequestException` for bad days, or when the
    /// plan has no quota (AWS keeps no usage without one).
    pub fn get_usage(
        &self,
        plan: &str,
        key: Option<&str>,
        (from, to): (&str, &str),
        now: Timestamp,
    ) -> Result<BTreeMap<String, Vec<DayUsage>>, Refusal> {
        let plan = self.get_usage_plan(plan)?;
        let quota = quota_of(plan)?;
        let (from, to) = (parse_day(from)?, parse_day(to)?);
        if from > to {
            return Err(Exception::BadRequest.because("startDate is after endDate"));
        }
        let last = to.min(day_of(now));
        let lines = |counter: &Counter| {
            let days = from.series(1.day()).take_while(|day| *day <= last);
            days.map(|day| DayUsage {
                used: counter.days.get(&day).copied().unwrap_or_default(),
                remaining: counter.remaining(quota, day),
            })
            .collect()
        };
        let wanted = |id: &str| key.is_none_or(|key| key == id);
        Ok(self
            .counters
            .iter()
            .filter(|((on, id), _)| *on == plan.id && wanted(id))
            .map(|((_, id), counter)| (id.clone(), lines(counter)))
            .collect())
    }

    /// `UpdateUsage` with `replace /remaining`: sets what is left of the current period.
    ///
    /// # Errors
    /// `NotFoundException` when the key is not on the plan; `BadRequestException` for a
    /// negative number, or when the plan has no quota.
    pub fn update_usage(
        &mut self,
        plan: &str,
        key: &str,
        remaining: i64,
        now: Timestamp,
    ) -> Result<DayUsage, Refusal> {
        self.get_usage_plan_key(plan, key)?;
        let quota = *quota_of(self.get_usage_plan(plan)?)?;
        if remaining < 0 {
            return Err(Exception::BadRequest.because("remaining must not be negative"));
        }
        let day = day_of(now);
        let counter = self.counters.entry((plan.to_owned(), key.to_owned())).or_default();
        counter.set_remaining(&quota, day, remaining);
        let used = counter.days.get(&day).copied().unwrap_or_default();
        Ok(DayUsage { used, remaining: counter.remaining(&quota, day) })
    }
}

fn quota_of(plan: &Plan) -> Result<&Quota, Refusal> {
    plan.quota.as_ref().ok_or_else(|| {
        Exception::BadRequest.because("Usage Plan has no quota, so usage is not kept")
    })
}

fn parse_day(text: &str) -> Result<Date, Refusal> {
    text.parse().map_err(|_| Exception::BadRequest.because("Dates must be of the form yyyy-MM-dd"))
}
