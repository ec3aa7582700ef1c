//! Charges, what they pay, refunds, disputes and early fraud warnings, as shown.

use serde_json::{Value, json};

use super::{join, payment_method, unix};
use crate::stripe::model::{Charge, Dispute, Invoice, InvoiceStatus, Refund, Warning};
use crate::stripe::state::Stripe;

impl Stripe {
    /// As the API shows a charge. <https://docs.stripe.com/api/charges/object>
    pub fn show_charge(&self, charge: &Charge) -> Value {
        let succeeded = charge.failure.is_none();
        let unused = json!({
            "application": null,
            "application_fee": null,
            "application_fee_amount": null,
            "balance_transaction": null,
            "billing_details": {
                "address": null, "email": null, "name": null, "phone": null, "tax_id": null,
            },
            "description": "Subscription update",
            "failure_balance_transaction": null,
            "fraud_details": {},
            "metadata": {},
            "on_behalf_of": null,
            "payment_method_details": {
                "card": { "brand": "visa", "country": "US", "last4": "4242" }, "type": "card",
            },
            "receipt_email": null,
            "receipt_number": null,
            "receipt_url": null,
            "review": null,
            "shipping": null,
            "source_transfer": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "transfer_data": null,
            "transfer_group": null,
        });
        let shown = json!({
            "id": charge.id,
            "object": "charge",
            "amount": charge.amount,
            "amount_captured": if succeeded { charge.amount } else { 0 },
            "amount_refunded": charge.amount_refunded,
            "captured": succeeded,
            "created": charge.created.as_second(),
            "currency": charge.currency,
            "customer": charge.customer,
            "disputed": charge.disputed,
            "failure_code": charge.failure,
            "failure_message": charge.failure.map(|_| "Your card was declined."),
            "livemode": self.settings.livemode,
            "outcome": {
                "network_status":
                    if succeeded { "approved_by_network" } else { "declined_by_network" },
                "reason": charge.failure, "risk_level": "normal",
                "seller_message": null,
                "type": if succeeded { "authorized" } else { "issuer_declined" },
            },
            "paid": succeeded,
            "payment_intent": charge.invoice.as_ref().map(|id| id.replace("in_", "pi_")),
            "payment_method": payment_method(&charge.customer),
            "refunded": succeeded && charge.amount_refunded == charge.amount,
            "status": if succeeded { "succeeded" } else { "failed" },
        });
        join(shown, unused)
    }

    /// <https://docs.stripe.com/api/refunds/object>
    pub(in crate::stripe) fn show_refund(&self, refund: &Refund) -> Value {
        let charge = self.charges.get(&refund.charge);
        let intent = charge.and_then(|c| c.invoice.as_ref()).map(|id| id.replace("in_", "pi_"));
        json!({
            "id": refund.id,
            "object": "refund",
            "amount": refund.amount,
            "balance_transaction": null,
            "charge": refund.charge,
            "created": refund.created.as_second(),
            "currency": refund.currency,
            "destination_details": {
                "card": {
                    "reference_status": "pending", "reference_type": "acquirer_reference_number",
                    "type": "refund",
                },
                "type": "card",
            },
            "metadata": refund.metadata,
            "payment_intent": intent,
            "reason": refund.reason,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": "succeeded",
            "transfer_reversal": null,
        })
    }

    /// An invoice's payment intent: it has one and the same through all attempts.
    pub(in crate::stripe) fn show_intent(&self, id: &str) -> Option<Value> {
        let invoice = self.invoices.get(&id.replace("pi_", "in_")).filter(|it| it.due() > 0)?;
        let status = match invoice.status {
            InvoiceStatus::Draft => return None,
            InvoiceStatus::Paid => "succeeded",
            InvoiceStatus::Void => "canceled",
            InvoiceStatus::Open | InvoiceStatus::Uncollectible => "requires_payment_method",
        };
        Some(self.intent(invoice, status, invoice.charge.as_deref()))
    }

    /// The invoice that a payment of an invoice pays.
    pub(in crate::stripe) fn invoice_of_payment(&self, id: &str) -> Option<&Invoice> {
        self.invoices.get(&id.replace("inpay_", "in_"))
    }

    /// What pays an invoice, since Basil: one that is finalized and for which something is to be
    /// charged has one payment, by its payment intent. A charge does not tell its invoice.
    /// <https://docs.stripe.com/api/invoice-payment/object>
    pub(in crate::stripe) fn show_invoice_payment(&self, invoice: &Invoice) -> Option<Value> {
        let status = match invoice.status {
            InvoiceStatus::Draft => return None,
            InvoiceStatus::Paid => "paid",
            InvoiceStatus::Void => "canceled",
            InvoiceStatus::Open | InvoiceStatus::Uncollectible => "open",
        };
        let due = Some(invoice.due()).filter(|due| *due > 0)?;
        Some(json!({
            "id": invoice.id.replace("in_", "inpay_"),
            "object": "invoice_payment",
            "amount_paid": (status == "paid").then_some(due),
            "amount_requested": due,
            "created": unix(invoice.finalized_at),
            "currency": invoice.currency,
            "invoice": invoice.id,
            "is_default": true,
            "livemode": self.settings.livemode,
            "payment": {
                "payment_intent": invoice.id.replace("in_", "pi_"), "type": "payment_intent",
            },
            "status": status,
            "status_transitions": {
                "canceled_at": unix(invoice.voided_at), "paid_at": unix(invoice.paid_at),
            },
        }))
    }

    /// <https://docs.stripe.com/api/disputes/object>: a charge, no customer.
    pub(in crate::stripe) fn show_dispute(&self, dispute: &Dispute) -> Value {
        let charge = self.charges.get(&dispute.charge);
        let intent = charge.and_then(|c| c.invoice.as_ref()).map(|id| id.replace("in_", "pi_"));
        let inquiry = dispute.status.starts_with("warning_");
        json!({
            "id": dispute.id,
            "object": "dispute",
            "amount": dispute.amount,
            "balance_transactions": [],
            "charge": dispute.charge,
            "created": dispute.created.as_second(),
            "currency": dispute.currency,
            "enhanced_eligibility_types": [],
            "evidence": {},
            "evidence_details": {
                "due_by": null, "enhanced_eligibility": {}, "has_evidence": false,
                "past_due": false, "submission_count": 0,
            },
            "is_charge_refundable": inquiry,
            "livemode": self.settings.livemode,
            "metadata": {},
            "payment_intent": intent,
            "payment_method_details": {
                "card": {
                    "brand": "visa", "case_type": if inquiry { "inquiry" } else { "chargeback" },
                    "network_reason_code": "10.4",
                },
                "type": "card",
            },
            "reason": "fraudulent",
            "status": dispute.status,
        })
    }

    /// <https://docs.stripe.com/api/radar/early_fraud_warnings/object>
    pub(in crate::stripe) fn show_warning(&self, warning: &Warning) -> Value {
        json!({
            "id": warning.id,
            "object": "radar.early_fraud_warning",
            "actionable": true,
            "charge": warning.charge,
            "created": warning.created.as_second(),
            "fraud_type": "unauthorized_use_of_card",
            "livemode": self.settings.livemode,
        })
    }
}
