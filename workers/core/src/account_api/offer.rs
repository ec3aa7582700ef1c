//! What is sold: an offer, at the price that Stripe has for it now.

use jiff::Timestamp;
use tollgate_events::PriceId;

use super::{AccountApi, Refusal};
use crate::account::{OfferId, PlanId};
use crate::catalog::Plan;
use crate::ports::{Clock, Ports, Stripe};
use crate::timing::PRICE_IS_FRESH_FOR;

/// What an owner chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// An offer.
    Offer(String),
    /// A plan, as its first offer sells it.
    Plan(String),
}

/// What an offer is sold at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sale {
    pub(super) price: PriceId,
    pub(super) metered: bool,
    pub(super) seen_at: Timestamp,
}

impl<P: Ports> AccountApi<P> {
    /// The offer that is wanted, with its plan; `None` for the default plan, which is had by ending
    /// what is paid for.
    pub(super) fn wanted(&self, wanted: &Wanted) -> Result<Option<(OfferId, &Plan)>, Refusal> {
        let catalog = &self.worker.catalog;
        match wanted {
            Wanted::Offer(offer) => {
                let id = OfferId::parse(offer.as_str()).map_err(|_| unknown(offer))?;
                let plan = catalog.offered(&id).ok_or_else(|| unknown(offer))?;
                Ok(Some((id, plan)))
            }
            Wanted::Plan(plan) => {
                let id = PlanId::parse(plan.as_str()).map_err(|_| unknown(plan))?;
                let plan = catalog.plan(&id).ok_or_else(|| unknown(plan))?;
                match plan.sold_as().next() {
                    Some(offer) => Ok(Some((offer, plan))),
                    None if catalog.default_plan() == Some(plan) => Ok(None),
                    None => Err(Refusal::NotForSale(id.into())),
                }
            }
        }
    }

    /// What an offer is sold at now: asked for every five minutes, and after every refusal.
    pub(super) async fn sale(&self, offer: &OfferId, plan: &Plan) -> Result<Sale, Refusal> {
        let now = self.worker.ports.clock().now();
        let fresh = |it: &&Sale| now.duration_since(it.seen_at) < PRICE_IS_FRESH_FOR;
        if let Some(sale) = self.sales().get(offer).filter(fresh) {
            return Ok(sale.clone());
        }
        let price = self.price(offer, plan).await?;
        // Of a price that is not there, Stripe says so itself.
        let metered = self.worker.ports.stripe().is_metered(&price).await? == Some(true);
        let sale = Sale { price, metered, seen_at: now };
        self.sales().insert(offer.clone(), sale.clone());
        Ok(sale)
    }

    /// The price that its lookup key points to. Where none does, and no offer says what it costs, the
    /// plan's first price sells it too.
    async fn price(&self, offer: &OfferId, plan: &Plan) -> Result<PriceId, Refusal> {
        if plan.lookup_keys.iter().any(|key| key == offer.as_str())
            && let Some(price) =
                self.worker.ports.stripe().price_by_lookup_key(offer.as_str()).await?
        {
            return Ok(price);
        }
        let first = plan.prices.first().filter(|_| plan.offers.is_empty());
        first.cloned().ok_or_else(|| Refusal::NotForSale(offer.to_string()))
    }

    pub(super) fn forget_sale(&self, price: &PriceId) {
        self.sales().retain(|_, sale| sale.price != *price);
    }
}

fn unknown(asked: &str) -> Refusal {
    Refusal::UnknownOffer(asked.chars().take(64).collect())
}
