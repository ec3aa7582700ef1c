//! The customer portal: its configurations, its sessions, and what is done on its pages.
//! <https://docs.stripe.com/customer-management/integrate-customer-portal>,
//! <https://docs.stripe.com/customer-management/portal-deep-links>

use super::changes::When;
use super::error::{StripeError, StripeResult};
use super::model::{
    CancelMode, Card, FlowKind, Interval, Metadata, Portal, PortalConfiguration, PortalFeatures,
    PortalFlow, PortalUpdate, Price, Proration, Subscription,
};
use super::state::Stripe;
use super::transitions::Status;

/// A portal session to be opened.
#[derive(Debug, Clone, Default)]
pub struct NewPortal {
    /// Whose.
    pub customer: String,
    /// What it offers; `None` for what is saved in the dashboard.
    pub configuration: Option<String>,
    /// The one thing that it is for.
    pub flow: Option<PortalFlow>,
    /// Where its link back leads.
    pub return_url: Option<String>,
}

/// How many products a configuration takes.
/// <https://docs.stripe.com/api/customer_portal/configurations/create>
const MOST_PRODUCTS: usize = 10;

impl Stripe {
    /// `POST /v1/billing_portal/configurations`. Events: `billing_portal.configuration.created`.
    ///
    /// # Errors
    /// Products or prices that are not there; more than ten products.
    pub fn create_configuration(
        &mut self,
        features: PortalFeatures,
        metadata: Metadata,
    ) -> StripeResult<String> {
        self.check_features(&features)?;
        let (id, now) = (self.mint("bpc_1"), self.now);
        let new = PortalConfiguration {
            id: id.clone(),
            created: now,
            updated: now,
            active: true,
            metadata,
            terms_of_service_url: None,
            privacy_policy_url: None,
            features,
        };
        self.configurations.insert(&id, new);
        self.tell("billing_portal.configuration.created", &id);
        Ok(id)
    }

