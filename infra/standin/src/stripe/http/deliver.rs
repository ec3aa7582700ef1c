//! Posts what is due to the webhook endpoints.

use reqwest::{Client, header, redirect};

use crate::stripe::StripeStandin;
use crate::stripe::delivery::{Delivery, DeliveryAnswer};

/// How a round of deliveries went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Answered with 2xx.
    pub succeeded: usize,
    /// Answered otherwise, or not at all: due again later.
    pub failed: usize,
}

/// A client that does as Stripe does: it follows no redirect.
///
/// # Errors
/// The client cannot be built on this machine.
pub fn webhook_client() -> reqwest::Result<Client> {
    Client::builder().redirect(redirect::Policy::none()).build()
}

impl StripeStandin {
    /// Sends everything that is due, once, oldest event first, and books the answers.
    /// Use a [`webhook_client`].
    pub async fn deliver_due(&self, http: &Client) -> DeliveryReport {
        let due = self.account().due_deliveries();
        let mut report = DeliveryReport::default();
        for delivery in due {
            let answer = self.deliver(http, &delivery).await;
            if matches!(answer, DeliveryAnswer::Status(200..=299)) {
                report.succeeded += 1;
            } else {
                report.failed += 1;
            }
        }
        report
    }

    /// Sends one delivery, signed afresh, and books the answer. May be called in any
    /// order and any number of times.
    pub async fn deliver(&self, http: &Client, delivery: &Delivery) -> DeliveryAnswer {
        let signature = self.account().sign(delivery);
        let sent = http
            .post(&delivery.url)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header("Stripe-Signature", signature)
            .body(delivery.body.clone())
            .send()
            .await;
        let answer = sent.map_or(DeliveryAnswer::None, |response| {
            DeliveryAnswer::Status(response.status().as_u16())
        });
        self.account().settle(delivery, answer);
        answer
    }
}
