//! The transport of events: Stripe's webhook sender, Cognito, EventBridge, SQS's poller, the
//! schedule. Each invocation is a task.

use crate::planted::Bug;
use jiff::SignedDuration;
use rand::RngExt;
use tollgate_core::batch::{Message, park_dead_letters};
use tollgate_core::ingress::{self, PoolEvent};
use tollgate_core::sweep::{SweepReport, sweep};
use tollgate_events::Envelope;
use tollgate_events::stripe::SignatureError;
use tollgate_standin::stripe::{Delivery, DeliveryAnswer, Stripe};
use tollgate_standin::world::DEAD_LETTER_QUEUES;

use crate::receipt::Receipt;
use crate::run::{QUEUES, Sim, WORKER_TIME};
use crate::tasks::{Done, Label, Lease};

impl Sim {
    pub(crate) fn deliver_webhook(&mut self) {
        if let Some(delivery) = self.pick_delivery() {
            self.in_hand.insert(delivery.event.clone());
            self.send(delivery);
        }
    }

    /// A delivery that is due, and not under way: any, but none for ever.
    pub(crate) fn pick_delivery(&mut self) -> Option<Delivery> {
        self.pick(Stripe::redeliver)
    }

    /// Whether there is one. Draws as a pick does, and writes no body.
    pub(crate) fn has_delivery(&mut self) -> bool {
        self.pick(|_, _, _| Some(())).is_some()
    }

    fn pick<T>(&mut self, take: impl Fn(&Stripe, &str, &str) -> Option<T>) -> Option<T> {
        let stripe = self.world.stripe.account();
        let mut due = stripe.due_names();
        due.retain(|(event, _)| !self.in_hand.contains(*event));
        if due.is_empty() {
            return None;
        }
        let place = self.rng.random_range(0..due.len());
        let (event, endpoint) = due[if due.len() > 40 { 0 } else { place }];
        take(&stripe, event, endpoint)
    }

    pub(crate) fn send(&mut self, delivery: Delivery) {
        let signature = self.world.stripe.account().sign(&delivery);
        let (webhook, body) = (self.webhook.clone(), delivery.body.clone());
        self.spawn(Label::Webhook(Box::new(delivery)), async move {
            Done::Webhook(webhook.accept(Some(&signature), body.as_bytes()).await)
        });
    }

    /// A delivery that succeeded comes once more.
    pub(crate) fn resend(&mut self) -> bool {
        if self.sent.is_empty() {
            return false;
        }
        let place = self.rng.random_range(0..self.sent.len());
        let delivery = self.sent[place].clone();
        self.send(delivery);
        true
    }

    pub(crate) fn answer(&mut self, delivery: &Delivery, answer: DeliveryAnswer) {
        self.in_hand.remove(&delivery.event);
        let mut stripe = self.world.stripe.account();
        let Some(event) = stripe.event(&delivery.event) else { return };
        // No event is lost for good: the last attempts go on until one succeeds.
        let late = stripe.now().duration_since(event.created) > SignedDuration::from_hours(36);
        if !late || matches!(answer, DeliveryAnswer::Status(200..=299)) {
            stripe.settle(delivery, answer);
        }
    }

    pub(crate) fn collect(&mut self) {
        self.triggers.extend(self.world.cognito.take_triggers());
        self.cloudtrail.extend(self.world.cognito.take_cloudtrail());
    }

    pub(crate) fn deliver_pool_event(&mut self) {
        self.collect();
        let pool = self.pool.clone();
        let count = self.triggers.len() + self.cloudtrail.len();
        if count == 0 {
            return;
        }
        let place = self.rng.random_range(0..count);
        if place < self.triggers.len() {
            let event = self.triggers.swap_remove(place);
            self.spawn(Label::Trigger, async move { Done::Pool(pool.trigger(&event).await) });
        } else {
            let record = self.cloudtrail.swap_remove(place - self.triggers.len());
            // EventBridge delivers at least once.
            if self.rng.random_bool(0.1) {
                self.cloudtrail.push(record.clone());
            }
            let label = Label::Cloudtrail(record.clone());
            self.spawn(label, async move { Done::Pool(pool.cloudtrail(&record).await) });
        }
    }

    pub(crate) fn receive(&mut self) {
        let queue = QUEUES[self.rng.random_range(0..QUEUES.len())];
        let max = self.rng.random_range(1..=10);
        self.receive_from(queue, max);
    }

