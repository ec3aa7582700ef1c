//! Under faults: acts, failures and deaths, in an order that follows from the script.

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use tollgate_standin::world::DEAD_LETTER_QUEUES;

use crate::actors::ActContext;
use crate::run::{QUEUES, Sim};
use crate::script::{Stream, dice};

/// Nobody acts in the second half of so many steps: what is under way is done then, and
/// days and months can pass.
const BUSY: u64 = 600;

/// In seconds: nobody waits longer than that while there is a ledger to be recovered.
const A_DAY: i64 = 86_400;

impl Sim {
    /// Those who pay already: they have signed up and bought while nothing failed.
    pub fn open_shop(&mut self) {
        if self.script.payers == 0 {
            return;
        }
        // Whatever is older than the lag would not be shown at all.
        self.set_lags();
        let faults = self.faults.suspend();
        for number in 0..self.script.payers {
            self.actors.pays_already(&self.world, format!("payer-{number}"));
        }
        self.come_to_rest();
        let payers: Vec<_> = self.actors.users.values().cloned().collect();
        for (id, plan) in payers.iter().zip(["pro", "pro", "basic"].into_iter().cycle()) {
            self.actors.buys(&self.world, &self.api, id, plan);
        }
        self.come_to_rest();
        self.faults.resume(faults);
    }

    /// Acts, failures and deaths, in an order that follows from the seed.
    pub fn run_under_faults(&mut self) {
        self.set_lags();
        while self.acted < self.script.acts() {
            self.step_under_faults();
        }
    }

    /// A moment of it.
    pub(crate) fn step_under_faults(&mut self) {
        self.rng = dice(self.script.seed, Stream::Step, self.steps);
        self.faults.step(self.steps);
        self.steps += 1;
        self.world.clock.advance(SignedDuration::from_millis(self.rng.random_range(0..300)));
        self.land();
        self.wake_sleepers();
        self.mend(false);
        self.bury();
        self.look_at_gaps();
        match self.rng.random_range(0..1000) {
            0..700 if !self.tasks.is_empty() => self.poll(),
            0..100 => self.let_time_pass(),
            100..250 => self.receive(),
            250..700 => {}
            700..708 => self.kill(),
            708..760 => self.receive(),
            760..790 if self.steps % BUSY < BUSY / 2 => self.act(),
            790..890 => self.deliver_webhook(),
            890..950 => self.deliver_pool_event(),
            950..956 => self.spawn_sweep(),
            956..962 => {
                self.drain_dead_letters();
            }
            962..978 => self.world_fault(),
            978..984 => self.pause(),
            _ => self.let_time_pass(),
        }
    }

    fn act(&mut self) {
        let number = self.acted;
        self.acted += 1;
        if self.script.left_out.contains(&number) {
            return;
        }
        let mut dice = dice(self.script.seed, Stream::Act, number as u64);
        // A wrong setting shows where many pay.
        let wrongly = match (self.script.misconfigured, self.script.payers) {
            (false, _) => 12..12,
            (true, 0) => 12..20,
            (true, _) => 12..30,
        };
        let special = match dice.random_range(0..100) {
            0..6 => Some(self.deploy(&mut dice)),
            6..12 => Some(self.operate(&mut dice)),
            pick if wrongly.contains(&pick) => Some(self.set_wrongly(&mut dice)),
            _ => None,
        };
        if let Some(told) = special {
            if let Some(told) = told {
                self.tell(&format!("[{number}] {told}"));
                self.acts.push((number, told));
            }
            self.click(number);
            return;
        }
        let mut persons = self::dice(self.script.seed, Stream::Person, number as u64);
        let is_personal = persons.random_bool(0.04);
        let rng = if is_personal { &mut persons } else { &mut dice };
        let mut context = ActContext { world: &self.world, api: &self.api, rng };
        let told = match is_personal {
            true => self.actors.personal(&mut context),
            false => self.actors.act(&mut context),
        };
        if let Some(told) = told {
            self.tell(&format!("[{number}] {told}"));
            self.acts.push((number, told));
        }
        self.pay_oddly(number);
        self.judge_clicks();
        self.click(number);
        self.deploys(number);
        self.look();
    }

    /// In every third seed, customers also pay otherwise than by a card that pays or does not: the
    /// stories of the others stay as they are.
    fn pay_oddly(&mut self, number: usize) {
        let mut dice = dice(self.script.seed, Stream::Payment, number as u64);
        if !self.script.seed.is_multiple_of(3) || !dice.random_bool(0.25) {
            return;
        }
        let mut context = ActContext { world: &self.world, api: &self.api, rng: &mut dice };
        if let Some(told) = self.actors.pays_oddly(&mut context) {
            self.tell(&format!("[{number}] and {told}"));
            self.acts.push((number, told));
        }
    }

    /// Time passes: seconds and minutes at any time; hours and days only while nothing
    /// is under way, since queues forget after four days and Stripe gives up after three.
    fn let_time_pass(&mut self) {
        self.look_at_gaps();
        self.judge_gaps_at_rest();
        let quiet = self.tasks.is_empty()
            && QUEUES.iter().chain(&DEAD_LETTER_QUEUES).all(|queue| self.world.sqs.is_empty(queue))
            && !self.has_delivery()
            && self.cloudtrail.is_empty()
            && self.faults.next_landing().is_none()
            && self.retires_at.is_none()
            && self.queue_down_until.is_none()
            && self.no_keys_until.is_none();
        let seconds = match self.rng.random_range(0..10) {
            0..8 if !self.tasks.is_empty() => self.rng.random_range(1..6),
            _ if !quiet => self.rng.random_range(1..240),
            0..4 => self.rng.random_range(1..3600),
            4..8 => self.rng.random_range(3600..90_000),
            8 => self.rng.random_range(90_000..900_000),
            // Long enough for a period to end.
            _ => self.rng.random_range(900_000..3_000_000),
        };
        let seconds = if self.recovery.is_some() { seconds.min(A_DAY) } else { seconds };
        let later = self.world.clock.time() + SignedDuration::from_secs(seconds);
        let accounts = if quiet { self.world.ledger.accounts() } else { Vec::new() };
        let due = accounts.into_iter().filter_map(|account| account.review_at);
        let now = self.world.clock.time();
        // Stripe's events are there for 30 days, and must be fetched in time.
        let known_for =
            SignedDuration::from_hours(if self.recovery.is_some() { 24 } else { 20 * 24 });
        let near = |at: &Timestamp| quiet && *at > now && *at < now + known_for;
        let known = due.min().filter(near);
        let later = known.filter(|_| self.rng.random_bool(0.3)).unwrap_or(later);
        // Stripe's own acts and retries are made in time, not when the seed happens to look;
        // and what is on its way comes while Stripe still has it.
        let stripe = {
            let stripe = self.world.stripe.account();
            [stripe.next_due(), stripe.next_delivery_after(now)].into_iter().flatten()
        };
        let noticed = self.wrong.iter().map(|wrong| wrong.until);
        let stripe = stripe.chain(self.delayed.iter().map(|(until, _)| *until)).chain(noticed);
        let stripe = stripe.filter(|at| quiet && *at > self.world.clock.time()).min();
        let later = stripe.map_or(later, |at| later.min(at));
        self.advance_to(later);
        if seconds > 240 {
            self.tell("time passes");
            self.compare_under_faults();
        }
    }
}
