//! Faults of the world, besides those of calls and tasks: the queue, indexes, quotas, replays in
//! the middle of it all; and, where a run is lossy, events that are lost and edits by hand.

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use tollgate_core::ports::{Queue, QueueName};
use tollgate_events::{Envelope, Via};
use tollgate_standin::api_gateway::{KeyPatch, Quotas};
use tollgate_standin::stripe::DeliveryAnswer;

use crate::executor::block_on;
use crate::faults::FaultKind;
use crate::run::Sim;
use crate::script::{Stream, dice};

impl Sim {
    /// How far behind reads are while there are faults.
    pub(crate) fn set_lags(&mut self) {
        let mut dice = dice(self.script.seed, Stream::World, 0);
        let mut lag = |kind, most| {
            let lag = SignedDuration::from_secs(dice.random_range(1..most));
            let on = self.faults.has(kind);
            if on {
                self.faults.count(kind);
            }
            if on { lag } else { SignedDuration::ZERO }
        };
        self.world.cognito.set_list_lag(lag(FaultKind::UsersLag, 9));
        self.world.stripe.set_read_lag(lag(FaultKind::StripeLag, 40));
        // A key may be hidden for a minute.
        self.world.api_gateway.set_read_lag(lag(FaultKind::ApiGatewayLag, 58));
    }

    /// No read lags any more.
    pub(crate) fn lift_lags(&mut self) {
        self.world.cognito.set_list_lag(SignedDuration::ZERO);
        self.world.stripe.set_read_lag(SignedDuration::ZERO);
        self.world.api_gateway.set_read_lag(SignedDuration::ZERO);
        self.world.ledger.release_indexes();
    }

    /// One fault of the world, of the kinds that are on.
    pub(crate) fn world_fault(&mut self) {
        let kinds = [
            FaultKind::QueueDown,
            FaultKind::IndexLag,
            FaultKind::IndexLag,
            FaultKind::IndexLag,
            FaultKind::Duplicate,
            FaultKind::Duplicate,
            FaultKind::Replay,
            FaultKind::KeyQuota,
            FaultKind::EventLost,
            FaultKind::HandEdit,
            FaultKind::Delayed,
            FaultKind::Delayed,
        ];
        let kind = kinds[self.rng.random_range(0..kinds.len())];
        if !self.faults.has(kind) {
            return;
        }
        let happened = match kind {
            FaultKind::QueueDown => self.queue_goes_down(),
            FaultKind::IndexLag => self.indexes_lag(),
            FaultKind::Duplicate => self.resend(),
            FaultKind::Replay => self.replay_one(),
            FaultKind::KeyQuota => self.keys_run_out(),
            FaultKind::EventLost => self.lose_an_event(),
            FaultKind::Delayed => self.delay_an_event(),
            _ => self.edit_by_hand(),
        };
        if happened {
            self.faults.count(kind);
        }
    }

    /// Ends what lasts only a while.
    pub(crate) fn mend(&mut self, all: bool) {
        let now = self.world.clock.time();
        if self.queue_down_until.take_if(|until| all || *until <= now).is_some() {
            self.world.sqs.set_down(false);
            self.tell("the queue is up again");
        }
        if self.retires_at.is_some_and(|at| at <= now) {
            self.retire();
            self.tell("the old workers are gone");
            self.wrong_alone();
        }
        if all || self.retires_at.is_none() {
            self.put_right(if all { Timestamp::MAX } else { now });
        }
        for (_, event) in self.delayed.extract_if(.., |(until, _)| all || *until <= now) {
            self.in_hand.remove(&event);
        }
        self.end_deployments(all);
        if self.no_keys_until.take_if(|until| all || *until <= now).is_some() {
            self.world.api_gateway.set_quotas(Quotas::default());
            self.tell("there is room for keys again");
        }
    }

    fn queue_goes_down(&mut self) -> bool {
        let seconds = self.rng.random_range(1..300);
        let until = self.world.clock.time() + SignedDuration::from_secs(seconds);
        self.queue_down_until = Some(until);
        self.world.sqs.set_down(true);
        self.tell("the queue is down");
        true
    }

