//! Reads `plans.toml`: its shape, and the rules that its values keep.

use std::collections::BTreeMap;

use serde::Deserialize;
use tollgate_events::{IdError, PriceId, ProductId};
use toml::Spanned;

use super::{
    Catalog, CatalogDraft, CatalogError, CatalogFile, Interval, Offer, Plan, Quota,
    RESERVED_PLAN_IDS, Throttle,
};
use crate::account::{PlanId, UsagePlanId};
use crate::policy::Policy;

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
    usage_plan: Option<Spanned<String>>,
    quota: Option<Spanned<Quota>>,
    throttle: Option<Spanned<Throttle>>,
    #[serde(default)]
    prices: Vec<Spanned<String>>,
    #[serde(default)]
    lookup_keys: Vec<Spanned<String>>,
    #[serde(default)]
    products: Vec<Spanned<String>>,
    #[serde(default)]
    offers: Vec<RawOffer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOffer {
    lookup_key: Spanned<String>,
    unit_amount: Spanned<i64>,
    currency: Spanned<String>,
    interval: Interval,
    interval_count: Option<Spanned<u32>>,
}

impl CatalogFile {
    /// Reads and checks `plans.toml`, as functions need it: every plan has a usage plan.
    ///
    /// # Errors
    /// The first [`CatalogError`], with its line and its mend.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let raw = RawFile::read(text)?;
        let draft = Check { text }.draft(&raw)?;
        let raw_plans = raw.plans.get_ref().iter();
        let plans = raw_plans.zip(draft.plans).map(|(raw, plan)| Check { text }.whole(raw, plan));
        let catalog = Catalog {
            revision: draft.revision,
            stages: draft.stages,
            default_plan: draft.default_plan,
            plans: plans.collect::<Result<_, _>>()?,
        };
        Ok(Self { catalog, policy: draft.policy })
    }
}

impl CatalogDraft {
    /// Reads and checks `plans.toml`, as the command needs it: by the same rules, but a
    /// plan may have no usage plan yet.
    ///
    /// # Errors
    /// The first [`CatalogError`], with its line and its mend.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        Check { text }.draft(&RawFile::read(text)?)
    }
}

impl RawFile {
    fn read(text: &str) -> Result<Self, CatalogError> {
        toml::from_str(text).map_err(|error| CatalogError::Syntax(error.to_string()))
    }
}

/// The largest number that API Gateway takes: its integers have 32 bits and a sign.
/// <https://docs.aws.amazon.com/apigateway/latest/api/API_QuotaSettings.html>
const MOST: u32 = i32::MAX.cast_unsigned();

/// The rules that single values and pairs of plans must keep.
struct Check<'a> {
    text: &'a str,
}

