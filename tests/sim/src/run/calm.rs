//! The calm: nothing fails any more, and everything comes to rest.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::Account;
use tollgate_core::converge::DUE;
use tollgate_core::ledger::Outcome;
use tollgate_core::ports::{Queue, QueueName};
use tollgate_core::sweep::wake;
use tollgate_events::AccountId;
use tollgate_operator::{Act, OperatorAct};
use tollgate_standin::world::DEAD_LETTER_QUEUES;

use crate::comparison::compare;
use crate::executor::block_on;
use crate::operator;
use crate::run::{QUEUES, Sim};
use crate::script::{Stream, dice};

/// How far ahead a known time still belongs to coming to rest: second looks, waiting
/// events, users who were not found.
const SOON: SignedDuration = SignedDuration::from_hours(2);

impl Sim {
    /// The calm, until everything is at rest.
    pub fn settle(&mut self) {
        self.calm_down(0);
        self.recover();
        self.accept_cancellations();
        self.look_with_newest_catalog();
        if self.script.lossy {
            self.reconcile();
        }
    }

    /// Nothing fails any more, what was under way ends, and every user signs in once.
    pub(crate) fn calm_down(&mut self, number: u64) {
        self.rng = dice(self.script.seed, Stream::Calm, number);
        self.faults.end();
        self.mend(true);
        self.retire();
        // Nothing tells of that: the comparison of the systems finds whom it concerns.
        self.was_wrong |= self.actors.mend_odd_rows(&self.world) | self.actors.takes_subs;
        self.tell("the faults are over");
        self.finish_tasks();
        while let Some(at) = self.faults.next_landing() {
            self.advance_to(at);
        }
        self.wait_for_lagging_reads();
        self.finish_operating();
        // A lost sign-up heals with the next sign-in.
        for name in self.actors.users.keys() {
            let _ = self.world.cognito.sign_in(name);
        }
        self.come_to_rest();
    }

    /// Accounts that an older catalog decided are due.
    fn look_with_newest_catalog(&mut self) {
        let older = |account: &Account| account.catalog_revision < self.edition.revision;
        let older = self.world.ledger.accounts().into_iter().filter(older);
        let older: Vec<_> = older.map(|account| account.id).collect();
        self.wake(DUE, older);
    }

    /// The sweep that compares all four systems, in small parts, and wakes what differs.
    pub(crate) fn reconcile(&mut self) {
        let worker = self.workers.last().expect("one is deployed").clone();
        match compare(&worker, 3) {
            Ok(report) => {
                let orphans = report.orphans_listed.iter().map(|key| key.id.to_string());
                self.reported.extend(orphans);
                self.tell(&format!("all systems are compared, and woken are {:?}", report.woken));
                self.release(&report.stale);
            }
            Err(error) => self.violate(1, format!("a comparison fails in the calm: {error}")),
        }
        self.come_to_rest();
    }

    /// Whom the comparison lists as stale in a world where the ledger was never lost: an operator knows
    /// that it is right. Whom a release does not help is held first, so that key and word are as the
    /// ledger has them.
    fn settle_by_the_ledger(&mut self, again: bool) {
        let worker = self.workers.last().expect("one is deployed").clone();
        let Ok(report) = compare(&worker, 3) else { return };
        if again {
            self.act_on(&report.stale, &Act::Hold);
            while self.round() {}
        }
        self.release(&report.stale);
    }

    /// Somebody has disabled their keys by hand, or a late call has; an operator knows that nobody
    /// holds them.
    fn release(&mut self, accounts: &BTreeSet<AccountId>) {
        self.act_on(accounts, &Act::Release);
    }

    fn act_on(&mut self, accounts: &BTreeSet<AccountId>, act: &Act) {
        for account in accounts {
            let (act, by) = (act.clone(), "otto".to_owned());
            let act = OperatorAct { act, by, why: "nobody has restored the ledger".to_owned() };
            let done = block_on(operator::act(&self.world, account, &act));
            self.tell(&format!("{:?} of {account}: {done:?}", act.act));
        }
    }

