//! Running tasks: one await at a time, killed and put to sleep where they wait, and effects
//! that land after their callers have given up.

use crate::ledger::Mark;
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use tollgate_standin::stripe::DeliveryAnswer;

use crate::faults::FaultKind;
use crate::run::Sim;
use crate::tasks::{Done, Label, Lease};

impl Sim {
    pub(crate) fn spawn(&mut self, label: Label, task: impl Future<Output = Done> + 'static) {
        let deadline = self.world.clock.time() + crate::run::WORKER_TIME;
        self.tasks_begun += 1;
        let lease = Lease {
            id: self.tasks_begun,
            label,
            deadline,
            polled: self.world.clock.time(),
            asleep_until: None,
            late: false,
        };
        self.tasks.spawn(lease, task);
    }

    /// A poll of one task that is awake, chosen by the seed.
    pub(crate) fn poll(&mut self) {
        let awake = self.tasks.places(|lease| lease.asleep_until.is_none());
        if awake.is_empty() {
            return;
        }
        let place = awake[self.rng.random_range(0..awake.len())];
        let (now, before) = (self.world.clock.time(), self.world.gate.count());
        let lease = self.tasks.label_mut(place);
        let (id, deadline, name, late) = (lease.id, lease.deadline, lease.name(), lease.late);
        let begun = std::mem::replace(&mut lease.polled, now);
        let needs_leases = !matches!(lease.label, Label::Runbook);
        // A command holds nothing, and asks what it likes.
        if needs_leases {
            self.faults.lease_check(|check| check.enter(id, deadline));
        }
        let ended = self.tasks.poll(place);
        self.faults.lease_check(crate::lease_check::LeaseCheck::leave);
        self.tell_notes(&name);
        // What a late one does was on the way already: that it begins nothing is checked too.
        let calls = self.world.gate.calls_since(before);
        if !late && needs_leases {
            self.check_leases(id, begun, &calls);
        }
        self.witness(&calls);
        if self.faults.lease_check(crate::lease_check::LeaseCheck::take_wrote) || !needs_leases {
            self.check_fences(Some(id));
        }
        for problem in self.faults.lease_check(crate::lease_check::LeaseCheck::take_broken) {
            self.violate(6, problem);
        }
        if let Some((lease, done)) = ended {
            self.faults.lease_check(|check| check.done(id));
            self.done(lease, done);
        }
    }

    /// Tells what was done, and what went wrong, while somebody had their turn.
    fn tell_notes(&mut self, who: &str) {
        for note in self.narrator.take() {
            self.tell(&format!("{who}: {note}"));
        }
    }

    /// A task is killed where it waits.
    pub(crate) fn kill(&mut self) {
        if self.tasks.is_empty() || !self.faults.has(FaultKind::Kill) {
            return;
        }
        let place = self.rng.random_range(0..self.tasks.len());
        self.faults.count(FaultKind::Kill);
        self.kill_at(place);
    }

    /// Kills every task whose time is over: Lambda's own deadline. One that slept through
    /// it lives on, as if the machine had not noticed.
    pub(crate) fn bury(&mut self) {
        let now = self.world.clock.time();
        let over =
            |lease: &Lease| lease.deadline <= now && lease.asleep_until.is_none() && !lease.late;
        while let Some(place) = self.tasks.places(over).first() {
            self.kill_at(*place);
        }
    }

    pub(crate) fn kill_at(&mut self, place: usize) {
        let lease = self.tasks.kill(place);
        self.faults.lease_check(|check| check.killed(lease.id));
        self.tell(&format!("{} is killed", lease.name()));
        match lease.label {
            Label::Webhook(delivery) => self.answer(&delivery, DeliveryAnswer::None),
            // EventBridge tries again; a trigger is called once more at most, and is lost.
            Label::Cloudtrail(record) => self.cloudtrail.push(record),
            Label::Operator(act) => self.undone.push(*act),
            Label::Worker | Label::Trigger | Label::Sweep | Label::DeadLetters | Label::Runbook => {
            }
        }
    }

