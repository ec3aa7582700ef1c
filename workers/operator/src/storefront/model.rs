//! What is compared, and what comes of it.

use std::collections::BTreeSet;
use std::fmt;

use tollgate_core::account::{PlanId, UsagePlanId};
use tollgate_core::catalog::{Interval, Offer, Period, Quota, Throttle};
use tollgate_events::{PriceId, ProductId};

use super::portal::{ObservedPortal, Sold};

/// Whose something is: the stack and the plan that its mark names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorefrontOwner {
    /// The stack.
    pub stack: String,
    /// The plan; empty when the mark names none.
    pub plan: String,
}

/// What a usage plan enforces.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageSettings {
    /// `<rest api id>:<stage>`.
    pub stages: BTreeSet<String>,
    /// Its quota.
    pub quota: Option<Quota>,
    /// Its throttle.
    pub throttle: Option<Throttle>,
}

/// A usage plan in API Gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedPlan {
    /// Its id.
    pub id: UsagePlanId,
    /// Its name.
    pub name: String,
    /// Whose it is, by its tags.
    pub owner: Option<StorefrontOwner>,
    /// What it enforces.
    pub settings: UsageSettings,
}

/// An active product in Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedProduct {
    /// Its id.
    pub id: ProductId,
    /// Whose it is, by its metadata.
    pub owner: Option<StorefrontOwner>,
}

/// What a price asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceTerms {
    /// In the currency's smallest unit.
    pub unit_amount: u64,
    /// ISO 4217, lower case.
    pub currency: String,
    /// The unit of the billing period.
    pub interval: Interval,
    /// How many units a period has.
    pub interval_count: u32,
}

/// The price that an offer's lookup key points to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedPrice {
    /// Its id.
    pub id: PriceId,
    /// The lookup key.
    pub lookup_key: String,
    /// Its product.
    pub product: ProductId,
    /// Whether it can be sold.
    pub active: bool,
    /// What it asks; `None` for what no offer can say: tiers, metered or one-time prices.
    pub terms: Option<PriceTerms>,
    /// Whose it is, by its metadata.
    pub owner: Option<StorefrontOwner>,
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObservedStorefront {
    /// Stages of the catalog that API Gateway does not have.
    pub missing_stages: Vec<String>,
    /// Every usage plan.
    pub usage_plans: Vec<ObservedPlan>,
    /// Every active product.
    pub products: Vec<ObservedProduct>,
    /// The prices that the offers' lookup keys point to.
    pub prices: Vec<ObservedPrice>,
    /// The prices that are sold by their ids, with their products; those that are active.
    pub by_id: Vec<(PriceId, ProductId)>,
    /// Every active configuration of the portal, and the one that the file names.
    pub portals: Vec<ObservedPortal>,
}

