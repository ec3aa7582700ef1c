//! The comparison of Stripe, API Gateway, Cognito and the ledger, in bulk pages.
//!
//! # Expected flow
//! The Stripe account and the user pool must be those that the stack belongs to; where it belongs
//! to none yet, it does when what the ledger knows was met there. API Gateway's keys are read
//! once. Then, for each [part](Part) of the accounts: the accounts, all subscriptions, all users;
//! with the first, the disputes of some months.
//! An account is compared as soon as its user is seen, and is forgotten. In the end, keys of ours
//! that no account took are orphans.
//!
//! # Guarantees
//! - Calls grow with pages, never with accounts; wakes go ten to a call.
//! - At most [`DriftSweep::at_once`] accounts are held, however many there are; more are
//!   looked at in more parts, for each of which ledger, Stripe and Cognito are read again.
//! - A row that cannot be read costs that row: it is counted and told, and whose it is, is left
//!   alone, as far as that can be read.
//! - Nothing is concluded from a list that leaves something out: who has a subscription that is not
//!   listed is asked by their customers.
//! - API Gateway's control plane, which allows everybody together 10 calls a second, gets
//!   one a second; Stripe and Cognito get ten.
//!
//! # Caveats
//! The four systems are read one after the other, so an account that changes meanwhile may
//! be woken for nothing.

use jiff::{SignedDuration, Timestamp};
use tollgate_events::{AccountId, CustomerId, Envelope, cognito};

use super::compare::{Comparison, SeenAccount, compare};
use super::disputes::Disputes;
use super::keys::{Keys, ORPHANS_LISTED, names};
use super::pages::{GAP, Pages};
use super::part::Part;
use super::stages::{plans_of_keys, stages_lost};
use super::window::Window;
use super::{
    About, Drift, DriftReport, Finding, Orphan, Progress, ProgressSink, SEVERAL_LISTED, SweepStage,
    wake, wake_customer,
};
use crate::account::{UsagePlanId, User};
use crate::binding::{Binding, Met};
use crate::boundary::{Boundary, Marks};
use crate::budget::Caller;
use crate::catalog::Catalog;
use crate::converge::DRIFT;
use crate::decide::loss::{Evidence, is_still};
use crate::decide::stale::says_refused;
use crate::key_name::key_owner;
use crate::ledger::{CustomerLink, KeyCount, StackRecord};
use crate::policy::Policy;
use crate::ports::{
    ApiGateway, Class, Clock, Ledger, PortResult, Ports, Queue, QueueName, Stripe, Unreadable,
    UserRecord, Users,
};
use crate::stripe::{Subscription, SubscriptionStatus};

/// How many accounts are held at once unless told otherwise; about 2 KB each. It is a little more
/// than half of the keys that a Region may have: as many accounts are compared in two parts.
pub const ACCOUNTS_AT_ONCE: usize = 5_200;

/// How often the note of what was counted is tried.
const NOTE_ROUNDS: u32 = 3;
/// What `SendMessageBatch` takes.
const WAKES_TO_A_CALL: usize = 10;

/// What the comparison works on.
#[derive(Debug)]
pub struct DriftSweep<'a, P, Q> {
    /// The world, of which it only reads.
    pub ports: &'a P,
    /// Where wakes go.
    pub queue: &'a Q,
    /// The plans.
    pub catalog: &'a Catalog,
    /// The seller's choices.
    pub policy: &'a Policy,
    /// The deployment's name, part of every key's name.
    pub stack: &'a str,
    /// How many accounts are held at once, at least 1: [`ACCOUNTS_AT_ONCE`].
    pub at_once: usize,
}

