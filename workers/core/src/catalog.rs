//! The catalog: which plans there are, and what Stripe sells them as (`plans.toml`).
//!
//! Read once, checked as a whole; every error tells all that is wrong, each with its line and mend. What it
//! maps to in API Gateway and Stripe is compared by `storefront` in `tollgate_operator`, not here.

mod brand;
mod read;
mod shape;

use std::fmt;

use serde::{Deserialize, Serialize};
use tollgate_events::{Hint, PriceId, ProductId, cognito};

pub use self::brand::{Accent, Brand, Colour};
use crate::account::{Account, OfferId, PlanId, UsagePlanId};
use crate::policy::Policy;
use crate::ports::PlanStages;
use crate::stripe::Price;

/// Values of `custom:plan` that are no plan: no plan may have such an id.
pub const RESERVED_PLAN_IDS: [&str; 5] = cognito::WORDS_INSTEAD_OF_A_PLAN;

/// How often a quota starts afresh (API Gateway's `QuotaSettings.period`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Period {
    /// Every day, UTC.
    Day,
    /// Every week.
    Week,
    /// On the first of every month.
    Month,
}

/// How many requests a plan allows in a period. Best effort in API Gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Requests in a period.
    pub limit: u32,
    /// The period.
    pub period: Period,
}

/// How fast a plan's requests may come.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// Requests per second, in the long run.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
}

/// The unit of a price's billing period (Stripe's `recurring.interval`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Calendar months.
    Month,
    /// Calendar years.
    Year,
}

impl Interval {
    /// As Stripe and `plans.toml` spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// How many of it a period may have: three years.
    /// <https://docs.stripe.com/api/prices/create#create_price-recurring-interval_count>
    fn most(self) -> u32 {
        match self {
            Self::Day => 3 * 365,
            Self::Week => 156,
            Self::Month => 36,
            Self::Year => 3,
        }
    }
}

/// A price at which a plan is sold: what `tollgate plans apply` makes in Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The price's lookup key.
    pub lookup_key: String,
    /// In the currency's smallest unit.
    pub unit_amount: u64,
    /// ISO 4217, lower case.
    pub currency: String,
    /// The unit of the billing period.
    pub interval: Interval,
    /// How many units a period has.
    pub interval_count: u32,
}

/// A plan, with its usage plan (`U`: in a [`CatalogDraft`] it may not have one yet).
#[derive(Debug, Clone, PartialEq)]
pub struct Plan<U = UsagePlanId> {
    /// Its id, which users see.
    pub id: PlanId,
    /// The higher, the better; the best plan of all that an account pays for wins.
    pub rank: u32,
    /// The API Gateway usage plan.
    pub usage_plan: U,
    /// The usage plan's quota, if it has one.
    pub quota: Option<Quota>,
    /// The usage plan's throttle, if it has one.
    pub throttle: Option<Throttle>,
    /// Stripe prices that sell it.
    pub prices: Vec<PriceId>,
    /// Lookup keys of Stripe prices that sell it; its offers' come first.
    pub lookup_keys: Vec<String>,
    /// Stripe products of which every price sells it.
    pub products: Vec<ProductId>,
    /// What `tollgate plans apply` makes prices from.
    pub offers: Vec<Offer>,
}

impl<U> Plan<U> {
    /// What Checkout sells it as: its offers, by their lookup keys. Without any, its first lookup key,
    /// or its first price.
    pub fn sold_as(&self) -> impl Iterator<Item = OfferId> {
        let offers = self.offers.iter().map(|offer| offer.lookup_key.as_str());
        let first_price = self.prices.first().map(PriceId::as_str);
        let other = self.lookup_keys.first().map(String::as_str).or(first_price);
        let other = other.filter(|_| self.offers.is_empty());
        offers.chain(other).filter_map(|name| OfferId::parse(name).ok())
    }
}

/// All plans.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    /// Raised by its owner with every change; an older revision never overrules a newer.
    pub revision: u64,
    /// The API stages that every usage plan covers, `<rest api id>:<stage>`. One list
    /// for all: a key can be on one plan per stage, so plans that cover different
    /// stages could not replace each other.
    pub stages: Vec<String>,
    /// What the billing portal offers: `[portal]`'s `configuration`, which `tollgate plans apply` makes.
    pub portal: Option<String>,
    default_plan: Option<PlanId>,
    plans: Vec<Plan>,
}

/// `plans.toml`, read.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogFile {
    /// The plans.
    pub catalog: Catalog,
    /// The `[policy]` table.
    pub policy: Policy,
    /// The `[brand]` table.
    pub brand: Brand,
}

