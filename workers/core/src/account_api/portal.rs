//! Stripe's billing portal: who is shown it, and what for.

use serde::Deserialize;
use tollgate_events::{AccountId, CustomerId};
use utoipa::ToSchema;

use super::{AccountApi, Refusal, missing};
use crate::account::Account;
use crate::ports::{
    Class, CustomerSeen, NewPortal, PortError, PortResult, PortalFlow, Ports, Request, Stripe,
};

/// What the portal is opened for, if it is for one thing. Spelled as Stripe spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// Another card.
    PaymentMethodUpdate,
}

impl<P: Ports> AccountApi<P> {
    /// `POST /account/portal`: the URL of a Stripe billing portal session.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn portal(
        &self,
        id: &AccountId,
        flow: Option<Flow>,
        return_url: Option<&str>,
    ) -> Result<String, Refusal> {
        let return_url = self.returning.to(return_url)?;
        self.admit(id, Request::Portal).await?;
        let account = self.account_or_new(id).await?;
        if account.access.customers.is_empty() {
            return Err(Refusal::NothingBought);
        }
        self.must_belong().await?;
        for customer in self.payers_first(&account).await? {
            let flow = flow.map(|Flow::PaymentMethodUpdate| PortalFlow::PaymentMethod);
            match self.open_portal(customer, flow, return_url).await {
                // Refused as unknown: one whom the seller has deleted, and so the next.
                Err(error) if error.class == Class::NotFound => {
                    self.must_be_deleted(customer, error).await.map_err(Refusal::of_page)?;
                }
                url => return url.map_err(Refusal::of_page),
            }
        }
        Err(Refusal::NothingBought)
    }

    /// Opens a session, with what the catalog says that the portal offers.
    pub(super) async fn open_portal(
        &self,
        customer: &CustomerId,
        flow: Option<PortalFlow>,
        return_url: &str,
    ) -> PortResult<String> {
        let portal = NewPortal {
            customer: customer.clone(),
            configuration: self.worker.catalog.portal.clone(),
            flow,
            return_url: return_url.to_owned(),
        };
        self.worker.ports.stripe().create_portal(&portal).await
    }

    /// The account's customers: of several, the one who pays is the one to show.
    async fn payers_first<'a>(&self, account: &'a Account) -> Result<Vec<&'a CustomerId>, Refusal> {
        let own = account.access.own_customers();
        let customers = account.access.customers.iter();
        let mut customers: Vec<_> = customers.filter(|it| own.contains(*it)).collect();
        if customers.len() > 1 {
            for place in 0..customers.len() {
                if self.is_subscribed(account, customers[place]).await? {
                    customers.swap(0, place);
                    break;
                }
            }
        }
        Ok(customers)
    }

    /// Why Stripe would not have a customer, unless it is that they were deleted.
    async fn must_be_deleted(
        &self,
        customer: &CustomerId,
        refused: PortError,
    ) -> Result<(), PortError> {
        match self.worker.ports.stripe().customer(customer).await? {
            CustomerSeen::Deleted => Ok(()),
            CustomerSeen::Missing => Err(missing(customer)),
            CustomerSeen::There(_) => Err(refused),
        }
    }
}
