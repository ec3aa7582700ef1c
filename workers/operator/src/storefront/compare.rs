//! The comparison, plan by plan.

use std::collections::BTreeSet;

use tollgate_core::account::UsagePlanId;
use tollgate_core::catalog::{CatalogDraft, Offer, Plan};
use tollgate_events::ProductId;

use super::model::{
    Change, Diff, Note, ObservedPlan, ObservedPrice, ObservedStorefront, Obstacle, PriceTerms,
    StorefrontOwner, UsageSettings,
};
use super::portal::{ObservedPortal, PRICES, PortalSettings};

type DraftPlan = Plan<Option<UsagePlanId>>;

/// What must change so that what is observed is what the file says, for the stack of
/// this name. Total: whatever comes in, a verdict comes out.
pub fn diff(draft: &CatalogDraft, observed: &ObservedStorefront, stack: &str) -> Diff {
    let mut comparison = Comparison { draft, observed, stack, diff: Diff::default() };
    comparison.stages();
    for plan in &draft.plans {
        comparison.usage_plan(plan);
    }
    comparison.leftover_usage_plans();
    for plan in draft.plans.iter().filter(|plan| !plan.offers.is_empty()) {
        comparison.offers(plan);
    }
    comparison.portal();
    comparison.diff
}

struct Comparison<'a> {
    draft: &'a CatalogDraft,
    observed: &'a ObservedStorefront,
    stack: &'a str,
    diff: Diff,
}

impl<'a> Comparison<'a> {
    fn stages(&mut self) {
        let missing = self.observed.missing_stages.iter().cloned();
        self.diff.obstacles.extend(missing.map(|stage| Obstacle::MissingStage { stage }));
    }

    fn usage_plan(&mut self, plan: &DraftPlan) {
        let to = UsageSettings {
            stages: self.draft.stages.iter().cloned().collect(),
            quota: plan.quota,
            throttle: plan.throttle,
        };
        let found = match &plan.usage_plan {
            Some(id) => self.observed.usage_plans.iter().find(|seen| seen.id == *id),
            None => self.unnamed_plan_of(plan),
        };
        let plan_id = plan.id.clone();
        match (found, &plan.usage_plan) {
            (Some(seen), named) => {
                if named.is_none() {
                    let id = seen.id.clone();
                    self.change(Change::RecordUsagePlan { plan: plan_id, id });
                }
                self.settings(plan, seen, to);
            }
            (None, Some(id)) => {
                let id = id.clone();
                self.diff.obstacles.push(Obstacle::MissingUsagePlan { plan: plan_id, id });
            }
            (None, None) => self.change(Change::CreateUsagePlan { plan: plan_id, settings: to }),
        }
    }

