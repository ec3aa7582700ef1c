//! Comparing what was read, account by account, and what no account explains.

use jiff::Timestamp;
use tollgate_events::{AccountId, CustomerId, Envelope, cognito};

use super::UnderWay;
use crate::converge::DRIFT;
use crate::decide::loss::{Evidence, is_still};
use crate::decide::stale::says_refused;
use crate::key_name::key_owner;
use crate::ports::{Class, Ledger, PortResult, Ports, Queue, Stripe, UserRecord};
use crate::stripe::SubscriptionStatus;
use crate::sweep::compare::{Comparison, SeenAccount, compare};
use crate::sweep::keys::{ORPHANS_LISTED, names};
use crate::sweep::{Drift, FindingAbout, Orphan, SEVERAL_LISTED, wake, wake_customer};

impl<P: Ports, Q: Queue> UnderWay<'_, P, Q> {
    pub(super) async fn judge(
        &mut self,
        seen: SeenAccount,
        user: Option<&UserRecord>,
    ) -> PortResult<()> {
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
        self.found(drift, FindingAbout::Account(id), wake).await
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
            self.scan.pause().await;
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
    pub(super) async fn judge_without_account(&mut self, user: &UserRecord) -> PortResult<()> {
        let id = user.id.clone();
        if user.is_meant() && user.attributes.plan.as_deref().is_some_and(says_refused) {
            self.report.stale.insert(id.clone());
            return self.found(Drift::StaleLedger, FindingAbout::Account(id), None).await;
        }
        if !user.confirmed || !user.enabled {
            return Ok(());
        }
        let wake = wake(cognito::CATCH_UP, id.clone(), Some(self.run()), self.now());
        self.found(Drift::NoAccount, FindingAbout::Account(id), Some(wake)).await
    }

    pub(super) async fn wake_unlinked(&mut self, customer: CustomerId) -> PortResult<()> {
        let wake = wake_customer(DRIFT, customer.clone(), self.run(), self.now());
        self.found(Drift::Unlinked, FindingAbout::Customer(customer), Some(wake)).await
    }

    /// Keys of ours that no account took. The first are looked up once more: an account may
    /// have made its key since it was read. Nobody is woken for them.
    pub(super) async fn nobodys(&mut self, keys: Vec<(Drift, Orphan)>) -> PortResult<()> {
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
            self.found(drift, FindingAbout::Key(key), None).await?;
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
}
