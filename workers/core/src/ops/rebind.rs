//! What the stack belongs to, by an operator's word: the one way to another Stripe account or
//! user pool.

use jiff::Timestamp;
use tollgate_events::{ENVELOPE_VERSION, Envelope, EventId, EventRef, Source, Subject, Via};

use crate::binding::InUse;
use crate::ledger::{EventRecord, Outcome, StackRecord};
use crate::ports::{Class, Clock, Entropy, Ledger, PortError, PortResult, Service};

/// The type of the event that is on record of it.
pub const REBIND: &str = "operator.rebind";

/// How often it is tried when others write the same item.
const ROUNDS: u32 = 5;

/// What it needs: the ledger alone.
#[derive(Debug)]
pub struct Rebind<'a, L, C, E> {
    /// What is changed.
    pub ledger: &'a L,
    /// Time.
    pub clock: &'a C,
    /// For the event's id.
    pub entropy: &'a E,
}

/// The stack, as it belongs to what is in use: what is not known of that is written down as such,
/// and whoever first meets what the ledger knows says what it is.
#[must_use]
pub fn rebound(stack: &StackRecord, in_use: &InUse) -> StackRecord {
    let InUse { stripe_account, pool } = in_use.clone();
    StackRecord { stripe_account, pool, ..stack.clone() }
}

impl<L: Ledger, C: Clock, E: Entropy> Rebind<'_, L, C, E> {
    /// Lets the stack belong to what is in use, and puts on record who did it and why; returns
    /// the event. The accounts that wait look again by themselves, within the hour.
    ///
    /// # Errors
    /// The ledger failed, or others kept writing first: do it again.
    pub async fn run(&self, in_use: &InUse, by: &str, why: &str) -> PortResult<EventRef> {
        for _ in 0..ROUNDS {
            let stack = self.ledger.stack().await?;
            if self.ledger.put_stack(&rebound(&stack, in_use)).await? {
                return self.put_on_record(&stack, in_use, by, why).await;
            }
        }
        Err(PortError {
            service: Service::Ledger,
            operation: "UpdateItem",
            class: Class::Conflict,
            detail: "others keep writing the deployment's item".to_owned(),
        })
    }

    async fn put_on_record(
        &self,
        before: &StackRecord,
        in_use: &InUse,
        by: &str,
        why: &str,
    ) -> PortResult<EventRef> {
        let now = self.clock.now();
        let event = self.event(now);
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let told = |part: &Option<String>| part.clone().unwrap_or_else(|| "none".to_owned());
        let moved = [
            ("Stripe account", &before.stripe_account, &in_use.stripe_account),
            ("user pool", &before.pool, &in_use.pool),
        ]
        .map(|(what, from, to)| format!("{what} {} → {}", told(from), told(to)));
        let detail = format!("{}: {}\n{}", line(by), line(why), moved.join("; "));
        let record = EventRecord {
            detail: Some(detail),
            ..EventRecord::of(event.clone(), Outcome::Applied, now)
        };
        self.ledger.record(&[record]).await?;
        Ok(event.event_ref())
    }

    /// It is about no account, and wakes nobody.
    fn event(&self, now: Timestamp) -> Envelope {
        let id = format!("op_{}", self.entropy.hex());
        Envelope {
            v: ENVELOPE_VERSION,
            source: Source::Operator,
            id: EventId::parse(id).expect("it is letters and digits"),
            kind: REBIND.to_owned(),
            subject: Subject::default(),
            object: None,
            occurred_at: now,
            received_at: now,
            livemode: None,
            connect_account: None,
            via: Via::Operator,
            run: None,
            hint: None,
        }
    }
}