impl<P: Ports, Q: Queue> DriftSweep<'_, P, Q> {
    /// Compares everything, and wakes what differs.
    ///
    /// # Errors
    /// A call failed. What was sent so far is sent; the next sweep begins anew. A usage plan
    /// of the catalog that API Gateway does not have fails it too, before any wake; so does a
    /// Stripe account or a pool that is not the stack's.
    pub async fn run(&self) -> PortResult<DriftReport> {
        self.run_told(&mut |_| ()).await
    }

    /// As [`run`](Self::run), telling how far it is and of each finding.
    ///
    /// # Errors
    /// As there.
    pub async fn run_told(&self, told: ProgressSink<'_, Finding>) -> PortResult<DriftReport> {
        self.under_way(true, told).compare().await
    }

    /// Compares everything, tells how far it is and of each finding, and leaves it there:
    /// nothing is sent, nothing is written.
    ///
    /// # Errors
    /// A call failed.
    pub async fn look(&self, told: ProgressSink<'_, Finding>) -> PortResult<DriftReport> {
        self.under_way(false, told).compare().await
    }

    fn boundary(&self) -> Boundary<'_> {
        Boundary { catalog: self.catalog, marks: Marks::Name(self.stack) }
    }

    fn under_way<'a>(&'a self, acts: bool, told: ProgressSink<'a, Finding>) -> UnderWay<'a, P, Q> {
        UnderWay {
            sweep: self,
            begun: self.ports.clock().now(),
            acts,
            told,
            report: DriftReport::default(),
            wakes: Vec::new(),
            known: Sightings::default(),
            disputes: None,
        }
    }
}

/// A comparison under way.
struct UnderWay<'a, P, Q> {
    sweep: &'a DriftSweep<'a, P, Q>,
    begun: Timestamp,
    /// Whether it wakes and takes notes, or only tells.
    acts: bool,
    told: ProgressSink<'a, Finding>,
    report: DriftReport,
    wakes: Vec<Envelope>,
    known: Sightings,
    /// Listed with the first part.
    disputes: Option<Disputes>,
}

/// How much of what the ledger knows was met.
#[derive(Debug, Clone, Copy, Default)]
struct Sightings {
    /// Subscriptions of linked customers.
    subscriptions: usize,
    /// Users who have an account.
    users: usize,
    /// Accounts whose users are not in the pool.
    gone: usize,
}

impl Sightings {
    /// Some users may be gone, and nobody told; in another pool nearly all are.
    fn met(self) -> Met {
        Met { in_stripe: self.subscriptions > 0, in_pool: self.users > self.gone }
    }
}

impl<'a, P: Ports, Q: Queue> UnderWay<'a, P, Q> {
    async fn compare(mut self) -> PortResult<DriftReport> {
        let binding = if self.acts { Binding::that_binds() } else { Binding::that_compares() };
        binding.check(self.sweep.ports).await?;
        let mut keys = self.keys().await?;
        // At once: what workers add from now on counts on top.
        let listed = KeyCount { count: count(self.report.keys), at: self.begun };
        self.note(|stack| stack.keys = Some(listed)).await?;
        let mut parts = vec![Part::all()];
        while let Some(part) = parts.pop() {
            let mut held = self.accounts(part, &mut parts, &mut keys).await?;
            held.take_keys(&mut keys);
            self.subscriptions(&mut held).await?;
            self.unlisted(&mut held).await?;
            self.disputes(&mut held).await?;
            self.users(held, &mut keys).await?;
        }
        self.report.known_owners = keys.known_owners();
        self.nobodys(keys.nobodys()).await?;
        self.send().await?;
        let paying = count(self.report.paying);
        let several = self.report.several_listed.iter().map(|(account, _)| account.clone());
        let several: Vec<_> = several.collect();
        self.note(|stack| (stack.paying, stack.several) = (paying, several.clone())).await?;
        binding.met(self.sweep.ports, self.known.met()).await?;
        Ok(self.report)
    }

    /// Leaves word of what was counted: the reserve of keys and the blast limit go by it. When
    /// somebody else writes first, and again, the next sweep will do.
    async fn note(&self, change: impl Fn(&mut StackRecord)) -> PortResult<()> {
        let ledger = self.sweep.ports.ledger();
        if !self.acts {
            return Ok(());
        }
        for _ in 0..NOTE_ROUNDS {
            let mut stack = ledger.stack().await?;
            change(&mut stack);
            if ledger.put_stack(&stack).await? {
                break;
            }
        }
        Ok(())
    }

