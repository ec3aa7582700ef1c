//! What kinds of events there are: the one place that reads the word in an envelope's `kind`.

/// The type of the event that tells of a refund, of all or a part of a charge. It shows the charge.
/// <https://docs.stripe.com/api/events/types#event_types-charge.refunded>
pub const CHARGE_REFUNDED: &str = "charge.refunded";

/// What kind of object an event shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A Checkout session.
    Session,
    /// A subscription.
    Subscription,
    /// An invoice.
    Invoice,
    /// A dispute. It tells its charge, and no customer.
    Dispute,
    /// An early fraud warning. It tells its charge, and no customer.
    FraudWarning,
    /// A charge itself, of which all or a part was refunded.
    Refund,
    /// A customer.
    Customer,
}

/// What kind of object an event of this `type` of Stripe's shows; of one that is not acted on, the customer.
pub fn about(kind: &str) -> About {
    match kind {
        _ if kind.starts_with("checkout.session.") => About::Session,
        _ if kind.starts_with("customer.subscription.") => About::Subscription,
        _ if kind.starts_with("invoice.") => About::Invoice,
        _ if kind.starts_with("charge.dispute.") => About::Dispute,
        CHARGE_REFUNDED => About::Refund,
        _ if kind.starts_with("radar.early_fraud_warning.") => About::FraudWarning,
        _ => About::Customer,
    }
}

impl About {
    /// Whether nothing but the object's charge tells of the customer, or of what was bought.
    pub fn is_of_charge(self) -> bool {
        matches!(self, Self::Dispute | Self::FraudWarning | Self::Refund)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stripe::ACTED_ON;

    /// Else an event of a new family would be read with its object's id as a customer's, and be put
    /// on record as nobody's.
    #[test]
    fn nothing_that_is_acted_on_but_a_customer_is_read_as_one() {
        for kind in ACTED_ON {
            let is_a_customers = kind.starts_with("customer.") && kind.split('.').count() == 2;
            assert_eq!(about(kind) == About::Customer, is_a_customers, "{kind}");
        }
    }
}
