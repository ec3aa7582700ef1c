//! Whose event is it? From customer, charge or proof to an account.
//!
//! What is this deployment's business at all is the [boundary](crate::boundary)'s to say. Only
//! what Tollgate itself wrote into Stripe (metadata with our HMAC) names an account by itself.
//! A bare `client_reference_id`, which a payment link's visitor may have set to anybody's id,
//! does so only where the seller trusts his links, and only with a subscription to something
//! that the catalog sells: sellers put their users' ids on the links of all their products.

use std::collections::BTreeMap;

use crate::timing::LAG_AT_MOST;
use tollgate_events::kind::About;
use tollgate_events::{AccountId, ChargeId, CustomerId, Envelope, Source, SubscriptionId, Via};

use crate::boundary::{Boundary, Marks, Told};
use crate::converge::Worker;
use crate::ledger::CustomerLink;
use crate::mismatch::Mismatch;
use crate::ports::{
    ChargeSeen, CheckoutRecord, Class, Clock, CustomerSeen, Ledger, PortResult, Ports, Stripe,
};

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
    /// The deployment's own: what an operator did to the stack as a whole.
    Stack,
}

/// What has been resolved in this batch already: one account's burst costs one look-up.
#[derive(Debug, Default)]
pub struct Resolutions {
    links: BTreeMap<CustomerId, CustomerLink>,
    accounts: BTreeMap<CustomerId, Whose>,
    /// Customers whom nobody is linked to, and for whom an event has named an account.
    claimed: BTreeMap<CustomerId, AccountId>,
    charges: BTreeMap<ChargeId, ChargeSeen>,
    /// Events of linked customers that bear this deployment's name, and a proof that is none.
    pub(crate) broken_proofs: usize,
}

