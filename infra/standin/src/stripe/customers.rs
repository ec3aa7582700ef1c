//! Customers and their cards.
//! <https://docs.stripe.com/api/customers>

use super::error::StripeResult;
use super::model::{Card, Customer, Metadata};
use super::objects::payment_method;
use super::state::Stripe;
use super::transitions::Action;

/// A customer to be made.
#[derive(Debug, Clone, Default)]
pub struct NewCustomer {
    /// Its e-mail address.
    pub email: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
    /// The test clock that it is on, for good.
    pub test_clock: Option<String>,
}

impl Stripe {
    /// `POST /v1/customers`. Events: `customer.created`.
    pub fn create_customer(&mut self, new: NewCustomer) -> String {
        let id = self.mint("cus_");
        let customer = Customer {
            id: id.clone(),
            created: self.now,
            email: new.email,
            name: new.name,
            metadata: new.metadata,
            card: None,
            balance: 0,
            delinquent: false,
            test_clock: new.test_clock,
            deleted: false,
            subscriptions: Vec::new(),
            sessions: Vec::new(),
            charges: Vec::new(),
        };
        self.customers.insert(&id, customer);
        self.tell("customer.created", &id);
        id
    }

    /// Gives a customer a card, exchanges it, or takes it away. Events:
    /// `payment_method.attached` or `.detached`, then `customer.updated`.
    ///
    /// # Errors
    /// No such customer.
    pub fn set_card(&mut self, customer: &str, card: impl Into<Option<Card>>) -> StripeResult<()> {
        let card = card.into();
        let before = self.live_customer(customer)?.card;
        let method = serde_json::json!({
            "id": payment_method(customer),
            "object": "payment_method",
            "created": self.now.as_second(),
            "customer": card.map(|_| customer),
            "livemode": self.settings.livemode,
            "metadata": {},
            "type": "card",
        });
        match (before, card) {
            (None, Some(_)) => self.emit("payment_method.attached", method),
            (Some(_), None) => self.emit("payment_method.detached", method),
            _ => {}
        }
        self.change("customer.updated", customer, |stripe| {
            if let Some(row) = stripe.customers.get_mut(customer) {
                row.card = card;
            }
        });
        Ok(())
    }

    /// `POST /v1/customers/{id}` with a balance: what is below zero is credit, and pays the next
    /// invoices. Events: `customer.updated`.
    /// <https://docs.stripe.com/billing/customer/balance>
    ///
    /// # Errors
    /// No such customer.
    pub fn set_balance(&mut self, customer: &str, balance: i64) -> StripeResult<()> {
        self.live_customer(customer)?;
        self.change("customer.updated", customer, |stripe| {
            if let Some(row) = stripe.customers.get_mut(customer) {
                row.balance = balance;
            }
        });
        Ok(())
    }

    /// `POST /v1/customers/{id}` with metadata: keys are merged, an empty value unsets.
    /// Events: `customer.updated`.
    ///
    /// # Errors
    /// No such customer.
    pub fn set_customer_metadata(
        &mut self,
        customer: &str,
        metadata: &Metadata,
    ) -> StripeResult<()> {
        self.live_customer(customer)?;
        self.change("customer.updated", customer, |stripe| {
            if let Some(row) = stripe.customers.get_mut(customer) {
                merge(&mut row.metadata, metadata);
            }
        });
        Ok(())
    }

    /// `DELETE /v1/customers/{id}`: cancels every subscription at once. Events:
    /// `customer.subscription.deleted` for each, then `customer.deleted`.
    /// <https://docs.stripe.com/api/customers/delete>
    ///
    /// # Errors
    /// No such customer.
    pub fn delete_customer(&mut self, customer: &str) -> StripeResult<()> {
        self.customer(customer)?;
        let subscriptions = self.live_customer(customer)?.subscriptions.clone();
        for subscription in subscriptions {
            if !self.subscription(&subscription)?.status.is_final() {
                self.act(&subscription, Action::CancelNow)?;
            }
        }
        let shown = self.object(customer);
        if let Some(row) = self.customers.get_mut(customer) {
            row.deleted = true;
            row.card = None;
            row.email = None;
            row.name = None;
        }
        if let Some(shown) = shown {
            self.emit("customer.deleted", shown);
        }
        Ok(())
    }

    pub(super) fn set_delinquent(&mut self, customer: &str, delinquent: bool) {
        self.change("customer.updated", customer, |stripe| {
            if let Some(row) = stripe.customers.get_mut(customer) {
                row.delinquent = delinquent;
            }
        });
    }
}

/// How Stripe merges metadata: an empty value unsets its key.
/// <https://docs.stripe.com/api/metadata>
pub(super) fn merge(into: &mut Metadata, from: &Metadata) {
    for (key, value) in from {
        if value.is_empty() {
            into.remove(key);
        } else {
            into.insert(key.clone(), value.clone());
        }
    }
}
