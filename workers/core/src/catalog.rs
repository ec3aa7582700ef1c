//! The catalog: which plans there are, and what Stripe sells them as (`plans.toml`).
//!
//! Read once, checked as a whole; every error names its line and the mend. What it
//! maps to in API Gateway and Stripe is checked by `tollgate doctor`, not here.

use std::collections::BTreeMap;

use serde::Deserialize;
use tollgate_events::{PriceId, ProductId};
use toml::Spanned;

use crate::account::{PlanId, UsagePlanId};
use crate::policy::Policy;
use crate::stripe::Price;

/// Values of `custom:plan` that are no plan: no plan may have such an id.
pub const RESERVED_PLAN_IDS: [&str; 5] = ["none", "held", "disabled", "closed", "waiting"];

/// How often a quota starts afresh (API Gateway's `QuotaSettings.period`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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

/// A plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its id, which users see.
    pub id: PlanId,
    /// The higher, the better; the best plan of all that an account pays for wins.
    pub rank: u32,
    /// The API Gateway usage plan.
    pub usage_plan: UsagePlanId,
    /// The usage plan's quota, if it has one.
    pub quota: Option<Quota>,
    /// The usage plan's throttle, if it has one.
    pub throttle: Option<Throttle>,
    /// Stripe prices that sell it.
    pub prices: Vec<PriceId>,
    /// Lookup keys of Stripe prices that sell it.
    pub lookup_keys: Vec<String>,
    /// Stripe products of which every price sells it.
    pub products: Vec<ProductId>,
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
}

/// What is wrong with `plans.toml`, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// Not TOML, or not of this shape; the text has line and column.
    #[error("plans.toml cannot be read: {0}")]
    Syntax(String),
    /// A value that breaks a rule.
    #[error("plans.toml line {line}: {problem}; {mend}")]
    Rule {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
        /// What to do.
        mend: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    revision: u64,
    default_plan: Option<Spanned<String>>,
    stages: Spanned<Vec<String>>,
    plans: Spanned<Vec<RawPlan>>,
    #[serde(default)]
    policy: Policy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlan {
    id: Spanned<String>,
    rank: Spanned<u32>,
    usage_plan: Spanned<String>,
    quota: Option<Quota>,
    throttle: Option<Throttle>,
    #[serde(default)]
    prices: Vec<Spanned<String>>,
    #[serde(default)]
    lookup_keys: Vec<Spanned<String>>,
    #[serde(default)]
    products: Vec<Spanned<String>>,
}

impl CatalogFile {
    /// Reads and checks `plans.toml`.
    ///
    /// # Errors
    /// The first [`CatalogError`], with its line and its mend.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let raw: RawFile =
            toml::from_str(text).map_err(|error| CatalogError::Syntax(error.to_string()))?;
        let check = Check { text };
        if raw.stages.get_ref().is_empty() {
            return Err(check.rule(
                &raw.stages,
                "no API stage is covered".into(),
                "list at least one as \"<rest api id>:<stage>\"",
            ));
        }
        check.plans(&raw)?;
        let plans = raw.plans.get_ref().iter().map(|plan| check.plan(plan));
        let plans = plans.collect::<Result<Vec<_>, _>>()?;
        let default_plan = check.default_plan(raw.default_plan.as_ref(), &plans)?;
        let catalog = Catalog {
            revision: raw.revision,
            stages: raw.stages.into_inner(),
            default_plan,
            plans,
        };
        Ok(Self { catalog, policy: raw.policy })
    }
}

/// The rules that single values and pairs of plans must keep.
struct Check<'a> {
    text: &'a str,
}