impl ObservedStorefront {
    /// What each offer that can be bought is sold at now.
    pub fn sold(&self) -> Sold {
        let by_id = self.by_id.iter();
        let by_id = by_id.map(|(id, product)| (id.to_string(), (id.clone(), product.clone())));
        let by_key = self.prices.iter().filter(|price| price.active);
        let by_key = by_key.map(|it| (it.lookup_key.clone(), (it.id.clone(), it.product.clone())));
        by_id.chain(by_key).collect()
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A usage plan is made, and written into the file.
    CreateUsagePlan {
        /// For which plan.
        plan: PlanId,
        /// What it enforces.
        settings: UsageSettings,
    },
    /// A usage plan of ours enforces something else.
    UpdateUsagePlan {
        /// Of which plan.
        plan: PlanId,
        /// Which one.
        id: UsagePlanId,
        /// What it enforces now.
        from: UsageSettings,
        /// What it is to enforce.
        to: UsageSettings,
    },
    /// A usage plan of ours is written into the file: an earlier apply had made it.
    RecordUsagePlan {
        /// Of which plan.
        plan: PlanId,
        /// Which one.
        id: UsagePlanId,
    },
    /// A product is made, and written into the file.
    CreateProduct {
        /// For which plan.
        plan: PlanId,
    },
    /// A product of ours is written into the file.
    RecordProduct {
        /// Of which plan.
        plan: PlanId,
        /// Which one.
        id: ProductId,
    },
    /// A price is made; it takes the lookup key from the one before, if there is one.
    CreatePrice {
        /// Of which plan.
        plan: PlanId,
        /// What it asks.
        offer: Offer,
        /// For which product; `None` for the one that is made before.
        product: Option<ProductId>,
        /// Which price had the lookup key.
        replaces: Option<PriceId>,
    },
    /// A configuration of the portal is made, and written into the file.
    CreatePortal,
    /// A configuration of ours offers something else.
    UpdatePortal {
        /// Which one.
        id: String,
        /// In what it differs.
        differs: Vec<&'static str>,
    },
    /// A configuration of ours is written into the file: an earlier apply had made it.
    RecordPortal {
        /// Which one.
        id: String,
    },
}

/// Why nothing can be applied.
#[derive(Debug, Clone, PartialEq)]
pub enum Obstacle {
    /// The catalog covers a stage that is not there.
    MissingStage {
        /// Which one.
        stage: String,
    },
    /// The file names a usage plan that is not there.
    MissingUsagePlan {
        /// Of which plan.
        plan: PlanId,
        /// Which one.
        id: UsagePlanId,
    },
    /// The file names a usage plan that is not ours and enforces something else.
    ForeignUsagePlan {
        /// Of which plan.
        plan: PlanId,
        /// Which one.
        id: UsagePlanId,
        /// What it enforces.
        is: UsageSettings,
        /// What the file says.
        should_be: UsageSettings,
    },
    /// An offer's lookup key points to a price that is not ours and asks something else.
    ForeignPrice {
        /// Of which plan.
        plan: PlanId,
        /// The lookup key.
        lookup_key: String,
        /// The price.
        id: PriceId,
    },
    /// A price would lose its lookup key, and those who pay it their plan: no plan of the
    /// file has its product or the price itself.
    Stranded {
        /// Of which plan the lookup key is.
        plan: PlanId,
        /// The lookup key.
        lookup_key: String,
        /// The price.
        id: PriceId,
        /// Its product.
        product: ProductId,
    },
    /// The file names a configuration of the portal that is not there.
    MissingPortal {
        /// Which one.
        id: String,
    },
    /// The file names a configuration of the portal that is not ours and offers something else.
    ForeignPortal {
        /// Which one.
        id: String,
        /// In what it differs.
        differs: Vec<&'static str>,
    },
}

/// What is worth knowing and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A usage plan of ours that no plan of the file names: it is left alone.
    LeftoverUsagePlan {
        /// Which one.
        id: UsagePlanId,
        /// Its name.
        name: String,
    },
    /// A second product of ours for the same plan: it is left alone.
    LeftoverProduct {
        /// Of which plan.
        plan: PlanId,
        /// Which one.
        id: ProductId,
    },
    /// A price waits until the file, which has its product only now, is deployed: until
    /// then those who pay the old price would lose their plan.
    Later {
        /// Of which plan.
        plan: PlanId,
        /// The lookup key.
        lookup_key: String,
    },
    /// The portal has no room for a plan's product: its customers cannot change to it there.
    NotInPortal {
        /// Which one.
        plan: PlanId,
    },
}

/// What is to be done, and what stands against it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diff {
    /// In this order.
    pub changes: Vec<Change>,
    /// While there is any, nothing is to be applied.
    pub obstacles: Vec<Obstacle>,
    /// For people.
    pub notes: Vec<Note>,
}

impl PriceTerms {
    /// What an offer asks.
    pub fn of(offer: &Offer) -> Self {
        Self {
            unit_amount: offer.unit_amount,
            currency: offer.currency.clone(),
            interval: offer.interval,
            interval_count: offer.interval_count,
        }
    }
}

/// `4900 usd every month`; the amount is in the smallest unit.
impl fmt::Display for PriceTerms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unit_amount, currency, interval, interval_count } = self;
        write!(f, "{unit_amount} {currency} every ")?;
        match interval_count {
            1 => f.write_str(interval.as_str()),
            count => write!(f, "{count} {}s", interval.as_str()),
        }
    }
}

/// `1000 a month; 5/s, burst 10; stages api1:prod`.
impl fmt::Display for UsageSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.quota {
            Some(Quota { limit, period }) => write!(f, "{limit} a {}", word(period))?,
            None => f.write_str("no quota")?,
        }
        match self.throttle {
            Some(Throttle { rate, burst }) => write!(f, "; {rate}/s, burst {burst}")?,
            None => f.write_str("; no throttle")?,
        }
        let stages: Vec<_> = self.stages.iter().map(String::as_str).collect();
        match stages.as_slice() {
            [] => f.write_str("; no stage"),
            stages => write!(f, "; stages {}", stages.join(", ")),
        }
    }
}

fn word(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
    }
}
