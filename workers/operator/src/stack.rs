//! What an operator does to the stack as a whole: the one way to another Stripe account or user
//! pool, and a stop to all losses while it is not known what is wrong.

use jiff::Timestamp;
use tollgate_core::binding::InUse;
use tollgate_core::ledger::{EventRecord, Outcome, StackRecord};
use tollgate_core::ports::{Class, Clock, Entropy, Ledger, PortError, PortResult, Service};
use tollgate_events::{Envelope, EventId, EventRef, Source, Subject, Via};

use super::acts::{joined, said};

/// The type of the event that is on record of it.
pub const REBIND: &str = "operator.rebind";

/// How often it is tried when others write the same item.
const ROUNDS: u32 = 5;

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackAct {
    /// The stack belongs to this from now on. What is not known of it is written down as such, and
    /// whoever first meets what the ledger knows says what it is.
    Rebind(InUse),
    /// Nothing is taken from anybody until that ends.
    Freeze,
    /// What waited meanwhile goes on.
    Unfreeze,
}

impl StackAct {
    /// The event's type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rebind(_) => REBIND,
            Self::Freeze => "operator.freeze",
            Self::Unfreeze => "operator.unfreeze",
        }
    }

    /// The stack as it is afterwards.
    #[must_use]
    pub fn change(&self, stack: &StackRecord, why: &str) -> StackRecord {
        match self {
            Self::Rebind(InUse { stripe_account, pool }) => StackRecord {
                stripe_account: stripe_account.clone(),
                pool: pool.clone(),
                ..stack.clone()
            },
            Self::Freeze => StackRecord { frozen: Some(joined(why)), ..stack.clone() },
            Self::Unfreeze => StackRecord { frozen: None, ..stack.clone() },
        }
    }

    /// What has changed, for the event's record.
    fn told(&self, before: &StackRecord) -> String {
        let told = |part: &Option<String>| part.clone().unwrap_or_else(|| "none".to_owned());
        match self {
            Self::Rebind(in_use) => [
                ("Stripe account", &before.stripe_account, &in_use.stripe_account),
                ("user pool", &before.pool, &in_use.pool),
            ]
            .map(|(what, from, to)| format!("{what} {} → {}", told(from), told(to)))
            .join("; "),
            Self::Freeze => "nothing is taken from anybody".to_owned(),
            Self::Unfreeze => format!("it was frozen: {}", told(&before.frozen)),
        }
    }
}

/// What it needs: the ledger alone.
#[derive(Debug)]
pub struct OperateStack<'a, L, C, E> {
    /// What is changed.
    pub ledger: &'a L,
    /// Time.
    pub clock: &'a C,
    /// For the event's id.
    pub entropy: &'a E,
}

impl<L: Ledger, C: Clock, E: Entropy> OperateStack<'_, L, C, E> {
    /// Does something to the stack, and puts on record who did it and why; returns the event. The
    /// accounts that wait look again by themselves, within the hour.
    ///
    /// # Errors
    /// The ledger failed, or others kept writing first: do it again.
    pub async fn act(&self, act: &StackAct, by: &str, why: &str) -> PortResult<EventRef> {
        for _ in 0..ROUNDS {
            let stack = self.ledger.stack().await?;
            if self.ledger.put_stack(&act.change(&stack, why)).await? {
                return self.put_on_record(&stack, act, by, why).await;
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
        act: &StackAct,
        by: &str,
        why: &str,
    ) -> PortResult<EventRef> {
        let now = self.clock.now();
        let event = self.event(act, now);
        let detail = format!("{}\n{}", said(by, why), act.told(before));
        let record = EventRecord {
            detail: Some(detail),
            ..EventRecord::of(event.clone(), Outcome::Applied, now)
        };
        self.ledger.record(&[record]).await?;
        Ok(event.event_ref())
    }

    /// It is about no account, and wakes nobody.
    fn event(&self, act: &StackAct, now: Timestamp) -> Envelope {
        let id = format!("op_{}", self.entropy.hex());
        let id = EventId::parse(id).expect("it is letters and digits");
        Envelope::received(Source::Operator, Via::Operator, id, act.kind(), Subject::default(), now)
    }
}