/// Whose a customer is whom the ledger has linked to nobody, as far as Stripe tells.
#[derive(Debug, Clone)]
enum Whose {
    Account(AccountId),
    Unlinked,
    /// Stripe has no such customer.
    Missing,
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
    /// A look-up failed; or the stack belongs to another Stripe account or pool, or Stripe does
    /// not know what it has told of in these days ([`Mismatch`]).
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
        if envelope.source == Source::Operator {
            return Ok(Resolved::Stack);
        }
        if envelope.subject.customer.is_none() {
            envelope.subject.customer = self.customer_of_charge(envelope, known).await?;
        }
        let Some(customer) = envelope.subject.customer.clone() else {
            let charge = envelope.subject.charge.as_ref();
            return Ok(match charge.and_then(|charge| known.charges.get(charge)) {
                // A guest has paid: whoever pays for a plan is a customer.
                Some(ChargeSeen::There(None)) => Resolved::Elsewhere(NOT_SOLD),
                _ => Resolved::Nobody,
            });
        };
        match self.link_of(&customer, known).await? {
            CustomerLink::Account(account) => {
                known.broken_proofs += usize::from(told == Told::BrokenProof);
                return Ok(Resolved::Account(account));
            }
            _ if told == Told::Linked => return Ok(Resolved::Elsewhere(NOT_SOLD)),
            // Whatever Stripe says: an operator knows better.
            CustomerLink::Released { .. } => return Ok(Resolved::Unlinked(customer)),
            CustomerLink::Unlinked if told == Told::BrokenProof => {
                return Ok(Resolved::BrokenProof);
            }
            CustomerLink::Unlinked => {}
        }
        if !known.accounts.contains_key(&customer) {
            let whose = self.whose(&customer).await?;
            known.accounts.insert(customer.clone(), whose);
        }
        match known.accounts.get(&customer) {
            Some(Whose::Account(account)) => Ok(Resolved::Account(account.clone())),
            Some(Whose::Missing) if self.vouches(envelope) => {
                Err(Mismatch::EventsCustomer(customer).into())
            }
            _ if told == Told::Untold && !self.is_sold(envelope, &customer).await? => {
                match self.may_come_before_its_purchase(envelope) {
                    true => Ok(Resolved::Unlinked(customer)),
                    false => Ok(Resolved::Elsewhere(NOT_SOLD)),
                }
            }
            Some(Whose::Missing | Whose::Unlinked) | None => Ok(Resolved::Unlinked(customer)),
        }
    }

    /// Whether what was bought may not be shown yet. Nothing but its event tells of a dispute or a
    /// refund, so that one is looked at again when a read lags no more.
    fn may_come_before_its_purchase(&self, envelope: &Envelope) -> bool {
        let age = self.ports.clock().now().duration_since(envelope.occurred_at);
        envelope.about().is_of_charge() && envelope.via != Via::Replay && age < LAG_AT_MOST
    }

    /// Whose event it will be, as the convergences settle it among them: a customer's is the account's
    /// whom the customer is linked to, whomever it names, and the first account that claims one of
    /// nobody's is linked to them. Several workers at once may come to another first.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn settle_on(
        &self,
        envelope: &mut Envelope,
        known: &mut Resolutions,
    ) -> PortResult<Resolved> {
        let resolved = self.resolve(envelope, known).await?;
        let Resolved::Account(named) = &resolved else { return Ok(resolved) };
        let Some(customer) = envelope.subject.customer.clone() else { return Ok(resolved) };
        let links = envelope.source != Source::Operator;
        let owner = match self.link_of(&customer, known).await? {
            CustomerLink::Account(owner) => owner,
            CustomerLink::Unlinked if links => {
                known.claimed.entry(customer).or_insert_with(|| named.clone()).clone()
            }
            CustomerLink::Unlinked | CustomerLink::Released { .. } => return Ok(resolved),
        };
        Ok(Resolved::Account(owner))
    }

    /// The account that the event itself names: by a trusted party, or with our proof.
    pub(crate) fn named(&self, envelope: &Envelope) -> Option<AccountId> {
        match self.boundary().of_event(envelope, false) {
            Told::Account(account) => Some(account),
            _ => None,
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
            self.note_stripe_calls(1);
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

    /// Whose a customer may be by what Stripe says.
    async fn whose(&self, customer: &CustomerId) -> PortResult<Whose> {
        self.binding.check(&self.ports).await?;
        let boundary = self.boundary();
        // Its customer, and its sessions.
        self.note_stripe_calls(2);
        let named = match self.ports.stripe().customer(customer).await? {
            CustomerSeen::Missing => return Ok(Whose::Missing),
            CustomerSeen::There(record) => record.named,
            // Nothing is left of its metadata; its sessions may still tell.
            CustomerSeen::Deleted => None,
        };
        if let Some(account) = boundary.made_for(named.as_ref()) {
            return Ok(Whose::Account(account.clone()));
        }
        let checkouts = self.ports.stripe().checkouts(customer).await?.unwrap_or_default();
        let proven = checkouts.iter().find_map(|it| boundary.made_for(it.named.as_ref()));
        let account = match proven {
            Some(account) => Some(account.clone()),
            None => self.trusted_reference(&checkouts).await?,
        };
        Ok(account.map_or(Whose::Unlinked, Whose::Account))
    }

    /// Whether nothing but a payment link's reference names a customer's account: neither their
    /// metadata nor a session of theirs has our proof.
    pub(crate) async fn comes_by_reference(&self, customer: &CustomerId) -> PortResult<bool> {
        if !self.policy.trust_payment_links {
            return Ok(false);
        }
        self.binding.check(&self.ports).await?;
        let stripe = self.ports.stripe();
        if let CustomerSeen::There(record) = stripe.customer(customer).await?
            && self.boundary().made_for(record.named.as_ref()).is_some()
        {
            return Ok(false);
        }
        let checkouts = stripe.checkouts(customer).await?.unwrap_or_default();
        Ok(!checkouts.iter().any(|it| self.boundary().made_for(it.named.as_ref()).is_some()))
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
    /// sells: the subscription that it is about is read. A dispute or a refund tells of none, but what its
    /// customer has subscribed to has waited here, or been parked, since.
    async fn is_sold(&self, envelope: &Envelope, customer: &CustomerId) -> PortResult<bool> {
        match envelope.about() {
            About::Subscription => {
                let id = envelope.object.clone().and_then(|id| SubscriptionId::parse(id).ok());
                match id {
                    Some(id) => self.is_sold_by(&id).await,
                    None => Ok(false),
                }
            }
            About::Dispute | About::FraudWarning | About::Refund => {
                let unsettled = self.ports.ledger().unsettled_on(customer).await?;
                let mut told = unsettled.iter().filter_map(|event| event.record.envelope());
                Ok(told.any(|event| self.may_sell(event)))
            }
            About::Session | About::Invoice | About::Customer => Ok(false),
        }
    }

    /// Whether an event that was not acted on tells of a subscription that may be ours: of one that
    /// names a closed account, nobody is linked to the customer. One of another deployment's, or of
    /// another product, is there too when it has failed too often.
    fn may_sell(&self, unsettled: &Envelope) -> bool {
        let told = self.boundary().of_event(unsettled, false);
        unsettled.about() == About::Subscription
            && matches!(told, Told::Account(_) | Told::Sold | Told::Untold | Told::BrokenProof)
    }

    /// Notes calls that cannot wait: whose an event is must be known before anybody can wait for
    /// it. Who comes next waits for what they cost.
    pub(crate) fn note_stripe_calls(&self, calls: u32) {
        self.share.stripe.take(calls, self.ports.clock().now());
    }

    /// One that cannot be read, of somebody whom nobody knows, is nobody's business.
    async fn is_sold_by(&self, id: &SubscriptionId) -> PortResult<bool> {
        self.note_stripe_calls(1);
        match self.ports.stripe().subscription(id).await {
            Err(error) if error.class == Class::Invalid => Ok(false),
            read => Ok(read?.is_some_and(|read| self.boundary().is_sold(&read))),
        }
    }
}