impl Check<'_> {
    fn rule<T>(&self, at: &Spanned<T>, problem: String, mend: &'static str) -> CatalogError {
        let line = self.text[..at.span().start].matches('\n').count() + 1;
        CatalogError::Rule { line, problem, mend }
    }

    fn plans(&self, raw: &RawFile) -> Result<(), CatalogError> {
        let plans = raw.plans.get_ref();
        if plans.is_empty() {
            return Err(self.rule(&raw.plans, "there is no plan".into(), "add a [[plans]] table"));
        }
        let mut seen = BTreeMap::new();
        for plan in plans {
            let id = plan.id.get_ref();
            let sold = [
                ("price", &plan.prices),
                ("lookup key", &plan.lookup_keys),
                ("product", &plan.products),
            ];
            self.unique(&mut seen, "id", &plan.id, id)?;
            self.unique(&mut seen, "rank", &plan.rank, id)?;
            self.unique(&mut seen, "usage plan", &plan.usage_plan, id)?;
            for (what, values) in sold {
                for value in values {
                    self.unique(&mut seen, what, value, id)?;
                }
            }
        }
        Ok(())
    }

    fn unique<T: ToString>(
        &self,
        seen: &mut BTreeMap<(&'static str, String), String>,
        what: &'static str,
        value: &Spanned<T>,
        plan: &str,
    ) -> Result<(), CatalogError> {
        let text = value.get_ref().to_string();
        match seen.insert((what, text.clone()), plan.to_owned()) {
            None => Ok(()),
            Some(other) => Err(self.rule(
                value,
                format!("plan `{plan}` has the same {what} ({text}) as plan `{other}`"),
                "give each plan its own",
            )),
        }
    }

    fn plan(&self, raw: &RawPlan) -> Result<Plan, CatalogError> {
        if RESERVED_PLAN_IDS.contains(&raw.id.get_ref().as_str()) {
            return Err(self.rule(
                &raw.id,
                format!("`{}` is a word that users see when they have no plan", raw.id.get_ref()),
                "choose another id",
            ));
        }
        if let Some(throttle) = raw.throttle
            && !(throttle.rate.is_finite() && throttle.rate > 0.0)
        {
            return Err(self.rule(
                &raw.id,
                format!(
                    "plan `{}` has a throttle rate that lets nothing through",
                    raw.id.get_ref()
                ),
                "give a rate above 0, in requests per second",
            ));
        }
        Ok(Plan {
            id: self.id(&raw.id, PlanId::parse)?,
            rank: *raw.rank.get_ref(),
            usage_plan: self.id(&raw.usage_plan, UsagePlanId::parse)?,
            quota: raw.quota,
            throttle: raw.throttle,
            prices: self.ids(&raw.prices, PriceId::parse)?,
            lookup_keys: raw.lookup_keys.iter().map(|key| key.get_ref().clone()).collect(),
            products: self.ids(&raw.products, ProductId::parse)?,
        })
    }

    fn default_plan(
        &self,
        id: Option<&Spanned<String>>,
        plans: &[Plan],
    ) -> Result<Option<PlanId>, CatalogError> {
        let Some(id) = id else { return Ok(None) };
        let Some(plan) = plans.iter().find(|plan| plan.id.as_str() == id.get_ref()) else {
            return Err(self.rule(
                id,
                format!("the default plan `{}` is not one of the plans", id.get_ref()),
                "name the id of a [[plans]] table, or leave default_plan out",
            ));
        };
        if plan.rank != 0 {
            return Err(self.rule(
                id,
                format!("the default plan `{}` has rank {}", id.get_ref(), plan.rank),
                "give it rank 0: every other plan is better than having none",
            ));
        }
        Ok(Some(plan.id.clone()))
    }

    fn id<T>(
        &self,
        raw: &Spanned<String>,
        parse: impl Fn(String) -> Result<T, tollgate_events::IdError>,
    ) -> Result<T, CatalogError> {
        parse(raw.get_ref().clone()).map_err(|error| {
            self.rule(raw, error.to_string(), "write 1 to 128 visible ASCII characters")
        })
    }

    fn ids<T>(
        &self,
        raw: &[Spanned<String>],
        parse: impl Fn(String) -> Result<T, tollgate_events::IdError> + Copy,
    ) -> Result<Vec<T>, CatalogError> {
        raw.iter().map(|id| self.id(id, parse)).collect()
    }
}

