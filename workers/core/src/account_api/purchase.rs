//! How a purchase stands, before the account shows it.

use super::views::{PurchaseState, PurchaseView};
use super::{AccountApi, Refusal};
use crate::account::{Account, OfferId};
use crate::ports::{Ledger, Ports, RecentCheckout, Request, Stripe};
use crate::stripe::SubscriptionStatus;

impl<P: Ports> AccountApi<P> {
    /// What is bought and not here yet, as far as the worker has read it; of a session that the browser
    /// names, as Stripe tells it.
    pub(super) async fn purchase(
        &self,
        account: &Account,
        checkout: Option<&str>,
    ) -> Result<Option<PurchaseView>, Refusal> {
        let asked = match checkout {
            Some(session) => self.purchase_in(account, session).await?,
            None => None,
        };
        let processing = |offer: &OfferId| PurchaseView {
            offer: offer.clone(),
            state: PurchaseState::Processing,
        };
        Ok(asked.or_else(|| account.processing.as_ref().map(processing)))
    }

    /// How the purchase stands that was last handed out, if it is of this session.
    async fn purchase_in(
        &self,
        account: &Account,
        session: &str,
    ) -> Result<Option<PurchaseView>, Refusal> {
        let row = self.worker.ports.ledger().purchase(&account.id).await?.unwrap_or_default();
        let of_session = row.attempt.filter(|it| it.session.as_deref() == Some(session));
        let (Some(attempt), Some(customer)) = (of_session, row.customer) else { return Ok(None) };
        self.admit(&account.id, Request::Purchase).await?;
        self.must_belong().await?;
        let recent = self.worker.ports.stripe().recent_checkouts(&customer).await?;
        let found = recent.iter().flatten().find(|it| it.session.id == session);
        Ok(found.map(|it| PurchaseView { offer: attempt.offer, state: state(it) }))
    }
}

fn state(checkout: &RecentCheckout) -> PurchaseState {
    use SubscriptionStatus::{Canceled, Incomplete, IncompleteExpired};
    let bought = checkout.bought.as_ref().map(|it| &it.status);
    match (checkout.session.status.as_str(), bought) {
        ("open", _) => PurchaseState::Open,
        ("complete", None | Some(Incomplete)) => PurchaseState::Processing,
        ("complete", Some(IncompleteExpired | Canceled)) => PurchaseState::Failed,
        ("complete", Some(_)) => PurchaseState::Paid,
        _ => PurchaseState::Expired,
    }
}
