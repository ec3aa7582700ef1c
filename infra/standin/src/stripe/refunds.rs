//! Refunds: what is given back of a charge, all of it or a part. The invoice that it paid stays
//! paid, and so does the subscription.
//! <https://docs.stripe.com/refunds>, <https://docs.stripe.com/api/refunds>
//!
//! Not modelled: refunds that fail or wait for the bank, and the reference that a refund of a
//! card gets days later.

use super::error::{StripeError, StripeResult};
use super::model::{Metadata, Refund};
use super::state::Stripe;

/// A refund to be made.
#[derive(Debug, Clone, Default)]
pub struct NewRefund {
    /// How much is given back; what is left of the charge, if that is not said.
    pub amount: Option<i64>,
    /// Why.
    pub reason: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
}

impl Stripe {
    /// `POST /v1/refunds`. Events: `refund.created`, and `charge.refunded`, also for a part.
    /// <https://docs.stripe.com/api/events/types#event_types-charge.refunded>
    ///
    /// # Errors
    /// No such charge; it failed, is disputed, or was given back; more than is left of it.
    pub fn refund(&mut self, charge: &str, new: NewRefund) -> StripeResult<String> {
        let found = self.charges.get(charge);
        let found = found.ok_or_else(|| StripeError::no_such("charge", charge, "charge"))?.clone();
        let left = found.amount - found.amount_refunded;
        let refuse = |code, message: String| {
            Err(StripeError { code: Some(code), ..StripeError::invalid(message) })
        };
        if found.failure.is_some() {
            return Err(StripeError::invalid(format!("Charge {charge} has not been captured")));
        }
        if left == 0 {
            let message = format!("Charge {charge} has already been refunded.");
            return refuse("charge_already_refunded", message);
        }
        if found.disputed {
            let message = format!("Charge {charge} has been charged back; cannot issue a refund.");
            return refuse("charge_disputed", message);
        }
        let amount = new.amount.unwrap_or(left);
        if !(1..=left).contains(&amount) {
            let message = format!("Refund amount is not between 1 and {left}, what is left of it");
            return Err(StripeError::bad_parameter("amount", message));
        }
        Ok(self.give_back(charge, amount, found.currency, new))
    }

    fn give_back(&mut self, charge: &str, amount: i64, currency: String, new: NewRefund) -> String {
        let id = self.mint("re_3");
        let NewRefund { reason, metadata, .. } = new;
        let (created, charge) = (self.now, charge.to_owned());
        let refund = Refund { id: id.clone(), created, charge, amount, currency, reason, metadata };
        let charge = refund.charge.clone();
        self.refunds.insert(&id, refund);
        self.tell("refund.created", &id);
        self.change("charge.refunded", &charge, |stripe| {
            if let Some(row) = stripe.charges.get_mut(&charge) {
                row.amount_refunded += amount;
            }
        });
        id
    }

    /// The charge by which a payment intent succeeded.
    pub(super) fn charge_of_intent(&self, intent: &str) -> StripeResult<String> {
        let invoice = self.invoices.get(&intent.replace("pi_", "in_"));
        let no_such = || StripeError::no_such("payment_intent", intent, "payment_intent");
        let charge = invoice.ok_or_else(no_such)?.charge.clone();
        charge.ok_or_else(|| {
            let message = format!("The PaymentIntent {intent} does not have a successful charge");
            StripeError::invalid(message)
        })
    }

    /// Gives back all that was charged for the newest paid invoice of a subscription.
    ///
    /// # Errors
    /// No such subscription; nothing was charged for it; as for [`refund`](Self::refund).
    pub fn refund_latest(&mut self, subscription: &str) -> StripeResult<String> {
        let invoices = self.subscription(subscription)?.invoices.iter().rev();
        let mut paid =
            invoices.filter_map(|id| self.invoices.get(id)).filter(|it| it.paid_at.is_some());
        let charge = paid.next().and_then(|invoice| invoice.charge.clone());
        let nothing = || StripeError::invalid("nothing was charged for it");
        self.refund(&charge.ok_or_else(nothing)?, NewRefund::default())
    }
}
