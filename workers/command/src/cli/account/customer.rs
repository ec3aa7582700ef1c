//! What Stripe knows of a customer who is to be linked: whoever links one sees whom.

use tollgate_core::ports::{Clock, PortResult, Stripe as _};
use tollgate_events::CustomerId;
use tollgate_functions::adapters::stripe::StripeApi;

use crate::adapters::stripe::{AboutCustomer, OperatorStripe};
use crate::cli::{Context, Failure, Io};

/// Refuses a customer whom Stripe does not have, and tells of the others. An act needs no Stripe
/// key; without one, nobody knows.
pub(super) async fn must_be_there<C: Clock>(
    customer: &CustomerId,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let config = match context.stripe().await {
        Ok(config) => config,
        Err(Failure { problem, .. }) => return nobody_knows(customer, &problem, context, io),
    };
    let stripe = OperatorStripe::new(&config.key, &config.endpoint)?;
    let mend = "Look for it in Stripe's dashboard: it may be of another account or mode, or \
                mistyped.";
    match stripe.about_customer(customer).await {
        Err(error) => nobody_knows(customer, &error.to_string(), context, io),
        Ok(None) => Err(Failure::refused(format!("Stripe has no customer {customer}"), mend)),
        Ok(Some(about)) if about.deleted => {
            let problem = format!("the customer {customer} was deleted in Stripe");
            Err(Failure::refused(problem, "It pays for nothing any more; link another."))
        }
        Ok(Some(about)) => {
            let pays = pays(&stripe.api, customer).await.unwrap_or_else(|error| error.to_string());
            context.progress(&format!("Stripe knows {customer}: {}{pays}", who(&about)), io)
        }
    }
}

fn nobody_knows<C: Clock>(
    customer: &CustomerId,
    why: &str,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let note = format!("{why}; so nobody knows here whether Stripe has a customer {customer}");
    context.progress(&note, io)
}

fn who(about: &AboutCustomer) -> String {
    let made = about.created.map(|at| format!("made {at:.0}"));
    let parts = [about.email.clone(), about.name.clone(), made];
    parts.into_iter().flatten().map(|part| format!("{part}; ")).collect()
}

/// Its subscriptions, each with its status.
async fn pays(stripe: &StripeApi, customer: &CustomerId) -> PortResult<String> {
    let rows = stripe.subscriptions(customer).await?.unwrap_or_default();
    let rows: Vec<_> =
        rows.iter().map(|row| format!("{} {}", row.id, row.status.as_str())).collect();
    Ok(if rows.is_empty() { "no subscription".to_owned() } else { rows.join(", ") })
}
