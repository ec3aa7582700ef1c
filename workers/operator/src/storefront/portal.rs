//! What Stripe's customer portal is to offer, so that it sells as the catalog does.
//!
//! **Why not the settings of the dashboard:** a fresh account has none, and a session without is
//! refused; and their defaults let a customer have a better plan for nothing. With
//! `create_prorations`, what is owed for it waits for the next invoice, and is dropped when the
//! subscription is cancelled at once; with `none` it is never owed. So a better plan is paid at once
//! (`always_invoice`), and a lesser one, a shorter interval and the end come with the period's end.
//! <https://docs.stripe.com/billing/subscriptions/prorations>

use std::collections::{BTreeMap, BTreeSet};

use tollgate_core::account::PlanId;
use tollgate_core::catalog::{Brand, Plan};
use tollgate_events::{PriceId, ProductId};

/// How many products a configuration takes.
/// <https://docs.stripe.com/api/customer_portal/configurations/create>
pub const MOST_PRODUCTS: usize = 10;

/// What a portal offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalSettings {
    /// To which prices of which products a subscription can be changed.
    pub products: BTreeMap<ProductId, BTreeSet<PriceId>>,
    /// What of a subscription can be changed; nothing, where none can: `price`, `quantity`.
    pub updates: BTreeSet<String>,
    /// What becomes of the rest of the period: `proration_behavior`.
    pub proration: String,
    /// Which changes wait for the period's end.
    pub at_period_end: BTreeSet<String>,
    /// When a subscription ends that is cancelled; `None` where it cannot be.
    pub cancels: Option<String>,
    /// What of themselves customers can change.
    pub customer_updates: BTreeSet<String>,
    /// Whether invoices are shown.
    pub invoices: bool,
    /// Whether cards can be changed.
    pub payment_methods: bool,
    /// The seller's terms of service.
    pub terms: Option<String>,
    /// The seller's privacy policy.
    pub privacy: Option<String>,
}

/// A configuration of the portal in Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedPortal {
    /// Its id, `bpc_…`.
    pub id: String,
    /// Whether sessions can have it.
    pub active: bool,
    /// The stack that its mark names.
    pub stack: Option<String>,
    /// What it offers.
    pub settings: PortalSettings,
}

/// What differs where the prices do.
pub(super) const PRICES: &str = "the prices";

/// What an offer is sold at now.
pub type Sold = BTreeMap<String, (PriceId, ProductId)>;

fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl PortalSettings {
    /// What it is to offer: every price that the catalog sells, and the plans whose products it has no
    /// room for.
    pub fn wanted<U>(plans: &[Plan<U>], sold: &Sold, brand: &Brand) -> (Self, Vec<PlanId>) {
        let mut products: BTreeMap<ProductId, BTreeSet<PriceId>> = BTreeMap::new();
        let mut left_out = Vec::new();
        for plan in plans {
            for (price, product) in plan.sold_as().filter_map(|offer| sold.get(offer.as_str())) {
                if products.len() == MOST_PRODUCTS && !products.contains_key(product) {
                    left_out.push(plan.id.clone());
                    break;
                }
                products.entry(product.clone()).or_default().insert(price.clone());
            }
        }
        let settings = Self {
            products,
            updates: words(&["price"]),
            proration: "always_invoice".to_owned(),
            at_period_end: words(&["decreasing_item_amount", "shortening_interval"]),
            cancels: Some("at_period_end".to_owned()),
            customer_updates: words(&["address", "tax_id"]),
            invoices: true,
            payment_methods: true,
            terms: brand.terms.clone(),
            privacy: brand.privacy.clone(),
        };
        (settings, left_out)
    }

    /// In what it differs from what it is to be.
    pub fn differs(&self, wanted: &Self) -> Vec<&'static str> {
        let Self { products, updates, proration, at_period_end, cancels, customer_updates, .. } =
            self;
        let each = [
            (*products == wanted.products, PRICES),
            (*updates == wanted.updates, "what can be changed"),
            (*proration == wanted.proration, "when a better plan is paid"),
            (*at_period_end == wanted.at_period_end, "when a lesser plan begins"),
            (*cancels == wanted.cancels, "when a cancelled plan ends"),
            (*customer_updates == wanted.customer_updates, "what customers say of themselves"),
            (self.invoices == wanted.invoices, "whether invoices are shown"),
            (self.payment_methods == wanted.payment_methods, "whether cards can be changed"),
            (self.terms == wanted.terms, "the terms of service"),
            (self.privacy == wanted.privacy, "the privacy policy"),
        ];
        each.into_iter().filter(|(same, _)| !same).map(|(_, what)| what).collect()
    }
}
