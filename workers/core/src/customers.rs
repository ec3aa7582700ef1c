//! A customer as Stripe has them: with subscriptions, deleted, or missing.

use crate::timing::MISSING_CONTRADICTS_FOR;
use tollgate_events::{CustomerId, Envelope, Source, Via};

use crate::converge::Worker;
use crate::ports::{Class, Clock, CustomerSeen, PortError, PortResult, Ports, Service, Stripe};
use crate::stripe::Subscription;

impl<P: Ports> Worker<P> {
    /// The subscriptions of a customer that are not canceled; `None` when the customer is
    /// missing. A deleted customer has none, whether Stripe lists that or refuses to.
    ///
    /// # Errors
    /// A call failed, or Stripe's answers contradict each other.
    pub(crate) async fn subscriptions_of(
        &self,
        customer: &CustomerId,
    ) -> PortResult<Option<Vec<Subscription>>> {
        let stripe = self.ports.stripe();
        if let Some(subscriptions) = stripe.subscriptions(customer).await? {
            return Ok(Some(subscriptions));
        }
        match stripe.customer(customer).await? {
            CustomerSeen::Deleted => Ok(Some(Vec::new())),
            CustomerSeen::Missing => Ok(None),
            CustomerSeen::There(_) => Err(PortError {
                service: Service::Stripe,
                operation: "GET /v1/subscriptions",
                class: Class::Unavailable,
                detail: format!("{customer} is there, and their list is refused"),
            }),
        }
    }

    /// Whether what an event names must be there: Stripe has told of it not long ago, by its
    /// webhook or in the comparison's listing. What an operator replays may be from before the
    /// test data was deleted.
    pub(crate) fn vouches(&self, event: &Envelope) -> bool {
        let told = matches!(event.source, Source::Stripe | Source::Sweep);
        let age = self.ports.clock().now().duration_since(event.received_at);
        told && event.via != Via::Replay && age < MISSING_CONTRADICTS_FOR
    }
}