    /// `POST /v1/billing_portal/configurations/{id}`. Events:
    /// `billing_portal.configuration.updated`.
    ///
    /// # Errors
    /// No such configuration, and those of [`create_configuration`](Self::create_configuration).
    pub fn update_configuration(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut PortalConfiguration),
    ) -> StripeResult<()> {
        let mut changed = self.configuration(id)?.clone();
        change(&mut changed);
        self.check_features(&changed.features)?;
        changed.updated = self.now;
        self.change("billing_portal.configuration.updated", id, |stripe| {
            if let Some(row) = stripe.configurations.get_mut(id) {
                *row = changed;
            }
        });
        Ok(())
    }

    /// A configuration.
    ///
    /// # Errors
    /// There is none of this id.
    pub fn configuration(&self, id: &str) -> StripeResult<&PortalConfiguration> {
        let missing = || StripeError::missing("configuration", id);
        self.configurations.get(id).ok_or_else(missing)
    }

    fn check_features(&self, features: &PortalFeatures) -> StripeResult<()> {
        let Some(update) = &features.subscription_update else { return Ok(()) };
        let name = "features[subscription_update][products]";
        if update.products.is_empty() {
            return Err(StripeError::missing_parameter(name));
        }
        if update.products.len() > MOST_PRODUCTS {
            let message = "Array must have at most 10 elements";
            return Err(StripeError::bad_parameter(name, message));
        }
        for (product, prices) in &update.products {
            if self.products.get(product).is_none() {
                return Err(StripeError::no_such("product", product, name));
            }
            let sells = |id: &&String| {
                self.prices.get(id).is_none_or(|it| it.product != *product || !it.active)
            };
            if let Some(other) = prices.iter().find(sells) {
                return Err(StripeError::no_such("price", other, name));
            }
            if prices.is_empty() {
                return Err(StripeError::missing_parameter(name));
            }
        }
        Ok(())
    }

    /// `POST /v1/billing_portal/sessions`. Events: `billing_portal.session.created`.
    ///
    /// # Errors
    /// No such customer or configuration; settings that nobody has saved; a flow that the
    /// configuration does not offer, or that has nothing to do.
    pub fn open_portal(&mut self, new: NewPortal) -> StripeResult<String> {
        self.live_customer(&new.customer)?;
        let features = self.features(new.configuration.as_deref())?;
        if let Some(flow) = &new.flow {
            self.check_flow(&new.customer, features.as_ref(), &flow.kind)?;
        }
        let id = self.mint("bps_1");
        let NewPortal { customer, configuration, flow, return_url } = new;
        let created = self.now;
        let portal = Portal { id: id.clone(), created, customer, configuration, flow, return_url };
        let shown = self.show_portal(&portal);
        self.portals.insert(&id, portal);
        self.emit("billing_portal.session.created", shown);
        Ok(id)
    }

    /// What a session offers: `None` for all there is, as somebody has saved it in the dashboard.
    fn features(&self, configuration: Option<&str>) -> StripeResult<Option<PortalFeatures>> {
        let Some(id) = configuration else {
            if self.settings.portal_is_saved {
                return Ok(None);
            }
            return Err(StripeError::invalid(
                "No configuration provided and your default configuration has not been created. \
                 Provide a configuration or create your default by saving your customer portal \
                 settings.",
            ));
        };
        let found = self.configurations.get(id);
        let row =
            found.ok_or_else(|| StripeError::no_such("configuration", id, "configuration"))?;
        if !row.active {
            let message = "This configuration is not active.";
            return Err(StripeError::bad_parameter("configuration", message));
        }
        Ok(Some(row.features.clone()))
    }

    fn check_flow(
        &self,
        customer: &str,
        features: Option<&PortalFeatures>,
        flow: &FlowKind,
    ) -> StripeResult<()> {
        let offers = |offered: fn(&PortalFeatures) -> bool| features.is_none_or(offered);
        match flow {
            FlowKind::PaymentMethod if offers(|it| it.payment_method_update) => Ok(()),
            FlowKind::Cancel { subscription } if offers(|it| it.subscription_cancel.is_some()) => {
                match self.portals_own(customer, subscription)?.cancel_at {
                    None => Ok(()),
                    Some(_) => Err(StripeError::invalid(format!(
                        "The subscription {subscription} is already set to be canceled."
                    ))),
                }
            }
            FlowKind::Confirm { subscription, item, price }
                if offers(|it| it.subscription_update.is_some()) =>
            {
                let row = self.portals_own(customer, subscription)?;
                let param = "flow_data[subscription_update_confirm][items][0]";
                if row.items.iter().all(|it| it.id != *item) {
                    return Err(StripeError::no_such("subscription_item", item, param));
                }
                let update = features.and_then(|it| it.subscription_update.as_ref());
                self.check_change(row, update, price)
            }
            FlowKind::PaymentMethod | FlowKind::Cancel { .. } | FlowKind::Confirm { .. } => {
                let message = "This flow is not enabled in the portal's configuration.";
                Err(StripeError::bad_parameter("flow_data[type]", message))
            }
        }
    }

    /// A subscription that a portal shows: one of its customer's.
    fn portals_own(&self, customer: &str, id: &str) -> StripeResult<&Subscription> {
        let row = self.subscriptions.get(id);
        let no_such = || StripeError::no_such("subscription", id, "subscription");
        row.filter(|row| row.customer == customer).ok_or_else(no_such)
    }

    /// What a portal changes: live subscriptions with one item that is charged, to prices of its
    /// configuration. Of others it offers the cancellation alone.
    /// <https://docs.stripe.com/customer-management#customer-portal-limitations>
    fn check_change(
        &self,
        row: &Subscription,
        update: Option<&PortalUpdate>,
        price: &str,
    ) -> StripeResult<()> {
        let live = matches!(row.status, Status::Active | Status::Trialing | Status::PastDue);
        if !live || row.items.len() != 1 || row.days_until_due.is_some() {
            return Err(StripeError::invalid("The portal cannot update this subscription."));
        }
        let new = self.prices.get(price);
        let new = new.ok_or_else(|| StripeError::no_such("price", price, "price"))?;
        let listed = update.is_none_or(|it| {
            let product = it.products.iter().find(|(product, _)| *product == new.product);
            product.is_some_and(|(_, prices)| prices.iter().any(|it| it == price))
        });
        if !listed || !new.active {
            return Err(StripeError::invalid(format!(
                "The price {price} is not in the portal's configuration."
            )));
        }
        if row.items[0].price == price {
            return Err(StripeError::invalid("The update would change nothing."));
        }
        Ok(())
    }

    /// The customer confirms another price on a portal's page: at once, or, where the
    /// configuration says so, with the period's end.
    ///
    /// # Errors
    /// No such session; a change that it does not offer.
    pub fn change_in_portal(&mut self, portal: &str, id: &str, price: &str) -> StripeResult<()> {
        let (customer, features) = self.offered_by(portal)?;
        let row = self.portals_own(&customer, id)?.clone();
        let update = match &features {
            None => None,
            Some(features) => Some(features.subscription_update.as_ref().ok_or_else(denied)?),
        };
        self.check_change(&row, update, price)?;
        if row.schedule.is_some() {
            return Err(StripeError::not_implemented("a second scheduled change"));
        }
        let Some(update) = update else { return self.change_price(id, price) };
        if row.status == Status::Trialing {
            return Err(StripeError::not_implemented("an update within a trial, in the portal"));
        }
        let (old, new) = (self.price(&row.items[0].price)?, self.price(price)?);
        if waits(update, old, new) {
            return self.schedule(id, price);
        }
        self.change_item(id, &row.items[0].id, price, update.proration)
    }

    /// The customer cancels on a portal's page.
    ///
    /// # Errors
    /// No such session; it does not offer that.
    pub fn cancel_in_portal(&mut self, portal: &str, id: &str) -> StripeResult<()> {
        let (customer, features) = self.offered_by(portal)?;
        self.portals_own(&customer, id)?;
        let mode = features.map_or(Some(CancelMode::AtPeriodEnd), |it| it.subscription_cancel);
        match mode.ok_or_else(denied)? {
            CancelMode::AtPeriodEnd => self.cancel(id, When::PeriodEndInPortal),
            CancelMode::Immediately => self.cancel(id, When::Now),
        }
    }

    /// The customer takes back on a portal's page what is to come: the cancellation, or the other
    /// price.
    ///
    /// # Errors
    /// No such session, or subscription of its customer's.
    pub fn keep_in_portal(&mut self, portal: &str, id: &str) -> StripeResult<()> {
        let (customer, _) = self.offered_by(portal)?;
        match self.portals_own(&customer, id)?.schedule {
            Some(_) => self.release_schedule(id),
            None => self.keep(id),
        }
    }

    /// The customer gives another card on a portal's page.
    ///
    /// # Errors
    /// No such session; it does not offer that.
    pub fn set_card_in_portal(&mut self, portal: &str, card: Card) -> StripeResult<()> {
        let (customer, features) = self.offered_by(portal)?;
        if features.is_some_and(|it| !it.payment_method_update) {
            return Err(denied());
        }
        self.set_card(&customer, card)
    }

    /// A session's customer, and what it offers.
    pub(super) fn offered_by(
        &self,
        portal: &str,
    ) -> StripeResult<(String, Option<PortalFeatures>)> {
        let row = self.portal(portal)?;
        let features = row.configuration.as_ref().map(|id| self.configuration(id));
        Ok((row.customer.clone(), features.transpose()?.map(|it| it.features.clone())))
    }
}

fn denied() -> StripeError {
    StripeError::invalid("This is not enabled in the portal's configuration.")
}

/// Whether a change waits for the period's end.
/// <https://docs.stripe.com/api/customer_portal/configurations/object#portal_configuration_object-features-subscription_update-schedule_at_period_end>
fn waits(update: &PortalUpdate, old: &Price, new: &Price) -> bool {
    let holds = |condition: &String| match condition.as_str() {
        "decreasing_item_amount" => new.unit_amount < old.unit_amount,
        "shortening_interval" => length(new) < length(old),
        _ => false,
    };
    update.at_period_end.iter().any(holds)
}

/// About how many days a period has.
fn length(price: &Price) -> i64 {
    let days = match price.interval {
        Interval::Day => 1,
        Interval::Week => 7,
        Interval::Month => 30,
        Interval::Year => 365,
    };
    days * price.interval_count
}

impl PortalUpdate {
    /// Prices alone can be changed, to those of these products.
    pub fn of_prices(products: Vec<(String, Vec<String>)>, proration: Proration) -> Self {
        let allowed = ["price".to_owned()].into();
        Self { allowed, products, proration, at_period_end: [].into() }
    }
}
