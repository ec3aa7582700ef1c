//! `GET /plans`: what is sold, for everybody.

use serde::Serialize;
use utoipa::ToSchema;

use super::views::{MOST_KEYS, Mode};
use crate::account::{OfferId, PlanId};
use crate::catalog::{Brand, CatalogFile, Interval, Offer, Period, Plan};
use crate::words::name;

/// What is sold, and by whom.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PlansView {
    /// Who sells it.
    pub seller: SellerView,
    /// Whether payments are real.
    pub mode: Mode,
    /// What is sold, the least first.
    pub plans: Vec<PlanView>,
}

/// The seller, as the website shows them. Where nothing is told, there is nothing to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SellerView {
    /// What they or the API is called.
    #[schema(required)]
    pub name: Option<String>,
    /// Where customers ask: a page, or `mailto:`.
    #[schema(required)]
    pub support: Option<String>,
    /// The terms of service.
    #[schema(required)]
    pub terms: Option<String>,
    /// The privacy policy.
    #[schema(required)]
    pub privacy: Option<String>,
    /// The API's documentation.
    #[schema(required)]
    pub docs: Option<String>,
    /// Where the API is called.
    #[schema(required)]
    pub api_url: Option<String>,
    /// A path of the API to try a key with.
    pub try_path: String,
    /// The header that the key is sent in.
    pub header: String,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PlanView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: PlanId,
    /// What it is called.
    pub name: String,
    /// The higher, the better.
    pub rank: u32,
    /// Whether it is what an account has that pays for nothing.
    pub default: bool,
    /// How many requests it allows, where it has a quota.
    #[schema(required)]
    pub quota: Option<QuotaView>,
    /// How fast requests may come, where it has a throttle.
    #[schema(required)]
    pub throttle: Option<ThrottleView>,
    /// How many keys an account can have.
    pub keys: u32,
    /// What it can be bought as, the first of them if nothing else is said.
    pub offers: Vec<OfferView>,
}

/// How many requests a plan allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuotaView {
    /// Requests in a period.
    pub limit: u32,
    /// The period: `DAY`, `WEEK` or `MONTH`.
    #[schema(value_type = String, pattern = "^(DAY|WEEK|MONTH)$")]
    pub period: Period,
}

/// How fast requests may come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct ThrottleView {
    /// Requests a second, in the long run.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
}

/// What a plan can be bought as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OfferView {
    /// What to send to `POST /account/plan`.
    #[schema(value_type = String)]
    pub id: OfferId,
    /// What it costs; nothing, where only Stripe knows.
    #[schema(required)]
    pub price: Option<PriceView>,
}

/// What an offer costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PriceView {
    /// For a period, in the currency's smallest unit.
    pub amount: u64,
    /// ISO 4217, lower case.
    pub currency: String,
    /// The unit of the billing period: `day`, `week`, `month` or `year`.
    #[schema(value_type = String, pattern = "^(day|week|month|year)$")]
    pub interval: Interval,
    /// How many units a period has.
    pub interval_count: u32,
}

impl PlansView {
    /// What a catalog sells.
    pub fn of(CatalogFile { catalog, brand, .. }: &CatalogFile, livemode: bool) -> Self {
        let default = catalog.default_plan().map(|plan| &plan.id);
        let mut plans: Vec<_> =
            catalog.plans().iter().map(|plan| PlanView::of(plan, default)).collect();
        plans.sort_by_key(|plan| plan.rank);
        Self { seller: SellerView::of(brand), mode: Mode::of(livemode), plans }
    }
}

impl SellerView {
    fn of(brand: &Brand) -> Self {
        let Brand { name, support, terms, privacy, docs, api_url, try_path, header, .. } =
            brand.clone();
        Self { name, support, terms, privacy, docs, api_url, try_path, header }
    }
}

impl PlanView {
    fn of(plan: &Plan, default: Option<&PlanId>) -> Self {
        let price = |id: &OfferId| plan.offers.iter().find(|it| it.lookup_key == id.as_str());
        let offer = |id| OfferView { price: price(&id).map(PriceView::of), id };
        Self {
            id: plan.id.clone(),
            name: name(&plan.id),
            rank: plan.rank,
            default: default == Some(&plan.id),
            quota: plan.quota.map(|it| QuotaView { limit: it.limit, period: it.period }),
            throttle: plan.throttle.map(|it| ThrottleView { rate: it.rate, burst: it.burst }),
            keys: MOST_KEYS,
            offers: plan.sold_as().map(offer).collect(),
        }
    }
}

impl PriceView {
    fn of(offer: &Offer) -> Self {
        let Offer { unit_amount, currency, interval, interval_count, .. } = offer.clone();
        Self { amount: unit_amount, currency, interval, interval_count }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The seller's own file, as a page has it.
    #[test]
    fn what_is_sold_is_what_the_file_says() {
        const PLANS: &str = r#"
revision = 1
default_plan = "free"
stages = ["api:prod"]
[brand]
name = "Acme Weather"
api_url = "https://api.acme.example/"
[[plans]]
id = "pro"
rank = 20
usage_plan = "up-pro"
throttle = { rate = 5.5, burst = 10 }
prices = ["price_old"]
[[plans.offers]]
lookup_key = "pro_yearly"
unit_amount = 29000
currency = "eur"
interval = "year"
[[plans]]
id = "free"
rank = 0
usage_plan = "up-free"
quota = { limit = 100, period = "DAY" }
[[plans]]
id = "old"
rank = 5
usage_plan = "up-old"
prices = ["price_1", "price_2"]
"#;
        let file = CatalogFile::parse(PLANS).unwrap();
        let price =
            json!({"amount": 29000, "currency": "eur", "interval": "year", "interval_count": 1});
        let plan = |id: &str, name: &str, rank: u32| {
            json!({
                "id": id, "name": name, "rank": rank, "default": id == "free", "quota": null,
                "throttle": null, "keys": 1, "offers": [],
            })
        };
        let (mut free, mut old, mut pro) =
            (plan("free", "Free", 0), plan("old", "Old", 5), plan("pro", "Pro", 20));
        free["quota"] = json!({"limit": 100, "period": "DAY"});
        // What only Stripe knows the price of can be bought all the same.
        old["offers"] = json!([{"id": "price_1", "price": null}]);
        pro["throttle"] = json!({"rate": 5.5, "burst": 10});
        pro["offers"] = json!([{"id": "pro_yearly", "price": price}]);
        let seller = json!({
            "name": "Acme Weather", "support": null, "terms": null, "privacy": null, "docs": null,
            "api_url": "https://api.acme.example", "try_path": "/", "header": "x-api-key",
        });
        let shown = serde_json::to_value(PlansView::of(&file, true)).unwrap();
        assert_eq!(shown, json!({"seller": seller, "mode": "live", "plans": [free, old, pro]}));
    }
}
