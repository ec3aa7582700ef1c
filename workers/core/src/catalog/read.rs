//! Reads `plans.toml`: by its [shape](Raw), and the rules that its values keep.

use std::collections::BTreeMap;

use tollgate_events::{IdError, PriceId, ProductId};
use toml::Spanned;

use super::shape::{Raw, RawHead, RawOffer, RawPlan, line};
use super::{
    Catalog, CatalogDraft, CatalogError, CatalogFile, Fault, Offer, Plan, RESERVED_PLAN_IDS,
    Throttle,
};
use crate::account::{PlanId, UsagePlanId};

impl CatalogFile {
    /// Reads and checks `plans.toml`, as functions need it: every plan has a usage plan.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line and its mend.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let raw = Raw::read(text);
        let mut check = Check { text, faults: Vec::new() };
        raw.plans.iter().for_each(|plan| check.is_whole(plan));
        let CatalogDraft { revision, stages, default_plan, plans, portal, policy, brand } =
            check.draft(raw)?;
        let plans = plans.into_iter().filter_map(whole).collect();
        let catalog = Catalog { revision, stages, portal, default_plan, plans };
        Ok(Self { catalog, policy, brand })
    }
}

/// A plan that has a usage plan.
fn whole(plan: Plan<Option<UsagePlanId>>) -> Option<Plan> {
    let Plan { id, rank, quota, throttle, prices, lookup_keys, products, offers, .. } = plan;
    let usage_plan = plan.usage_plan?;
    Some(Plan { id, rank, usage_plan, quota, throttle, prices, lookup_keys, products, offers })
}

impl CatalogDraft {
    /// Reads and checks `plans.toml`, as the command needs it: by the same rules, but a
    /// plan may have no usage plan yet.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line and its mend.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        Check { text, faults: Vec::new() }.draft(Raw::read(text))
    }
}

/// The largest number that API Gateway takes: its integers have 32 bits and a sign.
/// <https://docs.aws.amazon.com/apigateway/latest/api/API_QuotaSettings.html>
const MOST: u32 = i32::MAX.cast_unsigned();