    /// A usage plan that we made for a plan and that the file does not know yet.
    fn unnamed_plan_of(&self, plan: &DraftPlan) -> Option<&'a ObservedPlan> {
        let ours = self.observed.usage_plans.iter().filter(|seen| {
            self.is_ours(seen.owner.as_ref(), Some(plan)) && !self.is_named(&seen.id)
        });
        ours.min_by(|a, b| a.id.cmp(&b.id))
    }

    fn is_named(&self, id: &UsagePlanId) -> bool {
        self.draft.plans.iter().any(|plan| plan.usage_plan.as_ref() == Some(id))
    }

    fn settings(&mut self, plan: &DraftPlan, seen: &ObservedPlan, to: UsageSettings) {
        if seen.settings == to {
            return;
        }
        let (plan, id, from) = (plan.id.clone(), seen.id.clone(), seen.settings.clone());
        if self.is_ours(seen.owner.as_ref(), None) {
            self.change(Change::UpdateUsagePlan { plan, id, from, to });
        } else {
            let foreign = Obstacle::ForeignUsagePlan { plan, id, is: from, should_be: to };
            self.diff.obstacles.push(foreign);
        }
    }

    fn leftover_usage_plans(&mut self) {
        let adopted: BTreeSet<_> = self
            .diff
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::RecordUsagePlan { id, .. } => Some(id.clone()),
                _ => None,
            })
            .collect();
        for seen in &self.observed.usage_plans {
            let named = self.is_named(&seen.id) || adopted.contains(&seen.id);
            if self.is_ours(seen.owner.as_ref(), None) && !named {
                let (id, name) = (seen.id.clone(), seen.name.clone());
                self.diff.notes.push(Note::LeftoverUsagePlan { id, name });
            }
        }
    }

    fn offers(&mut self, plan: &DraftPlan) {
        let product = self.product(plan, plan.offers.iter().any(|offer| self.sells(offer)));
        for offer in &plan.offers {
            let key = &offer.lookup_key;
            match self.observed.prices.iter().find(|seen| seen.lookup_key == *key) {
                None => self.create_price(plan, offer, product.as_ref(), None),
                Some(seen) => self.price(plan, offer, product.as_ref(), seen),
            }
        }
    }

    /// Whether an offer's price is ours, or will be.
    fn sells(&self, offer: &Offer) -> bool {
        let mut prices = self.observed.prices.iter();
        let seen = prices.find(|seen| seen.lookup_key == offer.lookup_key);
        seen.is_none_or(|seen| self.is_ours(seen.owner.as_ref(), None))
    }

    /// The plan's own product, if it is made already; it stands in the file after this. It is
    /// made where it is needed.
    fn product(&mut self, plan: &DraftPlan, needed: bool) -> Option<ProductId> {
        let of_plan =
            self.observed.products.iter().filter(|it| self.is_ours(it.owner.as_ref(), Some(plan)));
        let mut ours: Vec<_> = of_plan.map(|product| &product.id).collect();
        ours.sort_by_key(|id| (!plan.products.contains(id), *id));
        let mut ours = ours.into_iter().cloned();
        let product = ours.next();
        match &product {
            None if needed => self.change(Change::CreateProduct { plan: plan.id.clone() }),
            None => {}
            Some(id) if !plan.products.contains(id) => {
                self.change(Change::RecordProduct { plan: plan.id.clone(), id: id.clone() });
            }
            Some(_) => {}
        }
        let twins = ours.map(|id| Note::LeftoverProduct { plan: plan.id.clone(), id });
        self.diff.notes.extend(twins);
        product
    }

    fn price(
        &mut self,
        plan: &DraftPlan,
        offer: &Offer,
        product: Option<&ProductId>,
        seen: &ObservedPrice,
    ) {
        let same = seen.active && seen.terms == Some(PriceTerms::of(offer));
        let (lookup_key, id) = (offer.lookup_key.clone(), seen.id.clone());
        if !self.is_ours(seen.owner.as_ref(), None) {
            if !same {
                let plan = plan.id.clone();
                self.diff.obstacles.push(Obstacle::ForeignPrice { plan, lookup_key, id });
            }
            return;
        }
        if same && product == Some(&seen.product) {
            return;
        }
        let sells = |plan: &DraftPlan| {
            plan.products.contains(&seen.product) || plan.prices.contains(&seen.id)
        };
        if self.draft.plans.iter().any(sells) {
            self.create_price(plan, offer, product, Some(seen));
        } else if product == Some(&seen.product) {
            self.diff.notes.push(Note::Later { plan: plan.id.clone(), lookup_key });
        } else {
            let (plan, product) = (plan.id.clone(), seen.product.clone());
            self.diff.obstacles.push(Obstacle::Stranded { plan, lookup_key, id, product });
        }
    }

    fn create_price(
        &mut self,
        plan: &DraftPlan,
        offer: &Offer,
        product: Option<&ProductId>,
        replaced: Option<&ObservedPrice>,
    ) {
        self.change(Change::CreatePrice {
            plan: plan.id.clone(),
            offer: offer.clone(),
            product: product.cloned(),
            replaces: replaced.map(|seen| seen.id.clone()),
        });
    }

    /// The portal offers what is sold, once the prices that are to be made are there.
    fn portal(&mut self) {
        if self.draft.plans.iter().all(|plan| plan.sold_as().next().is_none()) {
            return;
        }
        let (plans, brand) = (&self.draft.plans, &self.draft.brand);
        let (wanted, left_out) = PortalSettings::wanted(plans, &self.observed.sold(), brand);
        self.diff.notes.extend(left_out.into_iter().map(|plan| Note::NotInPortal { plan }));
        let waits = |change: &Change| matches!(change, Change::CreatePrice { .. });
        let waits = self.diff.changes.iter().any(waits);
        if wanted.products.is_empty() && !waits {
            return;
        }
        let portals = &self.observed.portals;
        let ours = |it: &&ObservedPortal| it.stack.as_deref() == Some(self.stack);
        let found = match &self.draft.portal {
            Some(id) => match portals.iter().find(|it| it.id == *id) {
                Some(found) => Some(found),
                None => {
                    return self.diff.obstacles.push(Obstacle::MissingPortal { id: id.clone() });
                }
            },
            None => portals.iter().filter(ours).min_by(|a, b| a.id.cmp(&b.id)),
        };
        let Some(found) = found else { return self.change(Change::CreatePortal) };
        let (id, mut differs) = (found.id.clone(), found.settings.differs(&wanted));
        if !found.active {
            differs.push("whether it is active");
        }
        if waits && !differs.contains(&PRICES) {
            differs.insert(0, PRICES);
        }
        if !ours(&found) {
            if !differs.is_empty() {
                self.diff.obstacles.push(Obstacle::ForeignPortal { id, differs });
            }
            return;
        }
        if self.draft.portal.is_none() {
            self.change(Change::RecordPortal { id: id.clone() });
        }
        if !differs.is_empty() {
            self.change(Change::UpdatePortal { id, differs });
        }
    }

    fn change(&mut self, change: Change) {
        self.diff.changes.push(change);
    }

    /// Whether a mark is this stack's, and, where a plan is given, that plan's.
    fn is_ours(&self, owner: Option<&StorefrontOwner>, plan: Option<&DraftPlan>) -> bool {
        owner.is_some_and(|owner| {
            let of_plan = plan.is_none_or(|plan| owner.plan == plan.id.as_str());
            owner.stack == self.stack && of_plan
        })
    }
}
