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
use super::plans::Plan;

/// How often a quota begins again, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Every day.
    Day,
    /// Every Monday (AWS does not say which day).
    Week,
    /// Every 1st.
    Month,
}

/// A plan's quota: so many requests in each period, for each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests in a period.
    pub limit: i64,
    /// Requests less in a key's first period. A number of requests, not of days; still AWS
    /// takes only 0 with `DAY`, at most 6 with `WEEK` and at most 27 with `MONTH`.
    pub offset: i64,
    /// How often it begins again.
    pub period: Period,
}

/// One day of one key, as `GetUsage` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayUsage {
    /// Requests on that day.
    pub used: i64,
    /// Requests left in the period at the end of that day.
    pub remaining: i64,
}

/// What a key has used of a plan.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter {
    days: BTreeMap<Date, i64>,
    /// What `UpdateUsage` added to a period's limit, by the period's first day.
    adjusted: BTreeMap<Date, i64>,
    /// The first day that the key was used on the plan.
    first: Option<Date>,
}

impl Period {
    /// Reads `DAY`, `WEEK` or `MONTH`.
    ///
    /// # Errors
    /// `BadRequestException` for anything else.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "DAY" => Ok(Self::Day),
            "WEEK" => Ok(Self::Week),
            "MONTH" => Ok(Self::Month),
            _ => {
                Err(Exception::BadRequest.because("Quota period must be one of [DAY, WEEK, MONTH]"))
            }
        }
    }

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Week => "WEEK",
            Self::Month => "MONTH",
        }
    }

    fn first_day(self, day: Date) -> Date {
        match self {
            Self::Day => day,
            Self::Week => {
                day.saturating_sub(i64::from(day.weekday().to_monday_zero_offset()).days())
            }
            Self::Month => day.first_of_month(),
        }
    }
}

impl Quota {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let most = match self.period {
            Period::Day => 0,
            Period::Week => 6,
            Period::Month => 27,
        };
        if self.limit < 0 {
            return Err(
                Exception::BadRequest.because("Usage Plan quota limit must not be negative")
            );
        }
        if !(0..=most).contains(&self.offset) {
            return Err(Exception::BadRequest.because(format!(
                "Usage Plan quota offset must be between 0 and {most} in the {} period",
                self.period.as_str()
            )));
        }
        Ok(())
    }
}

impl Counter {
    pub(super) fn count(&mut self, day: Date) {
        self.first.get_or_insert(day);
        *self.days.entry(day).or_default() += 1;
    }

    /// What is left of the quota at the end of `day`.
    pub(super) fn remaining(&self, quota: &Quota, day: Date) -> i64 {
        let begin = quota.period.first_day(day);
        let used: i64 = self.days.range(begin..=day).map(|(_, used)| used).sum();
        let is_first = self.first.is_none_or(|first| quota.period.first_day(first) == begin);
        let offset = if is_first { quota.offset } else { 0 };
        let adjusted = self.adjusted.get(&begin).copied().unwrap_or_default();
        (quota.limit - offset + adjusted - used).max(0)
    }

    fn set_remaining(&mut self, quota: &Quota, day: Date, remaining: i64) {
        let begin = quota.period.first_day(day);
        let used: i64 = self.days.range(begin..=day).map(|(_, used)| used).sum();
        let offset = match self.first {
            Some(first) if quota.period.first_day(first) != begin => 0,
            _ => quota.offset,
        };
        self.first.get_or_insert(day);
        self.adjusted.insert(begin, remaining - (quota.limit - offset - used));
    }
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