    fn indexes_lag(&mut self) -> bool {
        self.world.ledger.hold_indexes();
        true
    }

    /// The operator replays something that was accepted.
    fn replay_one(&mut self) -> bool {
        let place = self.rng.random_range(0..self.accepted.len().max(1));
        let Some(event) = self.accepted.values().nth(place).cloned() else { return false };
        let run = Some(format!("fault-{}", self.steps));
        let copy = Envelope { via: Via::Replay, run, ..event };
        self.tell(&format!("replay {}", copy.event_ref()));
        block_on(self.world.queue().send(QueueName::Bulk, &copy)).is_ok()
    }

    /// No more keys than there are, for a few minutes.
    fn keys_run_out(&mut self) -> bool {
        let keys = self.world.api_gateway.scene(|model, _| model.keys().count());
        let until = self.world.clock.time() + SignedDuration::from_secs(240);
        self.no_keys_until = Some(until);
        self.world.api_gateway.set_quotas(Quotas { keys, ..Quotas::default() });
        self.tell("there is room for no more keys");
        true
    }

    /// An event that comes days after those that follow it.
    fn delay_an_event(&mut self) -> bool {
        let Some(delivery) = self.pick_delivery() else { return false };
        let hours = self.rng.random_range(24..10 * 24);
        let until = self.world.clock.time() + SignedDuration::from_hours(hours);
        self.tell(&format!("{} {} is on its way until {until}", delivery.event, delivery.kind));
        self.in_hand.insert(delivery.event.clone());
        self.delayed.push((until, delivery.event));
        true
    }

    /// An event that nobody ever gets.
    fn lose_an_event(&mut self) -> bool {
        self.collect();
        if self.rng.random_bool(0.7)
            && let Some(delivery) = self.pick_delivery()
        {
            self.tell(&format!("{} {} is lost", delivery.event, delivery.kind));
            self.world.stripe.account().settle(&delivery, DeliveryAnswer::Status(200));
            self.lost.push(delivery.body);
            return true;
        }
        let lost = if self.triggers.is_empty() { &mut self.cloudtrail } else { &mut self.triggers };
        let told = lost.pop().is_some();
        if told {
            self.tell("an event of the user pool is lost");
        }
        told
    }

    /// Somebody means well.
    fn edit_by_hand(&mut self) -> bool {
        let keys: Vec<_> = self.world.api_gateway.scene(|model, _| {
            let ours =
                |name: &Option<String>| name.as_ref().is_some_and(|n| n.starts_with("tollgate/"));
            model.keys().filter(|key| ours(&key.name)).cloned().collect()
        });
        if keys.is_empty() {
            return false;
        }
        let key = keys[self.rng.random_range(0..keys.len())].clone();
        let what = self.rng.random_range(0..4);
        let told = self.world.api_gateway.scene(|model, now| match what {
            0 => model.delete_api_key(&key.id, now).is_ok().then_some("deletes"),
            1 => {
                let patch = KeyPatch { enabled: Some(!key.enabled), ..KeyPatch::default() };
                model.update_api_key(&key.id, patch, now).is_ok().then_some("switches")
            }
            2 => {
                let plan = key.plans.first()?;
                model.delete_usage_plan_key(plan, &key.id, now).is_ok().then_some("detaches")
            }
            _ => None,
        });
        let told = told.or_else(|| self.edit_attributes());
        if let Some(told) = told {
            self.tell(&format!("somebody {told} by hand: {}", key.id));
        }
        told.is_some()
    }

    fn edit_attributes(&mut self) -> Option<&'static str> {
        let place = self.rng.random_range(0..self.actors.users.len().max(1));
        let name = self.actors.users.keys().nth(place)?;
        let attributes = [("custom:plan".to_owned(), "pro-for-ever".to_owned())].into();
        self.world.cognito.write(name, attributes).ok().map(|()| "edits attributes")
    }
}
