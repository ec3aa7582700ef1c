//! Whose event is it? From customer, charge or proof to an account.
//!
//! What is this deployment's business at all is the [boundary](crate::boundary)'s to say. Only
//! what Tollgate itself wrote into Stripe (metadata with our HMAC) names an account by itself.
//! A bare `client_reference_id`, which a payment link's visitor may have set to anybody's id,
//! does so only where the seller trusts his links, and only with a subscription to something
//! that the catalog sells: sellers put their users' ids on the links of all their products.

use std::collections::BTreeMap;

use tollgate_events::stripe::{About, about};
use tollgate_events::{AccountId, ChargeId, CustomerId, Envelope, SubscriptionId};

use crate::boundary::{Boundary, Marks, Told};
use crate::converge::Worker;
use crate::ledger::CustomerLink;
use crate::ports::{CheckoutRecord, Ledger, PortResult, Ports, Stripe};

/// Whose event it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// An account's.
    Account(AccountId),
    /// A customer's who is not linked yet.
    Unlinked(CustomerId),
    /// It bears this deployment's name, and a proof that is none; its customer is not linked.
    BrokenProof,
    /// Not this deployment's business: why.
    Elsewhere(&'static str),
    /// Nobody's: it names neither an account nor a customer.
    Nobody,
}

/// What has been resolved in this batch already: one account's burst costs one look-up.
#[derive(Debug, Default)]
pub struct Resolutions {
    links: BTreeMap<CustomerId, CustomerLink>,
    accounts: BTreeMap<CustomerId, Option<AccountId>>,
    customers: BTreeMap<ChargeId, Option<CustomerId>>,
    /// Events of linked customers that bear this deployment's name, and a proof that is none.
    pub(crate) broken_proofs: usize,
}

const ANOTHER_STACK: &str = "another stack of Tollgate has made it";
const NOT_SOLD: &str = "it is about nothing that the catalog sells";

