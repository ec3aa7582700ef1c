//! Facts: what is read after the claim.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_events::kind::About;
use tollgate_events::{CustomerId, DisputeId, Envelope, Source, SubscriptionId};

use super::namesake::Namesake;
use super::{DRIFT, Run, Stop};
use crate::account::Account;
use crate::decide::{Facts, UserFact};
use crate::ports::{PortResult, Ports};
use crate::stripe::{Dispute, InvoiceId, Price, Subscription};

/// What Stripe and Cognito say of an account.
pub(super) struct Reading {
    subscriptions: Vec<Subscription>,
    proven: BTreeSet<SubscriptionId>,
    paid_for: BTreeMap<SubscriptionId, Vec<Price>>,
    refunds: BTreeMap<SubscriptionId, Option<InvoiceId>>,
    disputes: Vec<Dispute>,
    pub(super) user: UserFact,
    pub(super) namesakes: Vec<Namesake>,
}

impl<P: Ports> Run<'_, P> {
    /// Reads what Stripe and Cognito say; every read is made after the claim, and nothing is written.
    pub(super) async fn read(&mut self) -> Result<Reading, Stop> {
        let (customers, named) = (self.customers(), self.dispute_ids());
        // A dispute is read with its charge.
        self.afford_stripe(customers.len() + 2 * named.len()).await?;
        self.must_belong(!customers.is_empty() || !named.is_empty()).await?;
        let subscriptions = self.subscriptions(&customers).await?;
        let subscriptions = self.worker.boundary().own(subscriptions);
        let mut subscriptions = self.not_for_others(subscriptions);
        subscriptions.extend(self.left_to_cancel(&subscriptions).await?);
        let proven = self.worker.boundary().proven(&subscriptions);
        self.must_be_read(&subscriptions, &proven)?;
        let paid_for = self.paid_for(&subscriptions, &proven).await?;
        // Boxed: few have any.
        let refunds = Box::pin(self.refunds(&subscriptions, &proven)).await?;
        let disputes = self.disputes(&named).await?;
        let (user, namesakes) = self.user().await?;
        Ok(Reading { subscriptions, proven, paid_for, refunds, disputes, user, namesakes })
    }

    /// What was read, with what the ledger knows of the account, of its person, and of room for keys.
    pub(super) async fn facts(&mut self, read: Reading) -> Result<Facts, Stop> {
        self.recall().await?;
        let room_for_free_key = self.has_room_for_a_free_key().await?;
        let Account { access, user: last_seen, .. } = self.account.clone();
        let Reading { subscriptions, proven, paid_for, refunds, disputes, user, .. } = read;
        Ok(Facts {
            access,
            last_seen,
            subscriptions,
            proven,
            paid_for,
            refunds,
            disputes,
            user,
            room_for_free_key,
        })
    }

    /// Who has a key, or has begun to get one, takes no room.
    async fn has_room_for_a_free_key(&mut self) -> PortResult<bool> {
        let access = &self.account.access;
        let has_key = !access.keys.is_empty() || !access.retiring.is_empty();
        if has_key || self.account.intent.is_some() {
            return Ok(true);
        }
        // What was found before the facts were read again is found anew.
        self.room = None;
        self.room = self.worker.share.room(self.worker.ports.ledger(), self.now).await?;
        Ok(self.room.is_some())
    }

    /// The linked customers; for a closed account also whoever an event tells of: one whose
    /// user is gone links nobody, and a payment on it must be seen.
    fn customers(&self) -> BTreeSet<CustomerId> {
        let mut customers = self.account.access.customers.clone();
        if self.account.is_closed() {
            let events = self.inbox.events.iter();
            let events = events.filter(|event| event.source != Source::Operator);
            customers.extend(events.filter_map(|event| event.subject.customer.clone()));
        }
        customers.retain(|customer| !self.inbox.released.contains(customer));
        customers
    }

    /// The disputes that the ledger, an event or the comparison names.
    fn dispute_ids(&self) -> BTreeSet<DisputeId> {
        let names = |event: &&Envelope| event.about() == About::Dispute || event.kind == DRIFT;
        let named = self.inbox.events.iter().filter(names);
        let named = named.filter_map(|event| DisputeId::parse(event.object.clone()?).ok());
        self.account.access.disputes.keys().cloned().chain(named).collect()
    }
}
