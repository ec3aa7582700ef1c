//! What there is in an account and Region: APIs, keys, usage plans, and what was used of them.
//! The operations on them are in the other modules, each in that of its object.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use secrecy::SecretString;

use super::error::{Exception, Refusal};

/// Where an API takes its keys from.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html>
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeySource {
    /// The header `X-API-Key`.
    #[default]
    Header,
    /// A Lambda authorizer's answer.
    Authorizer,
}

impl KeySource {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Header => "HEADER",
            Self::Authorizer => "AUTHORIZER",
        }
    }
}

/// A REST API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestApi {
    /// Where it takes its keys from.
    pub key_source: KeySource,
    /// Its resources, by id.
    pub resources: BTreeMap<String, Resource>,
}

/// A resource of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its id.
    pub id: String,
    /// `/hello`
    pub path: String,
    /// Its methods, by HTTP method, each with whether it requires a key.
    pub methods: BTreeMap<String, bool>,
}

/// One request to the protected API, as it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPlaneCall {
    /// When.
    pub at: Timestamp,
    /// To which stage.
    pub stage: ApiStage,
    /// To what there: `GET /hello`.
    pub resource: String,
    /// The key's id, where its value was known.
    pub key_id: Option<String>,
    /// The HTTP status.
    pub status: u16,
}

/// What the data plane knows of a value from some time on.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) from: Timestamp,
    /// `None` once the key is deleted.
    pub(super) key: Option<KnownKey>,
}

#[derive(Debug, Clone)]
pub(super) struct KnownKey {
    pub(super) id: String,
    pub(super) enabled: bool,
    pub(super) plans: BTreeSet<String>,
}

/// An API key.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// Its value, which nobody can change.
    pub value: SecretString,
    /// Its name; not unique.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Whose it is.
    pub customer_id: Option<String>,
    /// Whether the data plane accepts it.
    pub enabled: bool,
    /// Tags, kept and returned.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// The usage plans that it is on.
    pub plans: BTreeSet<String>,
}

/// A stage of an API: what a plan sells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiStage {
    /// The API's id.
    pub api_id: String,
    /// The stage's name.
    pub stage: String,
}

/// A plan's throttle: a token bucket for each key on the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttle {
    /// Requests a second.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
}

/// A usage plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its id.
    pub id: String,
    /// Its name; not unique.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What it sells.
    pub stages: BTreeSet<ApiStage>,
    /// How fast.
    pub throttle: Option<Throttle>,
    /// How much.
    pub quota: Option<Quota>,
    /// Tags, kept and returned.
    pub tags: BTreeMap<String, String>,
    /// The keys on it, each with the time it was put there.
    pub keys: BTreeMap<String, Timestamp>,
}

impl ApiStage {
    /// The stage `stage` of the API `api_id`.
    pub fn new(api_id: impl Into<String>, stage: impl Into<String>) -> Self {
        Self { api_id: api_id.into(), stage: stage.into() }
    }

    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let (api_id, stage) = text
            .split_once(':')
            .ok_or_else(|| Exception::BadRequest.because("Invalid API Stage specified"))?;
        Ok(Self::new(api_id, stage))
    }
}

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

/// What a key has used of a plan.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter {
    pub(super) days: BTreeMap<Date, i64>,
    /// What `UpdateUsage` added to a period's limit, by the period's first day.
    pub(super) adjusted: BTreeMap<Date, i64>,
    /// The first day that the key was used on the plan.
    pub(super) first: Option<Date>,
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

    pub(super) fn first_day(self, day: Date) -> Date {
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

    pub(super) fn set_remaining(&mut self, quota: &Quota, day: Date, remaining: i64) {
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
