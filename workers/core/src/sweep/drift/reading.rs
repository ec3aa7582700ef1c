//! Reading all four systems, and giving every account what is theirs.

use tollgate_events::{AccountId, CustomerId};

use super::UnderWay;
use crate::account::{UsagePlanId, User};
use crate::ledger::CustomerLink;
use crate::ports::{Class, Ledger, PortResult, Ports, Queue, Stripe, Unreadable};
use crate::scan::Pages;
use crate::stripe::Subscription;
use crate::sweep::disputes::Disputes;
use crate::sweep::keys::Keys;
use crate::sweep::part::Part;
use crate::sweep::stages::{plans_of_keys, stages_lost};
use crate::sweep::window::Window;

impl<P: Ports, Q: Queue> UnderWay<'_, P, Q> {
    /// All keys, with the usage plans that they are on: the catalog's, and those that keep a key off
    /// them.
    pub(super) async fn keys(&mut self) -> PortResult<Keys> {
        let mut keys = Keys::new(self.sweep.stack, self.begun);
        let mut at = Pages::start();
        while let Some(page) = self.scan.keys(&mut at).await? {
            self.report.unreadable.add(&page.unreadable);
            page.items.into_iter().for_each(|key| keys.add(key));
        }
        for plan in self.usage_plans().await? {
            let mut at = Pages::start();
            while let Some(page) = self.scan.keys_on(&plan, &mut at).await? {
                self.report.unreadable.add(&page.unreadable);
                page.items.iter().for_each(|key| keys.put_on(&plan, key));
            }
        }
        (self.report.keys, self.report.keys_of_ours) = keys.count();
        Ok(keys)
    }

    /// The usage plans on which a key may be, or may be in the way. Whether the catalog's cover its
    /// stages is seen on the way: whoever deletes a stage and makes it anew, by hand or by a tool,
    /// takes it from every plan. Each key is refused from then on, and all else agrees.
    async fn usage_plans(&mut self) -> PortResult<Vec<UsagePlanId>> {
        let (catalog, report) = (self.sweep.catalog, &mut self.report);
        plans_of_keys(&mut self.scan, catalog, |page| {
            report.unreadable.add(&page.unreadable);
            report.stages_lost.extend(stages_lost(catalog, &page.items));
        })
        .await
    }

    /// The accounts of a part, or of as much of it as may be held.
    pub(super) async fn accounts(
        &mut self,
        part: Part,
        later: &mut Vec<Part>,
        keys: &mut Keys,
    ) -> PortResult<Window> {
        self.report.parts += 1;
        let mut held = Window::new(part);
        let (mut at, mut read_at) = (Pages::start(), self.now());
        while let Some(accounts) = self.scan.accounts(&mut at).await? {
            self.leave_out(&accounts.unreadable);
            for owner in accounts.unreadable.into_iter().filter_map(|row| row.owner) {
                if let Ok(id) = AccountId::parse(owner) {
                    keys.saw_unreadable(&id);
                    held.unreadable.insert(id);
                }
            }
            for account in accounts.items {
                keys.saw_account(&account);
                held.add(account, read_at);
                held.shrink(self.sweep.at_once, later);
                self.report.held_at_most = self.report.held_at_most.max(held.accounts.len());
            }
            read_at = self.now();
        }
        self.report.accounts += held.accounts.len();
        Ok(held)
    }

    /// Gives every account its subscriptions; wakes customers who pay and are nobody's.
    pub(super) async fn subscriptions(&mut self, held: &mut Window) -> PortResult<()> {
        let by_customer = held.by_customer();
        let first = self.is_first_part();
        let mut at = Pages::start();
        while let Some(page) = self.scan.subscriptions(&mut at).await? {
            self.report.subscriptions += if first { page.items.len() } else { 0 };
            self.leave_out(&page.unreadable);
            for owner in page.unreadable.into_iter().filter_map(|row| row.owner) {
                let owner = CustomerId::parse(owner).ok().and_then(|id| by_customer.get(&id));
                let seen = owner.and_then(|owner| held.accounts.get_mut(owner)?.as_mut());
                if let Some(seen) = seen {
                    seen.has_unreadable = true;
                }
            }
            for subscription in page.items {
                let owner = by_customer.get(&subscription.customer);
                let seen = owner.and_then(|owner| held.accounts.get_mut(owner)?.as_mut());
                if let Some(seen) = seen {
                    self.known.subscriptions += 1;
                    let own = self.sweep.boundary().own(vec![subscription]);
                    seen.subscriptions.extend(own);
                } else if self.is_unlinked(&subscription, held) {
                    held.linked.insert(subscription.customer.clone());
                    if !self.is_of_unreadable(&subscription.customer, held).await? {
                        self.wake_unlinked(subscription.customer).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The list of everybody's subscriptions leaves out those on test clocks, and a customer's does
    /// not. So whoever is known to have one that is not listed is asked by their customers before
    /// anything is said of them.
    pub(super) async fn unlisted(&mut self, held: &mut Window) -> PortResult<()> {
        let sweep = self.sweep;
        let seen = held.accounts.values_mut().flatten();
        for seen in seen.filter(|seen| seen.lacks_one()) {
            for customer in seen.account.access.customers.clone() {
                self.scan.pause().await;
                match sweep.ports.stripe().subscriptions(&customer).await {
                    Ok(Some(listed)) => {
                        self.known.subscriptions += listed.len();
                        seen.replace(&customer, sweep.boundary().own(listed));
                    }
                    // The worker says what that means.
                    Ok(None) => {}
                    Err(error) if error.class == Class::Invalid => seen.has_unreadable = true,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Gives every account its disputes.
    pub(super) async fn disputes(&mut self, held: &mut Window) -> PortResult<()> {
        let (ports, begun) = (self.sweep.ports, self.begun);
        let disputes = match self.disputes.take() {
            Some(disputes) => disputes,
            None => Disputes::list(&mut self.scan, begun, &mut self.report).await?,
        };
        for seen in held.accounts.values_mut().flatten() {
            disputes.give((ports, &self.scan), seen, &mut self.report).await?;
        }
        self.disputes = Some(disputes);
        Ok(())
    }

    /// Whether a plan of the catalog, or something that this deployment has sold, is paid for by a
    /// customer of this part whom no account is linked to. What else the seller sells is not ours to
    /// see.
    fn is_unlinked(&self, subscription: &Subscription, held: &Window) -> bool {
        let customer = &subscription.customer;
        subscription.is_live()
            && held.part.holds(customer.as_str())
            && !held.linked.contains(customer)
            && self.sweep.boundary().may_be_ours(subscription)
    }

    /// Whether a customer may be linked to an account that cannot be read: then the link itself
    /// is asked.
    async fn is_of_unreadable(&self, customer: &CustomerId, held: &Window) -> PortResult<bool> {
        if held.unreadable.is_empty() {
            return Ok(false);
        }
        let link = self.sweep.ports.ledger().link_of(customer).await?;
        Ok(matches!(link, CustomerLink::Account(_)))
    }

    /// Compares every account of the part: as soon as its user is seen, else in the end.
    pub(super) async fn users(&mut self, mut held: Window, keys: &mut Keys) -> PortResult<()> {
        let mut at = Pages::start();
        while let Some(page) = self.scan.users(&mut at).await? {
            self.leave_out(&page.unreadable);
            page.items.iter().for_each(|user| keys.saw_user(&user.id));
            for user in page.items.iter().filter(|user| held.part.holds(user.id.as_str())) {
                match held.accounts.get_mut(&user.id) {
                    Some(place) => {
                        if let Some(seen) = place.take() {
                            self.report.users += 1;
                            self.known.users += 1;
                            self.judge(*seen, Some(user)).await?;
                        }
                    }
                    None if held.unreadable.contains(&user.id) => {
                        self.report.users += 1;
                        self.report.left_alone += 1;
                    }
                    None => {
                        self.report.users += 1;
                        self.judge_without_account(user).await?;
                    }
                }
            }
        }
        for seen in held.accounts.into_values().flatten() {
            self.known.gone += usize::from(seen.account.user != User::Deleted);
            self.judge(*seen, None).await?;
        }
        Ok(())
    }

    fn is_first_part(&self) -> bool {
        self.report.parts <= 1
    }

    /// Counts rows that cannot be read: in later parts they come again.
    fn leave_out(&mut self, rows: &[Unreadable]) {
        if self.is_first_part() {
            self.report.unreadable.add(rows);
        }
    }
}