    /// All keys, with the usage plans that they are on: the catalog's, and those that keep a key off
    /// them.
    async fn keys(&mut self) -> PortResult<Keys> {
        let gateway = self.sweep.ports.api_gateway();
        let mut keys = Keys::new(self.sweep.stack, self.begun);
        let gap = Caller::Sweep.per_call(self.sweep.policy);
        let mut pages = self.pages(gap);
        while let Some(position) = pages.turn().await {
            let page = gateway.all_keys(position.as_deref()).await?;
            self.through(SweepStage::Keys, page.items.len());
            self.report.unreadable.add(&page.unreadable);
            page.items.into_iter().for_each(|key| keys.add(key));
            pages.go_on(page.next);
        }
        for plan in self.usage_plans().await? {
            let mut pages = self.pages(gap);
            while let Some(position) = pages.turn().await {
                let page = gateway.keys_on(&plan, position.as_deref()).await?;
                self.through(SweepStage::KeysOnPlans, page.items.len());
                self.report.unreadable.add(&page.unreadable);
                page.items.iter().for_each(|key| keys.put_on(&plan, key));
                pages.go_on(page.next);
            }
        }
        (self.report.keys, self.report.keys_of_ours) = keys.count();
        Ok(keys)
    }

    /// The usage plans on which a key may be, or may be in the way. Whether the catalog's cover its
    /// stages is seen on the way: whoever deletes a stage and makes it anew, by hand or by a tool,
    /// takes it from every plan. Each key is refused from then on, and all else agrees.
    async fn usage_plans(&mut self) -> PortResult<Vec<UsagePlanId>> {
        let DriftSweep { ports, catalog, policy, .. } = self.sweep;
        let report = &mut self.report;
        let gap = Caller::Sweep.per_call(policy);
        plans_of_keys(*ports, catalog, gap, |page| {
            report.unreadable.add(&page.unreadable);
            report.stages_lost.extend(stages_lost(catalog, &page.items));
        })
        .await
    }

    /// The accounts of a part, or of as much of it as may be held.
    async fn accounts(
        &mut self,
        part: Part,
        later: &mut Vec<Part>,
        keys: &mut Keys,
    ) -> PortResult<Window> {
        self.report.parts += 1;
        let ledger = self.sweep.ports.ledger();
        let mut held = Window::new(part);
        let mut page = None;
        loop {
            let read_at = self.now();
            let accounts = ledger.accounts(page.as_deref()).await?;
            self.through(SweepStage::Accounts, accounts.items.len());
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
            page = accounts.next;
            if page.is_none() {
                break;
            }
        }
        self.report.accounts += held.accounts.len();
        Ok(held)
    }

    /// Gives every account its subscriptions; wakes customers who pay and are nobody's.
    async fn subscriptions(&mut self, held: &mut Window) -> PortResult<()> {
        let by_customer = held.by_customer();
        let first = self.is_first_part();
        let mut pages = self.pages(GAP);
        while let Some(position) = pages.turn().await {
            let page = self.sweep.ports.stripe().all_subscriptions(position.as_deref()).await?;
            self.through(SweepStage::Subscriptions, page.items.len());
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
            pages.go_on(page.next);
        }
        Ok(())
    }