    /// Lambda's poller: receives a batch and invokes the worker with it.
    pub(crate) fn receive_from(&mut self, queue: &'static str, max: usize) -> bool {
        let received = self.world.sqs.receive(queue, max).expect("the queue is there");
        if received.is_empty() {
            return false;
        }
        let (dropped, received): (Vec<_>, Vec<_>) = received
            .into_iter()
            .partition(|message| self.transport_bugs.drop(&self.world, message));
        self.delete(queue, &dropped);
        let (messages, receipts) = self.take(received);
        let worker = self.workers[self.rng.random_range(0..self.workers.len())].clone();
        let deadline = self.world.clock.time() + WORKER_TIME;
        let wakes = self.world.queue();
        self.spawn(Label::Worker, async move {
            Done::Batch(worker.handle(&wakes, &messages, deadline).await, queue, receipts)
        });
        true
    }

    /// Messages that a planted bug drops.
    fn delete(&self, queue: &str, messages: &[tollgate_standin::sqs::Message]) {
        for message in messages {
            let _ = self.world.sqs.delete(queue, &message.receipt);
        }
    }

    fn take(
        &mut self,
        received: Vec<tollgate_standin::sqs::Message>,
    ) -> (Vec<Message>, Vec<Receipt>) {
        self.bodies.extend(received.iter().map(|message| message.body.clone()));
        let receipts = received.iter().map(Receipt::of).collect();
        let messages = received
            .into_iter()
            .map(|m| Message { id: m.id, group: m.group, body: m.body, again: m.receive_count > 1 })
            .collect();
        (messages, receipts)
    }

    pub(crate) fn spawn_sweep(&mut self) {
        let world = self.world.clone();
        let policy = self.api.worker.policy.clone();
        self.spawn(Label::Sweep, async move {
            Done::Sweep(sweep(&world.ledger, &world.queue(), &world.clock, &policy).await)
        });
    }

    pub(crate) fn drain_dead_letters(&mut self) -> bool {
        let mut any = false;
        for queue in DEAD_LETTER_QUEUES {
            let received = self.world.sqs.receive(queue, 10).expect("the queue is there");
            if received.is_empty() {
                continue;
            }
            any = true;
            if self.world.gate.has(Bug::DeadLettersDropped) {
                self.delete(queue, &received);
                continue;
            }
            let (messages, receipts) = self.take(received);
            self.give_up(&messages);
            let world = self.world.clone();
            self.spawn(Label::DeadLetters, async move {
                let report = park_dead_letters(&world.ledger, &world.clock, &messages).await;
                Done::Batch(report, queue, receipts)
            });
        }
        any
    }

    /// What follows from a task's end.
    pub(crate) fn done(&mut self, lease: Lease, done: Done) {
        match (lease.label, done) {
            (_, Done::Batch(report, queue, receipts)) => {
                let line =
                    format!("{queue}: {:?}, failed {}", report.outcomes, report.failed.len());
                self.tell(&line);
                for receipt in receipts {
                    match self.world.gate.has(Bug::BatchDeleted) {
                        true => receipt.delete(&self.world, queue),
                        false => receipt.settle(&self.world, queue, &report),
                    }
                }
                self.look();
            }
            (Label::Webhook(delivery), Done::Webhook(answer)) => {
                self.answer(&delivery, DeliveryAnswer::Status(answer.status()));
                match answer {
                    ingress::Delivery::Queued { envelope } => {
                        self.sent.push(*delivery);
                        self.accept(&envelope);
                    }
                    ingress::Delivery::NotNeeded { .. }
                    | ingress::Delivery::NamesNobody { .. }
                    | ingress::Delivery::QueueUnavailable(_) => {}
                    // Whoever slept for minutes finds the signature stale; Stripe signs anew.
                    ingress::Delivery::BadSignature(SignatureError::TooOld { .. }) => {}
                    refused => self.violate(0, format!("a webhook was refused: {refused:?}")),
                }
            }
            (_, Done::Pool(PoolEvent::Queued { envelope })) => self.accept(&envelope),
            (Label::Cloudtrail(record), Done::Pool(PoolEvent::QueueUnavailable(_))) => {
                self.cloudtrail.push(record);
            }
            (Label::Operator(act), Done::Operated(done)) => self.operated(done, act.0, act.1),
            (_, Done::Runbook(told)) => self.through(told),
            (_, Done::Sweep(Ok(report))) if report != SweepReport::default() => {
                self.tell(&format!("{report:?}"));
            }
            _ => {}
        }
    }

    fn accept(&mut self, envelope: &Envelope) {
        self.tell(&format!("accepted {} {}", envelope.event_ref(), envelope.kind));
        self.accepted.entry(envelope.event_ref()).or_insert_with(|| envelope.clone());
    }
}