impl Catalog {
    /// All plans, in the file's order.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// The plan with this id.
    pub fn plan(&self, id: &PlanId) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id == *id)
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
        by(&|plan| plan.prices.contains(&price.id))
            .or_else(|| {
                let key = price.lookup_key.as_ref()?;
                by(&|plan| plan.lookup_keys.contains(key))
            })
            .or_else(|| {
                let product = price.product.as_ref()?;
                by(&|plan| plan.products.contains(product))
            })
    }

    /// Whether a usage plan is one of the catalog's.
    pub fn manages(&self, usage_plan: &UsagePlanId) -> bool {
        self.plans.iter().any(|plan| plan.usage_plan == *usage_plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
revision = 3
default_plan = "free"
stages = ["api1:prod"]

[[plans]]
id = "free"
rank = 0
usage_plan = "up-free"
quota = { limit = 100, period = "MONTH" }

[[plans]]
id = "pro"
rank = 20
usage_plan = "up-pro"
throttle = { rate = 5.0, burst = 10 }
prices = ["price_old"]
lookup_keys = ["pro_monthly"]
products = ["prod_pro"]

[policy]
grace_days = 3
"#;

    fn error(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "the test replaces nothing: {from}");
        CatalogFile::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn reads_plans_and_policy() {
        let file = CatalogFile::parse(GOOD).unwrap();
        assert_eq!(file.policy.grace_days, 3);
        assert_eq!(file.catalog.default_plan().unwrap().id.as_str(), "free");
        assert_eq!(file.catalog.plans().len(), 2);
    }

    #[test]
    fn every_mistake_names_its_line_and_its_mend() {
        for (from, to, line, mend) in [
            (r#"id = "pro""#, r#"id = "free""#, 13, "give each plan its own"),
            ("rank = 20", "rank = 0", 14, "give each plan its own"),
            (r#""up-pro""#, r#""up-free""#, 15, "give each plan its own"),
            (r#"["pro_monthly"]"#, r#"["a", "a"]"#, 18, "give each plan its own"),
            (r#"id = "pro""#, r#"id = "held""#, 13, "choose another id"),
            (r#"id = "pro""#, r#"id = "p ro""#, 13, "visible ASCII"),
            (r#"["price_old"]"#, r#"[""]"#, 17, "visible ASCII"),
            (r#"default_plan = "free""#, r#"default_plan = "gold""#, 3, "leave default_plan out"),
            (r#"default_plan = "free""#, r#"default_plan = "pro""#, 3, "rank 0"),
            (r#"["api1:prod"]"#, "[]", 4, "at least one"),
            ("rate = 5.0", "rate = 0.0", 13, "above 0"),
        ] {
            let text = error(from, to);
            assert!(text.starts_with(&format!("plans.toml line {line}: ")), "{text}");
            assert!(text.contains(mend), "{text}");
        }
    }

    #[test]
    fn a_mistake_in_the_syntax_names_its_line_too() {
        for (from, to, line) in [
            ("rank = 20", "rank = ", "line 14"),
            (r#""MONTH""#, r#""YEAR""#, "line 10"),
            ("grace_days", "grace_dys", "line 22"),
        ] {
            let text = error(from, to);
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_price_is_known_by_id_lookup_key_or_product() {
        let catalog = CatalogFile::parse(GOOD).unwrap().catalog;
        let price = |id: &str, key: Option<&str>, product: Option<&str>| Price {
            id: PriceId::parse(id).unwrap(),
            lookup_key: key.map(str::to_owned),
            product: product.map(|p| ProductId::parse(p).unwrap()),
        };
        let plan = |price| catalog.plan_of(&price).map(|plan| plan.id.as_str());
        assert_eq!(plan(price("price_old", None, None)), Some("pro"));
        assert_eq!(plan(price("price_new", Some("pro_monthly"), None)), Some("pro"));
        assert_eq!(plan(price("price_new", None, Some("prod_pro"))), Some("pro"));
        assert_eq!(plan(price("price_new", Some("else"), Some("prod_else"))), None);
    }
}