/// `plans.toml` as the command reads it: plans may have no usage plan yet.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogDraft {
    /// Raised by its owner with every change.
    pub revision: u64,
    /// The API stages that every usage plan covers, `<rest api id>:<stage>`.
    pub stages: Vec<String>,
    /// What an account has that pays for nothing.
    pub default_plan: Option<PlanId>,
    /// The plans, in the file's order.
    pub plans: Vec<Plan<Option<UsagePlanId>>>,
    /// The portal's configuration, `bpc_…`, once it is made.
    pub portal: Option<String>,
    /// The `[policy]` table.
    pub policy: Policy,
    /// The `[brand]` table.
    pub brand: Brand,
}

/// All that is wrong with a catalog, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogError {
    file: String,
    faults: Vec<Fault>,
}

/// What is wrong in one place, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The line, from 1.
    line: usize,
    problem: String,
    mend: String,
}

impl CatalogError {
    fn new(faults: Vec<Fault>) -> Self {
        Self { file: "plans.toml".to_owned(), faults }
    }

    /// The same of a file that is called otherwise.
    #[must_use]
    pub fn of(self, file: &str) -> Self {
        Self { file: file.to_owned(), ..self }
    }
}

/// A line for each place.
impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Fault { line, problem, mend }) in self.faults.iter().enumerate() {
            let (next, then) =
                (if n > 0 { "\n" } else { "" }, if mend.is_empty() { "" } else { "; " });
            write!(f, "{next}{} line {line}: {problem}{then}{mend}", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for CatalogError {}

impl Catalog {
    /// All plans, in the file's order.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// The plan with this id.
    pub fn plan(&self, id: &PlanId) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id == *id)
    }

    /// The plan that a word in a user's attributes names, if it names one.
    pub fn told(&self, word: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id.as_str() == word)
    }

    /// Whether somebody who did not come to an end may have had an account's key refused: of all that
    /// its user may have been told, only a plan is for a key that is accepted.
    pub fn may_be_disabled(&self, account: &Account) -> bool {
        let Account { open, begun, .. } = account;
        *open && (begun.is_empty() || begun.iter().any(|word| self.told(word).is_none()))
    }

    /// What an account has that pays for nothing.
    pub fn default_plan(&self) -> Option<&Plan> {
        self.default_plan.as_ref().and_then(|id| self.plan(id))
    }

    /// What a price sells: by its id, else its lookup key, else its product. Any of
    /// them will do, because a lookup key can move to a newer price while old
    /// subscriptions stay on the old one.
    pub fn plan_of(&self, price: &Price) -> Option<&Plan> {
        let by = |sells: &dyn Fn(&Plan) -> bool| self.plans.iter().find(|plan| sells(plan));
        let by_id = price.id.as_ref().and_then(|id| by(&|plan| plan.prices.contains(id)));
        by_id
            .or_else(|| {
                let key = price.lookup_key.as_ref()?;
                by(&|plan| plan.lookup_keys.contains(key))
            })
            .or_else(|| {
                let product = price.product.as_ref()?;
                by(&|plan| plan.products.contains(product))
            })
    }

    /// The plans that something which an event shows sells.
    pub fn hinted(&self, hint: &Hint) -> impl Iterator<Item = &Plan> {
        self.plans.iter().filter(|plan| {
            hint.prices.iter().any(|price| plan.prices.contains(price))
                || hint.lookup_keys.iter().any(|key| plan.lookup_keys.contains(key))
                || hint.products.iter().any(|product| plan.products.contains(product))
        })
    }

    /// The rank of the best plan that something which an event shows may sell: where not all of it is
    /// shown, any.
    pub fn best_hinted(&self, hint: &Hint) -> Option<u32> {
        let plans = self.plans.iter().filter(|_| !hint.whole);
        plans.chain(self.hinted(hint)).map(|plan| plan.rank).max()
    }

    /// The plan that Checkout sells as this offer.
    pub fn offered(&self, offer: &OfferId) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.sold_as().any(|it| it == *offer))
    }

    /// Whether a usage plan is none of the catalog's and covers a stage of it, as one does that was
    /// replaced: a key that is on it can be put on none of the catalog's.
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-usage-plans.html>
    pub fn is_in_the_way(&self, plan: &PlanStages) -> bool {
        !self.manages(&plan.id) && self.stages.iter().any(|stage| plan.stages.contains(stage))
    }

    /// Whether a usage plan is one of the catalog's.
    pub fn manages(&self, usage_plan: &UsagePlanId) -> bool {
        self.plans.iter().any(|plan| plan.usage_plan == *usage_plan)
    }
}

#[cfg(test)]
mod tests;
