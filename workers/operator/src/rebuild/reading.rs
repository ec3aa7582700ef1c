//! What is left of every account outside the ledger, and what the ledger has.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use tollgate_core::account::{KeyId, Slot};
use tollgate_core::derive::Mark;
use tollgate_core::key_name::read_key_name;
use tollgate_core::ports::{ApiKey, Class, LeftOut, Page, PlanStages, PortResult, Ports, Stripe};
use tollgate_core::scan::{Pages, Scan};
use tollgate_core::stripe::Subscription;
use tollgate_core::sweep::{Part, plans_of_keys};
use tollgate_events::{AccountId, CustomerId};

use super::Rebuild;
use super::keys::{FoundKey, FoundKeys, Keys};
use super::portion::Portion;
use super::report::{RebuildReport, Rebuilt};

impl<P: Ports> Rebuild<'_, P> {
    /// The keys of each owner, with the plans that they are on: the catalog's, and any other that
    /// covers a stage of the catalog, which a key must be taken off first.
    pub(super) async fn keys(
        &self,
        scan: &mut Scan<'_, P, Rebuilt>,
        report: &mut RebuildReport,
    ) -> PortResult<Keys> {
        let mut keys = BTreeMap::new();
        let mut at = Pages::start();
        while let Some(page) = scan.keys(&mut at).await? {
            report.unreadable.add(&page.unreadable);
            keys.extend(page.items.into_iter().filter_map(|key| self.read(key)));
        }
        let unreadable = &mut report.unreadable;
        let seen = |page: &Page<PlanStages>| unreadable.add(&page.unreadable);
        for plan in plans_of_keys(scan, self.catalog, seen).await? {
            let mut at = Pages::start();
            while let Some(page) = scan.keys_on(&plan, &mut at).await? {
                report.unreadable.add(&page.unreadable);
                for id in &page.items {
                    if let Some((_, key)) = keys.get_mut(id) {
                        key.plans.push(plan.clone());
                    }
                }
            }
        }
        let mut of_owners: Keys = HashMap::new();
        for (owner, key) in keys.into_values() {
            match of_owners.entry(owner) {
                Entry::Occupied(mut found) => found.get_mut().add(key),
                Entry::Vacant(place) => {
                    place.insert(FoundKeys { newest: key, older: Vec::new() });
                }
            }
        }
        Ok(of_owners)
    }

    /// A long-lived key of ours, by its id.
    fn read(&self, key: ApiKey) -> Option<(KeyId, (AccountId, FoundKey))> {
        let name = read_key_name(self.stack, &key.name)?;
        name.slot.filter(|slot| *slot == Slot::Primary)?;
        let ApiKey { id, enabled, created_at, .. } = key;
        let (generation, plans) = (name.generation?, Vec::new());
        let found = FoundKey { id: id.clone(), generation, enabled, created_at, plans };
        Some((id, (name.account, found)))
    }

    /// What the ledger has of a part.
    pub(super) async fn accounts(
        &self,
        scan: &mut Scan<'_, P, Rebuilt>,
        (part, later): (Part, &mut Vec<Part>),
        keys: &mut Keys,
        unreadable: &mut LeftOut,
    ) -> PortResult<Portion> {
        let mut portion = Portion::new(part, self.at_once);
        let mut at = Pages::start();
        while let Some(accounts) = scan.accounts(&mut at).await? {
            unreadable.add(&accounts.unreadable);
            for owner in accounts.unreadable.into_iter().filter_map(|row| row.owner) {
                if let Ok(id) = AccountId::parse(owner) {
                    keys.remove(&id);
                    portion.add_unreadable(id, later);
                }
            }
            for account in accounts.items {
                let known = (!self.writes(&account)).then(|| self.is_on_more(&account));
                if known.is_some() {
                    keys.remove(&account.id);
                }
                portion.add(account, known, later);
            }
        }
        Ok(portion)
    }

    /// The subscriptions of accounts to be rebuilt. Returns how many live ones name their account
    /// with our proof, and how many with one that the secrets did not make.
    pub(super) async fn subscriptions(
        &self,
        scan: &mut Scan<'_, P, Rebuilt>,
        portion: &mut Portion,
        later: &mut Vec<Part>,
        unreadable: &mut LeftOut,
    ) -> PortResult<(usize, usize)> {
        let boundary = self.boundary();
        let proven = |it: &Subscription| boundary.made_for(it.named.as_ref()).cloned();
        let (mut ours, mut broken) = (0, 0);
        // One proof is enough for all that a customer pays, and may stand on any page.
        let mut at = Pages::start();
        while let Some(page) = scan.subscriptions(&mut at).await? {
            unreadable.add(&page.unreadable);
            for row in &page.unreadable {
                let owner = boundary.made_for(row.named.as_ref()).cloned();
                owner.into_iter().for_each(|owner| portion.leave(owner));
            }
            for subscription in &page.items {
                let mark = subscription.named.as_ref().map(|named| self.deriver.reads(named));
                ours += usize::from(subscription.is_live() && mark == Some(Mark::Ours));
                broken += usize::from(subscription.is_live() && mark == Some(Mark::Broken));
                if let Some(owner) = proven(subscription) {
                    portion.names(subscription.customer.clone(), owner);
                }
            }
        }
        let mut at = Pages::start();
        while let Some(page) = scan.subscriptions_again(&mut at).await? {
            for owner in page.unreadable.into_iter().filter_map(|row| row.owner) {
                let owner = CustomerId::parse(owner).ok().and_then(|id| portion.linked_to(&id));
                owner.into_iter().for_each(|owner| portion.leave(owner));
            }
            for subscription in boundary.own(page.items) {
                let owner =
                    proven(&subscription).or_else(|| portion.linked_to(&subscription.customer));
                if subscription.is_live() && boundary.is_sold(&subscription) {
                    portion.pays(&subscription.customer, owner.is_some(), later);
                }
                if let Some(owner) = owner {
                    portion.give(owner, subscription, later);
                }
            }
        }
        self.unlisted(scan, portion, later).await?;
        Ok((ours, broken))
    }

    /// The list of everybody's subscriptions leaves out those on test clocks. A customer who is
    /// linked, and of whom nothing is listed, is asked about.
    async fn unlisted(
        &self,
        scan: &Scan<'_, P, Rebuilt>,
        portion: &mut Portion,
        later: &mut Vec<Part>,
    ) -> PortResult<()> {
        for (customer, owner) in portion.unlisted() {
            scan.pause().await;
            let listed = match self.ports.stripe().subscriptions(&customer).await {
                Err(error) if error.class == Class::Invalid => {
                    portion.leave(owner);
                    continue;
                }
                listed => listed?.unwrap_or_default(),
            };
            for subscription in self.boundary().own(listed) {
                portion.give(owner.clone(), subscription, later);
            }
        }
        Ok(())
    }
}