impl Check<'_> {
    fn rule<T>(&self, at: &Spanned<T>, problem: String, mend: &'static str) -> CatalogError {
        let line = self.text[..at.span().start].matches('\n').count() + 1;
        CatalogError::Rule { line, problem, mend }
    }

    fn draft(&self, raw: &RawFile) -> Result<CatalogDraft, CatalogError> {
        self.stages(&raw.stages)?;
        self.plans(raw)?;
        let plans = raw.plans.get_ref().iter().map(|plan| self.plan(plan));
        let plans = plans.collect::<Result<Vec<_>, _>>()?;
        Ok(CatalogDraft {
            revision: raw.revision,
            stages: raw.stages.get_ref().clone(),
            default_plan: self.default_plan(raw.default_plan.as_ref(), &plans)?,
            plans,
            policy: raw.policy.clone(),
        })
    }

    /// A plan that has a usage plan.
    fn whole(&self, raw: &RawPlan, plan: Plan<Option<UsagePlanId>>) -> Result<Plan, CatalogError> {
        let Plan { id, rank, quota, throttle, prices, lookup_keys, products, offers, .. } = plan;
        let Some(usage_plan) = plan.usage_plan else {
            let problem = format!("plan `{id}` has no usage plan");
            let mend = "make it with `tollgate plans apply`, or name one in `usage_plan`";
            return Err(match &raw.usage_plan {
                Some(blank) => self.rule(blank, problem, mend),
                None => self.rule(&raw.id, problem, mend),
            });
        };
        Ok(Plan { id, rank, usage_plan, quota, throttle, prices, lookup_keys, products, offers })
    }

    fn stages(&self, stages: &Spanned<Vec<String>>) -> Result<(), CatalogError> {
        let mend = "list at least one as \"<rest api id>:<stage>\"";
        if stages.get_ref().is_empty() {
            return Err(self.rule(stages, "no API stage is covered".into(), mend));
        }
        let whole = |stage: &&String| {
            stage.split_once(':').is_some_and(|(api, stage)| !api.is_empty() && !stage.is_empty())
        };
        match stages.get_ref().iter().find(|stage| !whole(stage)) {
            Some(stage) => Err(self.rule(stages, format!("`{stage}` is no API stage"), mend)),
            None => Ok(()),
        }
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
            if let Some(usage_plan) = plan.usage_plan.as_ref().filter(|id| !id.get_ref().is_empty())
            {
                self.unique(&mut seen, "usage plan", usage_plan, id)?;
            }
            for offer in &plan.offers {
                self.unique(&mut seen, "lookup key", &offer.lookup_key, id)?;
            }
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
            Some(same) if same == plan && what != "id" => Err(self.rule(
                value,
                format!("plan `{plan}` has the {what} {text} twice"),
                "name it once",
            )),
            Some(other) => Err(self.rule(
                value,
                format!("plan `{plan}` has the same {what} ({text}) as plan `{other}`"),
                "give each plan its own",
            )),
        }
    }

    fn plan(&self, raw: &RawPlan) -> Result<Plan<Option<UsagePlanId>>, CatalogError> {
        if RESERVED_PLAN_IDS.contains(&raw.id.get_ref().as_str()) {
            return Err(self.rule(
                &raw.id,
                format!("`{}` is a word that users see when they have no plan", raw.id.get_ref()),
                "choose another id",
            ));
        }
        self.limits(raw)?;
        let usage_plan = raw.usage_plan.as_ref().filter(|id| !id.get_ref().is_empty());
        let offers = raw.offers.iter().map(|offer| self.offer(offer));
        let offers = offers.collect::<Result<Vec<_>, _>>()?;
        let own = raw.lookup_keys.iter().map(|key| key.get_ref().clone());
        Ok(Plan {
            id: self.word(&raw.id, PlanId::parse)?,
            rank: *raw.rank.get_ref(),
            usage_plan: usage_plan.map(|id| self.word(id, UsagePlanId::parse)).transpose()?,
            quota: raw.quota.as_ref().map(|quota| *quota.get_ref()),
            throttle: raw.throttle.as_ref().map(|throttle| *throttle.get_ref()),
            prices: self.stripes(&raw.prices, PriceId::parse)?,
            lookup_keys: offers.iter().map(|offer| offer.lookup_key.clone()).chain(own).collect(),
            products: self.stripes(&raw.products, ProductId::parse)?,
            offers,
        })
    }

    /// What a plan's usage plan can enforce.
    fn limits(&self, raw: &RawPlan) -> Result<(), CatalogError> {
        let plan = raw.id.get_ref();
        if let Some(throttle) = &raw.throttle {
            let Throttle { rate, burst } = *throttle.get_ref();
            if !(rate.is_finite() && rate > 0.0) {
                let problem =
                    format!("plan `{plan}` has a throttle rate that lets nothing through");
                let mend = "give a rate above 0, in requests per second";
                return Err(self.rule(throttle, problem, mend));
            }
            self.holds(throttle, plan, "throttle burst", burst)?;
        }
        match &raw.quota {
            Some(quota) => self.holds(quota, plan, "quota limit", quota.get_ref().limit),
            None => Ok(()),
        }
    }

    fn holds<T>(
        &self,
        at: &Spanned<T>,
        plan: &str,
        what: &str,
        number: u32,
    ) -> Result<(), CatalogError> {
        if number <= MOST {
            return Ok(());
        }
        let problem = format!("plan `{plan}` has a {what} that API Gateway cannot hold");
        Err(self.rule(at, problem, "give at most 2147483647, or leave it out"))
    }

    /// <https://docs.stripe.com/api/prices/create>
    fn offer(&self, raw: &RawOffer) -> Result<Offer, CatalogError> {
        let (lookup_key, currency) = (raw.lookup_key.get_ref(), raw.currency.get_ref());
        if lookup_key.is_empty() || lookup_key.len() > 200 {
            let problem = "an offer's lookup key is empty or too long".to_owned();
            return Err(self.rule(&raw.lookup_key, problem, "write 1 to 200 characters"));
        }
        let amount = u64::try_from(*raw.unit_amount.get_ref()).unwrap_or(0);
        if amount == 0 {
            let problem = format!("the offer `{lookup_key}` costs nothing");
            let mend = "give a unit_amount above 0, in the currency's smallest unit";
            return Err(self.rule(&raw.unit_amount, problem, mend));
        }
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
            let problem = format!("`{currency}` is no currency");
            let mend = "write ISO 4217's three lower-case letters, such as \"usd\"";
            return Err(self.rule(&raw.currency, problem, mend));
        }
        let count = raw.interval_count.as_ref().map_or(1, |count| *count.get_ref());
        if let Some(at) = &raw.interval_count
            && !(1..=raw.interval.most()).contains(&count)
        {
            let problem = format!("the offer `{lookup_key}` has an impossible billing period");
            return Err(self.rule(at, problem, "give an interval_count from 1 to three years"));
        }
        Ok(Offer {
            lookup_key: lookup_key.clone(),
            unit_amount: amount,
            currency: currency.clone(),
            interval: raw.interval,
            interval_count: count,
        })
    }

    fn default_plan(
        &self,
        id: Option<&Spanned<String>>,
        plans: &[Plan<Option<UsagePlanId>>],
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

    /// An id of the catalog's own or of AWS's.
    fn word<T>(
        &self,
        raw: &Spanned<String>,
        parse: impl Fn(String) -> Result<T, IdError>,
    ) -> Result<T, CatalogError> {
        let mend = "write 1 to 128 visible ASCII characters";
        parse(raw.get_ref().clone()).map_err(|error| self.rule(raw, error.to_string(), mend))
    }

    /// Ids of Stripe's, which a seller may have chosen.
    fn stripes<T>(
        &self,
        raw: &[Spanned<String>],
        parse: impl Fn(String) -> Result<T, IdError>,
    ) -> Result<Vec<T>, CatalogError> {
        let mend = "write it as Stripe shows it: 1 to 255 bytes without control characters";
        let read = |id: &Spanned<String>| {
            parse(id.get_ref().clone()).map_err(|error| self.rule(id, error.to_string(), mend))
        };
        raw.iter().map(read).collect()
    }
}