    pub(crate) fn wake(&mut self, kind: &str, accounts: Vec<AccountId>) {
        let now = self.world.clock.time();
        for account in accounts {
            // Not the run of a sweep in the same second: SQS would take it for the same message.
            let wake = wake(kind, account, Some(format!("operator-{}", now.as_second())), now);
            let sent = block_on(self.world.queue().send(QueueName::Bulk, &wake));
            sent.expect("nothing fails");
        }
        self.come_to_rest();
    }

    /// What was written under faults shows everywhere, and then no read lags any more.
    fn wait_for_lagging_reads(&mut self) {
        self.advance_to(self.world.clock.time() + SignedDuration::from_secs(60));
        self.lift_lags();
    }

    pub(crate) fn come_to_rest(&mut self) {
        let begun = self.world.clock.time();
        for round in 0..400 {
            // Somebody hears the alarm.
            if self.script.lossy && round % 100 == 99 {
                self.settle_by_the_ledger(round > 100);
            }
            // Who waits for a ledger that is rebuilt waits for ever.
            if self.recovery.is_some() && self.world.clock.time() > begun + SOON {
                return;
            }
            if self.round() {
                continue;
            }
            let Some(next) = self.next_time() else { return };
            self.advance_to(next);
        }
        let queued = QUEUES.map(|queue| self.world.sqs.len(queue));
        let retries = self.world.stripe.account().next_delivery();
        let due = self.world.ledger.accounts().into_iter().filter_map(|account| account.review_at);
        let problem = format!(
            "it never comes to rest: queued {queued:?}, next delivery {retries:?}, due {:?}",
            due.min()
        );
        self.violate(1, problem);
    }

    /// Everything that can be done now; whether there was anything.
    fn round(&mut self) -> bool {
        self.collect();
        let mut busy = !self.triggers.is_empty() || !self.cloudtrail.is_empty();
        while !self.triggers.is_empty() || !self.cloudtrail.is_empty() {
            self.deliver_pool_event();
        }
        while let Some(delivery) = self.pick_delivery() {
            busy = true;
            self.in_hand.insert(delivery.event.clone());
            self.send(delivery);
        }
        self.finish_tasks();
        for queue in QUEUES {
            while self.receive_from(queue, 10) {
                busy = true;
            }
        }
        self.finish_tasks();
        busy |= self.drain_dead_letters();
        self.finish_tasks();
        let before = QUEUES.map(|queue| self.world.sqs.len(queue));
        self.spawn_sweep();
        self.finish_tasks();
        busy || before != QUEUES.map(|queue| self.world.sqs.len(queue))
    }

    /// Somebody signs up, and the event is on the queue.
    #[cfg(test)]
    pub(crate) fn sign_up_and_queue(&mut self, name: &str) {
        self.world.cognito.sign_up_confirmed(name, "z@example.com").expect("the name is free");
        self.deliver_pool_event();
        self.finish_tasks();
    }

    /// When the next thing happens that rest has to wait for.
    fn next_time(&mut self) -> Option<Timestamp> {
        let now = self.world.clock.time();
        let hidden = QUEUES
            .iter()
            .chain(&DEAD_LETTER_QUEUES)
            .filter_map(|queue| self.world.sqs.next_visible_at(queue));
        let retries = self.world.stripe.account().next_delivery();
        let second = SignedDuration::from_secs(1);
        let waiting = self.world.ledger.events().into_iter().filter_map(|event| {
            let waits = event.record.outcome == Outcome::Waiting;
            let since = event.record.envelope().filter(|_| waits).map(|_| event.record.at)?;
            Some(since + self.api.worker.policy.waiting() + second)
        });
        let reviews = self.world.ledger.accounts().into_iter().filter_map(|a| a.review_at);
        let later = hidden.chain(retries).chain(waiting).chain(reviews).map(|at| {
            // What is due and was deduplicated comes again in five minutes at the latest.
            if at > now { at } else { now + SignedDuration::from_secs(301) }
        });
        later.filter(|at| *at <= now + SOON).min()
    }
}
