//! What an operator does to an account: by the same path as every event.
//!
//! An act changes what the ledger holds about the account (a hold, a grant, a dispute that
//! is lifted), and then converges it: who did it and why stands in the event's record, and
//! in history as the cause. Nothing is applied past the decision: a grant does not lift a
//! hold, and a hold stays whatever is paid.

use jiff::Timestamp;
use tollgate_events::{AccountId, DisputeId, Envelope, EventId, Source, Via};

use crate::account::{Access, DisputeMark, Grant, PlanId};
use crate::converge::{Converged, Stop, Worker};
use crate::ledger::StackRecord;
use crate::ports::{Clock, Entropy, Ledger, PortResult, Ports};
use crate::sweep::wake;

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The key is refused until the account is released.
    Hold,
    /// The hold ends.
    Release,
    /// The account has a plan that it need not pay for.
    Grant {
        /// Which one.
        plan: PlanId,
        /// When it ends, if it does.
        until: Option<Timestamp>,
    },
    /// Every grant of a plan ends.
    RevokeGrant {
        /// Which one.
        plan: PlanId,
    },
    /// A dispute holds the account no more, whatever becomes of it.
    LiftDispute {
        /// Which one.
        dispute: DisputeId,
    },
}

/// An act, and who answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorAct {
    /// What is done.
    pub act: Act,
    /// Who does it.
    pub by: String,
    /// Why: history and the account's owner are told.
    pub why: String,
}

impl Act {
    /// The event's type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hold => "operator.hold",
            Self::Release => "operator.release",
            Self::Grant { .. } => "operator.grant",
            Self::RevokeGrant { .. } => "operator.revoke_grant",
            Self::LiftDispute { .. } => "operator.lift_dispute",
        }
    }
}

impl OperatorAct {
    /// Changes what the ledger holds. Doing it twice is doing it once.
    pub(crate) fn change(&self, access: &mut Access) {
        match &self.act {
            Act::Hold => access.hold = Some(self.why.clone()),
            Act::Release => access.hold = None,
            Act::Grant { plan, until } => {
                let grant = Grant { plan: plan.clone(), until: *until, why: self.told() };
                if !access.grants.contains(&grant) {
                    access.grants.push(grant);
                }
            }
            Act::RevokeGrant { plan } => access.grants.retain(|grant| grant.plan != *plan),
            Act::LiftDispute { dispute } => {
                if let Some(mark) = access.disputes.get_mut(dispute) {
                    *mark = DisputeMark::Lifted;
                }
            }
        }
    }

    /// Who and why, for the event's record.
    pub(crate) fn told(&self) -> String {
        format!("{}: {}", self.by, self.why)
    }
}

impl<P: Ports> Worker<P> {
    /// Does something to an account, on record, and converges it.
    ///
    /// # Errors
    /// [`Stop`]: nothing was done, or not all of it; the act can be repeated as it is.
    pub async fn operate(
        &self,
        account: &AccountId,
        act: &OperatorAct,
        deadline: Timestamp,
    ) -> Result<Converged, Stop> {
        let now = self.ports.clock().now();
        let id = format!("op_{}", hex::encode(self.ports.entropy().bytes()));
        let envelope = Envelope {
            source: Source::Operator,
            id: EventId::parse(id).expect("it is letters and digits"),
            via: Via::Operator,
            ..wake(act.act.kind(), account.clone(), None, now)
        };
        self.converge_after(account, vec![envelope], Some(act), deadline).await
    }
}

/// An operator has found out why the blast limit holds, and accepts any number of
/// demotions until `until`. The accounts that were held back are parked: replay them, or
/// leave them to the next sweep.
///
/// # Errors
/// The ledger failed, or others kept writing first: try again.
pub async fn accept_blast<L: Ledger>(ledger: &L, until: Timestamp) -> PortResult<bool> {
    let stack: StackRecord = ledger.stack().await?;
    ledger.put_stack(&stack.accept(until)).await
}
