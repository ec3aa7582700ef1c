//! Whose event is it? From customer, charge or proof to an account.
//!
//! Only what Tollgate itself wrote into Stripe (metadata with our HMAC) names an
//! account by itself. A bare `client_reference_id`, which a payment link's visitor
//! may have set to anybody's id, does so only where the seller trusts his links.

use std::collections::BTreeMap;

use tollgate_events::{AccountId, ChargeId, CustomerId, Envelope, NamedAccount, Source};

use crate::converge::Worker;
use crate::ledger::CustomerLink;
use crate::ports::{ChargeSeen, CheckoutRecord, CustomerSeen, Ledger, PortResult, Ports, Stripe};

/// Whose event it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// An account's.
    Account(AccountId),
    /// A customer's who is not linked yet.
    Unlinked(CustomerId),
    /// Nobody's: it names neither an account nor a customer.
    Nobody,
}

/// What has been resolved in this batch already: one account's burst costs one look-up.
#[derive(Debug, Default)]
pub struct Resolutions {
    accounts: BTreeMap<CustomerId, Option<AccountId>>,
    customers: BTreeMap<ChargeId, Option<CustomerId>>,
}

impl<P: Ports> Worker<P> {
    /// Finds whose event it is; fills in the customer of a charge.
    ///
    /// # Errors
    /// A look-up failed.
    pub async fn resolve(
        &self,
        envelope: &mut Envelope,
        known: &mut Resolutions,
    ) -> PortResult<Resolved> {
        if let Some(account) = self.named(envelope) {
            return Ok(Resolved::Account(account));
        }
        if envelope.subject.customer.is_none()
            && let Some(charge) = &envelope.subject.charge
        {
            if !known.customers.contains_key(charge) {
                let customer = match self.ports.stripe().charge(charge).await? {
                    ChargeSeen::There(customer) => customer,
                    ChargeSeen::Missing => None,
                };
                known.customers.insert(charge.clone(), customer);
            }
            envelope.subject.customer = known.customers.get(charge).cloned().flatten();
        }
        let Some(customer) = envelope.subject.customer.clone() else {
            return Ok(Resolved::Nobody);
        };
        if !known.accounts.contains_key(&customer) {
            let account = self.account_of(&customer).await?;
            known.accounts.insert(customer.clone(), account);
        }
        let account = known.accounts.get(&customer).cloned().flatten();
        Ok(account.map_or(Resolved::Unlinked(customer), Resolved::Account))
    }

    /// The account that the event itself names: by a trusted party, or with our proof.
    pub(crate) fn named(&self, envelope: &Envelope) -> Option<AccountId> {
        let named = envelope.subject.account.as_ref()?;
        let trusted = envelope.source != Source::Stripe || self.deriver.verifies(named);
        trusted.then(|| named.id.clone())
    }

    /// The account that a customer is linked to, or may be linked to by what Stripe says.
    async fn account_of(&self, customer: &CustomerId) -> PortResult<Option<AccountId>> {
        match self.ports.ledger().link_of(customer).await? {
            CustomerLink::Account(account) => return Ok(Some(account)),
            // Whatever Stripe says: an operator knows better.
            CustomerLink::Released { .. } => return Ok(None),
            CustomerLink::Nobodys => {}
        }
        let proven = |named: Option<NamedAccount>| {
            named.filter(|named| self.deriver.verifies(named)).map(|named| named.id)
        };
        if let CustomerSeen::There(record) = self.ports.stripe().customer(customer).await?
            && let Some(account) = proven(record.named)
        {
            return Ok(Some(account));
        }
        let checkouts = self.ports.stripe().checkouts(customer).await?.unwrap_or_default();
        let by_proof = checkouts.iter().find_map(|checkout| proven(checkout.named.clone()));
        Ok(by_proof.or_else(|| self.trusted_reference(&checkouts)))
    }

    /// The account in a payment link's `client_reference_id`, where links are trusted.
    fn trusted_reference(&self, checkouts: &[CheckoutRecord]) -> Option<AccountId> {
        let complete = checkouts.iter().filter(|checkout| checkout.status == "complete");
        let mut references = complete.filter_map(|checkout| checkout.client_reference_id.clone());
        let trusted = self.policy.trust_payment_links;
        references.find_map(|id| AccountId::parse(id).ok()).filter(|_| trusted)
    }
}