/// The rules that single values and pairs of plans must keep.
struct Check<'a> {
    text: &'a str,
    /// Which are broken.
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn rule<T>(&self, at: &Spanned<T>, problem: String, mend: &str) -> Fault {
        Fault { line: line(self.text, at.span().start), problem, mend: mend.to_owned() }
    }

    fn fault<T>(&mut self, at: &Spanned<T>, problem: String, mend: &str) {
        let fault = self.rule(at, problem, mend);
        self.faults.push(fault);
    }

    /// What is right; a fault is kept.
    fn keep<T>(&mut self, checked: Result<T, Fault>) -> Option<T> {
        checked.map_err(|fault| self.faults.push(fault)).ok()
    }

    fn draft(mut self, mut raw: Raw) -> Result<CatalogDraft, CatalogError> {
        let legible = raw.faults.is_empty();
        if let Some(head) = &raw.head {
            self.stages(&head.stages);
        }
        if legible && raw.plans.is_empty() {
            let none = self.rule(&raw.plans_at, "there is no plan".into(), "add a [[plans]] table");
            self.faults.push(none);
        }
        self.plans(&raw.plans);
        let plans: Vec<_> = raw.plans.iter().filter_map(|plan| self.plan(plan)).collect();
        let default = raw.head.as_ref().and_then(|head| head.default_plan.as_ref());
        // A plan that cannot be read may be the one that is named.
        let default = default.filter(|_| legible && plans.len() == raw.plans.len());
        let default = self.default_plan(default, &plans);
        let default_plan = self.keep(default).flatten();
        self.policy(&raw);
        let portal = raw.portal.configuration.take().map(|id| self.configuration(&id));
        let portal = portal.and_then(|id| self.keep(id)).flatten();
        let brand = std::mem::take(&mut raw.brand);
        let brand = brand.check(&mut |at, problem, mend| self.fault(at, problem, mend));
        self.faults.extend(raw.faults);
        self.faults.sort_by_key(|fault| fault.line);
        match raw.head {
            Some(RawHead { revision, stages, .. }) if self.faults.is_empty() => Ok(CatalogDraft {
                revision,
                stages: stages.into_inner(),
                default_plan,
                plans,
                portal,
                policy: raw.policy,
                brand,
            }),
            _ => Err(CatalogError::new(self.faults)),
        }
    }

    fn is_whole(&mut self, raw: &RawPlan) {
        if usage_plan(raw).is_none() {
            let problem = format!("plan `{}` has no usage plan", raw.id.get_ref());
            let mend = "make it with `tollgate plans apply`, or name one in `usage_plan`";
            let at = raw.usage_plan.as_ref().unwrap_or(&raw.id);
            self.faults.push(self.rule(at, problem, mend));
        }
    }

    fn stages(&mut self, stages: &Spanned<Vec<String>>) {
        let mend = "list at least one as \"<rest api id>:<stage>\"";
        if stages.get_ref().is_empty() {
            self.faults.push(self.rule(stages, "no API stage is covered".into(), mend));
        }
        let whole = |stage: &&String| {
            stage.split_once(':').is_some_and(|(api, stage)| !api.is_empty() && !stage.is_empty())
        };
        for stage in stages.get_ref().iter().filter(|stage| !whole(stage)) {
            self.faults.push(self.rule(stages, format!("`{stage}` is no API stage"), mend));
        }
    }

    /// What no two plans may share.
    fn plans(&mut self, plans: &[RawPlan]) {
        let mut seen = BTreeMap::new();
        for plan in plans {
            let id = plan.id.get_ref();
            let sold = [
                ("price", &plan.prices),
                ("lookup key", &plan.lookup_keys),
                ("product", &plan.products),
            ];
            let mut checked = vec![
                self.unique(&mut seen, "id", &plan.id, id),
                self.unique(&mut seen, "rank", &plan.rank, id),
            ];
            if let Some(usage_plan) = usage_plan(plan) {
                checked.push(self.unique(&mut seen, "usage plan", usage_plan, id));
            }
            for offer in &plan.offers {
                checked.push(self.unique(&mut seen, "lookup key", &offer.lookup_key, id));
            }
            for (what, values) in sold {
                let values = values.iter();
                checked.extend(values.map(|value| self.unique(&mut seen, what, value, id)));
            }
            self.faults.extend(checked.into_iter().filter_map(Result::err));
        }
    }

    /// What its choices say together.
    fn policy(&mut self, raw: &Raw) {
        if let Some(at) = raw.policy_at.get("hold_on_inquiry")
            && raw.policy.hold_on_inquiry
            && !raw.policy.hold_on_dispute
        {
            let problem = "an inquiry would hold an account that the dispute after it does not";
            let mend = "turn hold_on_dispute on too, or hold_on_inquiry off";
            self.faults.push(self.rule(at, problem.to_owned(), mend));
        }
    }

    fn unique<T: ToString>(
        &self,
        seen: &mut BTreeMap<(&'static str, String), String>,
        what: &'static str,
        value: &Spanned<T>,
        plan: &str,
    ) -> Result<(), Fault> {
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

    fn plan(&mut self, raw: &RawPlan) -> Option<Plan<Option<UsagePlanId>>> {
        let before = self.faults.len();
        self.limits(raw);
        let id = self.id(&raw.id);
        let usage_plan = usage_plan(raw).map(|id| self.word(id, UsagePlanId::parse));
        let (id, usage_plan) = (self.keep(id), usage_plan.and_then(|id| self.keep(id)));
        let offers: Vec<_> = raw.offers.iter().filter_map(|offer| self.offer(offer)).collect();
        let prices = self.stripes(&raw.prices, PriceId::parse);
        let products = self.stripes(&raw.products, ProductId::parse);
        let own = raw.lookup_keys.iter().map(|key| key.get_ref().clone());
        let plan = Plan {
            id: id?,
            rank: *raw.rank.get_ref(),
            usage_plan,
            quota: raw.quota.as_ref().map(|quota| *quota.get_ref()),
            throttle: raw.throttle.as_ref().map(|throttle| *throttle.get_ref()),
            prices,
            lookup_keys: offers.iter().map(|offer| offer.lookup_key.clone()).chain(own).collect(),
            products,
            offers,
        };
        (self.faults.len() == before).then_some(plan)
    }

    fn id(&self, id: &Spanned<String>) -> Result<PlanId, Fault> {
        if RESERVED_PLAN_IDS.contains(&id.get_ref().as_str()) {
            let problem =
                format!("`{}` is a word that users see when they have no plan", id.get_ref());
            return Err(self.rule(id, problem, "choose another id"));
        }
        self.word(id, PlanId::parse)
    }

    /// What a plan's usage plan can enforce.
    fn limits(&mut self, raw: &RawPlan) {
        let plan = raw.id.get_ref();
        if let Some(throttle) = &raw.throttle {
            let Throttle { rate, burst } = *throttle.get_ref();
            if !(rate.is_finite() && rate > 0.0) {
                let problem =
                    format!("plan `{plan}` has a throttle rate that lets nothing through");
                let mend = "give a rate above 0, in requests per second";
                self.faults.push(self.rule(throttle, problem, mend));
            }
            let held = self.holds(throttle, plan, "throttle burst", burst);
            self.keep(held);
        }
        if let Some(quota) = &raw.quota {
            let limit = quota.get_ref().limit;
            if limit == 0 && *raw.rank.get_ref() > 0 {
                let problem =
                    format!("plan `{plan}` is paid for, and its quota lets nothing through");
                let mend = "give a limit above 0, or leave the quota out: then there is none";
                self.faults.push(self.rule(quota, problem, mend));
            }
            let held = self.holds(quota, plan, "quota limit", limit);
            self.keep(held);
        }
    }

    fn holds<T>(&self, at: &Spanned<T>, plan: &str, what: &str, number: u32) -> Result<(), Fault> {
        if number <= MOST {
            return Ok(());
        }
        let problem = format!("plan `{plan}` has a {what} that API Gateway cannot hold");
        Err(self.rule(at, problem, "give at most 2147483647, or leave it out"))
    }

    /// <https://docs.stripe.com/api/prices/create>
    fn offer(&mut self, raw: &RawOffer) -> Option<Offer> {
        let before = self.faults.len();
        let (lookup_key, currency) = (raw.lookup_key.get_ref(), raw.currency.get_ref());
        if lookup_key.is_empty() || lookup_key.len() > 200 {
            let problem = "an offer's lookup key is empty or too long".to_owned();
            self.fault(&raw.lookup_key, problem, "write 1 to 200 characters");
        }
        let amount = u64::try_from(*raw.unit_amount.get_ref()).unwrap_or(0);
        if amount == 0 {
            let problem = format!("the offer `{lookup_key}` costs nothing");
            let mend = "give a unit_amount above 0, in the currency's smallest unit";
            self.fault(&raw.unit_amount, problem, mend);
        }
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
            let problem = format!("`{currency}` is no currency");
            let mend = "write ISO 4217's three lower-case letters, such as \"usd\"";
            self.fault(&raw.currency, problem, mend);
        }
        let count = raw.interval_count.as_ref().map_or(1, |count| *count.get_ref());
        if let Some(at) = &raw.interval_count
            && !(1..=raw.interval.most()).contains(&count)
        {
            let problem = format!("the offer `{lookup_key}` has an impossible billing period");
            self.fault(at, problem, "give an interval_count from 1 to three years");
        }
        (self.faults.len() == before).then(|| Offer {
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
    ) -> Result<Option<PlanId>, Fault> {
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

    /// A configuration of the portal; an empty one counts as none.
    fn configuration(&self, id: &Spanned<String>) -> Result<Option<String>, Fault> {
        let text = id.get_ref();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if text.is_empty() || (text.starts_with("bpc_") && text.bytes().all(plain)) {
            return Ok(Some(text.clone()).filter(|id| !id.is_empty()));
        }
        let problem = format!("`{text}` is no configuration of Stripe's portal");
        Err(self.rule(
            id,
            problem,
            "leave it out: `tollgate plans apply` makes one, and writes `bpc_…`",
        ))
    }

    /// An id of the catalog's own or of AWS's.
    fn word<T>(
        &self,
        raw: &Spanned<String>,
        parse: impl Fn(String) -> Result<T, IdError>,
    ) -> Result<T, Fault> {
        let mend = "write 1 to 128 visible ASCII characters";
        parse(raw.get_ref().clone()).map_err(|error| self.rule(raw, error.to_string(), mend))
    }

    /// Ids of Stripe's, which a seller may have chosen.
    fn stripes<T>(
        &mut self,
        raw: &[Spanned<String>],
        parse: impl Fn(String) -> Result<T, IdError>,
    ) -> Vec<T> {
        let mend = "write it as Stripe shows it: 1 to 255 bytes without control characters";
        let read = raw.iter().map(|id| {
            parse(id.get_ref().clone()).map_err(|error| self.rule(id, error.to_string(), mend))
        });
        let read: Vec<_> = read.collect();
        read.into_iter().filter_map(|id| self.keep(id)).collect()
    }
}

/// The usage plan that is named; an empty one counts as none.
fn usage_plan(raw: &RawPlan) -> Option<&Spanned<String>> {
    raw.usage_plan.as_ref().filter(|id| !id.get_ref().is_empty())
}
