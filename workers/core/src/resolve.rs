//! Whose event is it? From customer, charge or proof to an account.
//!
//! Only what Tollgate itself wrote into Stripe (metadata with our HMAC) names an
//! account by itself. A bare `client_reference_id`, which a payment link's visitor
//! may have set to anybody's id, does so only where the seller trusts his links.

use std::collections::BTreeMap;

use tollgate_events::{AccountId, ChargeId, CustomerId, Envelope, NamedAccount, Source};

use crate::converge::Worker;
use crate::ledger::CustomerLink;
use crate::mismatch::Mismatch;
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
    /// The deployment's own: what an operator did to the stack as a whole.
    Stack,
}

/// What has been resolved in this batch already: one account's burst costs one look-up.
#[derive(Debug, Default)]
pub struct Resolutions {
    accounts: BTreeMap<CustomerId, Whose>,
    charges: BTreeMap<ChargeId, ChargeSeen>,
}

/// Whose a customer is, as far as the ledger and Stripe tell.
#[derive(Debug, Clone)]
enum Whose {
    Account(AccountId),
    Nobodys,
    /// The ledger has no link, and Stripe no such customer.
    Missing,
}

impl<P: Ports> Worker<P> {
    /// Finds whose event it is; fills in the customer of a charge.
    ///
    /// # Errors
    /// A look-up failed; or the stack belongs to another Stripe account or pool, or Stripe does
    /// not know what it has told of in these days ([`Mismatch`]).
    pub async fn resolve(
        &self,
        envelope: &mut Envelope,
        known: &mut Resolutions,
    ) -> PortResult<Resolved> {
        if let Some(account) = self.named(envelope) {
            return Ok(Resolved::Account(account));
        }
        if envelope.source == Source::Operator {
            return Ok(Resolved::Stack);
        }
        if envelope.subject.customer.is_none() {
            envelope.subject.customer = self.customer_of_charge(envelope, known).await?;
        }
        let Some(customer) = envelope.subject.customer.clone() else {
            return Ok(Resolved::Nobody);
        };
        if !known.accounts.contains_key(&customer) {
            let whose = self.whose(&customer).await?;
            known.accounts.insert(customer.clone(), whose);
        }
        match known.accounts.get(&customer) {
            Some(Whose::Account(account)) => Ok(Resolved::Account(account.clone())),
            Some(Whose::Missing) if self.vouches(envelope) => {
                Err(Mismatch::EventsCustomer(customer).into())
            }
            Some(Whose::Missing | Whose::Nobodys) | None => Ok(Resolved::Unlinked(customer)),
        }
    }

    /// The customer of the charge that an event names instead.
    async fn customer_of_charge(
        &self,
        envelope: &Envelope,
        known: &mut Resolutions,
    ) -> PortResult<Option<CustomerId>> {
        let Some(charge) = envelope.subject.charge.clone() else { return Ok(None) };
        if !known.charges.contains_key(&charge) {
            self.binding.check(&self.ports).await?;
            let seen = self.ports.stripe().charge(&charge).await?;
            known.charges.insert(charge.clone(), seen);
        }
        match known.charges.get(&charge) {
            Some(ChargeSeen::There(customer)) => Ok(customer.clone()),
            Some(ChargeSeen::Missing) if self.vouches(envelope) => {
                Err(Mismatch::EventsCharge(charge).into())
            }
            Some(ChargeSeen::Missing) | None => Ok(None),
        }
    }

    /// The account that the event itself names: by a trusted party, or with our proof.
    pub(crate) fn named(&self, envelope: &Envelope) -> Option<AccountId> {
        let named = envelope.subject.account.as_ref()?;
        let trusted = envelope.source != Source::Stripe || self.deriver.verifies(named);
        trusted.then(|| named.id.clone())
    }

    /// The account that a customer is linked to, or may be linked to by what Stripe says.
    async fn whose(&self, customer: &CustomerId) -> PortResult<Whose> {
        match self.ports.ledger().link_of(customer).await? {
            CustomerLink::Account(account) => return Ok(Whose::Account(account)),
            // Whatever Stripe says: an operator knows better.
            CustomerLink::Released { .. } => return Ok(Whose::Nobodys),
            CustomerLink::Nobodys => {}
        }
        self.binding.check(&self.ports).await?;
        let proven = |named: Option<NamedAccount>| {
            named.filter(|named| self.deriver.verifies(named)).map(|named| named.id)
        };
        let named = match self.ports.stripe().customer(customer).await? {
            CustomerSeen::Missing => return Ok(Whose::Missing),
            CustomerSeen::There(record) => proven(record.named),
            // Nothing is left of its metadata; its sessions may still tell.
            CustomerSeen::Deleted => None,
        };
        if let Some(account) = named {
            return Ok(Whose::Account(account));
        }
        let checkouts = self.ports.stripe().checkouts(customer).await?.unwrap_or_default();
        let by_proof = checkouts.iter().find_map(|checkout| proven(checkout.named.clone()));
        let account = by_proof.or_else(|| self.trusted_reference(&checkouts));
        Ok(account.map_or(Whose::Nobodys, Whose::Account))
    }

    /// The account in a payment link's `client_reference_id`, where links are trusted.
    fn trusted_reference(&self, checkouts: &[CheckoutRecord]) -> Option<AccountId> {
        let complete = checkouts.iter().filter(|checkout| checkout.status == "complete");
        let mut references = complete.filter_map(|checkout| checkout.client_reference_id.clone());
        let trusted = self.policy.trust_payment_links;
        references.find_map(|id| AccountId::parse(id).ok()).filter(|_| trusted)
    }
}
