//! What is sold: a plan, at the price that Stripe has for it now.

use crate::timing::PRICE_IS_FRESH_FOR;
use jiff::Timestamp;
use tollgate_events::PriceId;

use super::{AccountApi, Refusal};
use crate::account::PlanId;
use crate::catalog::Plan;
use crate::ports::{Clock, Ports, Stripe};

/// What a plan is sold at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) price: PriceId,
    pub(super) metered: bool,
    pub(super) seen_at: Timestamp,
}

impl<P: Ports> AccountApi<P> {
    pub(super) fn plan(&self, id: &str) -> Result<&Plan, Refusal> {
        let unknown = || Refusal::UnknownPlan(id.chars().take(64).collect());
        let id = PlanId::parse(id).map_err(|_| unknown())?;
        self.worker.catalog.plan(&id).ok_or_else(unknown)
    }

    /// What a plan is sold at now: asked for every five minutes, and after every refusal.
    pub(super) async fn offer(&self, plan: &Plan) -> Result<Offer, Refusal> {
        let now = self.worker.ports.clock().now();
        let fresh = |it: &&Offer| now.duration_since(it.seen_at) < PRICE_IS_FRESH_FOR;
        if let Some(offer) = self.offers().get(&plan.id).filter(fresh) {
            return Ok(offer.clone());
        }
        let price = self.price(plan).await?;
        // Of a price that is not there, Stripe says so itself.
        let metered = self.worker.ports.stripe().is_metered(&price).await? == Some(true);
        let offer = Offer { price, metered, seen_at: now };
        self.offers().insert(plan.id.clone(), offer.clone());
        Ok(offer)
    }

    async fn price(&self, plan: &Plan) -> Result<PriceId, Refusal> {
        if let Some(key) = plan.lookup_keys.first()
            && let Some(price) = self.worker.ports.stripe().price_by_lookup_key(key).await?
        {
            return Ok(price);
        }
        plan.prices.first().cloned().ok_or_else(|| Refusal::NotForSale(plan.id.clone()))
    }

    pub(super) fn forget_offer(&self, price: &PriceId) {
        self.offers().retain(|_, offer| offer.price != *price);
    }
}