    /// A task sleeps where it waits: a moment, or beyond its deadline.
    pub(crate) fn pause(&mut self) {
        let awake = self.tasks.places(|lease| lease.asleep_until.is_none() && !lease.late);
        if awake.is_empty() || !self.faults.has(FaultKind::Pause) {
            return;
        }
        let place = awake[self.rng.random_range(0..awake.len())];
        let beyond = self.may_oversleep(place) && self.rng.random_bool(0.5);
        let now = self.world.clock.time();
        // Beyond its deadline long enough for others to have taken over.
        let millis = self.rng.random_range(500..if beyond { 300_000 } else { 20_000 });
        let lease = self.tasks.label_mut(place);
        let from = if beyond { lease.deadline } else { now };
        let until = from + SignedDuration::from_millis(millis);
        if !beyond && until >= lease.deadline {
            return;
        }
        lease.asleep_until = Some(until);
        let (id, name) = (lease.id, lease.name());
        self.faults.count(FaultKind::Pause);
        self.faults.lease_check(|check| check.paused(id));
        let how = if beyond { ", beyond its deadline" } else { "" };
        self.tell(&format!("{name} sleeps until {until}{how}"));
    }

    /// Whether a task may sleep beyond its deadline without a promise being broken for it:
    /// API Gateway, Cognito and Stripe have no conditional writes, and a call that is under way
    /// to them is assumed to land, if at all, within the lease. Only drift sweeps heal more.
    fn may_oversleep(&self, place: usize) -> bool {
        let lease = self.tasks.label(place);
        let unconditional = self.faults.lease_check(|check| check.is_acting(lease.id));
        let patient = matches!(lease.label, Label::Worker | Label::Sweep | Label::DeadLetters);
        patient && (!unconditional || self.faults.has(FaultKind::AfterLease))
    }

    /// Wakes who has slept long enough.
    pub(crate) fn wake_sleepers(&mut self) {
        let now = self.world.clock.time();
        for place in self.tasks.places(|lease| lease.asleep_until.is_some_and(|at| at <= now)) {
            let lease = self.tasks.label_mut(place);
            lease.asleep_until = None;
            lease.late = lease.deadline <= now;
        }
    }

    /// Lets the effects land that are due by now.
    pub(crate) fn land(&mut self) {
        while let Some((task, effect)) = self.faults.take_landing(self.world.clock.time()) {
            effect();
            self.faults.lease_check(crate::lease_check::LeaseCheck::lands);
            self.tell(&format!("what task {task} had asked for takes effect"));
            self.check_fences(Some(task));
            self.look_at_keys();
        }
    }

    /// Moves the clock on, and lets every late effect land in its time.
    pub(crate) fn advance_to(&mut self, to: Timestamp) {
        while let Some(at) = self.faults.next_landing().filter(|at| *at <= to) {
            self.world.stripe.advance_to(at);
            self.land();
        }
        self.world.stripe.advance_to(to);
    }

    pub(crate) fn finish_tasks(&mut self) {
        while !self.tasks.is_empty() {
            self.world.clock.advance(SignedDuration::from_millis(self.rng.random_range(0..2)));
            let awake = self.tasks.places(|lease| lease.asleep_until.is_none());
            let sleepers = self.tasks.labels().filter_map(|lease| lease.asleep_until);
            if let Some(first) = sleepers.min().filter(|_| awake.is_empty()) {
                self.advance_to(first);
            }
            self.land();
            self.wake_sleepers();
            self.bury();
            self.poll();
        }
    }

    /// Invariant 6: a commit is made by whoever made the newest claim. And what it takes is
    /// looked at.
    pub(crate) fn check_fences(&mut self, task: Option<u64>) {
        for Mark { account, epoch, lease_until, commit } in self.world.ledger.marks() {
            let fence = self.fences.entry(account.clone()).or_default();
            fence.lease_until = lease_until;
            if epoch != fence.epoch {
                fence.epoch = epoch;
                fence.holder = task;
            }
            let committed = std::mem::replace(&mut fence.commit, commit.clone()) != commit;
            if committed && fence.holder != task {
                self.violate(6, format!("a commit on {account} without the newest claim"));
            }
            if committed && self.recovery.is_none() {
                self.check_losses(&account);
            }
        }
    }
}

/// Who holds an account.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    epoch: u64,
    pub(crate) holder: Option<u64>,
    pub(crate) lease_until: Option<Timestamp>,
    commit: Option<String>,
}
