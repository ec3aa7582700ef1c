//! Disputes and early fraud warnings. Both show a charge and no customer.
//! <https://docs.stripe.com/disputes/how-disputes-work>,
//! <https://docs.stripe.com/disputes/measuring>, <https://docs.stripe.com/radar>

use super::error::{StripeError, StripeResult};
use super::model::{Dispute, Warning};
use super::state::Stripe;

impl Stripe {
    /// The bank disputes the customer's latest successful charge: money is taken back.
    /// Events: `charge.dispute.created`, `charge.dispute.funds_withdrawn`,
    /// `charge.updated`.
    ///
    /// # Errors
    /// No such customer, or nothing that could be disputed.
    pub fn open_dispute(&mut self, customer: &str) -> StripeResult<String> {
        let id = self.new_dispute(customer, "needs_response")?;
        self.tell("charge.dispute.funds_withdrawn", &id);
        Ok(id)
    }

    /// The bank asks about the customer's latest charge; no money moves. Events:
    /// `charge.dispute.created`, `charge.updated`.
    ///
    /// # Errors
    /// No such customer, or nothing that could be disputed.
    pub fn open_inquiry(&mut self, customer: &str) -> StripeResult<String> {
        self.new_dispute(customer, "warning_needs_response")
    }

    /// The inquiry becomes a chargeback. Events: `charge.dispute.updated`,
    /// `charge.dispute.funds_withdrawn`.
    ///
    /// # Errors
    /// No such dispute, or it is no open inquiry.
    pub fn escalate_inquiry(&mut self, dispute: &str) -> StripeResult<()> {
        self.dispute_to(dispute, "charge.dispute.updated", |status| {
            status.starts_with("warning_").then_some("needs_response")
        })?;
        self.tell("charge.dispute.funds_withdrawn", dispute);
        Ok(())
    }

    /// Evidence was sent. Events: `charge.dispute.updated`.
    ///
    /// # Errors
    /// No such dispute, or it wants no evidence.
    pub fn submit_evidence(&mut self, dispute: &str) -> StripeResult<()> {
        self.dispute_to(dispute, "charge.dispute.updated", |status| match status {
            "needs_response" => Some("under_review"),
            "warning_needs_response" => Some("warning_under_review"),
            _ => None,
        })
    }

    /// The bank has decided; an inquiry just closes. Events: `charge.dispute.closed`,
    /// and `charge.dispute.funds_reinstated` for one that was won.
    ///
    /// # Errors
    /// No such dispute, or it is closed already.
    pub fn close_dispute(&mut self, dispute: &str, won: bool) -> StripeResult<()> {
        self.dispute_to(dispute, "charge.dispute.closed", |status| match status {
            "warning_needs_response" | "warning_under_review" => Some("warning_closed"),
            "needs_response" | "under_review" => Some(if won { "won" } else { "lost" }),
            _ => None,
        })?;
        if self.dispute(dispute)?.status == "won" {
            self.tell("charge.dispute.funds_reinstated", dispute);
        }
        Ok(())
    }

    /// The card network warns of fraud on the customer's latest charge. Events:
    /// `radar.early_fraud_warning.created`.
    ///
    /// # Errors
    /// No such customer, or no charge.
    pub fn warn_of_fraud(&mut self, customer: &str) -> StripeResult<String> {
        let charge = self.latest_charge(customer)?;
        let id = self.mint("issfr_1");
        self.warnings.insert(&id, Warning { id: id.clone(), created: self.now, charge });
        self.tell("radar.early_fraud_warning.created", &id);
        Ok(id)
    }

    fn latest_charge(&self, customer: &str) -> StripeResult<String> {
        let charges = self.customer(customer)?.charges.iter().rev();
        charges
            .filter_map(|id| self.charges.get(id))
            .find(|charge| charge.failure.is_none())
            .map(|charge| charge.id.clone())
            .ok_or_else(|| StripeError::invalid("the customer has no successful charge"))
    }

    fn new_dispute(&mut self, customer: &str, status: &'static str) -> StripeResult<String> {
        let charge = self.charge(&self.latest_charge(customer)?)?.clone();
        let id = self.mint("dp_1");
        let dispute = Dispute {
            id: id.clone(),
            created: self.now,
            charge: charge.id.clone(),
            amount: charge.amount,
            currency: charge.currency,
            status,
        };
        self.disputes.insert(&id, dispute);
        self.tell("charge.dispute.created", &id);
        self.change("charge.updated", &charge.id, |stripe| {
            if let Some(row) = stripe.charges.get_mut(&charge.id) {
                row.disputed = true;
            }
        });
        Ok(id)
    }

    fn dispute_to(
        &mut self,
        id: &str,
        kind: &'static str,
        next: impl FnOnce(&str) -> Option<&'static str>,
    ) -> StripeResult<()> {
        let status = self.dispute(id)?.status;
        let next = next(status).ok_or_else(|| {
            StripeError::invalid(format!("a dispute in `{status}` status cannot do this"))
        })?;
        self.change(kind, id, |stripe| {
            if let Some(row) = stripe.disputes.get_mut(id) {
                row.status = next;
            }
        });
        Ok(())
    }
}
