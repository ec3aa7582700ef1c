//! The storm: lives, failures and deaths, in an order that follows from the script.

use jiff::SignedDuration;
use rand::RngExt;
use tollgate_standin::stripe::Answer;
use tollgate_standin::world::DEAD_LETTER_QUEUES;

use crate::faults::FaultKind;
use crate::lives::Stage;
use crate::run::{QUEUES, Sim};
use crate::script::{Stream, dice};
use crate::tasks::Label;

impl Sim {
    /// Lives, failures and deaths, in an order that follows from the seed.
    pub fn storm(&mut self) {
        self.set_lags();
        while self.acted < self.script.acts() {
            self.rng = dice(self.script.seed, Stream::Step, self.steps);
            self.storm.step(self.steps);
            self.steps += 1;
            self.world.clock.advance(SignedDuration::from_millis(self.rng.random_range(0..300)));
            self.bury();
            match self.rng.random_range(0..1000) {
                0..700 => self.poll(),
                700..708 => self.kill(),
                708..760 => self.receive(),
                760..790 => self.act(),
                790..890 => self.carry_webhook(),
                890..950 => self.carry_pool(),
                950..956 => self.spawn_sweep(),
                956..962 => {
                    self.drain_dead_letters();
                }
                962..965 => self.resend(),
                _ => self.let_time_pass(),
            }
        }
    }

    /// How far behind reads are while the storm lasts.
    fn set_lags(&mut self) {
        let mut dice = dice(self.script.seed, Stream::World, 0);
        let users = SignedDuration::from_secs(dice.random_range(1..9));
        if self.storm.has(FaultKind::UsersLag) {
            self.storm.count(FaultKind::UsersLag);
            self.world.cognito.set_list_lag(users);
        }
    }

    fn act(&mut self) {
        let number = self.acted;
        self.acted += 1;
        if self.script.left_out.contains(&number) {
            return;
        }
        let mut dice = dice(self.script.seed, Stream::Act, number as u64);
        let mut stage = Stage { world: &self.world, api: &self.api, rng: &mut dice };
        if let Some(told) = self.lives.act(&mut stage) {
            self.tell(&format!("[{number}] {told}"));
            self.acts.push((number, told));
        }
        self.look();
    }

    /// Time passes: seconds and minutes at any time; hours and days only while nothing
    /// is under way, since queues forget after four days and Stripe gives up after three.
    fn let_time_pass(&mut self) {
        let quiet = self.tasks.is_empty()
            && QUEUES.iter().chain(&DEAD_LETTER_QUEUES).all(|queue| self.world.sqs.is_empty(queue))
            && self.pick_delivery().is_none()
            && self.cloudtrail.is_empty();
        let seconds = match self.rng.random_range(0..10) {
            0..8 if !self.tasks.is_empty() => self.rng.random_range(1..6),
            _ if !quiet => self.rng.random_range(1..240),
            0..4 => self.rng.random_range(1..3600),
            4..8 => self.rng.random_range(3600..90_000),
            _ => self.rng.random_range(90_000..900_000),
        };
        let later = self.world.clock.time() + SignedDuration::from_secs(seconds);
        let due = self.world.ledger.accounts().into_iter().filter_map(|account| account.review_at);
        let known = due.min().filter(|at| quiet && *at > self.world.clock.time());
        let later = known.filter(|_| self.rng.random_bool(0.3)).unwrap_or(later);
        // Stripe's own retries are made in time, not when the seed happens to look.
        let retry = self.world.stripe.account().next_delivery();
        let retry = retry.filter(|at| quiet && *at > self.world.clock.time());
        let later = retry.map_or(later, |at| later.min(at));
        self.world.stripe.advance_to(later);
        if seconds > 240 {
            self.tell("time passes");
        }
    }

    /// A poll of one task, chosen by the seed.
    pub(crate) fn poll(&mut self) {
        if self.tasks.is_empty() {
            return;
        }
        let place = self.rng.random_range(0..self.tasks.len());
        let name = self.tasks.label(place).name();
        let ended = self.tasks.poll(place);
        self.tell_notes(&name);
        if let Some((lease, done)) = ended {
            self.done(lease.label, done);
        }
    }

    /// Tells what was done, and what went wrong, while somebody had their turn.
    pub(crate) fn tell_notes(&mut self, who: &str) {
        for note in self.narrator.take() {
            self.tell(&format!("{who}: {note}"));
        }
    }

    fn kill(&mut self) {
        if self.tasks.is_empty() || !self.storm.has(FaultKind::Kill) {
            return;
        }
        let place = self.rng.random_range(0..self.tasks.len());
        self.kill_at(place);
    }

    /// Kills every task whose time is over.
    pub(crate) fn bury(&mut self) {
        let now = self.world.clock.time();
        while let Some(place) = self.tasks.position(|lease| lease.deadline <= now) {
            self.kill_at(place);
        }
    }

    fn kill_at(&mut self, place: usize) {
        self.storm.count(FaultKind::Kill);
        let lease = self.tasks.kill(place);
        self.tell(&format!("{} is killed", lease.name()));
        match lease.label {
            Label::Webhook(delivery) => self.answer(&delivery, Answer::None),
            // EventBridge tries again; a trigger is called once more at most, and is lost.
            Label::Cloudtrail(record) => self.cloudtrail.push(record),
            Label::Worker | Label::Trigger | Label::Sweep | Label::DeadLetters => {}
        }
    }
}