    /// The list of everybody's subscriptions leaves out those on test clocks, and a customer's does
    /// not. So whoever is known to have one that is not listed is asked by their customers before
    /// anything is said of them.
    async fn unlisted(&mut self, held: &mut Window) -> PortResult<()> {
        let sweep = self.sweep;
        let seen = held.accounts.values_mut().flatten();
        for seen in seen.filter(|seen| seen.lacks_one()) {
            for customer in seen.account.access.customers.clone() {
                sweep.ports.clock().sleep(GAP).await;
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
    async fn disputes(&mut self, held: &mut Window) -> PortResult<()> {
        let (ports, begun) = (self.sweep.ports, self.begun);
        let disputes = match self.disputes.take() {
            Some(disputes) => disputes,
            None => Disputes::list(ports, begun, &mut self.report, self.told).await?,
        };
        for seen in held.accounts.values_mut().flatten() {
            disputes.give(ports, seen, &mut self.report).await?;
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
    async fn users(&mut self, mut held: Window, keys: &mut Keys) -> PortResult<()> {
        let mut pages = self.pages(GAP);
        while let Some(position) = pages.turn().await {
            let page = self.sweep.ports.users().all_users(position.as_deref()).await?;
            self.through(SweepStage::Users, page.items.len());
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
            pages.go_on(page.next);
        }
        for seen in held.accounts.into_values().flatten() {
            self.known.gone += usize::from(seen.account.user != User::Deleted);
            self.judge(*seen, None).await?;
        }
        Ok(())
    }

    async fn judge(&mut self, seen: SeenAccount, user: Option<&UserRecord>) -> PortResult<()> {
        let now = self.now();
        let id = seen.account.id.clone();
        let finding = self.compare_with_evidence(seen, user, now).await?;
        self.report.paying += usize::from(finding.paying);
        self.report.would_lose +=
            usize::from(finding.paying && finding.loss == Some(Evidence::Counted));
        self.report.would_end += usize::from(finding.loss == Some(Evidence::Explained));
        self.report.left_alone += usize::from(finding.left_alone);
        self.pays_for_several(&id, &finding);
        let Some(drift) = finding.drift else { return Ok(()) };
        let wake = wake(DRIFT, id.clone(), Some(self.run()), now);
        // The worker reads what the ledger knows, and what it is told of.
        let object = finding.unknown_dispute.as_ref().map(ToString::to_string);
        let wake = Envelope { object, ..wake };
        if drift == Drift::StaleLedger {
            self.report.stale.insert(id.clone());
        }
        // Deleted is final for a worker, and what is contradicted is for a rebuild.
        let wake = Some(wake).filter(|_| !matches!(drift, Drift::UserIsBack | Drift::StaleLedger));
        self.found(drift, About::Account(id), wake).await
    }

    fn pays_for_several(&mut self, id: &AccountId, finding: &Comparison) {
        if finding.several.is_empty() {
            return;
        }
        self.report.several += 1;
        if self.report.several_listed.len() < SEVERAL_LISTED {
            self.report.several_listed.push((id.clone(), finding.several.clone()));
        }
    }

    /// Compares an account. Where it would lose something and the subscription that gave its plan
    /// is not listed, that one is read by itself, as a worker would.
    async fn compare_with_evidence(
        &self,
        mut seen: SeenAccount,
        user: Option<&UserRecord>,
        now: Timestamp,
    ) -> PortResult<Comparison> {
        let sweep = self.sweep;
        loop {
            let finding = compare(&seen, user, sweep.catalog, sweep.policy, now);
            let Some(Evidence::Unread(id)) = &finding.loss else { return Ok(finding) };
            sweep.ports.clock().sleep(GAP).await;
            let evidence = match sweep.ports.stripe().subscription(id).await {
                // What it says decides nothing for the worker either.
                Ok(Some(read)) if read.status == SubscriptionStatus::Unreadable => {
                    seen.has_unreadable = true;
                    continue;
                }
                Ok(Some(read)) if is_still(&read, &seen.account.access) => {
                    seen.subscriptions.push(read);
                    continue;
                }
                Ok(Some(_)) => Evidence::Explained,
                // The worker decides nothing then.
                Ok(None) => Evidence::Counted,
                // Nor where it cannot be read.
                Err(error) if error.class == Class::Invalid => {
                    seen.has_unreadable = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            return Ok(Comparison { loss: Some(evidence), ..finding });
        }
    }

    /// Who may sign in and has no account is woken as a sign-in would. Whoever is not
    /// confirmed must not get a key, and whoever is disabled would not get one. Whoever is told
    /// that they are held or closed had an account.
    async fn judge_without_account(&mut self, user: &UserRecord) -> PortResult<()> {
        let id = user.id.clone();
        if user.is_meant() && user.attributes.plan.as_deref().is_some_and(says_refused) {
            self.report.stale.insert(id.clone());
            return self.found(Drift::StaleLedger, About::Account(id), None).await;
        }
        if !user.confirmed || !user.enabled {
            return Ok(());
        }
        let wake = wake(cognito::CATCH_UP, id.clone(), Some(self.run()), self.now());
        self.found(Drift::NoAccount, About::Account(id), Some(wake)).await
    }

    async fn wake_unlinked(&mut self, customer: CustomerId) -> PortResult<()> {
        let wake = wake_customer(DRIFT, customer.clone(), self.run(), self.now());
        self.found(Drift::Unlinked, About::Customer(customer), Some(wake)).await
    }

    /// Keys of ours that no account took. The first are looked up once more: an account may
    /// have made its key since it was read. Nobody is woken for them.
    async fn nobodys(&mut self, keys: Vec<(Drift, Orphan)>) -> PortResult<()> {
        for (place, (drift, key)) in keys.into_iter().enumerate() {
            if place < ORPHANS_LISTED && self.is_named(&key).await? {
                continue;
            }
            if drift == Drift::UnknownOwner {
                self.report.unknown_owners += 1;
            } else {
                self.report.orphans += 1;
                self.report.replaced += usize::from(drift == Drift::Replaced);
                if self.report.orphans_listed.len() < ORPHANS_LISTED {
                    self.report.orphans_listed.push(key.clone());
                }
            }
            self.found(drift, About::Key(key), None).await?;
        }
        Ok(())
    }

    async fn is_named(&self, key: &Orphan) -> PortResult<bool> {
        let Some(owner) = key_owner(self.sweep.stack, &key.name) else { return Ok(false) };
        match self.sweep.ports.ledger().account(&owner).await {
            Ok(account) => Ok(account.is_some_and(|it| names(self.sweep.stack, &it, key))),
            // What it names is not known: that is not nothing.
            Err(error) if error.class == Class::Invalid => Ok(true),
            Err(error) => Err(error),
        }
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

    fn through(&mut self, stage: SweepStage, number: usize) {
        (self.told)(Progress::Through(stage, number));
    }

    async fn found(
        &mut self,
        drift: Drift,
        about: About,
        wake: Option<Envelope>,
    ) -> PortResult<()> {
        *self.report.found.entry(drift).or_default() += 1;
        (self.told)(Progress::Found(Finding { drift, about }));
        let Some(wake) = wake.filter(|_| self.acts) else { return Ok(()) };
        tracing::debug!(drift = drift.as_str(), wake = %wake.id, "drift");
        *self.report.woken.entry(drift).or_default() += 1;
        self.wakes.push(wake);
        if self.wakes.len() >= WAKES_TO_A_CALL { self.send().await } else { Ok(()) }
    }

    async fn send(&mut self) -> PortResult<()> {
        let wakes = std::mem::take(&mut self.wakes);
        // Boxed: it stands at the end of every chain of calls here, and its type is deep.
        Box::pin(self.sweep.queue.send_all(QueueName::Bulk, &wakes)).await
    }

    /// Sets the wakes of this sweep apart from the last one's: SQS must not take a new
    /// suspicion for one that the worker has dealt with.
    fn run(&self) -> String {
        self.begun.as_second().to_string()
    }

    fn now(&self) -> Timestamp {
        self.sweep.ports.clock().now()
    }

    fn pages(&self, gap: SignedDuration) -> Pages<'a, P::Clock> {
        Pages::new(self.sweep.ports.clock(), gap)
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