impl<P: Ports> Worker<P> {
    /// Where this deployment's business ends.
    pub fn boundary(&self) -> Boundary<'_> {
        Boundary { catalog: &self.catalog, marks: Marks::Proofs(&self.deriver) }
    }

    /// Finds whose event it is; fills in the customer of a charge.
    ///
    /// # Errors
    /// A look-up failed.
    pub async fn resolve(
        &self,
        envelope: &mut Envelope,
        known: &mut Resolutions,
    ) -> PortResult<Resolved> {
        let told = self.boundary().of_event(envelope, self.policy.trust_payment_links);
        match told {
            Told::Account(account) => return Ok(Resolved::Account(account)),
            Told::AnotherStack => return Ok(Resolved::Elsewhere(ANOTHER_STACK)),
            Told::BrokenProof | Told::Sold | Told::Linked | Told::Untold => {}
        }
        let Some(customer) = self.customer_of(envelope, known).await? else {
            return Ok(Resolved::Nobody);
        };
        match self.link_of(&customer, known).await? {
            CustomerLink::Account(account) => {
                known.broken_proofs += usize::from(told == Told::BrokenProof);
                return Ok(Resolved::Account(account));
            }
            _ if told == Told::Linked => return Ok(Resolved::Elsewhere(NOT_SOLD)),
            // Whatever Stripe says: an operator knows better.
            CustomerLink::Released { .. } => return Ok(Resolved::Unlinked(customer)),
            CustomerLink::Nobodys if told == Told::BrokenProof => {
                return Ok(Resolved::BrokenProof);
            }
            CustomerLink::Nobodys => {}
        }
        if !known.accounts.contains_key(&customer) {
            let account = self.account_by_stripe(&customer).await?;
            known.accounts.insert(customer.clone(), account);
        }
        match known.accounts.get(&customer).cloned().flatten() {
            Some(account) => Ok(Resolved::Account(account)),
            None if told == Told::Untold && !self.is_sold(envelope, &customer).await? => {
                Ok(Resolved::Elsewhere(NOT_SOLD))
            }
            None => Ok(Resolved::Unlinked(customer)),
        }
    }

    /// The account that the event itself names: by a trusted party, or with our proof.
    pub(crate) fn named(&self, envelope: &Envelope) -> Option<AccountId> {
        match self.boundary().of_event(envelope, false) {
            Told::Account(account) => Some(account),
            _ => None,
        }
    }

    /// The customer that an event is about, by its charge where it names none.
    async fn customer_of(
        &self,
        envelope: &mut Envelope,
        known: &mut Resolutions,
    ) -> PortResult<Option<CustomerId>> {
        if envelope.subject.customer.is_none()
            && let Some(charge) = &envelope.subject.charge
        {
            if !known.customers.contains_key(charge) {
                let customer = self.ports.stripe().charge_customer(charge).await?;
                known.customers.insert(charge.clone(), customer);
            }
            envelope.subject.customer = known.customers.get(charge).cloned().flatten();
        }
        Ok(envelope.subject.customer.clone())
    }

    async fn link_of(
        &self,
        customer: &CustomerId,
        known: &mut Resolutions,
    ) -> PortResult<CustomerLink> {
        if let Some(link) = known.links.get(customer) {
            return Ok(link.clone());
        }
        let link = self.ports.ledger().link_of(customer).await?;
        known.links.insert(customer.clone(), link.clone());
        Ok(link)
    }

    /// The account that a customer may be linked to by what Stripe says.
    async fn account_by_stripe(&self, customer: &CustomerId) -> PortResult<Option<AccountId>> {
        let boundary = self.boundary();
        let record = self.ports.stripe().customer(customer).await?;
        let named = record.as_ref().and_then(|record| record.named.as_ref());
        if let Some(account) = boundary.made_for(named) {
            return Ok(Some(account.clone()));
        }
        let checkouts = self.ports.stripe().checkouts(customer).await?;
        let proven = checkouts.iter().find_map(|it| boundary.made_for(it.named.as_ref()));
        if let Some(account) = proven {
            return Ok(Some(account.clone()));
        }
        self.trusted_reference(&checkouts).await
    }

    /// The account in a payment link's `client_reference_id`, where links are trusted: of a
    /// session that led to a subscription to something that the catalog sells.
    async fn trusted_reference(
        &self,
        checkouts: &[CheckoutRecord],
    ) -> PortResult<Option<AccountId>> {
        if !self.policy.trust_payment_links {
            return Ok(None);
        }
        let named = |it: &CheckoutRecord| {
            let account = AccountId::parse(it.client_reference_id.clone()?).ok()?;
            Some((it.subscription.clone()?, account))
        };
        let named: Vec<_> = checkouts.iter().filter_map(named).collect();
        for (subscription, account) in named {
            if self.is_sold_by(&subscription).await? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }

    /// Whether an event of somebody who is linked to nobody is about something that the catalog
    /// sells: the subscription that it is about is read. A dispute tells of none, but what its
    /// customer has subscribed to has waited here, or been parked, since.
    async fn is_sold(&self, envelope: &Envelope, customer: &CustomerId) -> PortResult<bool> {
        match about(&envelope.kind) {
            About::Subscription => {
                let id = envelope.object.clone().and_then(|id| SubscriptionId::parse(id).ok());
                match id {
                    Some(id) => self.is_sold_by(&id).await,
                    None => Ok(false),
                }
            }
            About::Charge => Ok(!self.ports.ledger().stuck_on(customer).await?.is_empty()),
            About::Session | About::Invoice | About::Customer => Ok(false),
        }
    }

    async fn is_sold_by(&self, id: &SubscriptionId) -> PortResult<bool> {
        let read = self.ports.stripe().subscription(id).await?;
        Ok(read.is_some_and(|read| self.boundary().is_sold(&read)))
    }
}
